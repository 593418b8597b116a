"""Events to try, for any table: copies of existing events, changed where they must differ. Reads only. If a unique
key allows something only once, the copy is by another person, or for another row. Columns that nothing fills have
the example's values. One event each is tried that counts, that counts less than nothing, and that does not count."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.errors import DatabaseRefused
from usagefix.keys import columns_of
from usagefix.picture.cases import Case, kinds
from usagefix.picture.differing import Column, Different, different, needing
from usagefix.quoting import literal, quoted, shown

T = TypeVar("T")
_LOOKED_AT = 2000  # examples, and rows that a value may be the key of
_EACH = 3  # rows of the parent


@dataclass(frozen=True, slots=True)
class _Example:
    key: str
    place: str | None


@dataclass(frozen=True, slots=True)
class _Copied:
    texts: list[str | None]


@dataclass(frozen=True, slots=True)
class _Text:
    text: str | None


def examples(db: Database, key: str | None = None) -> tuple[Case, ...]:
    """Events to try: up to three rows of the parent for each way in which an event may count, or the one with a
    ``key``. Where there is no event, one is made up; empty if the parent has no such row."""
    apart = different(db)
    found = [
        case
        for what, condition in _ways(db.counter)
        for example in _asked(db, _of(db.counter, condition, apart, key), _Example)
        for case in variants(db, example.key, example.place, what, apart)
    ]
    if not found:
        made_up = _asked(db, _rows_without(db.counter, apart, key), _Example)
        found = [c for one in made_up for c in variants(db, one.key, None, _event(db.counter), apart)]
    return tuple(found)


def _ways(counter: Counter) -> Iterator[tuple[str, str]]:
    """The ways in which an event may count, in words, each with its condition over ``event``."""
    counts, event = f"({counter.where})" if counter.where else "true", _event(counter)
    if counter.weight is None:
        yield (f"{event} that counts" if counter.where else event), counts
    else:
        yield f"{event} that adds", f"{counts} AND ({counter.weight}) > 0"
        yield f"{event} that takes away", f"{counts} AND ({counter.weight}) < 0"
    if counter.where:
        yield _not_counting(counter), f"{counts} IS NOT TRUE"


def _not_counting(counter: Counter) -> str:
    return f"{_event(counter)} that does not count"


def _event(counter: Counter) -> str:
    return f"a row of {counter.child}"


def _key(counter: Counter, alias: str) -> str:
    return key_of(alias, [column for column, _ in counter.keys])


def key_of(alias: str, columns: Sequence[str]) -> str:
    """A key as text: that of its only column, or of the ROW of them."""
    names = [f"{alias}.{quoted(column)}" for column in columns]
    return _text(names[0]) if len(names) == 1 else f"ROW({', '.join(names)})::text"


def _of(counter: Counter, condition: str, apart: Different, key: str | None) -> str:
    """The question for examples, with rows of the parent that few others of them have; of one row of the parent, or
    where it can have no other event, one from elsewhere."""
    events = f"{counter.child_sql} AS event"
    if apart.once or key is not None:
        wanted = f" AND {_is_key('event', [column for _, column in counter.keys], counter, key)}" if key else ""
        first = " UNION ALL ".join(
            f"(SELECT {_place('event')} AS place FROM {events} WHERE {condition}{which} LIMIT 1)"  # noqa: S608
            for which in dict.fromkeys((wanted, ""))
        )
        others = _rows_without(counter, apart, key)
        return f"SELECT others.key, example.place FROM ({others}) AS others, ({first} LIMIT 1) AS example"  # noqa: S608
    both = counter.keys
    same = " AND ".join(f"preset.{quoted(own)} = event.{quoted(column)}" for own, column in both)
    only = f" AND ({counter.only})" if counter.only else ""
    return (
        f"SELECT key, min(place) AS place FROM (SELECT {_key(counter, 'preset')} AS key, {_place('event')} AS place"  # noqa: S608
        f" FROM {events} JOIN {counter.parent_sql} AS preset ON {same}"
        f" WHERE {condition}{only} LIMIT {_LOOKED_AT}) AS found GROUP BY key ORDER BY count(*), key LIMIT {_EACH}"
    )


def _rows_without(counter: Counter, apart: Different, key: str | None) -> str:
    """The question for rows of the parent that an event without an example is made up for: where a row can have only
    one, those that have none."""
    both = counter.keys
    same = " AND ".join(f"event.{quoted(column)} = preset.{quoted(own)}" for own, column in both)
    free = f"NOT EXISTS (SELECT FROM {counter.child_sql} AS event WHERE {same})" if apart.once else "true"
    only = f" AND ({counter.only})" if counter.only else ""
    wanted = f" AND {_is_key('preset', [own for own, _ in both], counter, key)}" if key is not None else ""
    return (
        f"SELECT {_key(counter, 'preset')} AS key, NULL::text AS place FROM {counter.parent_sql} AS preset"  # noqa: S608
        f" WHERE {free}{only}{wanted} LIMIT {_EACH}"
    )


def _is_key(alias: str, columns: Sequence[str], counter: Counter, key: str) -> str:
    parts = zip(columns, key_texts(counter, key), strict=True)
    return " AND ".join(f"{alias}.{quoted(column)} = {literal(part)}" for column, part in parts)


def row_is(alias: str, counter: Counter, key: str) -> str:
    """The condition that a row of the parent is the one with a key."""
    return _is_key(alias, [own for own, _ in counter.keys], counter, key)


def variants(db: Database, key: str, place: str | None, what: str, apart: Different, number: int = 1) -> Iterator[Case]:
    """So many events of one row of the parent that may be there beside each other and all others; fewer where there are
    not so many values. ``key``, ``place``: of the row, and of the event that is copied."""
    values = {column.name: _values(db, column, key, place, apart, number) for column in apart.free}
    for n in range(min((len(each) for each in values.values()), default=number)):
        given = tuple((name, each[n]) for name, each in values.items())
        user = dict(given).get(db.counter.user or "") or _told(db, db.counter.user, place)
        kind = _told(db, db.counter.kind, place) or next(iter(kinds(db)), None)
        counts = what != _not_counting(db.counter)
        claim = user or str(uuid.uuid4())
        yield Case(key, user, claim, kind, what, place is not None, example=place, given=given, counts=counts)


def _told(db: Database, column: str | None, place: str | None) -> str | None:
    """What an example has in a column; None if it has nothing, or there is none."""
    if column is None or place is None:
        return None
    value = _text(f"event.{quoted(column)}")
    found = _texts(db, f"SELECT {value} FROM {db.counter.child_sql} AS event WHERE {_is_at('event', place)}")  # noqa: S608
    return next(iter(found), None)


def _values(db: Database, column: Column, key: str, place: str | None, apart: Different, number: int) -> list[str]:
    """Values that no such event has, as text: of rows that a column refers to, else made up."""
    if column.refers is None or column.refers_key is None:
        made_up = f"SELECT {_text(column.made_up)} FROM generate_series(1, {number})"  # noqa: S608 - of the catalog
        return _texts(db, made_up)
    counter, key_columns = db.counter, [name for _, name in db.counter.keys]
    parts = key_texts(counter, key)
    taken: list[str] = []
    for unique in (unique for unique in apart.unique if column.name in unique):
        same = [f"event.{column.quoted.replace('%%', '%')} = referred.{column.refers_key}"]
        for name in unique:
            if name in key_columns:
                same.append(f"event.{quoted(name)} = {literal(parts[key_columns.index(name)])}")
            elif name != column.name and place is not None:
                example = f"SELECT example.{quoted(name)} FROM {counter.child_sql} AS example"  # noqa: S608
                same.append(f"event.{quoted(name)} = ({example} WHERE {_is_at('example', place)})")
        taken.append(f"NOT EXISTS (SELECT FROM {counter.child_sql} AS event WHERE {' AND '.join(same)})")
    if column.refers == ".".join(map(shown, counter.parent_table)) and len(parts) == 1:
        taken.append(f"referred.{column.refers_key} <> {literal(key)}")  # nobody follows oneself
    referred = f"(SELECT {column.refers_key} FROM {column.refers} LIMIT {_LOOKED_AT}) AS referred"  # noqa: S608
    free = f"SELECT {_text(f'referred.{column.refers_key}')} FROM {referred} WHERE {' AND '.join(taken)} LIMIT {number}"  # noqa: S608
    return _texts(db, free)


def values_of(db: Database, case: Case, columns: Sequence[str]) -> dict[str, str | None]:
    """What an event like this is given, as text, by column; made up where the example has nothing that must be."""
    found: dict[str, str | None] = {}
    if case.example is not None:
        texts = [
            f"CASE WHEN event.{quoted(name)} IS NOT NULL THEN pg_catalog.concat(event.{quoted(name)}) END"
            for name in columns
        ]
        query = f"SELECT ARRAY[{', '.join(texts)}] AS texts FROM {db.counter.child_sql} AS event"  # noqa: S608
        for example in _asked(db, f"{query} WHERE {_is_at('event', case.example)}", _Copied):
            found = dict(zip(columns, example.texts, strict=True))
    needed = [column for name, column in needing(db).items() if name in columns and found.get(name) is None]
    for column in needed:
        if column.required and column.name not in dict(case.given):
            some = f"SELECT {_text(f'referred.{column.refers_key}')} FROM {column.refers} AS referred LIMIT 1"  # noqa: S608
            found[column.name] = next(
                iter(_texts(db, some if column.refers else f"SELECT {_text(column.made_up)}")), None
            )
    keys = dict(zip((column for _, column in db.counter.keys), key_texts(db.counter, case.preset), strict=True))
    return dict.fromkeys(columns) | found | dict(case.given) | dict(keys)


def _texts(db: Database, query: str) -> list[str]:
    return [each.text for each in _asked(db, f"SELECT found.* FROM ({query}) AS found (text)", _Text) if each.text]  # noqa: S608


def _asked(db: Database, query: str, into: type[T]) -> list[T]:
    """The rows of a query; none if the server refuses it: it may be about a table that this role may not read."""
    db.run("SAVEPOINT usagefix_example")
    try:
        return db.rows(query.replace("%", "%%"), into, {})
    except DatabaseRefused:
        db.run("ROLLBACK TO SAVEPOINT usagefix_example")
        return []


def key_texts(counter: Counter, key: str) -> tuple[str, ...]:
    """The parts of a key, as text."""
    return columns_of(key) if counter.more_keys else (key,)


def _place(alias: str) -> str:
    """Where a row is, as text: its table, which may be a partition, and its place there."""
    return f"pg_catalog.concat({alias}.tableoid, ' ', {alias}.ctid)"


def _is_at(alias: str, place: str) -> str:
    table, _, row = place.partition(" ")
    return f"{alias}.tableoid = {literal(table)}::oid AND {alias}.ctid = {literal(row)}::tid"


def _text(expression: str) -> str:
    """A value as its type writes it: a cast to text may be a function of whoever made the type."""
    return f"NULLIF(pg_catalog.concat({expression}), '')"
