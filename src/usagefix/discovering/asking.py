"""The statements of discover, each one pass over a table of events. Names are as the server writes them in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from usagefix.discovering.hypotheses import Hypothesis
from usagefix.discovering.links import Link
from usagefix.discovering.tables import NUMBERS, SPARSE, TEXTS, Column, Table
from usagefix.quoting import literal

SAMPLE = 2_000  # rows of a parent table that a link is measured on
MOST_SEEN = 50  # values of a column that are read
_SOME_EVENTS = 400  # events whose parents are read if few of the others have any
_PROFILED = 3_000  # rows of a table of events that its values are read from
_LONG = 100  # bytes of a value that is not read


def profiling(table: Table, columns: Sequence[Column]) -> str:
    """For each column, in its place, whether it has NULLs and long values, and its short ones, of some rows."""
    some = ", ".join(column.sql for column in columns)
    parts = " UNION ALL ".join(_looked_at(place, column) for place, column in enumerate(columns))
    return (
        f"WITH looked AS MATERIALIZED (SELECT {some} FROM {table.qualified} AS event{_sampled(table, _PROFILED)}"
        f" LIMIT {2 * _PROFILED}) {parts}"
    )


def _looked_at(place: int, column: Column) -> str:
    named = f"looked.{column.sql}"
    short = f"pg_catalog.pg_column_size({named}) <= {_LONG}"
    found = "'{}'::pg_catalog.text[]"
    if column.type in TEXTS | NUMBERS | SPARSE:
        found = f"ARRAY(SELECT DISTINCT {named}::pg_catalog.text FROM looked WHERE {short} LIMIT {MOST_SEEN + 1})"
    return (
        f"SELECT {place} AS place, COALESCE(pg_catalog.bool_or({named} IS NULL), false) AS nulls,"
        f" COALESCE(pg_catalog.bool_or(NOT {short}), false) AS long, {found} AS found FROM looked"
    )


def _sampled(table: Table, wanted: int) -> str:
    """What takes about so many rows of a large table, from all over it, without reading the rest.

    A LIMIT beside it would leave out the table's end, unless it is twice that.
    """
    if table.rows <= wanted:
        return ""
    return f" TABLESAMPLE SYSTEM ({min(100.0, 100.0 * wanted / table.rows):.6f}) REPEATABLE (0)"


def holding(parent: Table, key: Column, asked: Sequence[Sequence[str]]) -> str:
    """For each list of texts, by its place, how many are keys of the parent. There is at least one text."""
    given = ", ".join(f"({place}, {literal(value)})" for place, values in enumerate(asked) for value in values)
    kind = "pg_catalog.uuid" if key.type == "uuid" else "pg_catalog.text"
    return (
        f"SELECT asked.place AS place, pg_catalog.count(*) AS held FROM (VALUES {given}) AS asked (place, value)"
        f" JOIN {parent.qualified} AS parent ON parent.{key.sql} = asked.value::{kind} GROUP BY asked.place"
    )


def measuring(link: Link, columns: Sequence[Column], tried: Sequence[Hypothesis], *, with_events: bool = False) -> str:
    """For some of the parents, the key, the values of the columns and of each hypothesis.

    ``with_events``: besides, for the parents of some events.
    """
    counters = ", ".join(f"parent.{column.sql}::pg_catalog.numeric" for column in columns)
    tallies = ", ".join(hypothesis.aggregate() for hypothesis in tried)
    key = " || ' ' || ".join(f"chosen.k{place}::pg_catalog.text" for place in range(len(link.key)))
    return (
        f"{_grouped(link, f'ARRAY[{counters}] AS counters', f'ARRAY[{tallies}] AS tallies', with_events=with_events)}"
        f" SELECT {key} AS key, chosen.counters AS counters, grouped.tallies AS tallies"
        f" FROM chosen LEFT JOIN grouped ON {_same(link)}"
    )


def _grouped(link: Link, wanted: str, computed: str, kept: str = "", *, with_events: bool = False) -> str:
    """``chosen``: what is wanted of some of a link's parents, under their keys k0, k1 …; ``grouped``: what is computed
    of all their events."""
    parent, child = link.parent, link.child
    keys = [f"parent.{parent.by_name[name].sql}" for name in link.key]
    names = [f"event.{child.by_name[name].sql}" for name in link.columns]
    aliases = [f"k{place}" for place in range(len(keys))]
    shown = ", ".join(f"{key} AS {alias}" for key, alias in zip(keys, aliases, strict=True))
    chosen = f"SELECT {shown}, {wanted} FROM {parent.qualified} AS parent"
    some = f"({chosen}{_sampled(parent, SAMPLE)} WHERE {_there(keys)} LIMIT {2 * SAMPLE})"
    typed = "" if link.type_column is None else (
        f" AND event.{child.by_name[link.type_column].sql} = {literal(str(link.type_value))}"
    )  # fmt: skip
    if with_events:
        some += (
            f" UNION ({chosen} WHERE ({', '.join(keys)}) IN (SELECT {', '.join(names)} FROM {child.qualified} AS event"
            f"{_sampled(child, _SOME_EVENTS)} WHERE {_there(names)}{typed} LIMIT {2 * _SOME_EVENTS}))"
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


def newest(found: Hypothesis, pairs: Sequence[tuple[Column, Column]]) -> str:
    """For each pair of a parent's column and an event's, by its place: in how many rows the first is the newest of the
    second, and in how many there is either."""
    wanted = ", ".join(f"parent.{column.sql} AS c{place}" for place, (column, _) in enumerate(pairs))
    newest = ", ".join(f"pg_catalog.max(event.{source.sql}) AS n{place}" for place, (_, source) in enumerate(pairs))
    kept = "".join(f" AND {part.sql('event.')}" for part in found.where)
    counts = " UNION ALL ".join(
        f"SELECT {place} AS place, pg_catalog.count(*) FILTER (WHERE c{place} = n{place}) AS agreed,"
        f" pg_catalog.count(*) FILTER (WHERE c{place} IS NOT NULL OR n{place} IS NOT NULL) AS rows FROM both_times"
        for place in range(len(pairs))
    )
    return (
        f"{_grouped(found.link, wanted, newest, kept)}, both_times AS MATERIALIZED"
        f" (SELECT * FROM chosen LEFT JOIN grouped ON {_same(found.link)}) {counts} ORDER BY 1"
    )
