"""The table of notifications with its surroundings, and the throttles of the database."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from usagefix.database import Database
from usagefix.errors import NotPermitted, Refused, WrongDatabase
from usagefix.models.notifying import Collapsed, Mode, Throttle
from usagefix.picture.hidden import hidden
from usagefix.quoting import quoted, shown
from usagefix.throttle.roles import Column
from usagefix.throttle.written import Made, Written, named, read

MOST_PRESETS = 10
SMALL = 1 << 20  # bytes: a table that may be read whole for each notification
_KINDS = {
    "p": "is partitioned: a throttle would search all partitions, and rows could move between them",
    "v": "is a view",
    "m": "is a materialized view",
    "f": "is a foreign table, on another server",
}


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of ``notified_table.sql``."""

    kind: str
    owner: str
    owned: bool
    may_create: bool
    gives: bool
    inherits: bool
    size: int
    unidentified: bool
    filtered: bool
    columns: list[Mapping[str, Any]]
    leading: list[str]
    grantees: list[str]
    hidden: list[str]

    @property
    def typed(self) -> tuple[Column, ...]:
        return tuple(Column(c["name"], c["type"], c["refers"], c["written"], c["filled"]) for c in self.columns)


@dataclass(frozen=True, slots=True)
class _Named:
    """The columns of ``notification_tables.sql``."""

    schema: str
    name: str
    meant: bool


@dataclass(frozen=True, slots=True)
class There:
    """A trigger that bears the name of a throttle: the columns of ``throttles.sql``. ``plain``: columns of PostgreSQL's
    own types, which run no code that somebody wrote."""

    schema: str
    table: str
    trigger: str
    function: str
    function_schema: str
    body: str
    enabled: bool
    as_made: bool
    settings: str | None
    owned: bool
    arguments: list[str] | None
    readable: bool
    columns: list[str]
    plain: list[str]

    @property
    def written(self) -> Written | None:
        """What it says of itself; None if it is none of ours."""
        made = Made(self.trigger, self.function_schema, self.function)
        return read(self.schema, self.table, made, self.arguments or ())


def table(db: Database, schema: str, name: str) -> Table:
    """The table. Raises WrongDatabase if it is not there."""
    db.others = (f"{quoted(schema)}.{quoted(name)}",)
    found = db.rows(db.query("notified_table"), Table, {"schema": schema, "table": name})
    if not found:
        meant = others(db, schema, name)
        perhaps = f": --table {shlex.quote(meant[0])}?" if meant else ""
        raise WrongDatabase(
            f"database {db.session.database} has no table {in_words(schema, name)}",
            hint=f"name the table of notifications with --table, in another schema as schema.table{perhaps}",
        )
    return found[0]


def others(db: Database, schema: str, name: str) -> tuple[str, ...] | None:
    """Tables that look like one of notifications; None if this one is there."""
    found = db.rows(db.query("notification_tables"), _Named, {"schema": schema, "table": name})
    if any(each.meant for each in found):
        return None
    return tuple(in_words(each.schema, each.name) for each in found)


def require_plain(schema: str, name: str, there: Table) -> None:
    """Raises Refused if it is no table that can be throttled, or no row of it could be added to."""
    shown_name = in_words(schema, name)
    if there.kind in _KINDS or there.kind != "r":
        why = _KINDS.get(there.kind, "is no table")
        raise Refused(f"{shown_name} {why}", hint="usagefix throttles only plain tables of notifications")
    if there.inherits:
        raise Refused(
            f"{shown_name} is a partition, or inherits or is inherited",
            hint="usagefix throttles only tables without inheritance",
        )
    if there.unidentified:
        raise Refused(
            f"{shown_name} is published without a replica identity, so PostgreSQL refuses to update its rows",
            hint=f"ALTER TABLE {quoted(schema)}.{quoted(name)} REPLICA IDENTITY FULL, or give it a primary key",
        )


def require_changeable(db: Database, schema: str, name: str, there: Table) -> None:
    """Raises NotPermitted if this role may not make a trigger there."""
    if not there.owned:
        raise NotPermitted(
            f"role {db.session.role} does not own table {in_words(schema, name)}; its owner is {there.owner}",
            hint=f"connect as {there.owner}",
        )
    if not there.may_create:
        raise NotPermitted(
            f"role {db.session.role} may not create functions in schema {schema}",
            hint=f"GRANT CREATE ON SCHEMA {quoted(schema)} TO {quoted(db.session.role)}",
        )


def keys_of_data(db: Database, schema: str, name: str, there: Table) -> list[str]:
    """Keys of the data of notifications that are there; looks at some."""
    column = next((c.name for c in there.typed if c.type == "jsonb"), None)
    if column is None or there.filtered:
        return []
    return db.values(
        f"SELECT DISTINCT had.key FROM (SELECT {quoted(column)} AS data FROM {quoted(schema)}.{quoted(name)} LIMIT 200)"  # noqa: S608
        " AS few CROSS JOIN LATERAL jsonb_object_keys(CASE jsonb_typeof(few.data) WHEN 'object' THEN few.data END)"
        " AS had (key)"
    )


def types(db: Database, written: Written, there: Table) -> list[str]:
    """Some of the types of notifications that are there; looks at some."""
    plain = any(column.name == written.roles.type and column.plain for column in there.typed)
    if written.roles.type is None or not plain or there.filtered:
        return []
    name = quoted(written.roles.type)
    return db.values(
        f"SELECT DISTINCT few.type::text FROM (SELECT {name} AS type FROM"  # noqa: S608
        f" {quoted(written.schema)}.{quoted(written.table)} LIMIT 1000) AS few WHERE few.type IS NOT NULL"
        " ORDER BY 1 LIMIT 5"
    )


def throttles(db: Database) -> tuple[There, ...]:
    """Every throttle of the database."""
    return tuple(there for there in db.rows(db.query("throttles"), There) if there.written is not None)


def left_over(db: Database, schema: str, name: str) -> str | None:
    """The function of a throttle whose trigger is gone, with its table or without, as SQL names it."""
    signature = f"{quoted(schema)}.{quoted(named('collapse_', name))}()"
    found = db.values(db.query("throttle_left"), {"function": signature})
    return signature if found else None


def told(db: Database, there: There, *, counted: bool = True) -> Throttle:
    """A throttle for a report; ``counted``: with what it has added together."""
    written = there.written
    assert written is not None  # noqa: S101 - see throttles
    problems = tuple(_problems(there, written))
    rows = list[Collapsed]()
    plain = {written.roles.data, written.roles.preset} <= set(there.plain)
    can = counted and there.readable and written.mode is Mode.COLLAPSE and plain
    # Anybody may make such a trigger on an own table.
    can = can and not hidden(db, (f"{quoted(written.schema)}.{quoted(written.table)}",), named=False)
    if can:
        rows = db.rows(_collapsed(db, written), Collapsed)
    return Throttle(
        in_words(written.schema, written.table),
        written.mode,
        written.window,
        written.roles,
        there.trigger,
        there.function,
        there.enabled,
        problems,
        sum(row.collapsed for row in rows) if can else None,
        sum(row.notifications for row in rows) if can else None,
        tuple(rows[:MOST_PRESETS]),
        written.only,
    )


def _problems(there: There, written: Written) -> Iterator[str]:
    """What is not as usagefix made it."""
    if not there.enabled:
        yield f"trigger {there.trigger} is disabled"
    if gone := _missing(there, written):
        yield f"column {', '.join(gone)} does not exist any more, so nothing is merged"
    if written.made is not None:
        yield "the table had another name, or its trigger another function, when it was created, so it does nothing"
    elif there.body != written.body or _bare(there.settings) != _bare(written.settings):
        yield f"function {there.function}() is not as usagefix created it"
    elif not there.owned:
        yield f"function {there.function}() has another owner than the table, or more rights than its caller"
    if not there.as_made:
        yield f"trigger {there.trigger} fires at other times, or on a condition"


def _bare(settings: str | None) -> str:
    return (settings or "").replace('"', "")


def _missing(there: There, written: Written) -> list[str]:
    return [column for column in written.columns if column not in there.columns]


@dataclass(frozen=True, slots=True)
class _Label:
    """The columns of ``notified_label.sql``."""

    table_sql: str
    key: str
    label: str


def _collapsed(db: Database, written: Written) -> str:
    """How many rows were added to others, by preset, by what these say."""
    about = {"schema": written.schema, "table": written.table, "column": written.roles.preset}
    label = next(iter(db.rows(db.query("notified_label"), _Label, about)), None)
    data, preset = f"noted.{quoted(str(written.roles.data))}", f"noted.{quoted(written.roles.preset)}"
    uses = f"CASE jsonb_typeof({data} -> 'uses') WHEN 'number' THEN ({data} ->> 'uses')::numeric ELSE 1 END"
    name = "''"
    if label is not None:
        name = (
            f"COALESCE((SELECT about.{quoted(label.label)}::text FROM {label.table_sql} AS about"  # noqa: S608
            f" WHERE about.{quoted(label.key)} = {preset}), '')"
        )
    return (
        f"SELECT {preset}::text AS id, {name} AS label, sum({uses} - 1) AS collapsed, count(*) AS notifications"  # noqa: S608
        f" FROM {quoted(written.schema)}.{quoted(written.table)} AS noted"
        f" WHERE {uses} > 1 AND {preset} IS NOT NULL GROUP BY {preset} ORDER BY 3 DESC, 1"
    )


def in_words(schema: str, name: str) -> str:
    """A table as people write it."""
    return shown(name) if schema == "public" else f"{shown(schema)}.{shown(name)}"
