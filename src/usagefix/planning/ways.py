"""The ways in which the application writes events, as a trial does: text in PL/pgSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from usagefix.counter import Counter
from usagefix.picture.cases import Case
from usagefix.picture.code import routine, subject
from usagefix.picture.objects import Function
from usagefix.planning.scene import Scene
from usagefix.quoting import literal, quoted
from usagefix.reading import arguments_of, in_call, unknown_arguments


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which events, or what they belong to, are written. ``statements``: in PL/pgSQL; ``records``: it leaves
    an event."""

    name: str
    statements: str
    records: bool = True


@dataclass(frozen=True, slots=True)
class Fillers:
    """What an event is made of beside its example. ``values``: expressions for columns that are not merely copied; an
    empty one leaves the column out. ``given``: the columns that each case gives; ``columns``: those that are written;
    empty: those that nothing fills."""

    values: Mapping[str, str]
    given: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Try:
    """One use to try: a way, a case, how many times."""

    way: Way
    case: Case
    uses: int = 1


def of_recorder(scene: Scene, recorder: Function) -> Way | None:
    """A call of a function that records uses; None if it cannot be called."""
    counter, columns = scene.counter, scene.code.events.columns
    of, about = routine(recorder), subject(counter)
    given = arguments_of(of, scene.code.facts.key_type, about, tuple(columns))
    if given is None:
        return None
    values = {column: f"example.{quoted(column)}" for column in columns}
    values |= dict.fromkeys(about.times, "pg_catalog.now()")
    values |= {counter.foreign_key: "used.which", about.kind: "kind", about.data: "'{}'"}
    values |= {counter.user: "somebody"} if counter.user else {}
    called = f"{quoted(recorder.schema)}.{quoted(recorder.name)}({in_call(of.arguments, given, values)})"
    return Way(recorder.signature, f"PERFORM {called};")


def untold(scene: Scene, recorder: Function) -> str:
    """The arguments for which it cannot be called."""
    columns = tuple(scene.code.events.columns)
    return ", ".join(unknown_arguments(routine(recorder), scene.code.facts.key_type, subject(scene.counter), columns))


def insert(scene: Scene, fillers: Fillers) -> Way:
    """A plain INSERT: a copy of an event, but for whose it is."""
    return Way("a plain INSERT", f"{_inserted(scene, fillers)} RETURNING event.* INTO written; is_written := FOUND;")


def delete(scene: Scene, fillers: Fillers) -> Way:
    """A plain DELETE of an event that was inserted before."""
    counter = scene.counter
    # A trigger may have updated what was inserted, which is then in another place; and an id may be of several events.
    row = quoted(counter.event_id) if counter.event_id is not None else "ctid"
    same = "event.tableoid OPERATOR(pg_catalog.=) made.place"
    there = f"SELECT FROM {counter.child_sql} AS event WHERE {same} AND event.ctid OPERATOR(pg_catalog.=) made.spot"
    gone = (
        f"{same} AND event.{row} OPERATOR(pg_catalog.=) made.row"
        f" AND (event.ctid OPERATOR(pg_catalog.=) made.spot OR NOT EXISTS ({there}))"
    )
    returned = f"event.tableoid AS place, event.ctid AS spot, event.{row} AS row"
    inserted = f"{_inserted(scene, fillers)} RETURNING {returned} INTO made;"
    deleted = f"DELETE FROM {counter.child_sql} AS event WHERE {gone};"  # noqa: S608 - names of the catalog's
    return Way("a plain DELETE", f"{inserted} {deleted}", records=False)


def change(scene: Scene, columns: Sequence[str]) -> Way:
    """An UPDATE of a preset that has an event, of these columns, to what they are."""
    kept = ", ".join(f"{quoted(column)} = preset.{quoted(column)}" for column in columns)
    update = f"UPDATE {scene.counter.parent_sql} AS preset SET {kept} WHERE {is_used(scene.counter)};"  # noqa: S608
    return Way("an UPDATE of a preset", update, records=False)


def removal(scene: Scene, fillers: Fillers) -> Way:
    """A DELETE of a preset that has an event."""
    deleted = f"DELETE FROM {scene.counter.parent_sql} AS preset WHERE {is_used(scene.counter)};"  # noqa: S608
    return Way("a DELETE of a preset", f"{_inserted(scene, fillers)}; {deleted}", records=False)


def _inserted(scene: Scene, fillers: Fillers) -> str:
    counter, columns = scene.counter, scene.code.events.columns
    given = {column: f"used.{which}" for which, _, column in named_keys(counter)}
    given |= {name: f"(given OPERATOR(pg_catalog.->>) {literal(name)})" for name in fillers.given}
    if counter.usual:
        given |= {counter.user: "somebody"} if counter.user else {}
        given |= {counter.kind: "kind"} if counter.kind else {}
    if scene.code.limit is not None and counter.time is not None and not scene.partitioned:
        given[counter.time] = "(pg_catalog.now() - interval '30 years')"  # no use of today's stands in its way
    values: dict[str, str] = {}
    for name, facts in columns.items():
        if name in given:
            values[name] = f"{given[name]}::{facts['type']}"
        elif (name in fillers.columns) if fillers.columns else not facts["filled"]:
            values[name] = fillers.values.get(name, f"example.{quoted(name)}")
    into = f"INSERT INTO {counter.child_sql} AS event ({', '.join(quoted(name) for name in values if values[name])})"  # noqa: S608
    return f"{into} VALUES ({', '.join(value for value in values.values() if value)})"


def named_keys(counter: Counter) -> list[tuple[str, str, str]]:
    """The columns of the parent's key: what the trial calls each, itself, and the column of an event."""
    return [(f"which_{n}" if n else "which", *both) for n, both in enumerate(counter.keys)]


def is_used(counter: Counter) -> str:
    """That a row of the parent is the one that is used; under any path."""
    names = named_keys(counter)
    return " AND ".join(f"preset.{quoted(key)} OPERATOR(pg_catalog.=) used.{which}" for which, key, _ in names)
