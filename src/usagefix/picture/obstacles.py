"""Finds, before any change, what would refuse a count here, or make it wrong. Reads only.

A use that was recorded before the fix must be recorded with it. Each use is an UPDATE of its preset from then on, so
whatever refuses that UPDATE would refuse the use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from usagefix.counter import Counter
from usagefix.database import Database, detail_of, words_of
from usagefix.errors import Busy, DatabaseRefused, NotPermitted, ReadOnlyServer
from usagefix.models.figures import grouped
from usagefix.models.nouns import Nouns
from usagefix.picture import Table
from usagefix.picture.code import Limit
from usagefix.picture.hidden import running_given_code
from usagefix.quoting import quoted
from usagefix.tokens import tokens

# Types between which what is equal is the same.
_NUMBERS = ("bigint", "integer", "numeric")
_SMALL = "smallint"  # which is full soon: only a counter that became one after apply
_ALIKE = ({"smallint", "integer", "bigint", "numeric"}, {"text", "character varying", "character", "name"})
_DEFAULT = '"default"'  # the collation of the database
_SHOWN = 5  # presets
_CITUS = "SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL"
_LOCK_TIMEOUT = "200ms"
_REPLICATION = ("55000", "42P10")  # SQLSTATEs where a publication needs what the table does not have
_NOT_NOW = (Busy, NotPermitted, ReadOnlyServer)  # not for this role to find out, or not now


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why uses cannot be counted exactly here, and what to do about it: the columns of ``obstacles.sql`` and
    ``refusals.sql``."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """How Citus keeps a table: the columns of ``citus.sql``."""

    relation: str
    layout: str


@dataclass(frozen=True, slots=True)
class _RowCheck:
    """What each row has to pass when it is updated: the columns of ``row_checks.sql``."""

    relation: str
    relation_name: str
    name: str
    expression: str
    kind: str
    counted: bool
    counter_type: str
    validated: bool
    builtin: bool
    calls: list[int]
    columns: list[str]

    @property
    def generated(self) -> bool:
        """Whether it makes a value, which it has to be able to; else it judges one."""
        return self.kind in ("column", "index")

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.relation}"


@dataclass(frozen=True, slots=True)
class _Broken:
    """A row that would be refused, and how many there are."""

    id: str
    rows: int


def of_tables(db: Database) -> tuple[Obstacle, ...]:
    """Why events of these two tables cannot be counted exactly."""
    return db.once("obstacles", lambda: tuple(db.rows(db.query("obstacles"), Obstacle)))


def of_any_use(db: Database) -> tuple[Obstacle, ...]:
    """What would refuse or change every count, within the open snapshot."""
    return db.once("uses", lambda: _of_any_use(db))


def _of_any_use(db: Database) -> tuple[Obstacle, ...]:
    found = distributed(db) or tuple(
        obstacle for query in ("refusals", "ledger_refusals") for obstacle in db.rows(db.query(query), Obstacle)
    )
    return found or tuple(_explained(db))  # neither of the former is worth, or safe, to be tried


def of_some_uses(db: Database, *, ahead: bool) -> Iterator[Obstacle]:
    """What would refuse the uses of some presets: what each row has to pass when it is updated. Needs that
    :func:`of_any_use` found nothing. ``ahead``: asked of what the next use would make of each counter, were it right,
    which reads all events where a constraint is about the counter."""
    for check in db.once("row checks", lambda: tuple(_row_checks(db))):
        if check.counted and (_holds_for_any(db, check) if ahead else check.validated):
            continue
        if not check.builtin and db.session.superuser:  # somebody's function is not run with such rights
            if not check.validated:
                yield _not_judged(db.nouns, check, "it calls a function that usagefix does not run")
            continue
        try:
            with _undone(db):
                broken = db.rows(_breaking(db, check, ahead=ahead).replace("%", "%%"), _Broken, {})
        except _NOT_NOW:
            continue
        except DatabaseRefused as refused:
            # A function may need another path, or what a reader may not do.
            if check.builtin or not check.validated:
                yield _not_judged(db.nouns, check, said(refused))
            continue
        if broken:
            yield _refused(db.nouns, check, broken, ahead=ahead)


def _row_checks(db: Database) -> Iterator[_RowCheck]:
    found = db.rows(db.query("row_checks"), _RowCheck)
    dangerous = running_given_code(db, (function for check in found for function in check.calls))
    for check in found:
        yield replace(check, builtin=check.builtin and dangerous.isdisjoint(check.calls))


def of_uses(db: Database, *, ahead: bool = False) -> tuple[Obstacle, ...]:
    """What would refuse uses: all of them, or else those of some presets; and what would refuse presets."""
    question = "uses to come" if ahead else "uses of some"
    return of_any_use(db) or (
        *db.once("rights of owner", lambda: of_rights(db)),
        *db.once(question, lambda: tuple(of_some_uses(db, ahead=ahead))),
    )


def of_rights(db: Database) -> tuple[Obstacle, ...]:
    """What the functions of usagefix do as the owner of presets, and that role may not do: one obstacle, with every
    GRANT that is missing."""
    counter = db.counter
    fragments = f"{counter.where or ''} {counter.weight or ''}"
    columns = {column for _, column in counter.keys} | {token.name for token in tokens(fragments)}
    asked = {
        "reads": sorted(columns),
        "whole": counter.creates or bool(counter.beside),
        "uppers": list(counter.upper_tables),
    }
    lacking = db.rows(db.query("owner_rights"), Obstacle, asked)
    if not lacking:
        return ()
    return (Obstacle("; ".join(one.what for one in lacking), "; ".join(one.hint for one in lacking)),)


def distributed(db: Database) -> tuple[Obstacle, ...]:
    """How Citus keeps the two tables, where it does."""
    there = db.once("Citus", lambda: db.values(_CITUS)[0], of_all=True)
    kept = db.rows(db.query("citus"), _Kept) if there else []
    if not kept:
        return ()
    layout = ", ".join(f"{table.relation} is {table.layout}" for table in kept)
    ways = "; ".join(f"SELECT undistribute_table('{table.relation}')" for table in kept)
    return (
        Obstacle(
            f"Citus keeps these tables: {layout}; no trigger counts exactly there",
            f"make both tables local ({ways}), or count in a job of your own;"
            " usagefix verify and doctor work on any layout",
        ),
    )


def of_number(counter: Counter, presets: Table, *, applied: bool) -> Iterator[Obstacle]:
    """A counter that can be added to: exactly, and for long, or as long as it could when it was ``applied``."""
    kind = presets.columns[counter.column]["base"]
    if kind not in _NUMBERS and not (kind == _SMALL and applied):
        column = counter.sql("column")
        yield Obstacle(
            f"{presets.sql}.{counter.column} is of type {kind}",
            f"usagefix counts in {', '.join(_NUMBERS)}: other types are not exact, or too small."
            f" ALTER TABLE {presets.sql} ALTER COLUMN {column} TYPE bigint, then run this again",
        )


def of_keys(counter: Counter, presets: Table, events: Table) -> Iterator[Obstacle]:
    """One key of the events must be one key of presets, and the other way round; otherwise no count is right for
    both."""
    both = {
        f"{counter.parent_sql}.{counter.sql('key')}": presets.columns[counter.key],
        f"{counter.child_sql}.{counter.sql('foreign_key')}": events.columns[counter.foreign_key],
    }
    for name, column in both.items():
        if column["own_equality"]:
            yield Obstacle(
                f"{name} is of type {column['type']}, which may have an equality of its own",
                "usagefix counts by the types that come with PostgreSQL",
            )
    kinds = {column["base"] for column in both.values()}
    collations = {column["collation"] for column in both.values()}
    inexact = len(collations) > 1 and not all(column["exact"] for column in both.values())
    alike = len(kinds) == 1 or any(kinds <= family for family in _ALIKE)
    if not alike or inexact or len(collations - {None, _DEFAULT}) > 1:
        said = [
            f"{name} is {column['type']}" + (f" COLLATE {column['collation']}" if column["collation"] else "")
            for name, column in both.items()
        ]
        yield Obstacle(
            f"{', '.join(said)}: what is one key for the one may be several for the other, so no count is right for"
            " both",
            "give both columns the same type and collation",
        )


def of_limits(events: str, limits: tuple[Limit, ...]) -> Iterator[Obstacle]:
    """A daily limit by which replication identifies events: without it DELETE of an event is refused, or lost."""
    for limit in limits:
        if limit.identifies:
            yield Obstacle(
                f"the daily limit, {limit.name}, is the replica identity of {events}, which is replicated:"
                " without it DELETE and UPDATE of events would be refused",
                f"ALTER TABLE {events} REPLICA IDENTITY DEFAULT where it has a primary key, else"
                " REPLICA IDENTITY FULL; then run this again",
            )


def _explained(db: Database) -> Iterator[Obstacle]:
    """What the server says when it only explains a count."""
    refused = _refusal(db, "count_explained")
    if refused is not None:
        fitting = (
            f"give {db.counter.parent_sql} a primary key, or a REPLICA IDENTITY that fits the publication's row filter"
            " and columns, or take it out of the publication; then run this again"
        )
        hint = fitting if refused.sqlstate in _REPLICATION else refused.hint
        yield Obstacle(f"a count would be refused: {said(refused)}", hint)


def of_deletes(db: Database) -> str | None:
    """Why the server refuses each DELETE of events, before the fix and with it."""
    refused = _refusal(db, "delete_explained")
    return None if refused is None else said(refused)


def _refusal(db: Database, query: str) -> DatabaseRefused | None:
    """Why the server refuses a statement with EXPLAIN; empty if only this role lacks a privilege, or only for now."""
    try:
        with _undone(db):
            db.values(db.query(query))
    except _NOT_NOW:
        return None
    except DatabaseRefused as refused:
        return refused
    return None


@contextmanager
def _undone(db: Database) -> Iterator[None]:
    """What the server may refuse; it leaves the transaction as it was, and no lock."""
    db.run(f"SAVEPOINT usagefix_attempt; SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    try:
        yield
    finally:
        db.run("ROLLBACK TO SAVEPOINT usagefix_attempt; RELEASE SAVEPOINT usagefix_attempt")


def said(refused: DatabaseRefused) -> str:
    """The server's own words."""
    detail = detail_of(refused)
    return words_of(refused) + (f" ({detail})" if detail else "")


def _breaking(db: Database, check: _RowCheck, *, ahead: bool) -> str:
    """The query for some rows that break a check; what is about the counter is asked of what it will be next."""
    key = quoted(db.counter.key)
    rows = _with_next_count(db, check) if check.counted and ahead else check.relation
    # What is generated need only be computed: the server says where that fails.
    broken = f"num_nulls({check.expression}) < 0" if check.generated else f"NOT ({check.expression})"
    return (
        f"SELECT {key}::text AS id, count(*) OVER () AS rows FROM {rows} WHERE {broken}"  # noqa: S608 - the catalog's
        f" ORDER BY {key} LIMIT {_SHOWN}"
    )


def _with_next_count(db: Database, check: _RowCheck) -> str:
    """The rows as the next use of each would make them, were every counter right."""
    counter, kind = db.counter, "kept"
    columns = ", ".join(
        f"(COALESCE(usagefix_events.actual, 0) + 1)::{check.counter_type} AS {quoted(column)}"
        if column == counter.column
        else f"{kind}.{quoted(column)}"
        for column in check.columns
    )
    foreign_key = quoted(counter.foreign_key)
    events = f"SELECT {foreign_key} AS parent, count(*) AS actual FROM {counter.child_sql} GROUP BY {foreign_key}"  # noqa: S608
    return (
        f"(SELECT {columns} FROM {check.relation} AS {kind} LEFT JOIN ({events}) AS usagefix_events"  # noqa: S608
        f" ON usagefix_events.parent = {kind}.{quoted(counter.key)}) AS {quoted(check.relation_name)}"
    )


def _holds_for_any(db: Database, check: _RowCheck) -> bool:
    """Whether it is about the counter alone and holds at both ends, as ``usage_count >= 0`` does."""
    column = quoted(db.counter.column)
    ends = f"(VALUES (0), (1), (2147483647)) AS {quoted(check.relation_name)} ({column})"
    if check.generated or not check.builtin:
        return False
    try:
        with _undone(db):
            query = f"SELECT bool_and(COALESCE({check.expression}, true)) FROM {ends}"  # noqa: S608 - the catalog's
            return bool(db.values(query.replace("%", "%%"), {})[0])
    except DatabaseRefused:
        return False  # about other columns, too


def _refused(words: Nouns, check: _RowCheck, broken: list[_Broken], *, ahead: bool) -> Obstacle:
    number, names = broken[0].rows, ", ".join(row.id for row in broken)
    which = f"{names}{' …' if number > len(broken) else ''} ({grouped(number)} in all)"
    if check.counted and ahead:
        return Obstacle(
            f"{check} would refuse the next {words.event} of {words.rows} whose events are counted: {which}",
            f"ALTER TABLE {check.relation} DROP CONSTRAINT {check.name}, or let it allow more than"
            f" CHECK ({check.expression})",
        )
    find = f"SELECT * FROM {check.relation} WHERE NOT ({check.expression})"  # noqa: S608 - to be read
    second = "the second update in a transaction" if check.kind == "foreign key" else "updates"
    validate = "" if check.validated else f"; then ALTER TABLE {check.relation} VALIDATE CONSTRAINT {check.name}"
    return Obstacle(
        f"{check} refuses {second} of rows that break it, so {words.events} of them: {which}",
        f"correct them ({find}){validate}",
    )


def _not_judged(words: Nouns, check: _RowCheck, why: str) -> Obstacle:
    if check.generated:
        return Obstacle(
            f"{check} cannot be made of the counters that the events ask for: {why}",
            f"let this column, or index, allow any counter: {check.expression}",
        )
    validate = f"ALTER TABLE {check.relation} VALIDATE CONSTRAINT {check.name}"
    return Obstacle(
        f"{check} may refuse {words.an_event}: {why}",
        f"look at CHECK ({check.expression})" if check.validated else f"{validate}, which names a row that breaks it",
    )
