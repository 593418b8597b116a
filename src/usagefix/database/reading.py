"""What reads: snapshots, and rows as dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, scalar_row, tuple_row

from usagefix.counter import Counter
from usagefix.database.failures import CONFLICTS, RETRYABLE, translated
from usagefix.database.link import Link
from usagefix.database.settings import reading
from usagefix.database.texts import encoded
from usagefix.database.waiting import LockHolder, in_the_way
from usagefix.errors import Busy

T = TypeVar("T")


class Reading(Link):
    """A connection that reads. A query outside a transaction gets a snapshot of its own."""

    @contextmanager
    def snapshot(self, together: tuple[Counter, ...] = ()) -> Iterator[None]:
        """A REPEATABLE READ, READ ONLY transaction without time limits: every statement sees the same rows.

        A role from which row level security hides rows gets an error instead of a wrong count. Within another one it
        is that. ``together``: counters that are all looked at in it.
        """
        if self._in_snapshot:
            yield
            return
        local = reading(self.session.version_number, self.session.encoding)
        try:
            with translated(), self._begin(psycopg.IsolationLevel.REPEATABLE_READ, read_only=True):
                self._set(local)
                self._in_snapshot, self.together = True, together
                try:
                    yield
                finally:
                    self._in_snapshot, self.together = False, ()
                    self._answers.clear()
        except Busy as busy:
            if busy.sqlstate not in RETRYABLE:  # it says itself what is in the way
                raise
            if self.session.standby and busy.sqlstate in CONFLICTS:
                raise Busy(
                    "the standby cancelled the query, because it delayed changes from the primary",
                    hint="run this again, or on the primary; hot_standby_feedback = on or a longer"
                    " max_standby_streaming_delay lets queries on the standby finish",
                    sqlstate=busy.sqlstate,
                ) from None
            raise Busy(busy.message, hint=self.name_holders(), sqlstate=busy.sqlstate) from None

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within a snapshot: what fails in the block leaves it as it was, so that others can still be looked at."""
        try:
            with translated(), self._connection.transaction():
                yield
        except Busy as busy:
            if self.can_read_again(busy):
                raise
            raise Busy(busy.message, hint=self.name_holders(), sqlstate=busy.sqlstate) from None

    def can_read_again(self, busy: Busy) -> bool:
        """Whether what failed only read, on a standby that cancelled it, and the connection is still there."""
        return busy.sqlstate in CONFLICTS and self.session.standby and not (self.changes or self._connection.closed)

    def once(self, question: str, ask: Callable[[], T], *, of_all: bool = False) -> T:
        """What ``ask`` returns. Within a snapshot, in which no answer changes, it is called once for each counter, or
        once ``of_all`` where the answer is the same for each. Elsewhere, as under a lock, it is called each time."""
        if not self._in_snapshot:
            return ask()
        about = (question, None if of_all else self.counter)
        if about not in self._answers:
            self._answers[about] = ask()
        answer: T = self._answers[about]
        return answer

    def rows(self, query: str, into: type[T], params: Mapping[str, Any] | None = None) -> list[T]:
        """Every row as a dataclass; column names are field names."""
        with self._in_transaction(), translated(), self._connection.cursor(row_factory=class_row(into)) as cursor:
            return cursor.execute(encoded(self._connection, query), self._with_names(query, params)).fetchall()

    def row(self, query: str, into: type[T], params: Mapping[str, Any] | None = None) -> T:
        """The one row of a query that always has one."""
        return self.rows(query, into, params)[0]

    def tuple(self, query: str, params: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        """The one row of a query that always has one, as a tuple."""
        with self._in_transaction(), translated(), self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(encoded(self._connection, query), self._with_names(query, params)).fetchone()
            assert row is not None, query  # noqa: S101
            return row

    def values(self, query: str, params: Mapping[str, Any] | None = None) -> list[Any]:
        """The only column of a query."""
        with self._in_transaction(), translated(), self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(encoded(self._connection, query), self._with_names(query, params)).fetchall()

    def described(self, query: str) -> list[str]:
        """The types of the columns that a query would return, by the catalog's names. The server only reads it: nothing
        of it is planned or run."""
        secured = "SELECT pg_catalog.set_config('row_security', %(to)s, true)"
        with self._in_transaction():
            self.values(secured, {"to": "on"})  # which rows the role sees is no matter of types
            with translated(query):
                link = self._connection.pgconn
                for answer in (link.prepare(b"", encoded(self._connection, query)), link.describe_prepared(b"")):
                    if answer.status != psycopg.pq.ExecStatus.COMMAND_OK:
                        raise psycopg.errors.error_from_result(answer, encoding=self.codec)
            self.values(secured, {"to": "off"})
            kinds = [answer.ftype(column) for column in range(answer.nfields)]
            named = "SELECT pg_catalog.format_type(kind, NULL) FROM pg_catalog.unnest(%(kinds)s::oid[]) AS given (kind)"
            return self.values(named, {"kinds": kinds})

    def name_holders(self, *, readers: bool = False) -> str:
        """A hint that names who holds locks on the tables now; ``readers``: also those who only read."""
        params = {"readers": readers, "queries": self.show_queries, "others": list(self.others)}
        holders = self.rows(self.query("lock_holders"), LockHolder, params)
        return in_the_way(holders) or "nobody holds a lock on the tables now: run this again"

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        """The transaction that is open; else a snapshot of its own, so that names are found where they should be."""
        if self._connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
            yield
        else:
            with self.snapshot():
                yield
