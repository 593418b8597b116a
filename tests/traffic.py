"""People who use the application: writers in threads, each with a session of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from people import people
from support import App, wait_until

WRITERS = 4
INSERT = """
    INSERT INTO preset_usage (preset_id, user_id, usage_type, created_at)
    SELECT md5('preset ' || p)::uuid, md5('user ' || %s::int)::uuid, 'showcase_creation', now() - random() * interval '900 days'
    FROM unnest(%s::int[]) AS p ON CONFLICT DO NOTHING
"""
# Each writer takes away and moves events of one user only: two that meet in the same event would wait for each other in
# any order, with or without a trigger. The daily limit, while it is there, may be in the way of a move.
DELETE = """
    DELETE FROM preset_usage WHERE (tableoid, ctid) IN (
        SELECT tableoid, ctid FROM preset_usage WHERE user_id = md5('user ' || %s::int)::uuid LIMIT cardinality(%s::int[])
    )
"""
MOVE = """
    UPDATE preset_usage SET preset_id = md5('preset ' || 1 + (random() * 39)::int)::uuid, created_at = now() - random() * interval '900 days'
    WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM preset_usage WHERE user_id = md5('user ' || %s::int)::uuid LIMIT cardinality(%s::int[]))
"""


@dataclass
class Traffic:
    """Writers that insert (and delete and move) until told to stop, one event or many a statement, in every order of
    presets. ``written`` counts statements' rows, ``events`` what that makes of the number of events."""

    written: list[int] = field(default_factory=lambda: [0] * WRITERS)
    events: list[int] = field(default_factory=lambda: [0] * WRITERS)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.written)

    def progress(self, more: int = 40) -> None:
        """Wait until the writers have written more."""
        target = self.total + more
        wait_until(lambda: self.total >= target or self.failures, "the writers do not get on")


@contextmanager
def traffic(
    app: App, *, every_write: bool = False, most: int = 20, statements: tuple[str, ...] = (INSERT, DELETE, MOVE)
) -> Iterator[Traffic]:
    """Writers for the length of the block; up to ``most`` events a statement."""
    insert, delete, move = statements
    state = Traffic()

    def write(number: int, luck: random.Random, connection: psycopg.Connection[Any]) -> None:
        presets = [luck.randint(1, 40) for _ in range(luck.choice((1, 1, 1, most)))]
        statement = luck.choice((insert, insert, delete, move)) if every_write else insert
        user = luck.randint(1, 15) * WRITERS - number
        try:
            rows = connection.execute(statement.encode(), (user, presets)).rowcount
        except psycopg.errors.UniqueViolation:
            return  # the daily limit stands against the move
        state.written[number] += rows
        state.events[number] += {insert: rows, delete: -rows, move: 0}[statement]

    with people(app, WRITERS, write, state.failures, pause=0.001):
        yield state
