"""Whom a use tells: the tables of notifications that functions of the database write when one is recorded and counted.

What the application's own code sends, and what leaves the database, nothing here can see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from usagefix.database import Database
from usagefix.errors import Busy, ConfigurationError, DatabaseRefused, WrongDatabase
from usagefix.models.probe import Notified
from usagefix.picture.code import Code, code
from usagefix.picture.objects import Fired, Function
from usagefix.quoting import quoted
from usagefix.reading import Subject, Use, in_sql
from usagefix.throttle import look
from usagefix.throttle.roles import Column, found

_ZONED = "timestamp with time zone"
_LONGEST = "5s"  # to count: a table of notifications may lack an index


@dataclass(frozen=True, slots=True)
class Notices:
    """Where notifications arise. ``by``: for each table, the triggers and functions that write it; ``counts``: its
    query for how many rows are about a preset since a moment, and for how many people, where that can be told."""

    by: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, str]
    since: datetime

    @property
    def ahead(self) -> tuple[str, ...]:
        """What a person should know before a use is posted."""
        if not self.by:
            return ("each use is real and stays; no function of the database is known to notify anybody of it",)
        return tuple(
            f"each use is real and stays: it may notify people by {table} ({', '.join(names)})"
            for table, names in self.by.items()
        )


@dataclass(frozen=True, slots=True)
class _Written:
    """The columns of ``written_tables.sql``."""

    function: str
    body: str
    schema: str
    name: str


def notices(db: Database) -> Notices:
    """Look for them, within the snapshot that is open."""
    seen = code(db)
    triggers = {oid: list(names) for oid, names in _triggers(db, seen)}
    oids = sorted({*triggers, *(function.oid for function in _recorders(seen))})
    by, counts = dict[str, tuple[str, ...]](), dict[str, str]()
    signatures = {f.signature: triggers.get(f.oid, []) for f in seen.functions}
    for one in db.rows(db.query("written_tables"), _Written, {"functions": oids}):
        if not _inserts(one):
            continue
        query = _query(db, one)
        if query is not None:
            table = look.in_words(one.schema, one.name)
            through = signatures.get(one.function) or [one.function.removeprefix("public.")]
            by[table] = (*by.get(table, ()), *through)
            counts |= {table: query} if query else {}
    (since,) = db.values("SELECT pg_catalog.clock_timestamp()")
    return Notices(by, counts, since)


def notified(db: Database, there: Notices, preset: str) -> tuple[Notified, ...]:
    """How many notifications about a preset arose since then, table by table. None where that cannot be told."""
    told = []
    for table in there.by:
        one = Notified(table, None, None)
        if query := there.counts.get(table):
            with suppress(Busy, DatabaseRefused), db.snapshot():
                db.values("SELECT pg_catalog.set_config('statement_timeout', %(limit)s, true)", {"limit": _LONGEST})
                rows, people = db.tuple(query, {"preset": preset, "since": there.since})
                one = replace(one, rows=rows, people=people)
        told.append(one)
    return tuple(told)


def _triggers(db: Database, seen: Code) -> Iterator[tuple[int, Sequence[str]]]:
    """The application's triggers that a use fires, by their functions."""
    fired = {trigger.name for trigger in db.rows(db.query("fired_triggers"), Fired)}
    ours = seen.counter.triggers
    found = [
        trigger
        for trigger in seen.triggers
        if trigger.fires and not trigger.cloned and trigger.name not in ours
        and ((trigger.is_on("presets") and trigger.name in fired)
             or (trigger.is_on("preset_usage", "partition") and "INSERT" in trigger.events))
    ]  # fmt: skip
    for oid in {trigger.function for trigger in found}:
        yield oid, [f"trigger {trigger}" for trigger in found if trigger.function == oid]


def _recorders(seen: Code) -> Iterator[Function]:
    subject = seen.reader.subject
    for function in seen.functions:
        if any(use.use is Use.INSERTS_EVENT for use in in_sql(function.body, subject=subject)):
            yield function


def _inserts(one: _Written) -> bool:
    """Whether the text of the function inserts into the table, and does not only name it."""
    none = "usagefix_nothing"
    subject = Subject(one.schema, none, none, one.name, recorder=none, incrementer=none, daily="")
    return any(use.use is Use.INSERTS_EVENT for use in in_sql(one.body, subject=subject))


def _query(db: Database, one: _Written) -> str | None:
    """The query that counts; empty where a column tells too little, None where it is no table of notifications."""
    try:
        there = look.table(db, one.schema, one.name)
        roles = found(one.name, there.typed, {}, ()).roles
    except (ConfigurationError, WrongDatabase):
        return None
    columns: dict[str, Column] = {column.name: column for column in there.typed}
    needed = [columns[str(name)] for name in (roles.recipient, roles.preset, roles.time)]
    if there.filtered or needed[-1].type != _ZONED or not all(column.plain for column in needed):
        return ""
    recipient, preset, time = (quoted(column.name) for column in needed)
    return (
        (
            f"SELECT count(*), count(DISTINCT {recipient}) FROM {quoted(one.schema)}.{quoted(one.name)}"  # noqa: S608
            f" WHERE {preset} = %(preset)s AND {time} >= %(since)s"
        )
        .replace("%", "%%")
        .replace("%%(preset)s", "%(preset)s")
        .replace("%%(since)s", "%(since)s")
    )
