"""Does a use count, from the application's call to the counter? Tried in one transaction that is always rolled back.

The application's own role records uses of one preset by one user, twice on one day; smoke reads the counter after each.
Other people's uses of that preset wait meanwhile, some hundredths of a second. Nothing stays: no event, no number in a
counter, no notification, no number of a sequence of usagefix (one of the application may skip a few).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from usagefix import preflight
from usagefix.counter import Counter
from usagefix.database import Database, Limits
from usagefix.errors import NotPermitted, RowNotFound
from usagefix.models.smoke import SmokeReport, SmokeStep
from usagefix.models.verification import Status
from usagefix.picture import strangers
from usagefix.smoke.chained import ChainedPlay, about, chain, lowest, none_leads, not_tried
from usagefix.smoke.events import EventsPlay
from usagefix.smoke.further import further
from usagefix.smoke.play import Play
from usagefix.smoke.stage import Stage, empty_stage, set_stage
from usagefix.smoke.tracker import recorder
from usagefix.verify import next_step

# Milliseconds: less than deadlock_timeout usually is, so that smoke gives up where it and the application wait for
# each other. The server would end either of the two.
_PATIENCE = 200


def smoke(
    db: Database,
    *,
    role: str | None = None,
    preset: str | None = None,
    usage_type: str | None = None,
    limits: Limits | None = None,
) -> SmokeReport:
    """Use a preset and check that the use counts. ``role`` is authenticated on Supabase, else the session's own,
    unless given. Raises RowNotFound, Busy if another session has locked the preset, NotPermitted if the session may
    not do this at all, ReadOnlyServer if nobody may."""
    preflight.require_writable(db)
    preflight.require_triggers(db)
    preflight.require_readable(db)
    limits = replace(limits or Limits(), lock_timeout=_PATIENCE)

    def perform(*, lately: bool) -> _Performance:
        with db.transaction(limits, settings={"usagefix.smoke": "on"}, rollback=True):
            (transaction,) = db.values("SELECT pg_catalog.pg_current_xact_id()::text")
            counters, below = chain(db)
            _lock_tables(db, counters)
            for one in counters:
                with about(db, one):
                    strangers.require_none(db)
            with about(db, lowest(counters)):
                beside = further(db, preset=preset, usage_type=usage_type) if db.counter.usual else None
                try:
                    stage = set_stage(db, role=role, preset=preset, usage_type=usage_type, lately=lately)
                except RowNotFound:
                    if len(counters) == 1 or preset is not None:
                        raise
                    stage = empty_stage(db, role)
                    return _Performance(stage, [*none_leads(counters)], transaction, recorded=False)
                if below is not None:
                    return _Performance(stage, [*stage.steps, *not_tried(below)], transaction, recorded=False)
                play = Play(db, stage, recorder(db, stage), beside) if beside else _events(db, stage, counters)
                play.all()
                return _Performance(stage, play.steps, transaction, recorded=play.recorded)

    first = db.retrying(lambda: perform(lately=False), limits)
    if first.recorded or preset is not None or not db.counter.usual:
        return _undone(db, first)
    # Nobody may have used that preset for long because nobody can: it is deleted, or not published.
    second = db.retrying(lambda: perform(lately=True), limits)
    return _undone(db, second if second.recorded else first)


def _lock_tables(db: Database, counters: Sequence[Counter]) -> None:
    """Who holds a row must not wait for a table. A role with rights on single columns may not lock: it goes on."""
    for table in dict.fromkeys(name for one in counters for name in (one.child_sql, one.parent_sql)):
        db.run("SAVEPOINT usagefix_table")
        try:
            db.run(f"LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE")
        except NotPermitted:
            db.run("ROLLBACK TO SAVEPOINT usagefix_table")


def _events(db: Database, stage: Stage, counters: Sequence[Counter]) -> EventsPlay:
    return ChainedPlay(db, stage, counters) if len(counters) > 1 else EventsPlay(db, stage)


@dataclass(frozen=True, slots=True)
class _Performance:
    """A test that is over. ``recorded``: at least one use came to be an event."""

    stage: Stage
    steps: list[SmokeStep]
    transaction: str
    recorded: bool


def _undone(db: Database, done: _Performance) -> SmokeReport:
    (state,) = db.values("SELECT pg_catalog.pg_xact_status(%(id)s::pg_catalog.xid8)", {"id": done.transaction})
    undone = SmokeStep(
        "undone",
        "Nothing of it stays",
        Status.OK if state == "aborted" else Status.FAILED,
        f"transaction {done.transaction} is {state}",
    )
    preset, steps = done.stage.preset, [*done.steps, undone]
    if any(step.status is Status.FAILED and not step.hint for step in steps):
        with db.snapshot():
            next_ = next_step(db)
        hint = str(next_) if next_ else "usagefix doctor finds what else counts, or prevents counting"
        steps = [replace(s, hint=hint) if s.status is Status.FAILED and not s.hint else s for s in steps]
    return SmokeReport(done.stage.role, preset.id, preset.temporary, tuple(steps))
