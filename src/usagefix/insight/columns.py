"""Which columns of an event tell when it was, by whom, and of what kind; and which events are asked for. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from usagefix import keys, picture
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.errors import ConfigurationError, Refused
from usagefix.models.insight import Asked
from usagefix.picture.telling import KINDS, USERS, time_of, times_of
from usagefix.preset import named
from usagefix.quoting import literal, quoted

EMAIL_NAMED = re.compile(r"e.?mail", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Events:
    """The events that are asked for: ``counter`` with the columns that they have, and restricted to them;
    ``of_any_kind``: the same without regard to their kind.

    ``day``: they tell the day, but no hour; ``may_lack_time``: some may have none; ``cannot``: what they do not tell,
    in sentences. ``zoneless``: their times say no zone."""

    counter: Counter
    of_any_kind: Counter
    day: bool
    zoneless: bool
    may_lack_time: bool
    preset: str | None
    cannot: tuple[str, ...]


def events(db: Database, asked: Asked) -> Events:
    """What there is of the events of the counter in turn, in the snapshot that is open.

    Raises Refused if nothing tells when they were, or there are none; ConfigurationError for a column that is not
    there, or that holds addresses; RowNotFound.
    """
    counter = db.counter
    if counter.truth is not None:
        raise Refused(
            f"{counter.slug} is only verified, by a query, so it has no events to show",
            hint="declare it with events, or name another with --counter",
        )
    table = picture.tables(db)[1]
    time, user, kind = _chosen(counter, table, asked)
    type_ = table.columns[time]["base"]
    cannot = []
    if user is None:
        cannot.append(f"users: {table.name} has no column with the user; name one with --user-column")
    if kind is None:
        cannot.append(f"kinds: {table.name} has no column with a kind; name one with --kind-column")
    db.counter = counter = replace(counter, time=time, user=user, kind=kind)
    row = named(db, asked.preset).id if asked.preset is not None else None
    return Events(
        counter=_restricted(counter, row, asked.kind),
        of_any_kind=_restricted(counter, row, None),
        day=type_ == "date",
        zoneless=type_ == "timestamp without time zone",
        may_lack_time=not table.columns[time]["required"],
        preset=row,
        cannot=tuple(cannot),
    )


def _chosen(counter: Counter, table: picture.Table, asked: Asked) -> tuple[str, str | None, str | None]:
    times = times_of(table)
    time = _column(table, "--time-column", asked.time_column, (time_of(counter, table),), times)
    if time is None:
        which = "the usual name of a time" if times else "a time"
        raise Refused(
            f"nothing says when an event was: {table.name} has no column with {which}",
            hint=f"name it with --time-column: {', '.join(times)}" if times else "--counter NAME shows another counter",
        )
    refers = {column for _, column in counter.keys}
    others = [name for name in table.columns if name not in refers and not EMAIL_NAMED.search(name)]
    user = _column(table, "--user-column", asked.user_column, (counter.user, *USERS), others)
    if asked.user_column is not None and EMAIL_NAMED.search(asked.user_column):
        raise ConfigurationError(
            f"--user-column {asked.user_column} has the name of an e-mail address, and usagefix reads none",
            hint="name the column that holds the user's key",
        )
    kind = _column(table, "--kind-column", asked.kind_column, (counter.kind, *KINDS), others)
    if asked.kind is not None and kind is None:
        raise ConfigurationError(
            f"--kind {asked.kind}: {table.name} has no column with kinds", hint="name one with --kind-column"
        )
    return time, user, kind


def _column(
    table: picture.Table, option: str, given: str | None, usual: Iterable[str | None], fitting: list[str]
) -> str | None:
    """The column that is given, else the first of the usual ones that is there; None if there is none."""
    if given is None:
        return next((name for name in usual if name in fitting), None)
    if given not in table.columns or (option == "--time-column" and given not in fitting):
        what = "holds no times" if given in table.columns else f"is no column of {table.name}"
        raise ConfigurationError(f"{option} {given} {what}", hint=f"there are {', '.join(fitting)}")
    return given


def _restricted(counter: Counter, row: str | None, kind: str | None) -> Counter:
    """The counter of only the events of a row, or of a kind; and of rows that have a counter."""
    conditions = [counter.where] if counter.where is not None else []
    if row is not None:
        parts = keys.columns_of(row) if counter.more_keys else (row,)
        pairs = zip(counter.keys, parts, strict=True)
        conditions += [f"event.{quoted(column)} = {literal(part)}" for (_, column), part in pairs]
    if counter.only is not None:
        refers = " AND ".join(f"preset.{quoted(key)} = event.{quoted(column)}" for key, column in counter.keys)
        rows = f"SELECT FROM {counter.parent_sql} AS preset WHERE {refers} AND ({counter.only})"
        conditions.append(f"EXISTS ({rows})")
    if kind is not None and counter.kind is not None:
        conditions.append(f"COALESCE(event.{quoted(counter.kind)}::pg_catalog.text, '') = {literal(kind)}")
    where = " AND ".join(f"({condition})" for condition in conditions)
    return replace(counter, where=where or None)
