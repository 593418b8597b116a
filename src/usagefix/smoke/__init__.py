"""Does a use count, from the application's call to the counter? Tried in one transaction that is always rolled back.

The application's own role records uses of one preset by one user, twice on one day; what the counter did is read after
each. Other people's uses of that preset wait meanwhile, some hundredths of a second. Nothing stays: no event, no number
in a counter, no notification, nothing drawn from a sequence of usagefix's (one of the application may skip a few).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from usagefix import preflight
from usagefix.database import Database, Limits
from usagefix.errors import DatabaseRefused
from usagefix.models.smoke import SmokeReport, SmokeStep
from usagefix.models.verification import Status
from usagefix.smoke.further import Further, further, steps
from usagefix.smoke.stage import Stage, set_stage
from usagefix.smoke.tracker import Recorder, recorder
from usagefix.verify import next_step

ROWS = 3  # events of the multi-row insert
_MADE_UP = frozenset({"23502", "23503", "23514"})  # not null, foreign key, check: of a row that only this test makes


@dataclass(frozen=True, slots=True)
class _State:
    """The preset in the middle of the test: the columns of ``smoke_state.sql``."""

    counter: int | None
    last_used_at: datetime | None
    events: int
    newest: datetime | None
    started: datetime

    @property
    def shown(self) -> int:
        return self.counter or 0


def smoke(
    db: Database,
    *,
    role: str | None = None,
    preset: str | None = None,
    usage_type: str | None = None,
    limits: Limits | None = None,
) -> SmokeReport:
    """Use a preset and see it counted. ``role`` is authenticated on Supabase, else the session's own, unless given.

    Raises RowNotFound, Busy where the preset is held, NotPermitted where the session may not do this at all,
    ReadOnlyServer where nobody may.
    """
    preflight.require_writable(db)
    preflight.require_triggers(db)
    preflight.require_readable(db)

    def perform(*, lately: bool) -> _Performance:
        with db.transaction(limits, settings={"usagefix.smoke": "on"}, rollback=True):
            (transaction,) = db.values("SELECT pg_catalog.pg_current_xact_id()::text")
            beside = further(db, preset=preset, usage_type=usage_type)
            stage = set_stage(db, role=role, preset=preset, usage_type=usage_type, lately=lately)
            play = _Play(db, stage, recorder(db, stage), beside)
            play.all()
            return _Performance(stage, play.steps, transaction, recorded=play.recorded)

    first = db.retrying(lambda: perform(lately=False), limits)
    if first.recorded or preset is not None:
        return _undone(db, first)
    # Nobody may have used that preset for long because nobody can: it is deleted, or not published.
    second = db.retrying(lambda: perform(lately=True), limits)
    return _undone(db, second if second.recorded else first)


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
        hint = str(next_) if next_ else "usagefix doctor finds what else counts, or keeps from counting"
        steps = [replace(s, hint=hint) if s.status is Status.FAILED and not s.hint else s for s in steps]
    return SmokeReport(done.stage.role, preset.id, preset.temporary, tuple(steps))


class _Play:
    """The steps, each in a savepoint of its own: one that the server refuses does not end the others."""

    def __init__(self, db: Database, stage: Stage, recorder: Recorder, beside: Further) -> None:
        self.db = db
        self.beside = beside
        self.stage = stage
        self.recorder = recorder
        self.steps = list(stage.steps)
        self.recorded = False
        self.now = self._state()  # counting the events of a preset may take a while, so it is done only after a change

    def all(self) -> None:
        """Every step, in order."""
        begin = self.now
        first = self._step("first_use", f"A use through {self.recorder.name} counts", lambda: self._use(begin, 1))
        if first:
            self._last_use(begin)
        used = self._step("second_use", "A second use on the same day counts", lambda: self._use(begin, 2))
        if self.recorded:
            self._step("events_agree", "Counter and events moved alike", lambda: self._agree(begin))
        else:
            self._skip("events_agree", "Counter and events moved alike", "no use was recorded")
        before = self.now
        made_up = _MADE_UP if used else frozenset[str]()
        inserted = self._step("many_rows", f"{ROWS} events in one INSERT count", lambda: self._insert(before), made_up)
        if inserted:
            self._step("delete", "Deleting them takes them off again", lambda: self._delete(before))
        else:
            self._skip("delete", "Deleting them takes them off again", "it needs those of the step before")
        deferred = self._step("deferred", "What is checked at the commit agrees", self._deferred)
        self.steps += steps(self.db, self.stage, self._counts, self.beside if first and deferred else None)

    def _step(
        self,
        step_id: str,
        title: str,
        work: Callable[[], tuple[bool, str]],
        excused: frozenset[str] = frozenset(),
    ) -> bool:
        hint = ""
        self.db.run("SAVEPOINT usagefix_smoke")
        try:
            good, detail = work()
        except DatabaseRefused as refused:
            self.db.run("ROLLBACK TO SAVEPOINT usagefix_smoke")
            if refused.sqlstate in excused:
                self._skip(step_id, title, f"no such events can be made up: {refused.message}")
                return False
            good, detail = False, refused.message
            if refused.sqlstate in _MADE_UP:
                hint = "name a kind of use that the application knows with --usage-type, or a preset with --preset"
            if refused.sqlstate == "42501":
                hint = f"grant it to {self.stage.role}, or name the role that the application acts as with --as"
        status = Status.OK if good else Status.FAILED
        self.steps.append(SmokeStep(step_id, title, status, detail, "" if good else hint))
        return good

    def _skip(self, step_id: str, title: str, why: str) -> None:
        self.steps.append(SmokeStep(step_id, title, Status.SKIPPED, why))

    def _use(self, begin: _State, uses: int) -> tuple[bool, str]:
        before = self.now
        with self.stage.acting(self.db):
            said = self.recorder.record(self.db)
        now = self._look()
        good = now.shown - begin.shown == uses and now.events - begin.events == uses
        told = _moved(begin, now)
        if now.events == before.events:
            told += f": {self.recorder.name} recorded nothing" + (f" and returned {said}" if said else "")
        elif now.shown == before.shown:
            told += ": recorded, not counted"
        elif now.shown - before.shown > now.events - before.events:
            told += ": counted more than once; usagefix doctor says by what"
        self.recorded |= now.events > before.events
        return good, told

    def _last_use(self, begin: _State) -> None:
        title = "The last use moves with it"
        if not self.db.counter.keeps_last_use:
            self._skip("last_use", title, "presets do not keep the time of their last use")
            return
        now = self.now
        # Older events may be dated later: by clocks that are fast, or in another time zone where the column has none.
        moved = now.last_used_at is not None and (
            begin.last_used_at is None
            or now.last_used_at > begin.last_used_at
            or now.last_used_at >= (now.newest or now.started)
        )
        was, since = (str(at or "never")[:19] for at in (begin.last_used_at, now.last_used_at))
        self._step("last_use", title, lambda: (moved, f"{was} → {since}"))

    def _agree(self, begin: _State) -> tuple[bool, str]:
        now = self.now
        return now.shown - begin.shown == now.events - begin.events, _moved(begin, now)

    def _insert(self, before: _State) -> tuple[bool, str]:
        self.inserted = self.recorder.insert(self.db, ROWS)
        now = self._look()
        return now.shown - before.shown == ROWS and now.events - before.events == ROWS, _moved(before, now)

    def _delete(self, before: _State) -> tuple[bool, str]:
        full = self.now
        self.recorder.delete(self.db, self.inserted)
        now = self._look()
        return (now.shown, now.events) == (before.shown, before.events), _moved(full, now)

    def _deferred(self) -> tuple[bool, str]:
        self.db.act("SET CONSTRAINTS ALL IMMEDIATE", role=self.recorder.owner, returns=False)
        self.db.run("ROLLBACK TO SAVEPOINT usagefix_smoke")  # what comes is deferred again
        return True, "no deferred constraint or trigger refuses it"

    def _look(self) -> _State:
        self.now = self._state()
        return self.now

    def _state(self) -> _State:
        return self._state_of(self.stage.preset.id)

    def _state_of(self, preset: str) -> _State:
        return self.db.row(self.db.query("smoke_state"), _State, {"preset": preset})

    def _counts(self, preset: str) -> tuple[int, int]:
        state = self._state_of(preset)
        return state.shown, state.events


def _moved(before: _State, after: _State) -> str:
    shown = "null" if before.counter is None else f"{before.counter:,}"
    return f"counter {shown} → {after.shown:,}, events {before.events:,} → {after.events:,}"
