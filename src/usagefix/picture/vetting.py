"""Pieces of SQL from a declaration, as the server reads them: what they mean, and whether they are safe to keep.

If nothing may be written, the server only reads them, see :func:`glanced`. If a counter is about to be created, they
become part of it: :func:`vetted` lets the server build an index of them, which refuses whatever depends on more than
the row, and returns them with every name qualified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from usagefix.database import Database
from usagefix.errors import DatabaseRefused, NotPermitted, ReadOnlyServer
from usagefix.picture.obstacles import said
from usagefix.quoting import quoted
from usagefix.tokens import Kind, Token, code

_MOMENTS = frozenset(("now", "today", "tomorrow", "yesterday"))
_NOT_IMMUTABLE = "42P17"
# Types that PostgreSQL's own operators compare exactly as they are; for others a path may lead to somebody else's.
_COMPARED = frozenset(
    ("boolean", "smallint", "integer", "bigint", "numeric", "double precision", "text", "uuid", "date", "interval")
) | {"timestamp with time zone", "timestamp without time zone"}
_WORDS = {
    _NOT_IMMUTABLE: "calls what gives another value at another time or in another session; counting needs IMMUTABLE. A"
    " timestamptz as a day is (created_at AT TIME ZONE 'UTC')::date",
    "0A000": "has a subquery, a set or a system column, which no trigger could follow",
    "42803": "has an aggregate; one event has nothing to add up: that is what sum is for",
    "42P20": "has a window function; one event has no others beside it",
}


_MAY_COPY = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')"
_COLUMNS = (
    "SELECT attname::text AS name, pg_catalog.format_type(atttypid, NULL) AS kind FROM pg_catalog.pg_attribute"
    " WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%(table)s)::pg_catalog.oid AND attnum > 0"
)


class Unsound(Exception):
    """A piece of SQL that cannot be used; the message says why, in words that follow its key."""


@dataclass(frozen=True, slots=True)
class Source:
    """The table whose columns a piece of SQL is about, as SQL writes it, and what it is called there: ``event`` or
    ``preset``. ``owner``: that of the table with the counter, with whose rights it runs."""

    table: str
    alias: str
    owner: str


@dataclass(frozen=True, slots=True)
class Vetted:
    """A piece of SQL as the server prints it, and the type of its value."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Called:
    """The columns of ``called.sql``."""

    schema: str
    name: str
    moving: bool | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class _Untrusted:
    """The columns of ``untrusted.sql``."""

    name: str
    owner: str


@dataclass(frozen=True, slots=True)
class _Column:
    """A column and its type."""

    name: str
    kind: str


def glanced(db: Database, fragment: str, source: Source) -> Vetted:
    """The piece as it was written, and its type. Nothing is written, and nothing of it runs. Raises Unsound."""
    require_known(db, fragment, source)
    try:
        # As a condition it can be no aggregate, no window function and no set.
        (kind,) = db.described(
            f"SELECT ({fragment}) FROM {source.table} AS {source.alias} WHERE ({fragment}) IS NULL"  # noqa: S608
        )
    except DatabaseRefused as refused:
        raise _unsound(refused) from None
    return Vetted(f"({fragment})", kind)


def vetted(db: Database, fragment: str, source: Source) -> Vetted:
    """The piece as the server prints it, in a transaction that is undone. Raises Unsound, or NotPermitted if the
    role may make no temporary table."""
    require_known(db, fragment, source)
    try:
        text, kind = db.retrying(lambda: _printed(db, fragment, source))
    except ReadOnlyServer:  # what changes something says so itself
        return glanced(db, fragment, source)
    except NotPermitted as refused:
        role, database = quoted(db.session.role), quoted(db.session.database)
        grant = f"GRANT TEMPORARY ON DATABASE {database}"
        if db.values(_MAY_COPY)[0]:  # but not read what is to be copied
            grant = f"GRANT SELECT ON {source.table}"
        raise NotPermitted(
            refused.message,
            hint=f"{grant} TO {role}: the server judges SQL on an empty copy",
            sqlstate=refused.sqlstate,
        ) from None
    except DatabaseRefused as refused:
        raise _unsound(refused) from None
    found = text.strip().removeprefix("SELECT").strip().rsplit(" AS usagefix_vetted\n", 1)[0]
    _require_moments(fragment, found)
    _require_own_equality(db, found, source)
    return Vetted(found, kind)


def _printed(db: Database, fragment: str, source: Source) -> tuple[str, str]:
    """A view of it as the server prints it, and its type; then an index of it, which only takes what is IMMUTABLE."""
    copy = f"pg_temp.{source.alias}"
    with db.transaction(rollback=True):
        db.run(f"CREATE TEMPORARY TABLE {source.alias} (LIKE {source.table})")
        # A second table makes the server write each column with its table.
        db.run(
            f"CREATE VIEW pg_temp.usagefix_vetted AS SELECT ({fragment}) AS usagefix_vetted FROM {copy}"  # noqa: S608
            f" AS {source.alias} CROSS JOIN (VALUES (1)) AS usagefix_one (usagefix_one)"
        )
        for found in db.rows(db.query("untrusted"), _Untrusted, {"owner": source.owner}):
            raise Unsound(_foreign(found.name, found.owner, source.owner))
        text, kind = db.tuple(
            "SELECT pg_catalog.pg_get_viewdef(attrelid), pg_catalog.format_type(atttypid, NULL)"
            " FROM pg_catalog.pg_attribute"
            " WHERE attrelid = 'pg_temp.usagefix_vetted'::pg_catalog.regclass AND attnum = 1"
        )
        db.run(f"CREATE INDEX ON {copy} (({fragment}))")
    return text, kind


def require_known(db: Database, text: str, source: Source, *, moving: bool = False) -> None:
    """Nothing that is named in it gives another value each time, unless it may (``moving``), or is by somebody whose
    code must not run with the rights of others. Raises Unsound."""
    named = list(dict.fromkeys(_named(code(text))))
    if not named:
        return
    params = {"schemas": [schema for schema, _ in named], "names": [name for _, name in named], "owner": source.owner}
    for called in db.rows(db.query("called"), _Called, params):
        if called.owner is not None:
            raise Unsound(_foreign(f"{called.schema}.{called.name}", called.owner, source.owner))
        if called.moving and not moving:
            raise Unsound(f"calls {called.name}, which {_WORDS[_NOT_IMMUTABLE].removeprefix('calls what ')}")


def _named(found: list[Token]) -> Iterator[tuple[str, str]]:
    """Functions, tables and types by their schema and name. Raises Unsound for an operator of another schema."""
    for place, token in enumerate(found):
        before = found[max(0, place - 2) : place]
        called = [later.text for later in found[place + 1 : place + 2]] == ["("]
        if token.name == "operator" and called and [t.name for t in found[place + 2 : place + 3]] != ["pg_catalog"]:
            raise Unsound("has OPERATOR(...) of another schema than pg_catalog")
        if token.name and [earlier.text for earlier in before[1:]] == ["."]:
            yield before[0].name, token.name
        elif token.name and called:
            yield "pg_catalog", token.name


def _foreign(name: str, owner: str, trusted: str) -> str:
    return (
        f"uses {name}, which belongs to {owner}: it would run with the rights of {trusted}. Only what belongs to"
        f" {trusted} or to a superuser is used"
    )


def _require_moments(fragment: str, printed: str) -> None:
    """'now' as a time is read once, and is then a time long ago."""
    literals = [
        [t.content.strip().lower() for t in code(text) if t.kind is Kind.LITERAL] for text in (fragment, printed)
    ]
    for moment in _MOMENTS:
        if literals[0].count(moment) > literals[1].count(moment):
            raise Unsound(f"has {moment!r} as a time, which would stay the moment at which it is read")


def _require_own_equality(db: Database, printed: str, source: Source) -> None:
    """What compares without an operator that could be named finds it on the path, on which others may create. Raises
    Unsound unless the types leave no choice."""
    found = [token.text for token in code(printed)]
    pairs = list(zip(found, [*found[1:], ""], strict=True))
    hidden = next((word for word, then in pairs if _compares(word, then)), None)
    if hidden is None:
        return
    columns = {column.name: column.kind for column in db.rows(_COLUMNS, _Column, {"table": source.table})}
    names = [token.name for token in code(printed)]
    for place, text in enumerate(found):
        after = [later for later in found[place + 1 : place + 3] if later != ")"]
        of_row = found[max(0, place - 2) : place] == [source.alias, "."]
        kind = columns.get(names[place], "") if of_row and after[:1] != ["::"] else ""
        if text == "::":
            kind = _type_at(found[place + 1 :])
        if kind and kind not in _COMPARED:
            raise Unsound(f"compares {kind} by {hidden}, which takes an equality from the path: write = or <> instead")


def _compares(word: str, then: str) -> bool:
    return word == "NULLIF" or (word == "DISTINCT" and then == "FROM") or (word == "CASE" and then != "WHEN")


def _type_at(found: list[str]) -> str:
    """The type that begins there, without its length."""
    rest = " ".join(found)
    return next((kind for kind in sorted(_COMPARED, key=len, reverse=True) if rest.startswith(kind)), found[0])


def _unsound(refused: DatabaseRefused) -> Unsound:
    state = refused.sqlstate or ""
    if state in _WORDS:
        return Unsound(_WORDS[state])
    hint = f"; {refused.hint}" if state in ("42703", "42883", "42P01") and "Perhaps" in refused.hint else ""
    return Unsound(f"is refused by the server: {said(refused)}{hint}")
