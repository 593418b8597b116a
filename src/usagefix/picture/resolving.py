"""Declared counters in one database: the existing names, the types, the keys, and what the server says of their SQL.
Reads only, except for SQL that the server judges if the caller allows it. Reports all mistakes at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from usagefix import picture
from usagefix.counter import STANDARD, Counter
from usagefix.database import Database
from usagefix.declaration import Declaration
from usagefix.declaring import Mistake, Mistaken, is_usual
from usagefix.errors import Refused
from usagefix.picture.declared import Tables
from usagefix.picture.fitting import fitted
from usagefix.picture.ordering import in_order
from usagefix.picture.truths import verified
from usagefix.related import crossed, related


def resolved(
    db: Database,
    declared: Sequence[Declaration],
    schema: str,
    *,
    vetting: bool,
    asked: Collection[Declaration] | None = None,
    applied: Collection[Counter] = (),
    making: bool = False,
) -> tuple[Counter, ...]:
    """The counters that are ``asked`` for, else all, in the order in which they are repaired: what one counts from
    comes before it. The others are looked at because each has to know them.

    ``schema``: where a table is whose schema is not said; ``vetting``: the server may judge their SQL in a transaction
    that writes, and is undone; ``applied``: what is counted here already; ``making``: their triggers are going to be
    made. Raises Mistaken, with all that is wrong; Refused if writers would wait for each other in a circle.
    """
    names = {one.name for one in (declared if asked is None else asked)}
    found = _fitting(db, [one for one in declared if one.name in names], schema, applied, vetting=vetting)
    mistakes = [*found.mistakes, *_twice(found.pairs)]
    counters, circles = in_order(found.pairs)
    mistakes += circles
    if mistakes:
        raise Mistaken(mistakes, hint="write names as SQL does, odd ones in double quotes; the keys: docs/counters.md")
    beside = _fitting(db, [one for one in declared if one.name not in names], schema, applied)
    others = [counter for _, counter in beside.pairs]
    known = {_column(counter) for counter in (*counters, *others)}
    others += [counter for counter in applied if _column(counter) not in known]
    if making:
        _require_one_order(counters, others, applied)
    return related((*counters, *others))[: len(counters)]


def _require_one_order(asked: Sequence[Counter], others: Sequence[Counter], applied: Iterable[Counter]) -> None:
    """Raise Refused where the triggers of those asked for would let writers wait for each other in a circle. Each has
    the name under which it was applied."""
    names = {_column(counter): counter.slug for counter in applied}
    called = [replace(of, slug=names.get(_column(of), of.slug)) for of in (*asked, *others)]
    wanted = {of.slug for of in called[: len(asked)]}
    circles = [circle for circle in crossed(called) if wanted.intersection(circle.names)]
    if circles:
        there = [name for name in circles[0].names if name in names.values()]
        raise Refused(
            f"writers would deadlock: triggers fire in the order of their names, and lock {circles[0]}",
            hint="give one of these counters another name in the file, so that the tables come in one order:"
            ' name = "..."'
            + (f"; applied, so roll back before it gets another name: {', '.join(there)}" if there else ""),
        )


class _Found(NamedTuple):
    """Declarations with their counters, and what is wrong with the others."""

    pairs: list[tuple[Declaration, Counter]]
    mistakes: list[Mistake]


def _fitting(
    db: Database, declared: Sequence[Declaration], schema: str, applied: Iterable[Counter], *, vetting: bool = False
) -> _Found:
    """Those that fit the database."""
    tables = Tables(db, [one for one in declared if not is_usual(one)], schema, vetting=vetting, applied=applied)
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
