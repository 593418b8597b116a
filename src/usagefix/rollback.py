"""Back to the state before apply: what was replaced comes back, what did not exist is gone, the counters stay right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from usagefix import catalog, daily_limit, forbidden, ledger, preflight, status
from usagefix.catalog import Migration, MigrationKind
from usagefix.database import Database, Limits
from usagefix.errors import ConfigurationError, DatabaseRefused, Refused, RollbackRefused
from usagefix.models.choices import DailyLimit
from usagefix.models.migration import RollbackPlan, RollbackReport, State
from usagefix.planning import undoing
from usagefix.planning.plan import text_of
from usagefix.planning.scene import Scene, scene
from usagefix.verify import object_checks, verify

STILL_NEEDED = "2BP01"


def plan(db: Database, *, to: str | None, limit: DailyLimit, purge: bool = False) -> RollbackPlan:
    """What a rollback to just after version ``to`` (None: to before the first) would undo, newest first; ``purge``: and
    whether the ledger goes, too.

    Raises RollbackRefused where the objects there are not recorded, where the daily limit cannot come back, or where
    somebody keeps things of their own in the ledger's schema.
    """
    if purge and to is not None:
        raise ConfigurationError("--purge goes back all the way, --to does not", hint="pass one of them")
    keep = catalog.migration(to).version if to is not None else ""
    seen = _look(db)
    undone = [m for m in reversed(catalog.migrations()) if m.version in seen.ledger.begun and m.version > keep]
    purge = purge and bool(db.values("SELECT to_regnamespace('usagefix') IS NOT NULL")[0])
    strangers = db.values(db.query("ledger_strangers")) if purge else []
    if strangers:
        raise RollbackRefused(
            f"schema usagefix holds what usagefix did not put there: {', '.join(strangers)}",
            hint="move that to another schema, or roll back without --purge",
        )
    if not undone and not purge and _foreign(db, seen):
        raise RollbackRefused(
            "the trigger or its function is there, but usagefix did not record what they replaced",
            hint="run usagefix apply first, which takes them over and records them",
        )
    for migration in undone:
        undoing.plan(seen, migration, limit)  # refuses before anything is changed
    counting = any(m.kind is MigrationKind.COUNTING for m in undone)
    if counting and limit is DailyLimit.RESTORE:
        _require_restorable(db, seen)
    had_limit = counting and seen.ledger.limit is not None
    return RollbackPlan(tuple(m.version for m in undone), limit, had_limit=had_limit, purge=purge)


def rollback(
    db: Database, agreed: RollbackPlan, *, limits: Limits | None = None, on_step: Callable[[str], None]
) -> RollbackReport:
    """Undo what was agreed to. Readers and writers wait only while the trigger is dropped.

    Raises RollbackRefused, Busy; each version is undone whole or not at all.
    """
    undone = [catalog.migration(version) for version in agreed.versions]
    for migration in undone:
        on_step(f"rolling back {migration}")
        seen = _look(db)
        if migration.kind is MigrationKind.COUNTING and agreed.daily_limit is DailyLimit.RESTORE:
            _restore_limit(db, seen, limits)
            seen = _look(db)
        _undo(db, undoing.plan(seen, migration, agreed.daily_limit), limits)
        db.changes[:] = [f"{done} rolled back" for done in undone[: undone.index(migration) + 1]]
    if agreed.purge:
        db.retrying(lambda: _purge(db, limits), limits)
        db.changes.append("schema usagefix is gone")
    counts = verify(db, top=0).counts
    with db.snapshot():
        begun = ledger.read(db).begun
    return RollbackReport(
        migrations=tuple(str(m) for m in undone),
        remains=next((str(m) for m in reversed(catalog.migrations()) if m.version in begun), None),
        daily_limit=agreed.daily_limit if agreed.had_limit else None,
        counts=counts,
        purged=agreed.purge,
        remarks=tuple(dict.fromkeys(db.remarks)),
    )


def script(db: Database, migration: Migration, limit: DailyLimit) -> str:
    """The script to write down that undoes one version here, and builds the daily limit. Raises Refused."""
    seen = _look(db)
    later = [m for m in catalog.migrations() if m.version > migration.version and m.version in seen.ledger.begun]
    if later or migration.version not in seen.ledger.begun:
        raise Refused(
            f"version {later[-1].version} is applied" if later else f"version {migration.version} is not applied",
            hint="roll back the newest first; usagefix status shows where things stand",
        )
    plan = undoing.plan(seen, migration, limit, by_hand=True)
    if migration.kind is MigrationKind.COUNTING and limit is DailyLimit.RESTORE:
        _require_restorable(db, seen)
    return text_of(plan.statements)


def _look(db: Database) -> Scene:
    with db.snapshot():
        preflight.require_changeable(db)
        preflight.require_readable(db)
        ledger.require_trusted(db)
        return scene(db)


def _require_restorable(db: Database, seen: Scene) -> None:
    """Raise RollbackRefused where the daily limit, or the function that relied on it, cannot come back."""
    daily_limit.refuse_if_edited(seen)
    if seen.ledger.limit is not None:
        daily_limit.refuse_if_broken(db, seen, seen.ledger.limit)


def _foreign(db: Database, seen: Scene) -> bool:
    with db.snapshot():
        checks = object_checks(db, seen.code)
    return any(state.state is State.FOREIGN for state in status.migration_states(seen.ledger, checks))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the ledger is made of: the columns of ``ledger_parts.sql``."""

    kind: str
    names: str


def _purge(db: Database, limits: Limits | None) -> None:
    """Drop the ledger, and nothing that somebody else made of it. Raises RollbackRefused where there is such."""
    try:
        with db.transaction(limits):
            db.claim()
            for parts in db.rows(db.query("ledger_parts"), _Parts):
                db.run(f"DROP {parts.kind} {parts.names}")
            db.run("DROP SCHEMA IF EXISTS usagefix")
    except DatabaseRefused as refused:
        if refused.sqlstate != STILL_NEEDED:
            raise
        raise RollbackRefused(
            "the ledger stays: something outside schema usagefix, such as a view, depends on it",
            hint=f"drop that first ({refused.message}), then usagefix rollback --purge",
        ) from None


def _restore_limit(db: Database, seen: Scene, limits: Limits | None) -> None:
    saved, there = seen.ledger.limit, seen.code.limit
    if saved is not None and (there is None or not there.valid):
        daily_limit.restore(db, seen, saved, limits)


def _undo(db: Database, plan: undoing.Undoing, limits: Limits | None) -> None:
    script = text_of(plan.statements)

    def work() -> None:
        with db.transaction(limits, settings=ledger.provenance(plan.migration)):
            db.claim()
            db.run(script)

    with forbidden.named(db):
        db.retrying(work, limits, readers=True)
    db.remarks += plan.remarks
