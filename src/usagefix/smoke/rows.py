"""Rows for a smoke test, in tables of which only the catalog is known: what must be given is copied, or made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from usagefix.database import Database
from usagefix.errors import DatabaseRefused
from usagefix.picture import strangers
from usagefix.quoting import quoted

_DEEPEST = 4  # a row that needs a row that needs a row …


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that a row must be given: the columns of ``smoke_columns.sql``."""

    name: str
    quoted: str
    type: str
    alone: bool
    required: bool
    refers: str | None
    refers_key: str | None
    expression: str


@dataclass(slots=True)
class Values:
    """Expressions in SQL by quoted column, and their parameters."""

    expressions: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


def values_for(
    db: Database,
    relation: str,
    given: Mapping[str, str],
    depth: int = 0,
    *,
    like: str = "true",
    params: Mapping[str, str] | None = None,
) -> Values:
    """What a row of ``relation`` must be given, beside ``given``, which are expressions by the plain name of a column.

    Values that need not be unique are those of another row, of one that is ``like`` it where there is one, for some go
    together. Where a column refers to a table that has no row, or to a row that must not be referred to twice, one is
    made there.
    """
    if depth > _DEEPEST:
        raise DatabaseRefused(f"{relation} needs rows in too many other tables", hint="")
    made = Values({in_text(quoted(column)): expression for column, expression in given.items()})
    for column in db.rows(db.query("smoke_columns"), _Column, {"relation": relation}):
        if column.name in given or not column.required:
            continue
        expression, value = column.expression, None
        if column.refers is not None and column.refers_key is not None:
            any_row = f"SELECT {column.refers_key} FROM {column.refers} LIMIT 1"  # noqa: S608 - names of the catalog's
            expression = in_text(f"({any_row})")
            if column.alone or not db.values(any_row):
                value = temporary_row(db, column.refers, column.refers_key, {}, depth + 1)
        if value is None and not column.alone:
            # Read now: the application's role may not be allowed to.
            (value,) = db.values(_copied(column, relation, like, expression), params or {})
        if value is not None:
            name = f"value_{len(made.params)}"
            made.params[name], expression = value, f"%({name})s::{column.type}"
        made.expressions[column.quoted] = expression
    return made


def in_text(name: str) -> str:
    """A name in the text of a statement that takes parameters."""
    return name.replace("%", "%%")


def _copied(column: _Column, relation: str, like: str, otherwise: str) -> str:
    relation = in_text(relation)
    filled = f"SELECT another.{column.quoted} FROM {relation} AS another WHERE another.{column.quoted} IS NOT NULL"  # noqa: S608
    return f"SELECT COALESCE(({filled} AND {like} LIMIT 1), ({filled} LIMIT 1), {otherwise})::text"


def temporary_row(db: Database, relation: str, key: str, given: Mapping[str, str], depth: int = 0) -> str:
    """Insert a row; its key, as text. Raises DatabaseRefused if the table takes no made-up row."""
    made = values_for(db, relation, given, depth)
    columns, expressions = ", ".join(made.expressions), ", ".join(made.expressions.values())
    filled = f"({columns}) VALUES ({expressions})" if columns else "DEFAULT VALUES"
    statement = f"INSERT INTO {in_text(relation)} {filled} RETURNING {in_text(key)}::text"
    (owner,) = db.values(
        "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = %(relation)s::regclass",
        {"relation": relation},
    )
    strangers.require_none(db, [relation])
    inserted = db.act(statement, made.params, role=owner)
    if not inserted:
        raise DatabaseRefused(f"{relation} accepted no row", hint="")
    return str(inserted[0])
