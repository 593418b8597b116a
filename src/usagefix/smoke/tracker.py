"""How smoke records a use: through track_preset_usage(), or by an INSERT if there is no such function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usagefix import picture
from usagefix.database import Database
from usagefix.errors import ConfigurationError
from usagefix.reading import Argument, arguments_of
from usagefix.smoke.rows import in_text, values_for
from usagefix.smoke.stage import Stage

DATA = '{"test": true}'


@dataclass(frozen=True, slots=True)
class _Tracker:
    """A track_preset_usage(): the columns of ``smoke_trackers.sql``."""

    signature: str
    name: str
    arguments: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Event:
    """A row of preset_usage: its table, which may be a partition, and its key there."""

    place: str
    key: str


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records uses. ``name``: through what; ``call``: the statement for one; ``rows``, ``gone``: those for many, and
    for their end; ``role``: who uses, ``owner``: of the events."""

    name: str
    call: str
    rows: str
    gone: str
    params: Mapping[str, str | None]
    role: str
    owner: str

    def record(self, db: Database) -> str:
        """Record one use; what the function returned, as text."""
        said = db.act(self.call, self.params, role=self.role)
        return "" if not said or said[0] is None else str(said[0])

    def insert(self, db: Database, number: int) -> Sequence[Event]:
        """Insert events with one statement, as the session's own role."""
        made = db.act(self.rows, {**self.params, "number": number}, role=self.owner)
        return [Event(*str(event).split(" ", 1)) for event in made]

    def delete(self, db: Database, events: Sequence[Event]) -> None:
        """Delete these events with one statement."""
        gone = {"places": [event.place for event in events], "keys": [event.key for event in events]}
        db.act(self.gone, gone, role=self.owner)


def recorder(db: Database, stage: Stage) -> Recorder:
    """The recorder for a stage. Raises ConfigurationError if no track_preset_usage() can be called with a preset."""
    counter = db.counter
    presets, events = picture.tables(db)
    owner = events.owner or db.session.role
    type_of = {column: about["type"] for column, about in events.columns.items()}
    given = {counter.foreign_key: f"%(preset)s::{type_of[counter.foreign_key]}"}
    if counter.user is not None and stage.user.key is not None:
        given[counter.user] = f"%(user)s::{type_of[counter.user]}"
    if counter.kind is not None:
        given[counter.kind] = f"%(kind)s::{type_of[counter.kind]}"
    preset = {"preset": stage.preset.id}
    like = f"another.{in_text(counter.sql('foreign_key'))} = %(preset)s"
    values = values_for(db, counter.child_sql, given, like=like, params=preset)
    relation = in_text(counter.child_sql)
    params = {**preset, "user": stage.user.key, "kind": stage.kind, "data": DATA, **values.params}
    into = f"INSERT INTO {relation} ({', '.join(values.expressions)}) SELECT {', '.join(values.expressions.values())}"
    key, delete = gone(db, events)
    returned = f"pg_catalog.concat(tableoid, ' ', {key})"
    rows = f"{into} FROM pg_catalog.generate_series(1, %(number)s) RETURNING {returned}"
    call = call_of_recorder(db, presets.type_of(counter.key))
    through = "INSERT" if call is None else "track_preset_usage()"
    one = call or f"{into} RETURNING 'an event'::pg_catalog.text"
    return Recorder(through, one, rows, delete, params, stage.role, owner)


def gone(db: Database, events: picture.Table) -> tuple[str, str]:
    """How an event is told from others of its table, and the statement that deletes some."""
    # A trigger may update what was inserted, which is then in another place.
    key, kind = ("ctid", "pg_catalog.tid")
    if db.counter.event_id is not None:
        key, kind = in_text(db.counter.sql("event_id")), str(events.columns[db.counter.event_id]["type"])
    return key, (
        f"DELETE FROM {in_text(db.counter.child_sql)} WHERE {key} OPERATOR(pg_catalog.=) ANY (%(keys)s::{kind}[])"  # noqa: S608
        " AND tableoid OPERATOR(pg_catalog.=) ANY (%(places)s::pg_catalog.oid[]) RETURNING 'gone'::pg_catalog.text"
    )


def call_of_recorder(db: Database, key_type: str) -> str | None:
    """The statement that calls the function that records events; None if there is none. Raises ConfigurationError
    if it needs more than is known."""
    trackers = db.rows(db.query("smoke_trackers"), _Tracker)
    for tracker in trackers:
        call = _call(tracker, key_type)
        if call is not None:
            return call
    if not trackers:
        return None
    raise ConfigurationError(
        f"{trackers[0].signature} needs other arguments than a preset, a kind of use and data",
        hint="usagefix does not know these arguments; test the application with usagefix probe-api",
    )


def _call(tracker: _Tracker, key_type: str) -> str | None:
    """The statement that calls it; None if it needs an argument that is neither preset, kind nor data."""
    arguments = [Argument(each["name"], each["type"], each["category"], each["required"]) for each in tracker.arguments]
    given = arguments_of(arguments, key_type)
    if given is None:
        return None
    values = [f"%({what})s::{arguments[place - 1].type}" for what, place in given.items()]
    names = [tracker.arguments[place - 1]["quoted"] for place in given.values()]
    # By name, as PostgREST calls it: with several functions of the name, it says which one is meant.
    named = [f"{in_text(name)} => {value}" for name, value in zip(names, values, strict=True) if name]
    return f"SELECT {in_text(tracker.name)}({', '.join(named if all(names) else values)})::text"
