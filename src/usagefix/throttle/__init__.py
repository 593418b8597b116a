"""Throttling of notifications: a new one is merged into the unread one.

It is optional, with one trigger a table, and independent: ``apply`` does not create it, ``rollback`` leaves it. Its
only state is in the trigger's arguments. If there is a ledger, its history records who switched it on and off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from usagefix import forbidden, ledger, preflight
from usagefix.catalog import Statement
from usagefix.database import Database, Limits
from usagefix.errors import ConfigurationError, DatabaseRefused, Refused
from usagefix.models.choices import Throttling
from usagefix.models.figures import plural
from usagefix.models.notifying import NotificationsReport, Returning, Throttle
from usagefix.picture.hidden import require_nothing_hidden
from usagefix.picture.obstacles import said
from usagefix.planning.plan import commented
from usagefix.quoting import literal, quoted
from usagefix.throttle import judging, look, returning
from usagefix.throttle.look import Table, There, in_words
from usagefix.throttle.roles import found
from usagefix.throttle.written import VERSION, Written

LEAST, MOST = 1, 365 * 24 * 3600  # seconds of a window
_UNITS = {"s": ("second", 1), "m": ("minute", 60), "h": ("hour", 3600), "d": ("day", 86_400)}
_WINDOW = re.compile(r"(\d{1,9})\s*([smhd])")
_NEEDED = "2BP01"  # something depends on it

__all__ = ["collapse", "off", "state", "throttles", "window_of"]


def window_of(text: str) -> str:
    """``12h`` as an interval in SQL: ``12 hours``. Raises ConfigurationError."""
    match = _WINDOW.fullmatch(text.strip().lower())
    name, seconds = _UNITS[match[2]] if match else ("", 0)
    if match is None or not LEAST <= int(match[1]) * seconds <= MOST:
        raise ConfigurationError(
            f"--window {text!r} is no length of time up to 365d", hint="write it as 30m, 12h or 2d"
        )
    number, name = (int(match[1]) * 24, "hour") if name == "day" else (int(match[1]), name)
    return f"{number} {name}{'' if number == 1 else 's'}"  # an interval, for the server


def throttles(db: Database) -> tuple[Throttle, ...]:
    """The throttles that are there, without what they have added together. Within a snapshot."""
    return tuple(look.told(db, there, counted=False) for there in look.throttles(db))


def state(db: Database, schema: str, table: str, *, source: Path | None = None) -> NotificationsReport:
    """Which tables are throttled, and what was merged; whether ``table`` is there. Reads only; takes no lock that
    blocks."""
    with db.snapshot():
        there, others = look.throttles(db), look.others(db, schema, table)
        shown = tuple(look.told(db, each) for each in there)
        missing = tuple(one for each in there for one in returning.in_functions(db, each.schema, each.table))
        hidden = tuple(
            remark
            for each in there
            for remark in judging.of_rows(each.schema, each.table, look.table(db, each.schema, each.table))
        )
    if source is not None:
        missing += tuple(one for each in there for one in returning.in_source(source, each.schema, each.table))
    about = in_words(schema, table)
    return NotificationsReport(
        shown, table=about, returning=missing, remarks=hidden, there=others is None, others=others or ()
    )


def collapse(
    db: Database,
    schema: str,
    table: str,
    *,
    window: str,
    columns: Mapping[str, str | None],
    only: tuple[str, ...] = (),
    dry_run: bool = False,
    source: Path | None = None,
    limits: Limits | None = None,
) -> NotificationsReport:
    """Merge new notifications of ``table`` into unread ones, within ``window`` (an interval). ``columns``: the
    columns that the options name, by role; ``only``: notifications of these types; ``source``: search this folder,
    too, for code that needs the row that an INSERT returns. Writers of the table wait for an instant, at most
    ``lock_timeout`` an attempt. Raises WrongDatabase, ConfigurationError, NotPermitted and Refused before any
    change; Busy."""
    preflight.require_writable(db)
    with db.snapshot():
        wanted, about, before = _wanted(db, schema, table, window, columns, only)
        types = look.types(db, wanted, about)
        keys = look.keys_of_data(db, schema, table, about)
        missing = returning.in_functions(db, schema, table)
        statements = (*_making(wanted, about), *_noted(db, schema, table, "apply"))
    missing += returning.in_source(source, schema, table) if source is not None else ()
    judging.require_survivable(schema, table, missing)
    # A look while it is there says whether it is as it would be made.
    same = before is not None and before.written == wanted and look.told(db, before, counted=False).works
    if not same and not dry_run:
        done = f"notifications of {in_words(schema, table)} are throttled"
        _run(db, f"{quoted(schema)}.{quoted(table)}", statements, limits, done)
    return _reported(
        db, Throttling.COLLAPSE, schema, table, statements, missing, tuple(judging.remarks(wanted, about, types, keys)),
        changed=not same, dry_run=dry_run,
    )  # fmt: skip


def off(
    db: Database, schema: str, table: str, *, dry_run: bool = False, limits: Limits | None = None
) -> NotificationsReport:
    """Remove the throttle of a table and restore the schema. Merged notifications stay merged. Readers and writers
    of the table wait for an instant. Raises WrongDatabase, NotPermitted, Busy, and Refused if something else needs
    the function."""
    preflight.require_writable(db)
    with db.snapshot():
        there = _there(db, schema, table)
        left = look.left_over(db, schema, table) if there is None else None
        if there is None and left is None:
            look.table(db, schema, table)
            return NotificationsReport(throttles(db), Throttling.OFF, in_words(schema, table), dry_run=dry_run)
        told = look.told(db, there) if there is not None else None
        statements = (*_undoing(db, schema, table, there, left), *_noted(db, schema, table, "rollback"))
    remarks = [*told.problems] if told else [f"its trigger was missing; only function {left} was left"]
    if told and told.collapsed:
        remarks.append(
            f"{plural(told.collapsed, 'notification')} {'stays' if told.collapsed == 1 else 'stay'} added to"
            f" {plural(told.notifications or 0, 'other')}"
        )
    if not dry_run:
        done = f"notifications of {in_words(schema, table)} are no longer throttled"
        _run(db, f"{quoted(schema)}.{quoted(table)}", statements, limits, done)
    return _reported(
        db, Throttling.OFF, schema, table, statements, (), tuple(remarks), changed=True, dry_run=dry_run
    )  # fmt: skip


def _undoing(db: Database, schema: str, table: str, there: There | None, left: str | None) -> tuple[Statement, ...]:
    """The statements that take a throttle away, or a function that is left of one."""
    if there is None or there.written is None:
        return (Statement("The function of a throttle whose trigger is missing", f"DROP FUNCTION {left};"),)
    look.require_changeable(db, schema, table, look.table(db, schema, table))
    return there.written.undoing


def _wanted(
    db: Database, schema: str, table: str, window: str, columns: Mapping[str, str | None], only: tuple[str, ...]
) -> tuple[Written, Table, There | None]:
    """The throttle to make, of which table, and one that is there."""
    about = look.table(db, schema, table)
    require_nothing_hidden(db, db.others)
    look.require_plain(schema, table, about)
    look.require_changeable(db, schema, table, about)
    there = _there(db, schema, table)
    roles = found(in_words(schema, table), about.typed, columns, look.keys_of_data(db, schema, table, about))
    wanted = Written(schema, table, roles.roles, window, roles.stamped, roles.certain, only=only)
    judging.require_typed(wanted)
    judging.require_free(db, wanted, there)
    judging.require_comparable(db, wanted)
    judging.require_index(wanted, about)
    return wanted, about, there


def _there(db: Database, schema: str, table: str) -> There | None:
    return next((there for there in look.throttles(db) if (there.schema, there.table) == (schema, table)), None)


def _making(wanted: Written, about: Table) -> Iterator[Statement]:
    """The statements that make it, as the table's owner has it and nobody else may call."""
    *first, trigger = wanted.making
    yield from first
    function = f"{quoted(wanted.schema)}.{quoted(wanted.function)}()"
    if about.gives:
        yield Statement("", f"ALTER FUNCTION {function} OWNER TO {quoted(about.owner)};")
    if about.grantees:
        yield Statement("", f"REVOKE ALL ON FUNCTION {function} FROM {', '.join(about.grantees)} CASCADE;")
    yield trigger


def _noted(db: Database, schema: str, table: str, action: str) -> Iterator[Statement]:
    """The line of the ledger's history, where there is one that this role may write to."""
    may = db.values(
        "SELECT has_schema_privilege(schemas.oid, 'USAGE') AND has_table_privilege(tables.oid, 'INSERT')"
        " FROM pg_namespace AS schemas JOIN pg_class AS tables ON tables.relnamespace = schemas.oid"
        " WHERE schemas.nspname = 'usagefix' AND tables.relname = 'history'"
    )
    if may == [True]:
        ledger.require_trusted(db)
        about = literal(f"{schema}.{table}")
        yield Statement(
            "Record it in the history",
            "INSERT INTO usagefix.history (counter, version, action)\n"
            f"VALUES ({about}, {literal(VERSION)}, {literal(action)});",
        )


def _run(db: Database, table: str, statements: tuple[Statement, ...], limits: Limits | None, done: str) -> None:
    script = "\n".join(statement.text for statement in statements)

    def work() -> None:
        with db.transaction(limits):
            db.claim()
            if " TRIGGER " in script:  # not for a function that is left of a table
                db.end_autovacuum([table], limits)
            db.run(script)

    try:
        with forbidden.named(db):
            db.retrying(work, limits, readers="DROP TRIGGER" in script)
    except DatabaseRefused as refused:
        if refused.sqlstate != _NEEDED:
            raise
        raise Refused(
            f"nothing was changed: something else needs the function of the throttle ({said(refused)})",
            hint="drop that first, then run this again",
            sqlstate=refused.sqlstate,
        ) from None
    db.changes.append(done)


def _reported(
    db: Database, action: Throttling, schema: str, table: str, statements: tuple[Statement, ...],
    missing: tuple[Returning, ...], remarks: tuple[str, ...], *, changed: bool, dry_run: bool,
) -> NotificationsReport:  # fmt: skip
    with db.snapshot():
        shown = tuple(look.told(db, there) for there in look.throttles(db))
    return NotificationsReport(
        shown, action, in_words(schema, table), changed and not dry_run, dry_run,
        tuple(map(commented, statements)) if dry_run and changed else (), missing, remarks,
    )  # fmt: skip
