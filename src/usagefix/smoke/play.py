"""The steps of a smoke test, each in its own savepoint: if the server refuses one, the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from usagefix.database import Database
from usagefix.errors import DatabaseRefused
from usagefix.models.figures import counted, grouped
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Status
from usagefix.picture.obstacles import said
from usagefix.smoke.further import Further, steps
from usagefix.smoke.stage import Stage
from usagefix.smoke.tracker import Recorder

ROWS = 3  # events of the multi-row insert
_MADE_UP = frozenset({"23502", "23503", "23514"})  # not null, foreign key, check: of a row that only this test makes


@dataclass(frozen=True, slots=True)
class State:
    """The preset in the middle of the test: the columns of ``smoke_state.sql``."""

    counter: int | None
    last_used_at: datetime | None
    events: int
    newest: datetime | None
    started: datetime

    @property
    def shown(self) -> int:
        return self.counter or 0


class Play:
    """The steps, each in a savepoint of its own: one that the server refuses does not end the others."""

    def __init__(self, db: Database, stage: Stage, recorder: Recorder | None, beside: Further | None) -> None:
        self.db = db
        self.beside = beside
        self.stage = stage
        self._recorder = recorder
        self.steps = list(stage.steps)
        self.recorded = False
        self.now = self._state()  # counting the events of a preset may take a while, so it is done only after a change

    @property
    def recorder(self) -> Recorder:
        """What records a use."""
        assert self._recorder is not None  # noqa: S101
        return self._recorder

    def all(self) -> None:
        """Every step, in order."""
        begin = self.now
        self._told(self.recorder)
        first = self._step("first_use", f"A use through {self.recorder.name} counts", lambda: self._use(begin, 1))
        if first:
            self._last_use(begin)
        used = self._step("second_use", "A second use on the same day counts", lambda: self._use(begin, 2))
        if self.recorded:
            self._step("events_agree", "Counter and events changed alike", lambda: self._agree(begin))
        else:
            self._skip("events_agree", "Counter and events changed alike", "no use was recorded")
        before = self.now
        inserted = self._step(
            "many_rows",
            f"{ROWS} events in one INSERT count",
            lambda: self._insert(before),
            lambda refused: used and refused.sqlstate in _MADE_UP,
        )
        if inserted:
            self._step("delete", "Deleting them subtracts them again", lambda: self._delete(before))
        else:
            self._skip("delete", "Deleting them subtracts them again", "it needs the events of the step before")
        deferred = self._step("deferred", "What is checked at the commit agrees", self._deferred)
        self.steps += steps(self.db, self.stage, self._counts, self.beside if first and deferred else None)

    def _step(
        self,
        step_id: str,
        title: str,
        work: Callable[[], tuple[bool, str]],
        excused: Callable[[DatabaseRefused], bool] = lambda _refused: False,
    ) -> bool:
        hint = ""
        self.db.run("SAVEPOINT usagefix_smoke")
        try:
            good, detail = work()
        except DatabaseRefused as refused:
            self.db.run("ROLLBACK TO SAVEPOINT usagefix_smoke")
            if excused(refused):
                self._skip(step_id, title, f"smoke cannot make up such events: {said(refused)}")
                return False
            good, detail = False, refused.message
            if refused.sqlstate in _MADE_UP:
                hint = "name a valid kind of use with --usage-type, or a preset with --preset"
            if refused.sqlstate == "42501":
                hint = f"grant it to {self.stage.role}, or name the application's role with --as"
        status = Status.OK if good else Status.FAILED
        self.steps.append(SmokeStep(step_id, title, status, detail, "" if good else hint))
        return good

    def _told(self, recorder: Recorder) -> None:
        if recorder.untried:
            self._skip("recorder", f"A use through {self.db.counter.recorder}() counts", recorder.untried)

    def _skip(self, step_id: str, title: str, why: str) -> None:
        self.steps.append(SmokeStep(step_id, title, Status.SKIPPED, why))

    def _use(self, begin: State, uses: int) -> tuple[bool, str]:
        before = self.now
        returned = self.recorder.record(self.db, self.stage)
        now = self._look()
        good = now.shown - begin.shown == uses and now.events - begin.events == uses
        told = moved(begin, now)
        if now.events == before.events:
            told += f": {self.recorder.name} recorded nothing" + (f" and returned {returned}" if returned else "")
        elif now.shown == before.shown:
            told += ": recorded, not counted"
        elif now.shown - before.shown > now.events - before.events:
            told += ": counted more than once; usagefix doctor says by what"
        self.recorded |= now.events > before.events
        return good, told

    def _last_use(self, begin: State) -> None:
        usual, parent = self.db.nouns.usual, self.db.nouns.parent
        title = f"The {self.db.nouns.last_event} moves with it"
        if not self.db.counter.keeps_last_use:
            none = f"no column of {parent} keeps its time"
            self._skip("last_use", title, f"{parent} do not keep the time of their last use" if usual else none)
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

    def _agree(self, begin: State) -> tuple[bool, str]:
        now = self.now
        return now.shown - begin.shown == now.events - begin.events, moved(begin, now)

    def _insert(self, before: State) -> tuple[bool, str]:
        self.inserted = self.recorder.insert(self.db, ROWS)
        now = self._look()
        return now.shown - before.shown == ROWS and now.events - before.events == ROWS, moved(before, now)

    def _delete(self, before: State) -> tuple[bool, str]:
        full = self.now
        self.recorder.delete(self.db, self.inserted)
        now = self._look()
        return (now.shown, now.events) == (before.shown, before.events), moved(full, now)

    def _deferred(self) -> tuple[bool, str]:
        self.db.act("SET CONSTRAINTS ALL IMMEDIATE", role=self.recorder.owner, returns=False)
        self.db.run("ROLLBACK TO SAVEPOINT usagefix_smoke")  # what comes is deferred again
        return True, "no deferred constraint or trigger refuses it"

    def _look(self) -> State:
        self.now = self._state()
        return self.now

    def _state(self) -> State:
        return self._state_of(self.stage.preset.id)

    def _state_of(self, preset: str) -> State:
        return self.db.row(self.db.query("smoke_state"), State, {"preset": preset})

    def _counts(self, preset: str) -> tuple[int, int]:
        state = self._state_of(preset)
        return state.shown, state.events


def moved(before: State, after: State) -> str:
    """What the counter and the events did, in words."""
    counter = f"counter {counted(before.counter)} → {grouped(after.shown)}"
    return f"{counter}, events {grouped(before.events)} → {grouped(after.events)}"
