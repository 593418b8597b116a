"""How smoke records a use: through track_preset_usage(), or by an INSERT if there is no such function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from usagefix import picture
from usagefix.database import Database
from usagefix.picture.code import subject
from usagefix.quoting import quoted
from usagefix.reading import Argument, Routine, arguments_of, in_call, unknown_arguments
from usagefix.smoke.rows import in_text, values_for
from usagefix.smoke.stage import Stage

DATA = '{"test": true}'


@dataclass(frozen=True, slots=True)
class _Tracker:
    """A track_preset_usage(): the columns of ``smoke_trackers.sql``."""

    signature: str
    name: str
    body: str
    language: str
    stranger: str | None
    arguments: list[dict[str, Any]]

    @property
    def routine(self) -> Routine:
        """The function as the reader takes it."""
        arguments = tuple(Argument(**each) for each in self.arguments)
        return Routine(self.signature, "", self.name, self.language, self.body, arguments=arguments)


@dataclass(frozen=True, slots=True)
class Event:
    """A row of preset_usage: its table, which may be a partition, and its key there."""

    place: str
    key: str


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records uses. ``name``: through what; ``call``: the statement for one; ``rows``, ``gone``: those for many, and
    for their end; ``role``: who uses, ``owner``: of the events; ``untried``: why not through the function that is
    there."""

    name: str
    call: str
    rows: str
    gone: str
    params: Mapping[str, str | None]
    role: str
    owner: str
    untried: str = ""

    def record(self, db: Database, stage: Stage) -> str:
        """Record one use; what the function returned, as text. The application's role may need the function for it."""
        with nullcontext() if self.untried else stage.acting(db):
            said = db.act(self.call, self.params, role=self.owner if self.untried else self.role)
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
    """The recorder for a stage."""
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
    call = call_of_recorder(db, presets, events, stage)
    through = "INSERT" if call.text is None else "track_preset_usage()"
    one = call.text or f"{into} RETURNING 'an event'::pg_catalog.text"
    return Recorder(through, one, rows, delete, {**params, **call.params}, stage.role, owner, call.untried)


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


@dataclass(frozen=True, slots=True)
class Call:
    """How the function that records events is called: the statement, and what it takes beside the stage's parameters.
    Without a statement: ``untried`` says why a function that is there is not called."""

    text: str | None = None
    params: Mapping[str, str | None] = field(default_factory=dict)
    untried: str = ""


def call_of_recorder(db: Database, presets: picture.Table, events: picture.Table, stage: Stage) -> Call:
    """The call of the function that records events, for the row and by the role of a stage."""
    about, key_type, columns, untried = subject(db.counter), presets.type_of(db.counter.key), tuple(events.columns), ""
    for tracker in db.rows(db.query("smoke_trackers"), _Tracker, {"role": stage.role}):
        routine = tracker.routine
        given = arguments_of(routine, key_type, about, columns)
        if tracker.stranger is not None:
            untried = untried or (
                f"{tracker.signature} belongs to {tracker.stranger}, and {stage.role} is a superuser, so usagefix tried"
                " an INSERT instead; name the application's role with --as"
            )
            continue
        if given is not None:
            return _call(db, tracker, routine, given, stage.preset.id)
        unknown = ", ".join(unknown_arguments(routine, key_type, about, columns)) or "its arguments"
        untried = untried or (
            f"usagefix does not know what {tracker.signature} takes as {unknown}, so it tried an INSERT instead;"
            " usagefix probe-api tries the application itself"
        )
    return Call(untried=untried)


def _call(db: Database, tracker: _Tracker, routine: Routine, given: Mapping[str, int], preset: str) -> Call:
    counter, about = db.counter, subject(db.counter)
    values, params = dict.fromkeys(about.times, "pg_catalog.now()"), dict[str, str | None]()
    values |= {about.foreign_key: "%(preset)s", about.user: "%(user)s", about.kind: "%(kind)s", about.data: "%(data)s"}
    for column in given.keys() - values.keys():
        which = f"another.{in_text(quoted(column))}"
        copied = (
            f"SELECT {which}::pg_catalog.text FROM {in_text(counter.child_sql)} AS another"  # noqa: S608
            f" WHERE another.{in_text(counter.sql('foreign_key'))} = %(preset)s AND {which} IS NOT NULL LIMIT 1"
        )
        values[column] = f"%(of_{given[column]})s"
        params[f"of_{given[column]}"] = next(iter(db.values(copied, {"preset": preset})), None)
    plain = [replace(each, name=in_text(each.name), type=in_text(each.type)) for each in routine.arguments]
    arguments = in_call(plain, given, values)
    return Call(f"SELECT {in_text(tracker.name)}({arguments})::text", params)
