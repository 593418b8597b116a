"""Which migrations are applied here, and whether their objects are still as released. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from usagefix import catalog, ledger, preflight
from usagefix.database import Database
from usagefix.ledger import Ledger
from usagefix.models.migration import MigrationState, State, StatusReport
from usagefix.models.verification import Check, Status
from usagefix.picture.code import code
from usagefix.picture.truths import tables_read
from usagefix.throttle import throttles
from usagefix.verify import object_checks, step_of

# The checks that say whether what a migration makes is there.
_MADE = {
    "trigger_enabled",
    "function_current",
    "changes_counted",
    "adjusting_function_current",
    "guard_enabled",
    "guard_function_current",
}


def status(db: Database) -> StatusReport:
    """Every migration's state, and the time of the newest event; of a counter that is only verified, what its truth
    reads."""
    with db.snapshot():
        preflight.require_readable(db)
        if db.counter.truth is not None:
            return StatusReport((), None, dated=False, reads=tables_read(db))
        written = ledger.read(db)
        pushed = ledger.pushed(db, written)
        seen = code(db)
        checks = object_checks(db, seen)
        states = migration_states(written, checks)
        (newest,) = db.values(db.query("newest_event"))
        baselines = ledger.baselines(db)
        # What is there as released, and not recorded: apply records it.
        unrecorded = [
            state.version
            for state in states
            if state.state is not State.APPLIED and not any(check.failed for check in checks[state.version])
        ]
        step = step_of(db, seen, checks, *unrecorded)
        throttled = throttles(db) if db.counter.slug == db.counters[0].slug else ()
    found = tuple(
        replace(state, pushed_by=push.by, pushed_as=push.version) if (push := pushed.get(state.version)) else state
        for state in states
    )
    dated = db.counter.time is not None
    return StatusReport(found, newest, dated=dated, baselines=baselines, next=step, throttles=throttled)


def migration_states(written: Ledger, checks: Mapping[str, tuple[Check, ...]]) -> tuple[MigrationState, ...]:
    """Every migration's state, oldest first, from what the ledger says and what the checks found."""
    states = []
    for migration in catalog.migrations():
        entry, undone = written.entry(migration.version), written.rolled_back(migration.version)
        states.append(
            MigrationState(
                version=migration.version,
                name=migration.name,
                state=_state(entry is not None, migration.version in written.begun, checks[migration.version]),
                applied_at=entry.applied_at if entry else None,
                applied_by=entry.applied_by if entry else None,
                rolled_back_at=undone.applied_at if undone else None,
                rolled_back_by=undone.applied_by if undone else None,
            )
        )
    return tuple(states)


def _state(recorded: bool, begun: bool, checks: tuple[Check, ...]) -> State:
    if recorded or begun:
        return State.APPLIED if recorded and begun and not any(check.failed for check in checks) else State.OUTDATED
    there = any(check.check_id in _MADE and check.status is not Status.MISSING for check in checks)
    return State.FOREIGN if there else State.PENDING
