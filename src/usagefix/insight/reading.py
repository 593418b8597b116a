"""Reads the events of a window, each question once, and makes views of the answers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from usagefix import preflight
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.errors import Refused
from usagefix.insight import answers, folding
from usagefix.insight.columns import events
from usagefix.insight.folding import Hour
from usagefix.insight.people import labels, without_addresses
from usagefix.insight.window import Frame, frame, zone_named
from usagefix.models.amount import Amount, amount, plus
from usagefix.models.figures import plural
from usagefix.models.insight import Asked, HeatmapReport, Of, Step, TopReport, TopRow, TrendsReport

T = TypeVar("T")

_BEFORE = 2  # parts: the window before, and what is between
MOST = 1_000  # rows that are listed, whoever asks: what is read is read once, for all


class Looking:
    """One look at the events that are asked for, in the snapshot that is open.

    ``tell`` is called before each question; ``with_last_30``: that trend is wanted, too.
    """

    def __init__(self, db: Database, asked: Asked, tell: Callable[[], None], *, with_last_30: bool = False) -> None:
        self._db = db
        self._asked = asked
        self._tell = tell
        with self._about(db.counter):
            preflight.require_tables_readable(db)
            self._events = events(db, asked)
        self._counter = self._events.counter
        zone = "UTC" if self._events.day else zone_named(db, asked.tz)
        self._frame = frame(db, asked, zone)
        self._last = frame(db, lately(asked), zone) if with_last_30 else None
        with self._about(self._counter):
            self._labels = labels(db, asked.user_label) if asked.user_label is not None else None
            self._table = db.row(db.query("insight_table"), answers.Table)

    @property
    def knows_users(self) -> bool:
        """Whether events tell who it was."""
        return self._counter.user is not None

    def trend(self) -> TrendsReport:
        """Uses over time."""
        now, before = self._hours
        return self._trend(
            self._frame, self._asked.by, now, before, answers.Counted.of(self._rows), self._counted_users
        )

    def last_30(self) -> TrendsReport:
        """The trend by day of the last 30 days: from the same answers where these are of days, too, and reach back."""
        assert self._last is not None  # noqa: S101 - asked for
        last, (since, until), seen = self._last, self._last.before, self._frame
        offset = len(seen.starts) - len(last.starts)
        if self._asked.by is not Step.DAY or seen.starts[max(offset, 0) :] != last.starts or since < seen.since:
            return Looking(self._db, lately(self._asked), self._tell).trend()
        now, _ = self._hours
        recent = tuple(each for each in now if self._marks[each.hour - 1] >= last.since)
        before = tuple(each for each in now if since <= self._marks[each.hour - 1] < until)
        users = None if self._counted_users is None else answers.Counted.of(self._users, offset)
        return self._trend(last, Step.DAY, recent, before, answers.Counted.of(self._rows, offset), users)

    def _trend(
        self,
        seen: Frame,
        by: Step,
        now: Sequence[Hour],
        before: Sequence[Hour],
        presets: answers.Counted,
        users: answers.Counted | None,
    ) -> TrendsReport:
        uses, earlier = folding.total(now), folding.total(before)
        by_user = None if users is None else users.by_period
        kinds = self._counter.kind is not None
        return TrendsReport(
            window=seen.window,
            by=by,
            periods=folding.periods(
                now, self._marks, seen.starts, seen.periods, by_user, presets.by_period, kinds=kinds
            ),
            total_uses=uses,
            before_uses=earlier,
            change=folding.change(uses, earlier),
            users=None if users is None else users.among,
            presets=presets.among,
            cannot=(*self._events.cannot, *self._kinds_there, *self._remarks),
        )

    def heatmap(self) -> HeatmapReport:
        """Weekday by hour."""
        now, _ = self._hours
        cannot = (f"hours: {self._counter.time} has a day, but no hour",) if self._events.day else ()
        return HeatmapReport(
            window=self._frame.window,
            timezone=self._frame.window.timezone,
            cells=folding.cells(now, self._cells),
            total_uses=folding.total(now),
            cannot=(*cannot, *self._kinds_there, *self._remarks),
        )

    def top(self, of: Of, limit: int) -> TopReport:
        """The most used, or the most active. Raises Refused if events name no user."""
        if of is Of.USERS and not self.knows_users:
            raise Refused(
                f"{self._db.nouns.child} has no column with the user",
                hint="name it with --user-column; usagefix top presets ranks what was used",
            )
        found = self._users if of is Of.USERS else self._rows
        uses = folding.total(self._hours[0])
        shown = found.top[:limit]
        if of is Of.USERS:
            shown = without_addresses(self._labels.added(self._db, shown) if self._labels else shown)
        rows = tuple(_row(entry, uses) for entry in shown)
        return TopReport(
            window=self._frame.window,
            of=of,
            rows=rows,
            total_uses=uses,
            top_share=_share(plus(*(row.uses for row in rows)), uses),
            among=found.among,
            new=None if found.returning is None else found.among - found.returning,
            returning=found.returning,
            cannot=(*self._new_and_returning(of), *self._kinds_there, *self._remarks),
        )

    @cached_property
    def _marks(self) -> tuple[datetime, ...]:
        """Where the parts of the window begin that events are counted by: its hours, cut where another window begins
        or ends that is made of the same answers."""
        last, seen = self._last, self._frame
        cuts = {at for at in (*last.before, last.since) if seen.since < at} if last is not None else set[datetime]()
        return tuple(sorted(cuts.union(seen.hours)))

    @property
    def _cells(self) -> list[tuple[int, int]]:
        """The weekday and hour of each of these parts."""
        return [self._frame.cells[bisect_right(self._frame.hours, mark) - 1] for mark in self._marks]

    @cached_property
    def _hours(self) -> tuple[tuple[Hour, ...], tuple[Hour, ...]]:
        """The events of the window by these parts, and those of the window before."""
        since, until = self._frame.before
        found = self._ask("insight_hours", Hour, {"since": since, "hours": [since, until, *self._marks]})
        now = tuple(replace(each, hour=each.hour - _BEFORE) for each in found if each.hour > _BEFORE)
        return folding.without_rare_kinds(now), tuple(each for each in found if each.hour == 1)

    @cached_property
    def _rows(self) -> answers.Distinct:
        return self._ask("insight_rows", answers.Distinct, self._of_periods)[0]

    @cached_property
    def _users(self) -> answers.Distinct:
        returning = self._table.user_indexed or self._table.small
        found = self._ask("insight_users", answers.Distinct, self._of_periods | {"returning": returning})[0]
        return found if returning else replace(found, returning=None)

    @property
    def _counted_users(self) -> answers.Counted | None:
        return answers.Counted.of(self._users) if self.knows_users else None

    @property
    def _of_periods(self) -> dict[str, Any]:
        recent = len(self._frame.starts) - len(self._last.starts) + 1 if self._last is not None else 1
        return {"periods": list(self._frame.starts), "recent": recent, "most": MOST}

    @cached_property
    def _remarks(self) -> tuple[str, ...]:
        """What there is to say of the times of events."""
        return tuple(self._of_times())

    def _of_times(self) -> Iterator[str]:
        nouns, time = self._db.nouns, self._counter.time
        if self._events.zoneless or self._events.day:
            yield f"times: {nouns.child}.{time} has no time zone; it is read as UTC"
        dear = not (self._table.time_indexed or self._table.small)
        if not self._frame.ends_now or (dear and not self._events.may_lack_time):
            return
        outside = self._ask("insight_outside", answers.Outside, {})[0]
        if outside.undated:
            yield f"no time: {plural(outside.undated, nouns.event)} without {time}, in no window"
        if outside.ahead:
            yield f"in the future: {plural(outside.ahead, nouns.event)} with a time in the future, in no window"

    def _new_and_returning(self, of: Of) -> Iterator[str]:
        if of is Of.USERS and self._users.returning is None:
            column = f"{self._db.nouns.child}.{self._counter.user}"
            yield f"new and returning users: {column} has no index, and without one this would read all events again"

    @cached_property
    def _kinds_there(self) -> tuple[str, ...]:
        """Which kinds there are, where there is nothing of the one that is asked for."""
        if self._asked.kind is None or self._hours[0]:
            return ()
        counter = self._events.of_any_kind
        with self._about(counter):
            found = self._db.rows(
                self._db.query("insight_hours"),
                Hour,
                {"since": self._frame.since, "until": self._frame.until, "hours": [self._frame.since]},
            )
        kinds = ", ".join(sorted(each.kind or "(none)" for each in found)) or "none"
        return (f"kinds: there is no {self._asked.kind} in this time; there are {kinds}",)

    def _ask(self, query: str, into: type[T], params: Mapping[str, Any]) -> list[T]:
        self._tell()
        bounds = {"since": self._frame.since, "until": self._frame.until}
        with self._about(self._counter):
            return self._db.rows(self._db.query(query), into, bounds | dict(params))

    @contextmanager
    def _about(self, counter: Counter) -> Iterator[None]:
        """Within the block questions are about this counter."""
        before, self._db.counter = self._db.counter, counter
        try:
            yield
        finally:
            self._db.counter = before


def lately(asked: Asked) -> Asked:
    """The last 30 days, by day."""
    return replace(asked, since="30d", by=Step.DAY)


def _row(entry: Mapping[str, Any], total: Amount) -> TopRow:
    first, last = (_moment(entry[name]) for name in ("first_at", "last_at"))
    uses = amount(str(entry["uses"]))  # jsonb has no number that is none
    return TopRow(entry["id"], entry["label"], uses, _share(uses, total), first, last)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _share(part: Amount, whole: Amount) -> float:
    return folding.part(part, whole) or 0.0
