"""The sessions for which another session waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from usagefix import catalog
from usagefix.models.figures import duration

WATCH_SECONDS = 0.3  # a shorter wait is ignored


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds a lock others may wait for: the columns of ``lock_holders.sql``. ``process``: what it is
    where it is no session of a role."""

    pid: int | None
    role: str
    application: str
    state: str
    seconds: float | None
    process: str
    query: str | None

    def __str__(self) -> str:
        if self.pid is None:
            return "a prepared transaction (see pg_prepared_xacts)"
        if self.replayed:
            return "a lock of a session on the primary, which this standby replays"
        what = self.application or self.process
        who = f"pid {self.pid}" + (f" ({what})" if what else "")
        if self.process:
            return who
        since = f", in a transaction for {duration(self.seconds)}" if self.seconds is not None else ""
        statement = f": {' '.join(self.query.split())}" if self.query else ""
        return f"{who} {self.state or f'of role {self.role}'}{since}{statement}"

    @property
    def replayed(self) -> bool:
        """On a standby the process that replays the primary's changes holds the primary's locks."""
        return self.process == "startup"


class Watch:
    """Looks, through a session of its own, at who blocks another one; only once that has waited for a while."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], pid: int, *, queries: bool) -> None:
        self.blockers: list[LockHolder] = []
        self._connect = connect
        self._params = {"pid": pid, "queries": queries}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(WATCH_SECONDS)

    def _look(self) -> None:
        if self._over.wait(WATCH_SECONDS):
            return
        with suppress(psycopg.Error), self._connect() as connection:
            cursor = connection.cursor(row_factory=class_row(LockHolder))
            while not self._over.wait(WATCH_SECONDS / 2):
                with connection.transaction():
                    cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
                    found = cursor.execute(catalog.query("blockers").encode(), self._params).fetchall()
                self.blockers = found or self.blockers


def in_the_way(holders: list[LockHolder]) -> str:
    """A hint that names them; empty if there is nobody."""
    if not holders:
        return ""
    end = "Wait for them, or end them" if not any(holder.replayed for holder in holders) else "Wait, or end it there"
    return f"in the way: {'; '.join(map(str, holders))}. {end}; then run this again"
