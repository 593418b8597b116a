"""Which migrations are applied here, and whether what they made is still as released. Reads only."""

from __future__ import annotations

from dataclasses import replace

from usagefix import catalog, ledger, preflight, verify
from usagefix.database import Database
from usagefix.models.migration import MigrationState, State, StatusReport
from usagefix.models.verification import Check, Status

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
    """Every migration's state, and the time of the newest event."""
    preflight.require_readable(db)
    with db.snapshot():
        pushed = ledger.pushed(db)
        states = tuple(replace(state, pushed_as=pushed.get(state.version)) for state in migration_states(db))
        (newest,) = db.values(db.query("newest_event"))
    return StatusReport(states, newest, dated=db.counter.time is not None)


def migration_states(db: Database) -> tuple[MigrationState, ...]:
    """Every migration's state, oldest first."""
    applied, begun = ledger.applied(db), ledger.begun(db)
    checks = verify.object_checks(db)
    states = []
    for migration in catalog.migrations():
        entry = applied.get(migration.version)
        states.append(
            MigrationState(
                version=migration.version,
                name=migration.name,
                state=_state(entry is not None, migration.version in begun, checks[migration.version]),
                applied_at=entry.applied_at if entry else None,
                applied_by=entry.applied_by if entry else None,
            )
        )
    return tuple(states)


def _state(recorded: bool, begun: bool, checks: tuple[Check, ...]) -> State:
    if recorded or begun:
        return State.APPLIED if recorded and all(check.passed for check in checks) else State.OUTDATED
    there = any(check.check_id in _MADE and check.status is not Status.MISSING for check in checks)
    return State.FOREIGN if there else State.PENDING
