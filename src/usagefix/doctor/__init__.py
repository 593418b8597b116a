"""Why is the counter wrong, or why will it be? Findings with their evidence and what to do about them. Reads only.

The four root causes, which ``Finding.cause`` numbers:

1. ``increment_preset_usage()`` exists, but nothing calls it.
2. The counter is updated in one place, and not where a use is recorded.
3. A daily limit refuses the second use on a day.
4. So the displayed counts are out of step with the events.

One snapshot for everything in the database; the source, if there is one, is read after it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from usagefix import preflight
from usagefix.database import Database
from usagefix.doctor.case import Case
from usagefix.doctor.counting import RULES as COUNTING
from usagefix.doctor.privileges import RULES as PRIVILEGES
from usagefix.doctor.replaced import RULES as REPLACED
from usagefix.doctor.rights import RULES as RIGHTS
from usagefix.doctor.source import RULES as SOURCE
from usagefix.doctor.surroundings import RULES as SURROUNDINGS
from usagefix.models.diagnosis import DoctorReport, Finding, Severity, SourceRead
from usagefix.picture.look import look
from usagefix.reading import scan

RULES = {**REPLACED, **COUNTING, **RIGHTS, **PRIVILEGES, **SOURCE, **SURROUNDINGS}
_WORST_FIRST = list(Severity)


def doctor(db: Database, source: Path | None = None) -> DoctorReport:
    """Look at the database, and at the application's source below ``source``.

    Raises WrongDatabase where the tables, or the columns that are certain, are missing.
    """
    preflight.require_tables(db)
    with db.snapshot():
        case = Case(look(db), db.counter)
    if source is not None:
        case.source = scan(source, functions=sorted(case.callable_names), subject=case.subject)
    read = None
    if case.source is not None:
        read = SourceRead(str(source), case.source.files_read, tuple(map(str, case.source.skipped)))
    findings = [_possible(finding, case) for rule in RULES.values() for finding in rule(case)]
    findings.sort(key=lambda finding: (_WORST_FIRST.index(finding.severity), finding.cause or 9))
    return DoctorReport(
        findings=tuple(findings),
        source=read,
        counted=case.picture.drift is not None,
    )


def _possible(finding: Finding, case: Case) -> Finding:
    """A finding with a remedy that can be followed: where apply refuses, it is not the first thing to do."""
    if not case.picture.obstacles or not finding.remedy.startswith("usagefix apply"):
        return finding
    return replace(finding, remedy=f"first what apply_refuses says; then {finding.remedy}")


def explain(db: Database, rules: Sequence[str]) -> tuple[Finding, ...]:
    """What some of the rules find in the database, in their order; the source is not read."""
    with db.snapshot():
        case = Case(look(db), db.counter)
    return tuple(finding for name in rules for finding in RULES[name](case))
