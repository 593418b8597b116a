"""The tables that declared counters name, as one database has them; and the list of all mistakes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.declaration import Declaration, Name
from usagefix.declaring import Mistake
from usagefix.errors import DatabaseRefused
from usagefix.quoting import quoted

WHOLE = frozenset(("smallint", "integer", "bigint"))
NUMBERS = WHOLE | {"numeric"}
COUNTERS = NUMBERS - {"smallint"}  # which is full too soon to begin with
INEXACT = frozenset(("real", "double precision", "money"))
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_TABLES = ("r", "p")


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a declaration names: the columns of ``declared_tables.sql``."""

    schema: str
    name: str
    kind: str | None
    owner: str | None
    columns: dict[str, dict[str, Any]]
    keys: list[list[str]]
    has_primary: bool
    refers: list[dict[str, Any]]
    alike: list[str]

    @property
    def sql(self) -> str:
        """The table as SQL writes it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def primary(self) -> tuple[str, ...]:
        """The columns of its primary key."""
        return tuple(self.keys[0]) if self.has_primary and self.keys else ()

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class Tables:
    """The tables of all declarations. ``schema``: where one is whose schema is not said; ``vetting``: the server may
    judge SQL in a transaction that writes, and is undone; ``applied``: what is counted here already; ``mistakes``: all
    that is wrong."""

    def __init__(
        self, db: Database, declared: Iterable[Declaration], schema: str, *, vetting: bool,
        applied: Iterable[Counter] = (),
    ) -> None:  # fmt: skip
        self.db = db
        self.applied = frozenset((of.schema, of.parent, of.column) for of in applied)
        self.schema = schema
        self.vetting = vetting
        self.mistakes: list[Mistake] = []
        self._compared: dict[tuple[str, str], bool] = {}
        names = [(one, name) for one in declared for name in (one.parent, one.events) if name is not None]
        wanted = sorted({(schema, name.table) for one, name in names for schema in self._schemas(one, name)})
        params = {"schemas": [schema for schema, _ in wanted], "tables": [table for _, table in wanted]}
        rows = db.rows(db.query("declared_tables"), Table, params) if wanted else ()
        self._tables = {(table.schema, table.name): table for table in rows}

    def wrong(self, declaration: Declaration, key: str, what: str) -> None:
        """Record a mistake."""
        self.mistakes.append(Mistake(declaration.place(key), what))

    def trusted(self, table: Table) -> str:
        """The role whose functions SQL about a table may call. It runs as the table's owner, and as who reads: if that
        is a superuser, the functions of another owner must not run."""
        owner = str(table.owner)
        return self.db.session.role if self.db.confines(owner) else owner

    def table(self, declaration: Declaration, key: str, name: Name) -> Table | None:
        """A table that exists; otherwise None, with a mistake."""
        tables = [self._tables[schema, name.table] for schema in self._schemas(declaration, name)]
        found = next((table for table in tables if table.kind in _TABLES), None)
        if found is not None:
            return found
        other = next((table for table in tables if table.kind is not None), None)
        if other is not None:
            what = f"names {other}, which is {_KINDS.get(str(other.kind), 'no table')}; triggers count on tables"
        else:
            alike = f"; there is {' and '.join(tables[0].alike)}" if tables[0].alike else ""
            what = f"names {tables[0]}, a table that database {self.db.session.database} does not have{alike}"
        self.wrong(declaration, key, what)
        return None

    def column(self, declaration: Declaration, key: str, table: Table, column: str) -> str | None:
        """A column that exists; otherwise None, with a mistake."""
        if column in table.columns:
            return column
        near = difflib.get_close_matches(column.lower(), {name.lower() for name in table.columns}, n=1)
        real = next((name for name in table.columns if near and name.lower() == near[0]), None)
        plain = real is not None and real == real.lower()
        meant = f"; is {real if plain else quoted(real)} meant?" if real else ""
        self.wrong(declaration, key, f"names {column}, a column that {table} does not have{meant}")
        return None

    def columns(self, declaration: Declaration, key: str, table: Table, columns: Sequence[str]) -> bool:
        """Whether all of them exist; each missing one is a mistake."""
        return None not in [self.column(declaration, key, table, column) for column in columns]

    def require_unique(self, declaration: Declaration, table: Table, key: Sequence[str], fixed: Iterable[str]) -> None:
        """An event finds one row of the table at most."""
        whole = tuple(dict.fromkeys((*key, *fixed)))
        if not any({*columns} <= {*whole} for columns in table.keys):
            self.wrong(
                declaration,
                "key",
                f"is ({', '.join(whole)}) of {table}, which no unique index covers (one that is valid, for all rows,"
                " and not deferrable): one event could belong to several rows",
            )

    def can_be_compared(self, left: str, right: str) -> bool:
        """Whether values of the one type can be equal to values of the other."""
        if (left, right) not in self._compared:
            try:
                self.db.described(f"SELECT NULL::{left} = NULL::{right}")
                self._compared[left, right] = True
            except DatabaseRefused:
                self._compared[left, right] = False
        return self._compared[left, right]

    def _schemas(self, declaration: Declaration, name: Name) -> tuple[str, ...]:
        """Where a table may be: events without a schema also beside the table with the counter."""
        if name.schema is not None:
            return (name.schema,)
        return tuple(dict.fromkeys((self.schema, declaration.parent.schema or self.schema)))
