"""Back to the state before apply: what was replaced comes back, what did not exist is gone, the counters stay right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from usagefix import catalog, daily_limit, ledger, preflight, status
from usagefix.catalog import Face, Migration
from usagefix.database import Database, Limits
from usagefix.errors import ConfigurationError, DatabaseRefused, RollbackRefused
from usagefix.models.choices import DailyLimit
from usagefix.models.migration import RollbackPlan, RollbackReport, State
from usagefix.verify import verify

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
    preflight.require_changeable(db)
    preflight.require_readable(db)
    ledger.require_trusted(db)
    begun = ledger.begun(db)
    undone = [m for m in reversed(catalog.migrations()) if m.version in begun and m.version > keep]
    purge = purge and bool(db.values("SELECT to_regnamespace('usagefix') IS NOT NULL")[0])
    strangers = db.values(db.query("ledger_strangers")) if purge else []
    if strangers:
        raise RollbackRefused(
            f"schema usagefix holds what usagefix did not put there: {', '.join(strangers)}",
            hint="move that to another schema, or roll back without --purge",
        )
    if not undone and not purge and any(state.state is State.FOREIGN for state in status.migration_states(db)):
        raise RollbackRefused(
            "the trigger or its function is there, but usagefix did not record what they replaced",
            hint="run usagefix apply first, which takes them over and records them",
        )
    lifting = any(m.version == daily_limit.VERSION for m in undone)
    saved = daily_limit.saved(db) if lifting else None
    if lifting and limit is DailyLimit.RESTORE:
        daily_limit.refuse_if_edited(db)
        if saved is not None:
            daily_limit.refuse_if_broken(db, saved)
    return RollbackPlan(tuple(m.version for m in undone), limit, had_limit=saved is not None, purge=purge)


def rollback(
    db: Database, agreed: RollbackPlan, *, limits: Limits | None = None, on_step: Callable[[str], None]
) -> RollbackReport:
    """Undo what was agreed to. Readers and writers wait only while the trigger is dropped.

    Raises RollbackRefused, Busy; each version is undone whole or not at all.
    """
    undone = [catalog.migration(version) for version in agreed.versions]
    for migration in undone:
        on_step(f"rolling back {migration}")
        if migration.version == daily_limit.VERSION and agreed.daily_limit is DailyLimit.RESTORE:
            _restore_limit(db, limits)
        _undo(db, migration, agreed.daily_limit, limits)
        db.changes[:] = [f"{done} rolled back" for done in undone[: undone.index(migration) + 1]]
    if agreed.purge:
        db.retrying(lambda: _purge(db, limits), limits)
        db.changes.append("schema usagefix is gone")
    counts = verify(db, top=0).counts
    begun = ledger.begun(db)
    return RollbackReport(
        migrations=tuple(str(m) for m in undone),
        remains=next((str(m) for m in reversed(catalog.migrations()) if m.version in begun), None),
        daily_limit=agreed.daily_limit if agreed.had_limit else None,
        counts=counts,
        purged=agreed.purge,
    )


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


def _restore_limit(db: Database, limits: Limits | None) -> None:
    saved, there = daily_limit.saved(db), daily_limit.present(db)
    if saved is not None and (there is None or not there.valid):
        daily_limit.restore(db, saved, limits)


def _undo(db: Database, migration: Migration, limit: DailyLimit, limits: Limits | None) -> None:
    def work() -> None:
        settings = ledger.provenance(migration) | {"usagefix.daily_limit": str(limit)}
        with db.transaction(limits, settings=settings):
            db.claim()
            db.run(migration.script(Face.ROLLBACK, db.counter))

    db.retrying(work, limits, readers=True)
