"""What must differ between two events of a table, and which columns decide what an event counts for. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from usagefix.counter import Counter
from usagefix.database import Database

_READ = re.compile(r"\bevent\.(\"(?:[^\"]|\"\")+\"|\w+)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the events that must be given, or be unique: the columns of ``smoke_columns.sql``."""

    name: str
    quoted: str
    alone: bool
    required: bool
    type: str
    refers: str | None
    refers_key: str | None
    expression: str

    @property
    def made_up(self) -> str:
        """A value of its type, in SQL without parameters."""
        return self.expression.replace("%%", "%")


@dataclass(frozen=True, slots=True)
class Different:
    """What must differ between two events. ``free``: a column of each unique key, which takes a value of its own;
    ``empty``: those that are better left out; ``once``: unique keys by which a row of the parent has one event."""

    free: tuple[Column, ...]
    empty: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    once: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those that are free."""
        return tuple(column.name for column in self.free)


def read_by(counter: Counter) -> frozenset[str]:
    """The columns of an event by which it is told whether, and for how much, it counts."""
    found = _READ.findall(f"{counter.where or ''} {counter.weight or ''}")
    return frozenset(name[1:-1].replace('""', '"') if name.startswith('"') else name for name in found)


def needing(db: Database) -> dict[str, Column]:
    """The columns of an event that must be given or be unique, by name."""
    found = db.rows(db.query("smoke_columns"), Column, {"relation": db.counter.child_sql})
    return {column.name: column for column in found}


def written(counter: Counter, columns: Mapping[str, Mapping[str, Any]], different: Different) -> Iterator[str]:
    """The columns that an event is given: those of the parent's key, what must differ, and what nothing fills, or what
    tells whether it counts."""
    own = {*(column for _, column in counter.keys), *different.names}
    for name, facts in columns.items():
        told = not facts["filled"] or (name in read_by(counter) and not facts["made"])
        if name in own or (told and name not in different.empty):
            yield name


def different(db: Database) -> Different:
    """What must differ between two events here."""
    given, fixed = needing(db), {*(column for _, column in db.counter.keys), *read_by(db.counter)}
    unique = tuple(tuple(found) for found in db.values(db.query("unique_keys")))
    free: dict[str, Column] = {}
    empty: list[str] = []
    once: list[tuple[str, ...]] = []
    for key in unique:
        if any(name in free or name in empty for name in key):
            continue
        able = [given[name] for name in key if name in given and name not in fixed]
        able.sort(key=lambda column: (column.name != db.counter.user, column.refers is None, not column.required))
        if not able:
            once.append(key)
        elif able[0].required or able[0].refers is not None or able[0].name == db.counter.user:
            free[able[0].name] = able[0]
        else:
            empty.append(able[0].name)
    return Different(tuple(free.values()), tuple(empty), unique, tuple(once))
