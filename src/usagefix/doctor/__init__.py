"""Why is the counter wrong, or why will it be? Findings with their evidence and what to do about them. Reads only.

The four root causes, which ``Finding.cause`` numbers:

    1. ``increment_preset_usage()`` exists, but nothing calls it.
    2. The counter is updated in one place, and not where a use is recorded.
    3. A daily limit refuses the second use on a day.
    4. Therefore the displayed counts differ from the events.

doctor reads everything in the database in one snapshot, and the source, if there is one, after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from usagefix import advice, preflight
from usagefix.advice import Outlook
from usagefix.database import Database
from usagefix.doctor.case import Case
from usagefix.doctor.counting import RULES as COUNTING
from usagefix.doctor.habits import RULES as HABITS
from usagefix.doctor.privileges import RULES as PRIVILEGES
from usagefix.doctor.replaced import RULES as REPLACED
from usagefix.doctor.rights import RULES as RIGHTS
from usagefix.doctor.source import RULES as SOURCE
from usagefix.doctor.surroundings import RULES as SURROUNDINGS
from usagefix.doctor.throttled import RULES as THROTTLED
from usagefix.doctor.truth import RULES as TRUTH
from usagefix.doctor.verified import RULES as VERIFIED
from usagefix.doctor.views import RULES as VIEWS
from usagefix.models.advice import Step
from usagefix.models.diagnosis import DoctorReport, Finding, Severity, SourceRead
from usagefix.models.verification import COMPLETE, COUNTERS
from usagefix.picture.look import look
from usagefix.planning.outlook import outlook
from usagefix.reading import scan
from usagefix.throttle import throttles
from usagefix.verify import object_checks

RULES = {
    **TRUTH, **REPLACED, **COUNTING, **HABITS, **RIGHTS, **PRIVILEGES, **SOURCE, **SURROUNDINGS, **VIEWS, **THROTTLED
}  # fmt: skip
_WORST_FIRST = list(Severity)


def doctor(db: Database, source: Path | None = None) -> DoctorReport:
    """Look at the database, and at the application's source below ``source``.

    Raises WrongDatabase if the tables, or the columns that are certain, are missing.
    """
    with db.snapshot():
        preflight.require_tables(db)
        case = Case(look(db), db.counter)
        case.throttles = throttles(db) if db.counter.slug == db.counters[0].slug else ()
        here, first = _advice(db, case) if db.counter.truth is None else (Outlook(), None)
    if source is not None:
        case.folder = source
        case.source = scan(source, functions=sorted(case.callable_names), subject=case.subject)
    read = None
    if case.source is not None:
        read = SourceRead(str(source), case.source.files_read, tuple(map(str, case.source.skipped)))
    case.outlook = here
    findings = [
        replace(finding, remedy=advice.remedy(here, finding.remedy, first))
        for rule in (RULES if db.counter.truth is None else VERIFIED).values()
        for finding in rule(case)
    ]
    # First whether events are recorded at all, then what counts them.
    findings.sort(key=lambda f: (_WORST_FIRST.index(f.severity), f.finding_id not in TRUTH, f.cause or 9))
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    return DoctorReport(
        findings=tuple(findings),
        source=read,
        counted=case.picture.drift is not None,
        next=first if wrong else None,
    )


def _advice(db: Database, case: Case) -> tuple[Outlook, Step | None]:
    """What verify would say to do, and what that rests on."""
    seen, totals = case.picture.code, case.picture.drift
    failing = [check.check_id for checks in object_checks(db, seen).values() for check in checks if check.failed]
    here = outlook(db, seen)
    failing += [COUNTERS] if totals and totals.inaccurate else []
    failing += [COMPLETE] if totals and totals.doubt else []
    return here, advice.next_step(here, failing)


def explain(db: Database, rules: Sequence[str]) -> tuple[Finding, ...]:
    """What some of the rules find in the database, in their order; the source is not read."""
    with db.snapshot():
        case = Case(look(db), db.counter)
    return tuple(finding for name in rules for finding in RULES[name](case))
