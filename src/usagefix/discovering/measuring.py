"""What is asked of a server: a few rows of each table of events, then all hypotheses of one link in one pass.

Each statement is a READ ONLY transaction of its own with a time limit, so that nothing is held for long.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from usagefix.database import Database
from usagefix.discovering.hypotheses import Hypothesis, Profile, literal
from usagefix.discovering.links import Link
from usagefix.discovering.scoring import Column as Values
from usagefix.discovering.scoring import Number
from usagefix.discovering.tables import NUMBERS, SPARSE, TEXTS, Column, Table, writable
from usagefix.errors import Busy, DatabaseRefused, NotPermitted, UsagefixError

SAMPLE = 2_000  # rows of a parent table that a link is measured on
_SOME_EVENTS = 400  # events whose parents are looked at besides, since most parents may have none
_PROFILED = 3_000  # rows of a table of events that its values are read from
_MOST_SEEN = 50  # values of a column that are read
_LONG = 100  # bytes of a value that is not read
_SHARE = 0.25  # of the whole time, what one statement may take
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

    Raises OutOfTime, and Unlooked where the server refuses, or takes too long for one statement.
    """
    limit = clock.limit()
    try:
        with db.snapshot():
            _ = db.values(
                "SELECT pg_catalog.set_config('statement_timeout', %(ms)s, true)", {"ms": str(max(1, int(limit * 1000)))}
            )
            yield
    except NotPermitted as refused:
        raise Unlooked(refused.message) from None
    except (Busy, DatabaseRefused) as refused:
        if refused.sqlstate == _CANCELLED:
            raise Unlooked(f"it took longer than {limit:.0f} s: is there an index on what names the parent?") from None
        raise Unlooked(_message(refused)) from None


def _message(refused: UsagefixError) -> str:
    return " ".join(refused.message.split())


def profile(db: Database, clock: Clock, table: Table) -> Profile:
    """The values of a table's columns, from some of its rows. Raises OutOfTime, Unlooked."""
    columns = [c for c in table.columns if c.type in TEXTS | NUMBERS | SPARSE or c.timed or c.type == "boolean"]
    if not columns:
        return Profile()
    some = ", ".join(column.sql for column in columns)
    parts = [_looked_at(place, column) for place, column in enumerate(columns)]
    query = (
        f"WITH looked AS MATERIALIZED (SELECT {some} FROM {table.qualified} AS event{_sampled(table, _PROFILED)}"
        f" LIMIT {_PROFILED}) " + " UNION ALL ".join(parts)
    )
    with limited(db, clock):
        seen = {row.place: row for row in db.rows(query, _Seen)}
    read = [(column, seen[place]) for place, column in enumerate(columns) if place in seen]
    return Profile(
        values={c.name: tuple(sorted(filter(_readable, row.found))) for c, row in read},
        nulls=frozenset(c.name for c, row in read if row.nulls),
        whole=frozenset(c.name for c, row in read if not row.long and len(row.found) <= _MOST_SEEN and all(map(_readable, row.found))),
    )  # fmt: skip


def _readable(value: str) -> bool:
    return writable((value,))


def _looked_at(place: int, column: Column) -> str:
    named = f"looked.{column.sql}"
    short = f"pg_catalog.pg_column_size({named}) <= {_LONG}"
    found = "'{}'::pg_catalog.text[]"
    if column.type in TEXTS | NUMBERS | SPARSE:
        found = f"ARRAY(SELECT DISTINCT {named}::pg_catalog.text FROM looked WHERE {short} LIMIT {_MOST_SEEN + 1})"
    return (
        f"SELECT {place} AS place, COALESCE(pg_catalog.bool_or({named} IS NULL), false) AS nulls,"
        f" COALESCE(pg_catalog.bool_or(NOT {short}), false) AS long, {found} AS found FROM looked"
    )


def _sampled(table: Table, wanted: int) -> str:
    """What takes about so many rows of a large table, from all over it, without reading the rest."""
    if table.rows <= wanted:
        return ""
    return f" TABLESAMPLE SYSTEM ({min(100.0, 150.0 * wanted / table.rows):.6f}) REPEATABLE (0)"


def held(db: Database, clock: Clock, parent: Table, key: Column, asked: Sequence[Sequence[str]]) -> list[int]:
    """Of each list of texts, how many are keys of the parent. Raises OutOfTime, Unlooked."""
    given = ", ".join(
        f"({place}, {literal(value)})" for place, values in enumerate(asked) for value in values if values
    )
    if not given:
        return [0] * len(asked)
    kind = "pg_catalog.uuid" if key.type == "uuid" else "pg_catalog.text"
    query = (
        f"SELECT asked.place AS place, pg_catalog.count(*) AS held FROM (VALUES {given}) AS asked (place, value)"
        f" JOIN {parent.qualified} AS parent ON parent.{key.sql} = asked.value::{kind} GROUP BY asked.place"
    )
    with limited(db, clock):
        found = {row.place: row.held for row in db.rows(query, _Held)}
    return [found.get(place, 0) for place in range(len(asked))]


def measure(db: Database, clock: Clock, link: Link, tried: Sequence[Hypothesis]) -> Measured:
    """All hypotheses of a link for some rows of its parent, of all its columns. Raises OutOfTime, Unlooked."""
    columns = link.parent.counting
    with limited(db, clock):
        rows = db.rows(_measuring(link, columns, tried), _Row)
    keys = tuple(row.key for row in rows)
    none = [0] * len(tried)
    by_column = zip(*(row.counters for row in rows), strict=True) if rows else [()] * len(columns)
    by_hypothesis = zip(*(row.tallies or none for row in rows), strict=True) if rows else [()] * len(tried)
    return Measured(
        {column.name: Values(keys, [_plain(v) for v in values]) for column, values in zip(columns, by_column, strict=True)},
        tuple(Values(keys, [_plain(v) for v in values]) for values in by_hypothesis),
        sampled=link.parent.rows > SAMPLE or len(rows) >= SAMPLE,
    )


def _plain(value: Number | None) -> Number:
    """A number, whole where it is; NULL counts as 0."""
    if value is None:
        return 0
    if isinstance(value, Decimal) and value.is_finite() and value == int(value):
        return int(value)
    return value


def _measuring(link: Link, columns: Sequence[Column], tried: Sequence[Hypothesis]) -> str:
    counters = ", ".join(f"parent.{column.sql}::pg_catalog.numeric" for column in columns)
    tallies = ", ".join(hypothesis.aggregate() for hypothesis in tried)
    key = " || ' ' || ".join(f"chosen.k{place}::pg_catalog.text" for place in range(len(link.key)))
    return (
        f"{_grouped(link, f'ARRAY[{counters}] AS counters', f'ARRAY[{tallies}] AS tallies')}"
        f" SELECT {key} AS key, chosen.counters AS counters, grouped.tallies AS tallies"
        f" FROM chosen LEFT JOIN grouped ON {_same(link)}"
    )


def _grouped(link: Link, wanted: str, computed: str, kept: str = "") -> str:
    """``chosen``: what is wanted of some of a link's parents, under their keys k0, k1 …; ``grouped``: what is computed
    of all their events."""
    parent, child = link.parent, link.child
    keys = [f"parent.{parent.by_name[name].sql}" for name in link.key]
    names = [f"event.{child.by_name[name].sql}" for name in link.columns]
    aliases = [f"k{place}" for place in range(len(keys))]
    shown = ", ".join(f"{key} AS {alias}" for key, alias in zip(keys, aliases, strict=True))
    chosen = f"SELECT {shown}, {wanted} FROM {parent.qualified} AS parent"
    some = f"({chosen}{_sampled(parent, SAMPLE)} WHERE {_there(keys)} LIMIT {SAMPLE})"
    typed = "" if link.type_column is None else (
        f" AND event.{child.by_name[link.type_column].sql} = {literal(str(link.type_value))}"
    )  # fmt: skip
    if parent.rows > SAMPLE:
        some += (
            f" UNION ({chosen} WHERE ({', '.join(keys)}) IN (SELECT {', '.join(names)} FROM {child.qualified} AS event"
            f"{_sampled(child, _SOME_EVENTS)} WHERE {_there(names)}{typed} LIMIT {_SOME_EVENTS}))"
        )
    equal = " AND ".join(f"chosen.{alias} = {name}" for alias, name in zip(aliases, names, strict=True))
    by = ", ".join(f"chosen.{alias}" for alias in aliases)
    return (
        f"WITH chosen AS MATERIALIZED ({some}), grouped AS (SELECT {by}, {computed}"
        f" FROM chosen JOIN {child.qualified} AS event ON {equal}{typed}{kept} GROUP BY {by})"
    )


def _there(names: Sequence[str]) -> str:
    return " AND ".join(f"{name} IS NOT NULL" for name in names)


def _same(link: Link) -> str:
    return " AND ".join(f"grouped.k{place} = chosen.k{place}" for place in range(len(link.key)))


def last_events(
    db: Database, clock: Clock, found: Hypothesis, pairs: Sequence[tuple[Column, Column]]
) -> list[tuple[int, int]]:
    """For each pair of a parent's column and an event's, both times: in how many rows the first is the newest of the
    second, and in how many there is either. Raises OutOfTime, Unlooked."""
    wanted = ", ".join(f"parent.{column.sql} AS c{place}" for place, (column, _) in enumerate(pairs))
    newest = ", ".join(f"pg_catalog.max(event.{source.sql}) AS n{place}" for place, (_, source) in enumerate(pairs))
    kept = "".join(f" AND {part.sql('event.')}" for part in found.where)
    counts = " UNION ALL ".join(
        f"SELECT {place} AS place, pg_catalog.count(*) FILTER (WHERE c{place} = n{place}) AS agreed,"
        f" pg_catalog.count(*) FILTER (WHERE c{place} IS NOT NULL OR n{place} IS NOT NULL) AS rows FROM both_times"
        for place in range(len(pairs))
    )
    query = (
        f"{_grouped(found.link, wanted, newest, kept)}, both_times AS MATERIALIZED"
        f" (SELECT * FROM chosen LEFT JOIN grouped ON {_same(found.link)}) {counts} ORDER BY 1"
    )
    with limited(db, clock):
        return [(row.agreed, row.rows) for row in db.rows(query, _Times)]
