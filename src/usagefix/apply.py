"""Applying migrations: a short transaction for the catalog, then the backfill, then proof."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass

from usagefix import catalog, daily_limit, ledger, preflight, status
from usagefix.backfill import backfill, preview
from usagefix.catalog import Face, Migration
from usagefix.database import Database, Limits
from usagefix.models.choices import BATCH_SIZE
from usagefix.models.correction import BackfillProgress
from usagefix.models.migration import ApplyReport, PlannedStatement, State
from usagefix.verify import verify

OLDER_SECONDS = 10.0
SCRIPT_MILLISECONDS = 10_000  # writers may wait for a statement of a script, and it tries the application's function
_EFFECTS = {
    daily_limit.VERSION: "new uses are counted",
    "20251015000001": "every write is counted",
    "20251101000001": "only the triggers change the counter",
}


def apply(
    db: Database,
    *,
    to: str | None = None,
    batch_size: int,
    pause: float = 0.0,
    limits: Limits | None = None,
    on_step: Callable[[str], None],
    on_progress: Callable[[BackfillProgress], None],
) -> ApplyReport:
    """Apply what is pending or outdated up to version ``to`` (all), remove drift, verify.

    Writers wait only for the triggers' creation, at most ``lock_timeout`` an attempt, and while track_preset_usage() is
    tried; readers never. Raises Busy, NotPermitted, WrongDatabase; a failed migration is rolled back whole.
    """
    wanted = _wanted(to)
    preflight.require_changeable(db)
    before = verify(db)
    todo = _unfinished(db, wanted)
    limit = daily_limit.present(db)
    for migration in todo:
        on_step(f"applying {migration}")
        # The version that lifts the daily limit keeps it, and is not recorded, until the limit can go.
        _run_script(db, migration, limits, {"usagefix.keep_daily_limit": "on"} if limit else {})
        db.changes.append(_EFFECTS.get(migration.version, f"{migration.name} is in effect"))
    _let_older_transactions_end(db, on_step)
    on_step("counting events")
    filled = backfill(db, batch_size=batch_size, pause=pause, limits=limits, on_progress=on_progress)
    lifting = [migration for migration in todo if migration.version == daily_limit.VERSION]
    if limit is not None and lifting:
        on_step("dropping the daily limit (it waits for older transactions, and stops nobody)")
        daily_limit.lift(db, limit)
        _run_script(db, lifting[0], limits, {})
    db.changes += [f"{migration} applied" for migration in todo]
    on_step("verifying")
    done = tuple(str(m) for m in todo)
    return ApplyReport(before, done, filled, after=verify(db), remarks=tuple(db.remarks))


def plan(db: Database, *, to: str | None = None, batch_size: int = BATCH_SIZE) -> ApplyReport:
    """What :func:`apply` would do: each migration runs in a transaction that is rolled back.

    The locks are those it really took; like apply it waits for them no longer than ``lock_timeout``.
    """
    wanted = _wanted(to)
    before = verify(db)
    preflight.require_changeable(db)
    todo = _unfinished(db, wanted)
    steps, difference = list[PlannedStatement](), ""
    limit = daily_limit.present(db)
    if todo:
        steps, difference = db.retrying(lambda: _rehearse(db, todo))
        if limit is not None and any(m.version == daily_limit.VERSION for m in todo):
            steps.append(
                PlannedStatement(
                    daily_limit.VERSION,
                    "Drop the daily limit on its own, readers and writers go on (not tried in a dry run)",
                    daily_limit.lifting(limit.name),
                    (f"{db.counter.schema}.{db.counter.child}: ShareUpdateExclusiveLock",),
                )
            )
    return ApplyReport(
        before,
        tuple(str(m) for m in todo),
        preview(db, batch_size=batch_size),
        after=None,
        plan=tuple(steps),
        tracker_diff=difference,
        remarks=tuple(db.remarks),
    )


def _wanted(to: str | None) -> tuple[Migration, ...]:
    everything = catalog.migrations()
    return everything if to is None else tuple(m for m in everything if m.version <= catalog.migration(to).version)


def _unfinished(db: Database, wanted: tuple[Migration, ...]) -> list[Migration]:
    """What is pending, not as released, or has not seen the newest partitions."""
    states = {state.version: state.state for state in status.migration_states(db)}
    (later,) = db.values(db.query("later_partitions"))
    return [migration for migration in wanted if later or states[migration.version] is not State.APPLIED]


def _let_older_transactions_end(db: Database, on_step: Callable[[str], None]) -> None:
    """A call of the old track_preset_usage() may still run: it may count by itself, and needs the daily limit.

    Waits for the transactions that are open now, but not for long: most are something else.
    """
    older = set(db.values(db.query("older_transactions")))
    deadline = time.monotonic() + OLDER_SECONDS
    while older and time.monotonic() < deadline:
        time.sleep(0.02)
        older &= set(db.values(db.query("older_transactions")))
    if older:
        on_step(f"not waiting any longer for {len(older)} older transactions to end")


def _run_script(db: Database, migration: Migration, limits: Limits | None, settings: dict[str, str]) -> None:
    limits = limits or Limits(statement_timeout=SCRIPT_MILLISECONDS)

    def work() -> None:
        with db.transaction(limits, settings=ledger.provenance(migration) | settings):
            db.claim()
            db.run(migration.script(Face.APPLY, db.counter))

    db.retrying(work, limits)


@dataclass(frozen=True, slots=True)
class _Lock:
    """A table lock held: the columns of ``locks_taken.sql``."""

    relation: str
    mode: str


def _rehearse(db: Database, todo: list[Migration]) -> tuple[list[PlannedStatement], str]:
    """Run each statement, and undo it all. Returns the statements with their locks, and the edit of the tracker."""
    steps: list[PlannedStatement] = []
    held: set[str] = set()
    difference = ""
    with db.transaction(settings={"usagefix.keep_daily_limit": "on"}, rollback=True):
        db.claim()
        for migration in todo:
            script = migration.script if migration is todo[0] else migration.read  # the ledger once
            for statement in catalog.statements(script(Face.APPLY, db.counter)):
                db.run(statement.text)
                now = {f"{row.relation}: {row.mode}" for row in db.rows(db.query("locks_taken"), _Lock)}
                locks = tuple(sorted(now - held))
                steps.append(PlannedStatement(migration.version, statement.purpose, statement.summary, locks))
                held = now
        for tracker in db.rows(db.query("tracker"), daily_limit.Tracker):
            difference += _difference(tracker.before_apply or "", tracker.in_the_end or "")
    return steps, difference


def _difference(old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "now", "after apply", n=1, lineterm="")
    return "\n".join(lines)
