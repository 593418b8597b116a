"""Are the counters right now? Reads only: one REPEATABLE READ, READ ONLY transaction, no locks that block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from usagefix import advice, catalog, preflight, trust
from usagefix.catalog import MigrationKind
from usagefix.database import Database
from usagefix.errors import ConfigurationError
from usagefix.judging import code_checks, on_path
from usagefix.models.advice import Step
from usagefix.models.amount import Amount, minus
from usagefix.models.figures import grouped, plural
from usagefix.models.nouns import Nouns
from usagefix.models.verification import (
    ACCEPTED,
    COMPLETE,
    COUNTERS,
    LAST_USED,
    Check,
    Counts,
    Doubt,
    Status,
    VerifyReport,
)
from usagefix.picture.code import Code, code
from usagefix.picture.edits import of_refusing
from usagefix.picture.obstacles import Obstacle, of_uses
from usagefix.planning.outlook import outlook
from usagefix.planning.scene import surroundings

Checks = Mapping[str, tuple[Check, ...]]


@dataclass(frozen=True, slots=True)
class _Accuracy(Counts):
    """The columns of ``accuracy.sql``: the totals, the rows to look at, and those whose counters would fall."""

    top: list[dict[str, Any]] = field(default_factory=list)
    falling: int = 0
    falls_from: Amount = 0
    falls_to: Amount = 0
    without_event: int = 0
    compared: int = 0
    agreeing: int = 0
    displayed_magnitude: Amount = 0
    truth_total: Amount = 0
    fallen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def falls(self) -> trust.Falls:
        return trust.Falls(**{column.name: getattr(self, column.name) for column in fields(trust.Falls)})


def verify(db: Database, *, only: Sequence[str] = (), top: int = 10, fail_over: int = 0) -> VerifyReport:
    """Run every check, or those of ``only``, and count; list ``top`` rows, the largest drift first. Counters pass if
    they are off by at most ``fail_over`` uses together, and so do as many last uses that are too old. Raises
    ConfigurationError for an unknown check id, Refused for sums that are no number, WrongDatabase, NotPermitted."""
    with db.snapshot():
        preflight.require_readable(db)
        if db.counter.truth is not None:
            return _by_its_truth(db, only=only, top=top, fail_over=fail_over)
        seen = code(db)
        return report(db, seen, object_checks(db, seen), only=only, top=top, fail_over=fail_over)


def _by_its_truth(db: Database, *, only: Sequence[str], top: int, fail_over: int) -> VerifyReport:
    """The one check of a counter that is only verified: what it shows is what its query says."""
    accuracy = _accuracy(db, top, 0)
    check = _counters_accurate(db, accuracy, fail_over)
    hint = "correct it where the application counts; usagefix only verifies a counter with truth"
    return VerifyReport(
        checks=(replace(check, hint=hint),) if not only or COUNTERS in only else (),
        counts=Counts(**{column.name: getattr(accuracy, column.name) for column in fields(Counts)}),
        rows=tuple(trust.row(entry) for entry in accuracy.top),
        dated=False,
        doubt=None,
        next=None,
    )


def _accuracy(db: Database, top: int, falls: int) -> _Accuracy:
    """Counts all. Raises Refused if a sum is no number."""
    found = db.row(db.query("accuracy"), _Accuracy, {"top": top, "falls": falls})
    trust.require_numbers(db.nouns, events=(found.actual_total,), shown=(found.displayed_total,))
    return found


def report(
    db: Database, seen: Code, found: Checks, *, only: Sequence[str] = (), top: int = 10, fail_over: int = 0
) -> VerifyReport:
    """The checks of the catalog, and those of the counters, in the snapshot that is open."""
    checks = [check for of_version in found.values() for check in of_version]
    known = [COMPLETE, *(check.check_id for check in checks), ACCEPTED, COUNTERS, LAST_USED]
    for unknown in sorted(set(only) - set(known)):
        raise ConfigurationError(f"there is no check {unknown!r}", hint=f"checks: {', '.join(known)}")
    wanted = set(only or known)
    accuracy, doubt = None, None
    if ACCEPTED in wanted:
        refused = (*of_refusing(seen), *of_uses(db))
        checks.append(_uses_accepted(db.nouns, refused))
    if {COMPLETE, COUNTERS} & wanted:
        accuracy = _accuracy(db, top, trust.LOOKED_AT)
        doubt = trust.doubt(db, accuracy.falls)
        first = _events_complete(db.nouns, accuracy, doubt, fail_over)
        checks = [first, *checks, _counters_accurate(db, accuracy, fail_over)]
    if LAST_USED in wanted:
        checks.append(_last_used_current(db, fail_over))
    asked = tuple(check for check in checks if check.check_id in wanted)
    step = None
    if failing := [check.check_id for check in asked if check.failed]:
        here = outlook(db, seen)
        asked, step = tuple(advice.advised(here, check) for check in asked), advice.next_step(here, failing)
    turned_away = _refused_writes(db)
    if accuracy is None:
        return VerifyReport(asked, None, (), next=step, refused_writes=turned_away)
    return VerifyReport(
        checks=asked,
        counts=Counts(**{column.name: getattr(accuracy, column.name) for column in fields(Counts)}),
        rows=tuple(trust.row(entry) for entry in accuracy.top),
        dated=db.counter.keeps_last_use,
        doubt=doubt,
        next=step,
        refused_writes=turned_away,
    )


def _refused_writes(db: Database) -> int | None:
    """How many writes the guard turned away; None if that cannot be read."""
    if not db.values(db.query("refused_readable"))[0]:
        return None
    return int(db.values(db.query("refused_total"))[0])


def next_step(db: Database, *also: str) -> Step | None:
    """The one next step here, in the snapshot that is open: what the checks that count nothing call for, and what else
    is known to be wrong, such as a counter."""
    seen = code(db)
    return step_of(db, seen, object_checks(db, seen), *also)


def step_of(db: Database, seen: Code, found: Checks, *also: str) -> Step | None:
    """The same, where the checks are known."""
    failing = [check.check_id for checks in found.values() for check in checks if check.failed]
    return advice.next_step(outlook(db, seen), [*failing, *also]) if failing or also else None


def object_checks(db: Database, seen: Code) -> dict[str, tuple[Check, ...]]:
    """The checks that count nothing, by version: of the catalog, and of what code does."""
    found = {}
    for migration in catalog.migrations():
        rows = db.rows(migration.object_checks(db.counter), Check)
        checks = [replace(check, status=Status(check.status)) for check in rows]
        if migration.kind is MigrationKind.COUNTING:
            counted = any(c.check_id == "trigger_enabled" and c.status is not Status.MISSING for c in checks)
            judged = code_checks(seen, counted=counted)
            checks = [c for c in checks if c.check_id not in {j.check_id for j in judged}] + judged
            if seen.watching:
                path = surroundings(db).path
                checks = [on_path(seen, check, path) for check in checks]
        found[migration.version] = tuple(checks)
    return found


def _events_complete(nouns: Nouns, accuracy: _Accuracy, doubt: Doubt | None, fail_over: int) -> Check:
    falls = minus(accuracy.falls_from, accuracy.falls_to)
    detail = "no counter shows more than that"
    if falls:
        detail = f"{plural(accuracy.falling, 'counter')} {'shows' if accuracy.falling == 1 else 'show'}"
        detail += f" {nouns.total(falls)} too many, which is too little to doubt the events"
    if accuracy.rows_with_baseline:
        kept = f"{grouped(accuracy.rows_with_baseline)} with a baseline, {nouns.total(accuracy.baseline_total)} in all"
        detail = f"{kept}; {detail}"
    tolerated = doubt is None or 0 < fail_over >= falls
    return Check(
        check_id=COMPLETE,
        title="The events look like the whole truth",
        status=Status.OK if tolerated else Status.FAILED,
        object=nouns.child,
        detail=detail if doubt is None else str(doubt),
        hint=str(advice.WHICH_SIDE),
    )


def _uses_accepted(nouns: Nouns, refused: tuple[Obstacle, ...]) -> Check:
    """Whether the server would accept an UPDATE of each preset, because each use is one."""
    title, status = f"Nothing refuses {nouns.an_event}", Status.FAILED if refused else Status.OK
    detail = "; ".join(obstacle.what for obstacle in refused) or f"the server takes an update of each {nouns.row}"
    return Check(ACCEPTED, title, status, nouns.parent, detail, refused[0].hint if refused else "usagefix doctor")


def _counters_accurate(db: Database, accuracy: _Accuracy, fail_over: int) -> Check:
    nouns, lacking = db.nouns, (accuracy.orphans or 0) if db.counter.creates else 0
    detail = f"{grouped(accuracy.inaccurate)} of {nouns.of(accuracy.rows)} inaccurate"
    if lacking:  # a row that is to be made lacks all of its events
        detail += f"; events of missing {nouns.rows}: {grouped(lacking)}"
    if fail_over and accuracy.inaccurate:
        detail += f", off by {grouped(accuracy.drift_magnitude)} in all, up to {grouped(fail_over)} allowed"
    tolerated = not accuracy.inaccurate or 0 < fail_over >= accuracy.drift_magnitude
    return Check(
        check_id=COUNTERS,
        title="Counters equal events",
        status=Status.OK if tolerated and not lacking else Status.FAILED,
        object=nouns.column,
        detail=detail,
        hint="usagefix backfill",
    )


def _last_used_current(db: Database, fail_over: int) -> Check:
    nouns = db.nouns
    title = f"{nouns.last_event.capitalize()} is up to date"
    check = Check(LAST_USED, title, Status.OK, nouns.last, "", "usagefix backfill")
    if not db.counter.dated:
        return replace(check, status=Status.SKIPPED, detail=f"no columns with the time of {nouns.an_event}")
    behind, rows = db.tuple(db.query("behind"))
    detail = f"{grouped(behind)} of {nouns.of(rows)} behind" + (
        f", up to {grouped(fail_over)} allowed" if fail_over and behind else ""
    )
    return replace(check, status=Status.FAILED if behind > fail_over else Status.OK, detail=detail)
