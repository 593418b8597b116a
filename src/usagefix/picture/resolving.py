"""Declared counters in one database: the names that are there, the types, the keys, and what the server says of their
SQL. Reads only, but for SQL that is vetted where the caller says so. What is wrong is told all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from usagefix import picture
from usagefix.counter import STANDARD, Counter
from usagefix.database import Database
from usagefix.declaration import Declaration
from usagefix.declaring import Mistake, Mistaken, is_usual
from usagefix.picture.declared import Tables
from usagefix.picture.fitting import fitted
from usagefix.picture.ordering import in_order
from usagefix.picture.truths import verified
from usagefix.related import related


def resolved(
    db: Database,
    declared: Sequence[Declaration],
    schema: str,
    *,
    vetting: bool,
    asked: Collection[Declaration] | None = None,
    applied: Iterable[Counter] = (),
) -> tuple[Counter, ...]:
    """The counters that are ``asked`` for, else all, in the order in which they are repaired: what one counts from
    comes before it. The others are looked at because each has to know them.

    ``schema``: where a table is whose schema is not said; ``vetting``: the server may judge their SQL in a transaction
    that writes, and is undone; ``applied``: what is counted here already. Raises Mistaken, with all that is wrong.
    """
    names = {one.name for one in (declared if asked is None else asked)}
    found = _fitting(db, [one for one in declared if one.name in names], schema, vetting=vetting)
    mistakes = [*found.mistakes, *_twice(found.pairs)]
    counters, circles = in_order(found.pairs)
    mistakes += circles
    if mistakes:
        raise Mistaken(mistakes, hint="write names as SQL does, odd ones in double quotes; the keys: docs/counters.md")
    others = [counter for _, counter in _fitting(db, [one for one in declared if one.name not in names], schema).pairs]
    known = {_column(counter) for counter in (*counters, *others)}
    others += [counter for counter in applied if _column(counter) not in known]
    return related((*counters, *others))[: len(counters)]


class _Found(NamedTuple):
    """Declarations with their counters, and what is wrong with the others."""

    pairs: list[tuple[Declaration, Counter]]
    mistakes: list[Mistake]


def _fitting(db: Database, declared: Sequence[Declaration], schema: str, *, vetting: bool = False) -> _Found:
    """Those that fit the database."""
    tables = Tables(db, [one for one in declared if not is_usual(one)], schema, vetting=vetting)
    pairs = []
    for declaration in declared:
        before = len(tables.mistakes)
        counter = _counter(tables, declaration)
        if counter is not None and len(tables.mistakes) == before:
            pairs.append((declaration, counter))
    return _Found(pairs, tables.mistakes)


def _counter(tables: Tables, declaration: Declaration) -> Counter | None:
    """One of them; None, and noted, where it cannot be."""
    if is_usual(declaration):
        return picture.look_up(tables.db, _as_usual(declaration, tables.schema))
    return verified(tables, declaration) if declaration.events is None else fitted(tables, declaration)


def _as_usual(declaration: Declaration, schema: str) -> Counter:
    """The counter of the usual application, before a look at what it has of it."""
    return Counter(
        schema=declaration.parent.schema or schema,
        label=declaration.label or STANDARD.label,
        last=declaration.last or STANDARD.last,
        time=declaration.time or STANDARD.time,
        recorder=declaration.recorder or STANDARD.recorder,
        slug=declaration.name,
    )


def _twice(pairs: Iterable[tuple[Declaration, Counter]]) -> Iterator[Mistake]:
    """Two declarations of one column, which only their schemas told apart."""
    seen: dict[tuple[str, str, str], Declaration] = {}
    for declaration, counter in pairs:
        other = seen.setdefault(_column(counter), declaration)
        if other is not declaration:
            place = declaration.place("counter")
            yield Mistake(place, f"is {declaration.shown}, which {other.place('counter')} is already")


def _column(counter: Counter) -> tuple[str, str, str]:
    return counter.schema, counter.parent, counter.column
