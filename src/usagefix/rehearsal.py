"""Tries a plan of rollback in a transaction that is undone, so that usagefix knows before any change what the server
refuses. One round trip, because readers and writers may wait meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from usagefix import daily_limit, forbidden, ledger
from usagefix.catalog import Migration, MigrationKind
from usagefix.database import Database, Limits
from usagefix.errors import Busy, DatabaseRefused, NotPermitted, RollbackRefused
from usagefix.models.choices import DailyLimit
from usagefix.models.migration import PlannedStatement
from usagefix.models.nouns import Nouns
from usagefix.nouns import in_words
from usagefix.picture.obstacles import said
from usagefix.planning import undoing
from usagefix.planning.scene import Scene
from usagefix.planning.undoing import Undoing
from usagefix.quoting import literal

_MAY_FAIL = """BEGIN
    EXECUTE {};
EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN RAISE;
    WHEN OTHERS THEN RAISE NOTICE USING ERRCODE = 'UF003', MESSAGE = concat('refused ', {}, ' ', SQLERRM);
END;"""
_LOCKS = """RAISE NOTICE USING ERRCODE = 'UF003', MESSAGE = concat('locks ', {}, ' ', (
    SELECT string_agg(concat(held.relation, ': ', held.mode), ', ') FROM ({}) AS held));"""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A plan that the server accepts. ``without``: the statements that it refuses, with its words; ``steps``: the
    statements with the table locks that each takes, for a dry run."""

    plan: Undoing
    without: dict[str, str]
    steps: tuple[PlannedStatement, ...]


def rehearse(
    db: Database, seen: Scene, migration: Migration, limit: DailyLimit, limits: Limits | None = None, *,
    locks: bool = False,
) -> Rehearsed:  # fmt: skip
    """The plan that undoes a version, without the statements that the server refuses; a remark names each of these.
    Raises RollbackRefused if the daily limit cannot come back, or the server refuses to drop what apply created;
    Busy."""
    without: dict[str, str] = {}
    while True:
        plan = undoing.plan(seen, migration, limit, without=without)
        found = daily_limit.refused_of_copy(db, seen, plan.of_limit) if _builds_limit(seen, migration, limit) else {}
        told = db.retrying(lambda plan=plan: _told(db, plan, locks=locks), limits, readers=True)  # type: ignore[misc]
        texts = [statement.text for statement in plan.statements]
        found |= {texts[place]: words for what, place, words in told if what == "refused"}
        if not found:
            if _builds_limit(seen, migration, limit):
                _require_recorders(seen, without)
            held = {place: held for _, place, held in told} if locks else {}
            return Rehearsed(plan, without, _steps(plan, held, db.nouns))
        without |= found


def _builds_limit(seen: Scene, migration: Migration, limit: DailyLimit) -> bool:
    lifted = migration.kind is MigrationKind.COUNTING and limit is DailyLimit.RESTORE and seen.ledger.limit is not None
    return lifted and (seen.code.limit is None or not seen.code.limit.valid)


def _require_recorders(seen: Scene, without: dict[str, str]) -> None:
    """Raise RollbackRefused where the daily limit would come back, but not a function that works with it."""
    headers = {(function.definition or "").partition("\n")[0] for function in seen.code.recorders}
    for text, why in without.items():
        if text.partition("\n")[0] in headers:
            raise RollbackRefused(
                f"{seen.counter.recorder}() cannot be given back, and would fail with the daily limit: {why}",
                hint="change that, then run this again; or usagefix rollback --daily-limit skip",
            )


def _told(db: Database, plan: Undoing, *, locks: bool) -> list[tuple[str, int, str]]:
    """Run the plan and undo it: what the server refuses, and the locks, each with the place of its statement."""
    held = db.query("locks_taken")
    block: list[str] = []
    for place, statement in enumerate(plan.statements):
        text = literal(statement.text)
        if statement.text in plan.of_limit:
            continue
        block.append(_MAY_FAIL.format(text, place) if statement.text in plan.restoring else f"EXECUTE {text};")
        block += [_LOCKS.format(place, held)] if locks else []
    try:
        with forbidden.named(db), db.transaction(settings=ledger.provenance(plan.migration), rollback=True):
            db.claim()
            db.end_autovacuum(plan.tables)
            db.run(f"DO {literal('BEGIN ' + chr(10).join(block) + ' END')}")
    except DatabaseRefused as refused:
        if isinstance(refused, (Busy, NotPermitted)):
            raise
        # What failed before it may be why: without that, it may go through.
        if not any(line.startswith("refused ") for line in db.said):
            raise _refusal(plan, refused) from None
    told = (line.split(" ", 2) for line in db.said)
    return [(what, int(place), words) for what, place, words in told]


def _refusal(plan: Undoing, refused: DatabaseRefused) -> RollbackRefused:
    words = said(refused)
    if "usagefix." in words and refused.sqlstate == "42P01":
        return RollbackRefused(
            f"a part of the ledger is lost: {words}", hint="usagefix apply opens it anew; then run this again"
        )
    return RollbackRefused(
        f"{plan.migration} cannot be rolled back: {words}", hint="change what is in the way, then run this again"
    )


def _steps(plan: Undoing, locks: dict[int, str], nouns: Nouns) -> tuple[PlannedStatement, ...]:
    steps: list[PlannedStatement] = []
    before: set[str] = set()
    for place, statement in enumerate(plan.statements):
        # Not the lock that keeps autovacuum off: no statement of the plan takes it.
        found = {
            lock
            for lock in locks.get(place, "").split(", ")
            if lock and not lock.endswith(": ShareUpdateExclusiveLock")
        }
        now = found or before
        taken = tuple(sorted(now - before))
        steps.append(
            PlannedStatement(plan.migration.version, in_words(statement.title, nouns), statement.summary, taken)
        )
        before = now
    return tuple(steps)
