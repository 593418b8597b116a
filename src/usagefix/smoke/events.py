"""A smoke test of any other table: copies of an event that is there, which differ in what must be unique.

One event, another of the same row, three in one INSERT, and their DELETE; then those that count in another way, or not,
and those of other rows. What the counter shows has to move by what the events count for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from usagefix import picture
from usagefix.database import Database
from usagefix.errors import DatabaseRefused
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Status
from usagefix.picture.cases import Case
from usagefix.picture.differing import different, written
from usagefix.picture.examples import values_of
from usagefix.quoting import quoted
from usagefix.smoke.play import Play, moved
from usagefix.smoke.rows import in_text
from usagefix.smoke.stage import Stage, replaced
from usagefix.smoke.tracker import Call, Recorder, call_of_recorder, gone

_INTEGRITY = "23"  # the class of SQLSTATEs by which a table takes no such row
_ALONE = "a second such row is not allowed"


def recorder(db: Database, stage: Stage, cases: Sequence[Case], *, plain: bool = False) -> Recorder:
    """What records these events: the first of them through the function where there is one, unless ``plain``; all of
    them in one INSERT."""
    parent, events = picture.tables(db)
    relation, rows, params = in_text(db.counter.child_sql), list[str](), dict[str, str | None]()
    names = list(written(db.counter, events.columns, different(db)))
    types = [in_text(str(events.columns[name]["type"])) for name in names]
    for n, case in enumerate(cases):
        given = values_of(db, case, names)
        params |= {f"value_{n}_{place}": given[name] for place, name in enumerate(names)}
        rows.append(f"({', '.join(f'%(value_{n}_{place})s::{kind}' for place, kind in enumerate(types))})")
    into = f"INSERT INTO {relation} ({', '.join(in_text(quoted(name)) for name in names)}) VALUES "  # noqa: S608
    key, delete = gone(db, events)
    made = f"{into}{', '.join(rows)} RETURNING pg_catalog.concat(tableoid, ' ', {key})"
    one = f"{into}{rows[0]} RETURNING 'an event'::pg_catalog.text"
    call = Call() if plain else call_of_recorder(db, parent, events, stage)
    named = {"preset": cases[0].preset, "user": cases[0].user, "kind": cases[0].kind, "data": "{}"}
    through = "INSERT" if call.text is None else f"{db.counter.recorder}()"
    owner = events.owner or db.session.role
    params |= {**named, **call.params}
    return Recorder(through, call.text or one, made, delete, params, stage.role, owner, call.untried)


class EventsPlay(Play):
    """The steps."""

    def __init__(self, db: Database, stage: Stage) -> None:
        super().__init__(db, stage, None, None)

    def all(self) -> None:
        """Every step, in order."""
        begin, cases = self.now, self.stage.events
        self.db.run("SAVEPOINT usagefix_events")
        self._one("first_use", f"A new row of {self.db.counter.child} counts", cases[:1])
        if self._recorder is not None:
            self._told(self.recorder)
        if self.recorded:
            self._last_use(begin)
        self._one("second_use", "Another one counts", cases[1:2])
        if self.recorded:
            self._step("events_agree", "Counter and events changed alike", lambda: self._agree(begin))
        else:
            self._skip("events_agree", "Counter and events changed alike", "no event was recorded")
        self._many(cases[2:])
        deferred = self._step("deferred", "What is checked at the commit agrees", self._deferred)
        self.db.run("ROLLBACK TO SAVEPOINT usagefix_events")
        self._others(self.stage.others if deferred else ())

    def _one(self, step_id: str, title: str, cases: Sequence[Case]) -> None:
        if not cases:
            self._skip(step_id, title, _ALONE)
            return
        self._attempt(step_id, title, lambda: self._recorded_one(cases[0]))

    def _recorded_one(self, case: Case) -> tuple[bool, str]:
        before, stage = self.now, replaced(self.stage, case)
        self._recorder = recorder(self.db, stage, [case])
        said = self.recorder.record(self.db, stage)
        now = self._look()
        self.recorded |= now.events != before.events
        good = now.shown - before.shown == now.events - before.events != 0
        told = moved(before, now)
        if now.events == before.events:
            told += f": {self.recorder.name} recorded nothing" + (f" and returned {said}" if said else "")
        elif now.shown == before.shown:
            told += ": recorded, not counted"
        return good, told

    def _many(self, cases: Sequence[Case]) -> None:
        before = self.now
        title, delete = f"{len(cases) or 'Several'} rows in one INSERT count", "Deleting them subtracts them again"
        if not cases:
            self._skip("many_rows", title, _ALONE)
        else:
            self._recorder = recorder(self.db, self.stage, cases, plain=True)
        if cases and self._attempt("many_rows", title, lambda: self._insert_all(cases)):
            self._step("delete", delete, lambda: self._delete(before))
        else:
            self._skip("delete", delete, "it needs the events of the step before")

    def _insert_all(self, cases: Sequence[Case]) -> tuple[bool, str]:
        before = self.now
        self.inserted = self.recorder.insert(self.db, len(cases))
        now = self._look()
        return now.shown - before.shown == now.events - before.events != 0, moved(before, now)

    def _others(self, others: Sequence[Case]) -> None:
        """Each other way in which an event counts, with the first row on which one may be there."""
        title, told, bad, good = "Events that count differently, and of other rows", list[str](), False, False
        for what, cases in groupby(others, key=lambda case: case.whose):
            for case in cases:
                came, said = self._other(case)
                if came is not None:
                    bad, good = bad or not came, good or came
                    told.append(f"{what}: {said}")
                    break
        status = Status.FAILED if bad else Status.OK if good else Status.SKIPPED
        self.steps.append(SmokeStep("kinds", title, status, "; ".join(told) or "there is no other event to copy"))

    def _other(self, case: Case) -> tuple[bool | None, str]:
        self.db.run("SAVEPOINT usagefix_other")
        try:
            if not self.db.values(f"{self.db.query('smoke_hold')} SKIP LOCKED", {"preset": case.preset}):
                return None, ""
            before, made = self._state_of(case.preset), recorder(self.db, self.stage, [case], plain=True)
            inserted = made.insert(self.db, 1)
            now = self._state_of(case.preset)
            self.db.act("SET CONSTRAINTS ALL IMMEDIATE", role=made.owner, returns=False)
            alike = now.shown - before.shown == now.events - before.events
            return alike if inserted or not alike else None, moved(before, now)
        except DatabaseRefused as refused:
            return (None if self._is_no_event(refused) else False), refused.message
        finally:
            self.db.run("ROLLBACK TO SAVEPOINT usagefix_other")

    def _attempt(self, step_id: str, title: str, work: Callable[[], tuple[bool, str]]) -> bool:
        return self._step(step_id, title, work, self._is_no_event)

    def _is_no_event(self, refused: DatabaseRefused) -> bool:
        """Whether it is the table of the events that takes no such row."""
        state = refused.sqlstate or ""
        return state == "23505" or (state.startswith(_INTEGRITY) and self.db.counter.child in refused.message)
