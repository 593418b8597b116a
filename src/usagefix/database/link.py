"""One connection, what is set for each of its transactions, and one statement at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from usagefix import catalog, keys
from usagefix.counter import STANDARD, Counter
from usagefix.database.failures import translated
from usagefix.database.texts import codec, encoded
from usagefix.models.nouns import Nouns
from usagefix.models.target import Target, is_here
from usagefix.nouns import nouns
from usagefix.rendering import PARAMETER

SAID = "UF003"  # the SQLSTATE of what a trial says


@dataclass(frozen=True, slots=True)
class Session:
    """What the server says of itself and of this session: the columns of ``session.sql``. ``trap``: a relation in the
    ledger's schema that could run somebody's code with the rights of who reads it."""

    server_version: str
    version_number: int
    backend_pid: int
    role: str
    database: str
    standby: bool
    read_only_by: str | None
    superuser: bool
    triggerless: bool
    search_path: str
    encoding: str
    trap: str | None


class Link:
    """One connection. ``changes`` lists, in words, what this run has committed so far; ``remarks`` what the scripts
    had to say.

    ``another`` opens a further one to the same database. ``counter``: what is counted where, see
    :mod:`usagefix.picture`; a query that takes parameters gets its names beside its own. ``counters``: all that the
    command is about, in the order in which they are repaired: each in turn is ``counter``; ``together``: those that the
    open snapshot is for, if several. ``codec``: what Python calls the encoding of the database, from the first look on.
    ``show_queries``: tell the statements of sessions in the way; ``others``: tables that these may hold, beside the two
    of the counter, as SQL names them.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        session: Session,
        target: Target,
        another: Callable[[], psycopg.Connection[Any]],
    ) -> None:
        self._connection = connection
        self._another = another
        self._pid = session.backend_pid
        self.codec = "utf-8"
        self._in_snapshot = False
        self.together: tuple[Counter, ...] = ()
        self._answers: dict[Hashable, Any] = {}
        self.show_queries = False
        self.others: tuple[str, ...] = ()
        self.session = session
        self.target = target
        self.counter = STANDARD
        self.counters: tuple[Counter, ...] = (STANDARD,)
        self.changes: list[str] = []
        self.remarks: list[str] = []
        self.said: list[str] = []
        connection.add_notice_handler(self._remark)
        self.on_retry: Callable[[str], None] = lambda _message: None

    def _remark(self, notice: psycopg.errors.Diagnostic) -> None:
        """Ours only: the application's functions, which the scripts try, may say something too, and quote data."""
        if notice.sqlstate == SAID:
            self.said.append(notice.message_primary or "")

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        self._connection.close()

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine, as far as the connection tells."""
        info = self._connection.info
        return is_here(info.host, info.hostaddr, named=self.target.host != info.host)

    @property
    def nouns(self) -> Nouns:
        """The words for the counter in turn."""
        return nouns(self.counter)

    def query(self, name: str) -> str:
        """A bundled query, in the names of this database."""
        return catalog.query(name, self.counter)

    def run(self, statement: str, params: Mapping[str, Any] | None = None) -> int:
        """Run one statement, or a script without parameters; returns the number of rows it touched."""
        with translated(statement), self._connection.cursor() as cursor:
            return cursor.execute(encoded(self._connection, statement), params).rowcount

    def _with_names(self, query: str, params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A query's parameters, with the counter's names where it asks for any."""
        if not PARAMETER.search(query):
            return params
        return {**self.counter.params, **(params or {}), **keys.parts(query, params or {})}

    @contextmanager
    def _begin(self, isolation: psycopg.IsolationLevel, *, read_only: bool) -> Iterator[None]:
        self._connection.isolation_level = isolation
        self._connection.read_only = read_only
        with self._connection.transaction():
            yield

    def _set(self, settings: Mapping[str, str], *, local: bool = True) -> None:
        calls = ", ".join(f"pg_catalog.set_config(%(n{i})s, %(v{i})s, {local})" for i in range(len(settings)))
        params = {f"n{i}": name for i, name in enumerate(settings)} | {
            f"v{i}": v for i, v in enumerate(settings.values())
        }
        row = self._connection.execute(f"SELECT pg_catalog.pg_backend_pid(), {calls}".encode(), params).fetchone()
        self._pid = row[0] if row else self._pid  # behind a pooler each transaction may have another
        self.codec = codec(self._connection)
