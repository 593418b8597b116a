"""Random declarations and random writes against a simple model in Python: a dictionary of events, and what each counter
makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import App

PARENTS = 5
KINDS = ("a", "b", None)


@dataclass
class Event:
    """A row of events: which parents it names, and what filters and sums read."""

    p: int | None
    q: int | None
    kind: str | None
    flag: bool | None
    value: int | None


# Each with what the server should make of it.
WHERE: dict[str | None, Callable[[Event], bool]] = {
    None: lambda _: True,
    "kind = 'a'": lambda e: e.kind == "a",
    "kind IS DISTINCT FROM 'a'": lambda e: e.kind != "a",
    "flag": lambda e: bool(e.flag),
    "NOT flag AND value > 0": lambda e: e.flag is False and (e.value or 0) > 0,
    "kind IN ('a', 'b') OR flag IS NULL": lambda e: e.kind is not None or e.flag is None,
}
SUM: dict[str | None, Callable[[Event], int]] = {
    None: lambda _: 1,
    "value": lambda e: e.value or 0,
    "value * 2 + 1": lambda e: e.value * 2 + 1 if e.value is not None else 0,
    "CASE WHEN flag THEN value ELSE - value END": lambda e: (e.value or 0) * (1 if e.flag else -1),
}


@dataclass(frozen=True)
class Declared:
    """A counter to be: ``one``, ``two`` or ``three`` of the parents."""

    column: str
    key: str
    where: str | None
    weight: str | None

    def text(self, creates: bool) -> str:
        lines = [f'counter = "parents.{self.column}"', f'events = "events.{self.key}"', 'key = "id"']
        lines += [f"where = {json.dumps(self.where)}"] if self.where else []
        lines += [f"sum = {json.dumps(self.weight)}"] if self.weight else []
        lines += ['missing = "create"'] if creates else []
        return "\n".join(["[[counter]]", *lines, ""])

    def of(self, events: dict[int, Event], parent: int) -> int:
        return sum(
            SUM[self.weight](event)
            for event in events.values()
            if getattr(event, self.key) == parent and WHERE[self.where](event)
        )


declared = st.tuples(
    *(
        st.builds(
            Declared,
            st.just(column),
            st.sampled_from(["p", "q"]),
            st.sampled_from(list(WHERE)),
            st.sampled_from(list(SUM)),
        )
        for column in ("one", "two", "three")
    )
)
named = st.none() | st.integers(1, PARENTS)
event = st.builds(
    Event, named, named, st.sampled_from(KINDS), st.none() | st.booleans(), st.none() | st.integers(-3, 5)
)
some = st.tuples(st.integers(1, 4), st.integers(0, 3))  # the events whose id leaves this rest
write = st.one_of(
    st.tuples(st.just("insert"), st.lists(event, min_size=1, max_size=6)),
    st.tuples(st.just("update"), some, st.sampled_from(["p", "q", "kind", "flag", "value"]), event),
    st.tuples(st.just("delete"), some),
    st.tuples(st.just("begin")),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("truncate")),
)


@dataclass
class World:
    """The database and the model, side by side."""

    app: App
    counters: tuple[Declared, ...]
    creates: bool
    events: dict[int, Event] = field(default_factory=dict)
    before: dict[int, Event] | None = None
    last: int = 0

    def make(self, partitioned: bool) -> None:
        kept = "PARTITION BY HASH (id)" if partitioned else ""
        self.app.sql(
            "DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS parents; CREATE TABLE parents (id integer PRIMARY KEY,"
            " one bigint NOT NULL DEFAULT 0, two numeric DEFAULT 0, three integer DEFAULT 0);"
            " CREATE TABLE events (id integer PRIMARY KEY, p integer, q integer, kind text, flag boolean, value integer)"
            f" {kept}"
        )
        for rest in range(2 if partitioned else 0):
            self.app.sql(
                f"CREATE TABLE events_{rest} PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER {rest})"
            )
        if not self.creates:
            self.app.sql("INSERT INTO parents (id) SELECT generate_series(1, %s)", PARENTS)

    def do(self, what: str, *given: Any) -> None:
        getattr(self, what)(*given)

    def insert(self, events: list[Event]) -> None:
        rows = []
        for one in events:
            self.last += 1
            self.events = self.events | {self.last: one}
            rows.append([self.last, one.p, one.q, one.kind, one.flag, one.value])
        self.app.sql(
            "INSERT INTO events SELECT (r->>0)::int, (r->>1)::int, (r->>2)::int, r->>3, (r->>4)::boolean, (r->>5)::int"
            " FROM jsonb_array_elements(%s) AS r",
            json.dumps(rows),
        )

    def update(self, which: tuple[int, int], column: str, like: Event) -> None:
        value, changed = getattr(like, column), self.chosen(which)
        self.app.sql(f"UPDATE events SET {column} = %s WHERE id %% %s = %s", value, *which)
        new = {n: Event(**{**vars(self.events[n]), column: value}) for n in changed}
        self.events = self.events | new

    def delete(self, which: tuple[int, int]) -> None:
        gone = self.chosen(which)
        self.app.sql("DELETE FROM events WHERE id %% %s = %s", *which)
        self.events = {n: one for n, one in self.events.items() if n not in gone}

    def truncate(self) -> None:
        self.app.sql("TRUNCATE events")
        self.events = {}

    def begin(self) -> None:
        if self.before is None:
            self.app.sql("BEGIN")
            self.before = self.events

    def rollback(self) -> None:
        if self.before is not None:
            self.app.sql("ROLLBACK")
            self.events, self.before = self.before, None

    def commit(self) -> None:
        if self.before is not None:
            self.app.sql("COMMIT")
            self.before = None

    def chosen(self, which: tuple[int, int]) -> set[int]:
        return {n for n in self.events if n % which[0] == which[1]}

    def compare(self) -> None:
        shown = {row[0]: row[1:] for row in self.app.sql("SELECT id, one, two, three FROM parents")}
        for parent in range(1, PARENTS + 1):
            truth = tuple(counter.of(self.events, parent) for counter in self.counters)
            assert tuple(map(int, shown.get(parent, (0, 0, 0)))) == truth, f"parent {parent}"


@pytest.mark.timeout(600)  # several declarations, each applied, written under and rolled back
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    counters=declared,
    creates=st.booleans(),
    partitioned=st.booleans(),
    before=st.lists(write, max_size=8),
    writes=st.lists(write, min_size=25, max_size=40),
)
def test_random_declarations(
    empty: App,
    tmp_path_factory: Any,
    counters: tuple[Declared, ...],
    creates: bool,
    partitioned: bool,
    before: list[tuple[Any, ...]],
    writes: list[tuple[Any, ...]],
) -> None:
    world = World(empty, counters, creates)
    world.make(partitioned)
    file = Path(tmp_path_factory.mktemp("declared")) / "usagefix.toml"
    file.write_text("\n".join(counter.text(creates) for counter in counters))
    world.insert([Event(p, q, "a", True, 1) for p in range(1, PARENTS + 1) for q in range(1, PARENTS + 1)])
    for one in before:
        world.do(*one)
    world.commit()
    applied = empty.usagefix("--config", str(file), "apply", "--trust", "events")
    assert applied.code == 0, applied.stderr + applied.stdout
    world.compare()
    for one in writes:
        world.do(*one)
        world.compare()
    world.commit()
    verified = empty.usagefix("--config", str(file), "verify")
    assert verified.code == 0, verified.stderr + verified.stdout
    back = empty.usagefix("--config", str(file), "rollback", "--yes", "--purge")
    assert back.code == 0, back.stderr + back.stdout
