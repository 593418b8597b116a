"""What is asked of a server: a few rows of each table of events, then all hypotheses of one link in one pass.

Each statement is a READ ONLY transaction of its own with a time limit, so that nothing is held for long.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from usagefix.database import Database
from usagefix.discovering import asking
from usagefix.discovering.hypotheses import Hypothesis, Profile
from usagefix.discovering.links import Link
from usagefix.discovering.scoring import Column as Values
from usagefix.discovering.scoring import Number
from usagefix.discovering.tables import NUMBERS, SPARSE, TEXTS, Column, Table, writable
from usagefix.errors import Busy, DatabaseRefused, NotPermitted, UsagefixError
from usagefix.models.figures import duration

_SHARE = 0.25  # the share of the whole time that one statement may take
_FEW = 200  # rows with events, of a sample
_LEAST = 1.0  # seconds of a statement
_CANCELLED = "57014"


class OutOfTime(Exception):
    """The whole time is over."""


@dataclass(frozen=True)
class Clock:
    """When all of it ends; ``seconds`` in all."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    def limit(self) -> float:
        """The seconds that the next statement may take. Raises OutOfTime."""
        left = self.started + self.seconds - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return max(min(left, self.seconds * _SHARE), min(_LEAST, self.seconds))


class Unlooked(Exception):
    """Something could not be looked at; its text says why."""


@dataclass(frozen=True)
class Measured:
    """The rows of a parent table that were looked at, with each column's values and each hypothesis's."""

    counters: Mapping[str, Values]
    tallies: tuple[Values, ...]
    sampled: bool


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    counters: list[Number | None]
    tallies: list[Number] | None


@dataclass(frozen=True, slots=True)
class _Seen:
    place: int
    nulls: bool
    long: bool
    found: list[str]


@dataclass(frozen=True, slots=True)
class _Held:
    place: int
    held: int


@dataclass(frozen=True, slots=True)
class _Times:
    place: int
    agreed: int
    rows: int


@contextmanager
def limited(db: Database, clock: Clock) -> Iterator[None]:
    """A snapshot whose statements end in time.

    Raises OutOfTime, and Unlooked if the server refuses, or takes too long for one statement.
    """
    limit = clock.limit()
    try:
        with db.snapshot():
            _ = db.values(
                "SELECT pg_catalog.set_config('statement_timeout', %(ms)s, true)",
                {"ms": str(max(1, int(limit * 1000)))},
            )
            yield
    except NotPermitted as refused:
        raise Unlooked(refused.message) from None
    except (Busy, DatabaseRefused) as refused:
        if refused.sqlstate == _CANCELLED:
            raise Unlooked(
                f"it took longer than {duration(limit)}: is there an index on what names the parent?"
            ) from None
        raise Unlooked(_message(refused)) from None


def _message(refused: UsagefixError) -> str:
    return " ".join(refused.message.split())


def profile(db: Database, clock: Clock, table: Table) -> Profile:
    """The values of a table's columns, from some of its rows. Raises OutOfTime, Unlooked."""
    columns = [c for c in table.columns if c.type in TEXTS | NUMBERS | SPARSE or c.timed or c.type == "boolean"]
    if not columns:
        return Profile()
    with limited(db, clock):
        seen = {row.place: row for row in db.rows(asking.profiling(table, columns), _Seen)}
    read = [(column, seen[place]) for place, column in enumerate(columns) if place in seen]
    return Profile(
        values={c.name: tuple(sorted(filter(_readable, row.found))) for c, row in read},
        nulls=frozenset(c.name for c, row in read if row.nulls),
        whole=frozenset(c.name for c, row in read if not row.long and len(row.found) <= asking.MOST_SEEN),
    )


def _readable(value: str) -> bool:
    return writable((value,))


def held(db: Database, clock: Clock, parent: Table, key: Column, asked: Sequence[Sequence[str]]) -> list[int]:
    """Of each list of texts, how many are keys of the parent. Raises OutOfTime, Unlooked."""
    if not any(asked):
        return [0] * len(asked)
    with limited(db, clock):
        found = {row.place: row.held for row in db.rows(asking.holding(parent, key, asked), _Held)}
    return [found.get(place, 0) for place in range(len(asked))]


def measure(db: Database, clock: Clock, link: Link, tried: Sequence[Hypothesis]) -> Measured:
    """All hypotheses of a link for some rows of its parent, of all its columns. Raises OutOfTime, Unlooked."""
    columns = link.parent.counting
    with limited(db, clock):
        rows = db.rows(asking.measuring(link, columns, tried), _Row)
    sampled = link.parent.rows > asking.SAMPLE or len(rows) >= 2 * asking.SAMPLE
    if sampled and sum(row.tallies is not None for row in rows) < _FEW:
        # The parents of some events are those with most of them: to count them may take too long.
        with suppress(Unlooked, OutOfTime), limited(db, clock):
            rows = db.rows(asking.measuring(link, columns, tried, with_events=True), _Row)
    keys = tuple(row.key for row in rows)
    none = [0] * len(tried)
    by_column = zip(*(row.counters for row in rows), strict=True) if rows else [()] * len(columns)
    by_hypothesis = zip(*(row.tallies or none for row in rows), strict=True) if rows else [()] * len(tried)
    return Measured(
        {
            column.name: Values(keys, [_plain(v) for v in values])
            for column, values in zip(columns, by_column, strict=True)
        },
        tuple(Values(keys, values) for values in by_hypothesis),
        sampled,
    )


def _plain(value: Number | None) -> Number:
    """A number; NULL counts as 0."""
    return 0 if value is None else value


def last_events(
    db: Database, clock: Clock, found: Hypothesis, pairs: Sequence[tuple[Column, Column]]
) -> list[tuple[int, int]]:
    """For each pair of a parent's column and an event's, both times: in how many rows the first is the newest of the
    second, and in how many there is either. Raises OutOfTime, Unlooked."""
    with limited(db, clock):
        return [(row.agreed, row.rows) for row in db.rows(asking.newest(found, pairs), _Times)]
