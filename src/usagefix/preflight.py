"""What must be true of a database before a command reads or changes it. Each failure names what is missing."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from usagefix import picture
from usagefix.database import Database
from usagefix.errors import TO_THE_PRIMARY, DatabaseRefused, NotPermitted, ReadOnlyServer, Refused, WrongDatabase
from usagefix.picture.obstacles import of_any_use, of_keys, of_number
from usagefix.quoting import shown

NO_SUCH_OPERATOR = "42883"
_DEFAULTS = {"global", "database", "user", "database user"}  # where ALTER ROLE and ALTER DATABASE leave a setting
_MEANT_HERE = ("in this session", "leave it out of PGOPTIONS and the URL")
_MEANT_FOR_ALL = (
    "for the whole of it",
    "hosting services set it when the disk is full, and for a switchover: read the server's messages, add"
    " disk space, then run this again",
)


@dataclass(frozen=True, slots=True)
class MissingRight:
    """A privilege that the role lacks, and its GRANT: the columns of ``rights.sql``."""

    missing: str
    remedy: str


def require_tables(db: Database, *, undoing: bool = False) -> tuple[picture.Table, picture.Table]:
    """The two tables exist, with the columns that usagefix needs; ``undoing``: whatever became of the columns since
    apply. Raises WrongDatabase."""
    both = picture.tables(db)
    for table, of in zip(both, ("parent", "child"), strict=True):
        if not table.present:
            raise _no_table(db, table, of)
    counter = db.counter
    for table, certain in zip(both, ((counter.key, counter.column), (counter.foreign_key,)), strict=True):
        absent = [column for column in certain if column not in table.columns and not undoing]
        if absent:
            hint = f"usagefix needs {table.sql}({', '.join(certain)})"
            if _is_applied(db):
                hint += "; to let the application go on without it, usagefix rollback"
            raise WrongDatabase(f"table {table.sql} has no column {', '.join(absent)}", hint=hint)
    return both


def require_readable(db: Database, *, undoing: bool = False) -> None:
    """The two tables exist, with the columns that usagefix needs, and the role can read all of their rows and the
    baselines. ``undoing``: whatever became of the columns since apply. Raises WrongDatabase or NotPermitted."""
    require_tables_readable(db, undoing=undoing)
    require_baselines(db)


def require_tables_readable(db: Database, *, undoing: bool = False) -> None:
    """The same without baselines, for commands that report no counters. Raises WrongDatabase or NotPermitted."""
    both = require_tables(db, undoing=undoing)
    each = {table.sql: table for table in both}.values()
    unreadable = [found for table in each if (found := picture.unreadable(db, table))]
    if unreadable:
        raise NotPermitted(
            "; and ".join(found.why for found in unreadable),
            hint="; ".join(dict.fromkeys(found.remedy for found in unreadable)),
        )
    if not undoing:
        _require_types(db, *both)


def require_baselines(db: Database) -> None:
    """The role can read the baselines, if there are any; otherwise every count would be wrong. Raises NotPermitted."""
    there = picture.baselines(db)
    if there is not None and not there.readable:
        raise NotPermitted(
            f"role {db.session.role} may not read usagefix.baselines, which counts need",
            hint=f"GRANT USAGE ON SCHEMA usagefix TO {shown(db.session.role)};"
            f" GRANT SELECT ON usagefix.baselines TO {shown(db.session.role)}",
        )
    db.counter = replace(db.counter, baselines=there is not None)


def _require_types(db: Database, presets: picture.Table, events: picture.Table) -> None:
    """A counter that can be added to, and events that name presets by what can be compared with their keys."""
    counter = db.counter
    parent, child = presets.sql, events.sql
    for obstacle in of_number(counter, presets, applied=_is_applied(db)):
        raise WrongDatabase(obstacle.what, hint=obstacle.hint)
    try:
        # Types of the catalog's own wording; the tables are not touched, so no lock is waited for.
        key, foreign_key = presets.columns[counter.key]["type"], events.columns[counter.foreign_key]["type"]
        db.run(f"SELECT NULL::{key} = NULL::{foreign_key}")
    except DatabaseRefused as refused:
        if refused.sqlstate != NO_SUCH_OPERATOR:
            raise
        raise WrongDatabase(
            f"{child}.{counter.foreign_key} is of type {events.type_of(counter.foreign_key)},"
            f" {parent}.{counter.key} of type {presets.type_of(counter.key)}: they cannot be compared",
            hint="give both columns the same type",
        ) from None
    for obstacle in of_keys(counter, presets, events):
        raise Refused(obstacle.what, hint=obstacle.hint)


def _is_applied(db: Database) -> bool:
    """Whether the function that counts is there."""
    return bool(db.values("SELECT to_regprocedure(%(auto_increment)s) IS NOT NULL")[0])


@dataclass(frozen=True, slots=True)
class _LeftBehind:
    """What apply left where a table has no longer its name: the columns of ``left_behind.sql``."""

    tables: list[dict[str, str]]
    functions: list[str]


def _no_table(db: Database, table: picture.Table, of: str) -> WrongDatabase:
    what = ": something else has that name there, such as a view" if table.other_kind else ""
    if table.elsewhere:
        schemas = ", ".join(table.elsewhere)
        where = f"schema {schemas} has" if len(table.elsewhere) == 1 else f"the schemas {schemas} have"
        hint = f"{where} both tables: run this again with --schema {shlex.quote(table.elsewhere[0])}"
    elif (left := db.row(db.query("left_behind"), _LeftBehind, {"functions": sorted(db.counter.functions)})).functions:
        hint = _way_back(table, left, of)
    else:
        both = f"{db.counter.parent} and {db.counter.child}"
        hint = f"is this the application's database? usagefix needs the tables {both}"
        if db.counter.usual:
            hint += " where nothing else is declared; usagefix discover finds the counters of other tables"
    return WrongDatabase(f"database {db.session.database} has no table {table.sql}{what}", hint=hint)


def _way_back(table: picture.Table, left: _LeftBehind, of: str) -> str:
    """What to do about a table that was renamed, moved or dropped after apply."""
    now = next((one for one in left.tables if one["of"] == of), None)
    if now is None:
        functions = ", ".join(left.functions)
        return f"it was dropped after apply; DROP FUNCTION {functions} CASCADE removes what is left, with its triggers"
    name, steps = f"{shown(now['schema'])}.{shown(now['name'])}", []
    if now["schema"] != table.schema:
        steps.append(f"ALTER TABLE {name} SET SCHEMA {shown(table.schema)}")
    if now["name"] != table.name:
        steps.append(f"ALTER TABLE {shown(table.schema)}.{shown(now['name'])} RENAME TO {shown(table.name)}")
    return (
        f"it is {name} since somebody renamed or moved it after apply. {'; '.join(steps)}; usagefix rollback;"
        " then rename or move it again, declare the counter with the new name, and usagefix apply"
    )


def require_writable(db: Database) -> None:
    """The server accepts writes. Raises ReadOnlyServer. The setting of a role or a database is a default, which a
    transaction may override; usagefix respects the setting of the whole server, and of the person's own session."""
    if db.session.standby:
        raise ReadOnlyServer("this is a standby, which takes no writes", hint=TO_THE_PRIMARY)
    by = db.session.read_only_by
    if by is not None and by not in _DEFAULTS:
        where, hint = _MEANT_HERE if by in ("client", "session") else _MEANT_FOR_ALL
        raise ReadOnlyServer(
            f"the server takes no writes: default_transaction_read_only is on {where}",
            hint=hint,
        )
    if by is not None and db.target.pooler:
        raise ReadOnlyServer(
            "the role or the database is set to default_transaction_read_only, and a pooler is between",
            hint="connect directly, or as another role; or ALTER ROLE ... SET default_transaction_read_only = off",
        )


def require_triggers(db: Database) -> None:
    """Triggers fire in sessions of this role. Raises Refused, because a trial would not be counted."""
    if db.session.triggerless:
        raise Refused(
            "no trigger fires in this role's sessions: session_replication_role is replica",
            hint="ALTER ROLE or ALTER DATABASE ... RESET session_replication_role (usagefix doctor says which), or"
            " connect as another role",
        )


def require_changeable(db: Database, *, undoing: bool = False) -> None:
    """The server accepts writes, and the role has every privilege that apply, backfill and rollback need.
    ``undoing``: whatever became of the columns since apply. Raises WrongDatabase, ReadOnlyServer or NotPermitted, with
    each missing privilege and its GRANT."""
    require_writable(db)
    _require_owned(db, *require_tables(db, undoing=undoing))
    missing = db.once("rights", lambda: db.rows(db.query("rights"), MissingRight))
    if missing:
        raise NotPermitted(
            f"role {db.session.role} lacks {'; and '.join(right.missing for right in missing)}",
            hint="; ".join(right.remedy for right in missing),
        )


def _require_owned(db: Database, *both: picture.Table) -> None:
    others = [table for table in both if not table.owned]
    if not others:
        return
    owners = dict.fromkeys(str(table.owner) for table in both)
    hint = f"connect as {others[0].owner}"
    if len(owners) > 1:
        hint = f"connect as a role with the rights of both ({', '.join(owners)}), or let one role own both tables"
    raise NotPermitted(
        f"role {db.session.role} does not own table {others[0].sql}; its owner is {others[0].owner}", hint=hint
    )


def require_usable(db: Database) -> None:
    """Nothing refuses or changes each count. Raises Refused."""
    for obstacle in of_any_use(db):
        raise Refused(obstacle.what, hint=obstacle.hint)
