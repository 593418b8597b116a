"""Reads the events of a window, each question once, and makes views of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from usagefix import preflight
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.errors import Refused
from usagefix.insight import folding
from usagefix.insight.columns import events
from usagefix.insight.folding import Hour
from usagefix.insight.people import labels, without_addresses
from usagefix.insight.window import frame, zone_named
from usagefix.models.amount import Amount, plus, share
from usagefix.models.insight import Asked, HeatmapReport, Of, TopReport, TopRow, TrendsReport
from usagefix.models.nouns import plural

T = TypeVar("T")

_BEFORE = 2  # parts: the window before, and what is between
MOST = 1_000  # rows that are listed, whoever asks: what is read is read once, for all


@dataclass(frozen=True, slots=True)
class _Distinct:
    """The columns of ``insight_rows.sql`` and ``insight_users.sql``."""

    among: int
    lately: int
    by_period: list[tuple[int, int]]
    top: list[dict[str, Any]]
    returning: int | None = None


@dataclass(frozen=True, slots=True)
class _Outside:
    """The columns of ``insight_outside.sql``."""

    undated: int
    ahead: int


class Looking:
    """One look at the events that are asked for, in the snapshot that is open.

    ``on_progress`` hears which question is asked, of how many.
    """

    def __init__(self, db: Database, asked: Asked, on_progress: Callable[[int, int], None] | None = None) -> None:
        self._db = db
        self._asked = asked
        self._on_progress = on_progress or (lambda _done, _total: None)
        with self._about(db.counter):
            preflight.require_tables_readable(db)
            self._events = events(db, asked)
        self._counter = self._events.counter
        zone = zone_named(db, asked.tz)
        self._frame = frame(db, asked, "UTC" if self._events.day else zone)
        with self._about(self._counter):
            self._labels = labels(db, asked.user_label) if asked.user_label is not None else None

    @property
    def knows_users(self) -> bool:
        """Whether events tell who it was."""
        return self._counter.user is not None

    def trend(self) -> TrendsReport:
        """Uses over time."""
        now, before = self._hours
        seen = self._frame
        users = self._users if self.knows_users else None
        uses, earlier = folding.total(now), folding.total(before)
        return TrendsReport(
            window=seen.window,
            by=self._asked.by,
            periods=folding.periods(
                now, seen.hours, seen.starts, seen.periods,
                None if users is None else _counts(users), _counts(self._rows), kinds=self._counter.kind is not None,
            ),
            total_uses=uses,
            before_uses=earlier,
            change=folding.change(uses, earlier),
            users=None if users is None else users.among,
            presets=self._rows.among,
            cannot=(*self._events.cannot, *self._remarks),
        )  # fmt: skip

    def heatmap(self) -> HeatmapReport:
        """Weekday by hour."""
        now, _ = self._hours
        cannot = (f"hours: {self._counter.time} tells the day, and no hour",) if self._events.day else ()
        return HeatmapReport(
            window=self._frame.window,
            timezone=self._frame.window.timezone,
            cells=folding.cells(now, self._frame.cells),
            total_uses=folding.total(now),
            cannot=(*cannot, *self._remarks),
        )

    def top(self, of: Of, limit: int) -> TopReport:
        """The most used, or the most active. Raises Refused where events name no user."""
        if of is Of.USERS and not self.knows_users:
            raise Refused(
                f"{self._db.nouns.child} has no column that tells who it was",
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
            cannot=(*self._new_and_returning(of), *self._remarks),
        )

    @cached_property
    def _hours(self) -> tuple[tuple[Hour, ...], tuple[Hour, ...]]:
        """The events of the window by hour, and those of the window before."""
        seen, (since, until) = self._frame, self._frame.before
        found = self._ask("insight_hours", Hour, {"since": since, "hours": [since, until, *seen.hours]})
        now = (replace(each, hour=each.hour - _BEFORE) for each in found if each.hour > _BEFORE)
        return folding.without_rare_kinds(tuple(now)), tuple(each for each in found if each.hour == 1)

    @cached_property
    def _rows(self) -> _Distinct:
        return self._ask("insight_rows", _Distinct, self._of_periods)[0]

    @cached_property
    def _users(self) -> _Distinct:
        return self._ask("insight_users", _Distinct, self._of_periods | {"returning": True})[0]

    @property
    def _of_periods(self) -> dict[str, Any]:
        return {"periods": list(self._frame.starts), "recent": 0, "most": MOST}

    @cached_property
    def _remarks(self) -> tuple[str, ...]:
        """What there is to say of the times of events."""
        return tuple(self._of_times())

    def _of_times(self) -> Iterator[str]:
        nouns, time = self._db.nouns, self._counter.time
        if self._events.zoneless or self._events.day:
            yield f"times: {nouns.child}.{time} has no time zone; it is read as UTC"
        if not self._frame.ends_now:
            return
        outside = self._ask("insight_outside", _Outside, {})[0]
        if outside.undated:
            yield f"no time: {plural(outside.undated, nouns.event)} without {time}, in no window"
        if outside.ahead:
            yield f"still to come: {plural(outside.ahead, nouns.event)} of a time that is not yet, in no window"

    def _new_and_returning(self, of: Of) -> Iterator[str]:
        if of is Of.USERS and self._users.returning is None:
            yield "new and returning users: there is no index on their column"

    def _ask(self, query: str, into: type[T], params: Mapping[str, Any]) -> list[T]:
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


def _counts(found: _Distinct) -> dict[int, int]:
    return dict(found.by_period)


def _row(entry: Mapping[str, Any], total: Amount) -> TopRow:
    first, last = (_moment(entry[name]) for name in ("first_at", "last_at"))
    return TopRow(entry["id"], entry["label"], entry["uses"], _share(entry["uses"], total), first, last)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _share(part: Amount, whole: Amount) -> float:
    return share(part, whole) if whole else 0.0
