"""The mode of the guard, and the writes of the counter that it refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

from usagefix import ledger, preflight
from usagefix.database import Database, Limits
from usagefix.errors import UsagefixError
from usagefix.models.choices import GuardMode
from usagefix.models.guarding import GuardReport, RefusedWrite
from usagefix.planning.applying import guard_trigger
from usagefix.planning.scene import scene


@dataclass(frozen=True, slots=True)
class _Guard:
    """The guard as it is: the columns of ``guard.sql``. ``mode`` is None if its trigger is missing."""

    mode: str | None
    enabled: bool
    ledger: bool


def guard(db: Database, mode: GuardMode | None = None, *, limits: Limits | None = None) -> GuardReport:
    """Return the mode and the refused writes; first switch to ``mode``, if one is given. A switch makes writers of
    presets wait an instant, at most ``lock_timeout`` an attempt. Raises UsagefixError if the guard is not applied,
    Busy, NotPermitted."""
    with db.snapshot():
        if mode is not None:
            preflight.require_changeable(db)
            ledger.require_trusted(db)
        preflight.require_readable(db)
        was = _mode(db)
    if mode is not None and mode is not was:
        db.retrying(lambda: _switch(db, mode, limits), limits)
        db.changes.append(f"the guard's mode is {mode}")
    with db.snapshot():
        now = _mode(db)
        refused = db.rows(db.query("refused_writes"), RefusedWrite)
        rejected, unnoted = db.tuple(db.query("rejected"))
    own = f"{db.counter.schema_sql}."
    shown = tuple(replace(write, via=write.via.replace(own, "")) for write in refused)
    return GuardReport(now, was if mode is not None else None, shown, rejected, unnoted)


def _mode(db: Database) -> GuardMode:
    """Raises UsagefixError if the guard is not there, or not as apply made it."""
    found = db.row(db.query("guard"), _Guard)
    known = found.mode in tuple(GuardMode)
    if not known or not found.enabled:
        wrong = "is disabled" if known else "is not applied here"
        raise UsagefixError(f"the guard {wrong}, so anything may write the counter", hint="run usagefix apply")
    if not ledger.exists(db) or not found.ledger:
        raise UsagefixError(
            "the guard works, but its ledger, schema usagefix, does not exist", hint="run usagefix apply"
        )
    return GuardMode(found.mode or "")


def _switch(db: Database, mode: GuardMode, limits: Limits | None) -> None:
    with db.transaction(limits):
        db.claim()
        db.end_autovacuum([db.counter.parent_sql], limits)
        db.run(guard_trigger(scene(db), mode))
