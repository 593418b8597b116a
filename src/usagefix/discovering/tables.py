"""The tables of a database, as far as counters may be in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from usagefix.database import Database
from usagefix.picture.hidden import hidden
from usagefix.rendering import PARAMETER

USUAL_SCHEMA = "public"
COUNTING = frozenset({"integer", "bigint", "numeric"})  # what a counter may be
NUMBERS = COUNTING | {"smallint"}
TEXTS = frozenset({"text", "character varying", "character", "citext", "enum"})
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
SPARSE = TEXTS | {"uuid"}  # a value of these is seldom equal to another by chance


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``sql``: its name as SQL writes it; ``type``: that below a domain; ``made``: the server fills it in."""

    name: str
    sql: str
    type: str
    nullable: bool
    made: bool

    @property
    def timed(self) -> bool:
        return self.type == "date" or self.type.startswith("timestamp")


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns that name a row of the table ``target``."""

    target: int
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A row of ``discover_tables.sql``."""

    oid: int
    schema: str
    name: str
    schema_sql: str
    sql: str
    readable: bool
    filtered: bool
    rows: int
    columns: list[dict[str, Any]]
    uniques: list[list[str]]
    has_primary: bool
    foreign_keys: list[dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """A table that can be read whole. ``rows``: about how many; ``uniques``: its keys, the primary one first."""

    oid: int
    schema: str
    name: str
    schema_sql: str
    sql: str
    rows: int
    columns: tuple[Column, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    primary: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def qualified(self) -> str:
        return f"{self.schema_sql}.{self.sql}"

    @property
    def shown(self) -> str:
        """Its name as a declaration has it: without the schema where that is public."""
        return self.sql if self.schema == USUAL_SCHEMA else self.qualified

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def referring(self) -> frozenset[str]:
        """The columns that a foreign key is made of."""
        return frozenset(name for key in self.foreign_keys for name in key.columns)

    @cached_property
    def keyed(self) -> frozenset[str]:
        """The columns that any key is made of, its own or another table's."""
        return self.referring | {name for unique in self.uniques for name in unique}

    @property
    def counting(self) -> tuple[Column, ...]:
        """The columns that may be counters."""
        return tuple(c for c in self.columns if c.type in COUNTING and not c.made and c.name not in self.keyed)


def tables(db: Database, only: str | None) -> tuple[tuple[Table, ...], dict[str, str]]:
    """The tables that the role may read whole, and the others with why it may not; of the schema ``only``, if any."""
    readable, others = [], {}
    everything = db.rows(db.query("discover_tables"), Found, {"only": only})
    # The server refuses to look up a name in a schema that the role may not use.
    asked = (f"{f.schema_sql}.{f.sql}" for f in everything if f.readable)
    traps = {trap.root: trap for trap in hidden(db, asked, named=False)}
    for found in everything:
        name = f"{found.schema_sql}.{found.sql}"
        if not found.readable:
            others[name] = f"role {db.session.role} may not read it"
        elif name in traps:
            others[name] = str(traps[name])
        elif found.filtered:
            others[name] = f"row level security hides rows from role {db.session.role}"
        elif not _writable(found.schema, found.name):
            others[name] = "its name cannot be declared"
        else:
            readable.append(_table(found))
    return tuple(readable), others


def _table(found: Found) -> Table:
    columns = tuple(Column(**column) for column in found.columns if _writable(column["name"]))
    known = {column.name for column in columns}
    uniques = tuple(tuple(unique) for unique in found.uniques if unique and known.issuperset(unique))
    keys = (ForeignKey(k["target"], tuple(k["columns"]), tuple(k["target_columns"])) for k in found.foreign_keys)
    return Table(
        found.oid, found.schema, found.name, found.schema_sql, found.sql, found.rows, columns, uniques,
        uniques[0] if found.has_primary and uniques else (),
        tuple(key for key in keys if known.issuperset(key.columns)),
    )  # fmt: skip


def _writable(*names: str) -> bool:
    """Whether names can stand in a file of declarations, and in a query beside parameters."""
    return writable(names)


def writable(texts: Iterable[str]) -> bool:
    """Whether texts are text (bytes of another encoding are surrogates), and none is taken for a parameter."""
    return not any(PARAMETER.search(text) or _NO_TEXT.search(text) for text in texts)
