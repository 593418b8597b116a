"""Counters given as values, on tables of a test's own: installed as the bundled SQL says, and checked by a plain count."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from people import people
from support import App, wait_until

from usagefix import catalog
from usagefix.catalog import Face, MigrationKind
from usagefix.counter import Counter

PLAIN = Counter(
    last=None, label=None, time=None, event_id="id", user=None, kind=None, data=None, partitioned=False,
    recorder=None, incrementer=None, daily=None,
)  # fmt: skip


def counter(column: str, events: str, slug: str, **more: Any) -> Counter:
    """``counter("users.followers_count", "follows.followee", "user_followers_count")``."""
    parent, _, number = column.partition(".")
    child, _, key = events.partition(".")
    return replace(PLAIN, parent=parent, column=number, child=child, foreign_key=key, slug=slug, **more)


def install(app: App, *counters: Counter, guarded: bool = False, partitions: bool = False) -> None:
    """The counting functions and triggers of each, and its guard."""
    for of in counters:
        with app.db.transaction():
            for statement in catalog.statements(catalog.ledger(of)):
                app.sql(statement.text)
            for migration in catalog.migrations():
                if migration.kind is MigrationKind.GUARD and not guarded:
                    continue
                for statement in migration.statements(Face.APPLY, of):
                    if not statement.is_by_hand and not statement.is_lock:
                        app.sql(statement.text)
                if migration.kind is MigrationKind.COUNTING and partitions:
                    for statement in migration.partitions(of):
                        app.sql(statement.text)


def wrong(app: App, of: Counter) -> list[tuple[Any, ...]]:
    """Parents whose counter is not the number of their events, those that are not there too; both sides in one snapshot."""
    where = f"WHERE {of.where}" if of.where else ""
    only = f"WHERE {of.only}" if of.only else ""
    return app.sql(
        f"SELECT COALESCE(shown.key, counted.key), shown.number, counted.number"
        f" FROM (SELECT {of.key} AS key, {of.column} AS number FROM {of.parent} AS preset {only}) AS shown FULL JOIN"
        f" (SELECT {of.foreign_key} AS key, count(*) AS number FROM {of.child} AS event {where} GROUP BY 1) AS counted"
        " ON shown.key = counted.key WHERE counted.key IS DISTINCT FROM NULL AND shown.number IS DISTINCT FROM counted.number"
        " OR counted.key IS NULL AND COALESCE(shown.number, 0) <> 0"
    )


@dataclass
class Writers:
    """``done``: how many statements of each went through; ``failures``: what the server said to the others."""

    done: list[int]
    failures: list[str] = field(default_factory=list)

    @property
    def statements(self) -> int:
        return sum(self.done)

    @property
    def deadlocks(self) -> int:
        return sum("deadlock" in said for said in self.failures)


Write = Callable[[random.Random, psycopg.Connection[Any]], None]


@contextmanager
def writers(app: App, write: Write, number: int = 6) -> Iterator[Writers]:
    """People who write until the block ends; a statement that fails is noted."""
    state = Writers([0] * number)

    def once(person: int, luck: random.Random, connection: psycopg.Connection[Any]) -> None:
        write(luck, connection)
        state.done[person] += 1

    with people(app, number, once, state.failures, tireless=True, options="-c deadlock_timeout=20ms"):
        yield state


def until(state: Writers, statements: int) -> None:
    """Wait until so many went through, or one failed."""
    wait_until(lambda: state.statements >= statements or state.failures, "the writers do not get on")
