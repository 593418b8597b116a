"""One connection: transactions with time limits, snapshots, retries, rows as dataclasses."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, scalar_row, tuple_row

from usagefix import catalog, keys
from usagefix.counter import STANDARD, Counter
from usagefix.database.failures import CONFLICTS, RETRYABLE, translated
from usagefix.database.settings import PATH, alone, reading, writing
from usagefix.database.texts import codec, encoded, filled_in
from usagefix.database.waiting import LockHolder, Watch, in_the_way
from usagefix.errors import Busy, CannotConnect, UsagefixError
from usagefix.models.nouns import Nouns
from usagefix.models.target import Target
from usagefix.nouns import nouns
from usagefix.quoting import quoted
from usagefix.rendering import PARAMETER

T = TypeVar("T")

SAID = "UF003"  # the SQLSTATE of what a trial says
LOCK_KEY = 0x75736167_65666978  # "usagefix" in ASCII; the advisory lock of everything that changes the catalog


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a write may wait: milliseconds for a lock and for a statement (0: no limit), and how often it tries.

    The defaults are those of lock-safe migration tools: a lock timeout of 0.5-2 s with 5-10 retries.
    """

    lock_timeout: int = 1_000
    statement_timeout: int = 30_000
    attempts: int = 8
    first_pause: float = 0.2
    longest_pause: float = 5.0


@dataclass(frozen=True, slots=True)
class Session:
    """What the server says of itself and of this session: the columns of ``session.sql``."""

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


class Database:
    """One connection. ``changes`` lists, in words, what this run has committed so far; ``remarks`` what the scripts
    had to say.

    ``another`` opens a further one to the same database. ``counter``: what is counted where, see
    :mod:`usagefix.picture`; a query that takes parameters gets its names beside its own. ``counters``: all that the
    command is about, in the order in which they are repaired: each in turn is ``counter``. ``codec``: what Python calls
    the encoding of the database, from the first look on. ``show_queries``: tell the statements of sessions in the way.
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
        self.show_queries = False
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

    @contextmanager
    def transaction(
        self, limits: Limits | None = None, *, settings: Mapping[str, str] | None = None, rollback: bool = False
    ) -> Iterator[None]:
        """A read-write transaction, READ COMMITTED, with its time limits; always undone where ``rollback``."""
        limits = limits or Limits()
        local = writing(
            self.session.version_number,
            self.session.encoding,
            lock_timeout=limits.lock_timeout,
            statement_timeout=limits.statement_timeout,
        ) | dict(settings or {})
        self.said.clear()
        committing = False
        try:
            with translated(), self._begin(psycopg.IsolationLevel.READ_COMMITTED, read_only=False):
                self._set(local)
                yield
                committing = not rollback
                if rollback:
                    raise psycopg.Rollback
        except psycopg.Rollback:  # psycopg swallows it, but not where the undoing fails
            raise CannotConnect(
                "the connection was lost while a trial was being undone",
                hint="the server rolls an open transaction back; run this again",
            ) from None
        except CannotConnect:
            if committing:
                self.changes.append("the last step, or not: the connection was lost while it was being committed")
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A REPEATABLE READ, READ ONLY transaction without time limits: every statement sees the same rows.

        A role from which row level security hides rows gets an error instead of a wrong count. Within another one it
        is that.
        """
        if self._in_snapshot:
            yield
            return
        local = reading(self.session.version_number, self.session.encoding)
        try:
            with translated(), self._begin(psycopg.IsolationLevel.REPEATABLE_READ, read_only=True):
                self._set(local)
                self._in_snapshot = True
                try:
                    yield
                finally:
                    self._in_snapshot = False
        except Busy as busy:
            if self.session.standby and busy.sqlstate in CONFLICTS:
                raise Busy(
                    "the standby cancelled the query, because it was in the way of changes from the primary",
                    hint="run this again, or on the primary; hot_standby_feedback = on or a longer"
                    " max_standby_streaming_delay lets queries on the standby end",
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

    @property
    def nouns(self) -> Nouns:
        """The words for the counter in turn."""
        return nouns(self.counter)

    def can_read_again(self, busy: Busy) -> bool:
        """Whether what failed only read, on a standby that cancelled it, and the connection is still there."""
        return busy.sqlstate in CONFLICTS and self.session.standby and not (self.changes or self._connection.closed)

    def query(self, name: str) -> str:
        """A bundled query, in the names of this database."""
        return catalog.query(name, self.counter)

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
        with self._in_transaction():
            with translated(query):
                link = self._connection.pgconn
                for answer in (link.prepare(b"", encoded(self._connection, query)), link.describe_prepared(b"")):
                    if answer.status != psycopg.pq.ExecStatus.COMMAND_OK:
                        raise psycopg.errors.error_from_result(answer, encoding=self.codec)
            kinds = [answer.ftype(column) for column in range(answer.nfields)]
            named = "SELECT pg_catalog.format_type(kind, NULL) FROM pg_catalog.unnest(%(kinds)s::oid[]) AS given (kind)"
            return self.values(named, {"kinds": kinds})

    def run(self, statement: str, params: Mapping[str, Any] | None = None) -> int:
        """Run one statement, or a script without parameters; returns the number of rows it touched."""
        with translated(statement), self._connection.cursor() as cursor:
            return cursor.execute(encoded(self._connection, statement), params).rowcount

    def run_alone(self, statement: str, seconds: float) -> None:
        """Run what cannot be in a transaction (``… CONCURRENTLY``), cancelled after ``seconds``.

        A session setting could do that too, but would stay behind in a pooler. Raises Busy when cancelled.
        """
        overdue = threading.Event()

        def cancel() -> None:
            overdue.set()
            with suppress(psycopg.Error):
                self._connection.cancel_safe()

        timer = threading.Timer(seconds, cancel)
        timer.start()
        try:
            with self._to_itself():
                self.run(statement)
        except CannotConnect:
            self.changes.append("the last step, or not: the connection was lost meanwhile")
            raise
        except UsagefixError as error:
            if error.sqlstate != "57014" or not overdue.is_set():
                raise
            raise Busy(
                f"{' '.join(statement.split()[:3])} waited {seconds:.0f} s for older transactions to end",
                hint=self.name_holders(readers=True),
                sqlstate="55P03",
            ) from None
        finally:
            timer.cancel()
            timer.join()

    def retrying(self, work: Callable[[], T], limits: Limits | None = None, *, readers: bool = False) -> T:
        """Call ``work``, a whole transaction, again while it fails for want of a lock, after longer and longer pauses.

        ``readers``: the work waits for those who only read, too. Raises Busy, naming the sessions in the way, when the
        last attempt fails as well.
        """
        limits = limits or Limits()
        for attempt in range(1, limits.attempts + 1):
            watch = Watch(self._another, self._pid, queries=self.show_queries)
            try:
                with watch:
                    return work()
            except Busy as busy:
                if busy.sqlstate not in RETRYABLE:
                    raise
                if attempt == limits.attempts:
                    raise Busy(
                        f"{busy.message} ({limits.attempts} attempts)",
                        hint=in_the_way(watch.blockers) or self.name_holders(readers=readers),
                        sqlstate=busy.sqlstate,
                    ) from None
            pause = min(limits.longest_pause, limits.first_pause * 2 ** (attempt - 1))
            pause *= random.uniform(0.5, 1.5)  # noqa: S311 - so that two who collided do not collide again
            by = f" by {'; '.join(map(str, watch.blockers))}" if watch.blockers else ""
            self.on_retry(f"a lock is taken{by}; attempt {attempt + 1} of {limits.attempts} in {pause:.1f} s")
            time.sleep(pause)
        raise AssertionError("unreachable")

    def claim(self, *, patiently: bool = False, counting: bool = False) -> None:
        """Take usagefix's advisory locks until the transaction ends: that of the counter in turn, and, but for
        ``counting``, which changes rows alone, the one of all that changes the catalog.

        Raises Busy where another run holds one; ``patiently``: as a lock that :meth:`retrying` waits for.
        """
        (mine,) = self.values(
            "SELECT (%(counting)s OR pg_catalog.pg_try_advisory_xact_lock(%(all)s)) AND"
            " pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(%(slug)s, %(all)s))",
            {"all": LOCK_KEY, "counting": counting},
        )
        if not mine:
            raise Busy(
                "another run of usagefix is going on this database",
                hint="wait for it to end, then run this again",
                sqlstate="55P03" if patiently else None,
            )

    def name_holders(self, *, readers: bool = False) -> str:
        """A hint that names who holds locks on the two tables now; ``readers``: also those who only read."""
        params = {"readers": readers, "queries": self.show_queries}
        holders = self.rows(self.query("lock_holders"), LockHolder, params)
        return in_the_way(holders) or "nobody holds a lock on the two tables now: run this again"

    def _with_names(self, query: str, params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """A query's parameters, with the counter's names where it asks for any."""
        if not PARAMETER.search(query):
            return params
        return {**self.counter.params, **(params or {}), **keys.parts(query, params or {})}

    @contextmanager
    def application_path(self) -> Iterator[None]:
        """Within the block, in a transaction, names are found where the application's sessions find them: for what
        fires its triggers or calls its functions. Statements of ours in it name everything with its schema."""
        self.values("SELECT pg_catalog.set_config('search_path', %(path)s, true)", {"path": self.session.search_path})
        yield
        # Where the block fails, the transaction does, or the savepoint before it brings the other path back.
        self.values("SELECT pg_catalog.set_config('search_path', %(path)s, true)", {"path": PATH["search_path"]})

    def act(
        self, statement: str, params: Mapping[str, Any] | None = None, *, role: str, returns: bool = True
    ) -> list[str | None]:
        """Run a statement that may run code of the application, such as its triggers: under the application's path, and
        never with a superuser's rights. Returns its only column, which is text.

        For a superuser it runs as ``role``, in a function in which SET ROLE is forbidden; what the owner of a table has
        written cannot become anybody else there. Names in it have their schema, and operators are written
        ``OPERATOR(pg_catalog.=)``.
        """
        with self.application_path():
            if not self.confines(role):
                if returns:
                    return self.values(statement, params)
                self.run(statement, params)
                return []
            plain = filled_in(self._connection, statement, self._with_names(statement, params))
            body = f"BEGIN {'RETURN QUERY ' if returns else ''}{plain}; END"
            make = (
                "CREATE FUNCTION pg_temp.usagefix_confined() RETURNS SETOF pg_catalog.text LANGUAGE plpgsql"
                " SECURITY DEFINER SET search_path FROM CURRENT AS %(body)s;"
                f" ALTER FUNCTION pg_temp.usagefix_confined() OWNER TO {quoted(role).replace('%', '%%')}"
            )
            self.run(filled_in(self._connection, make, {"body": body}))
            found = self.values("SELECT pg_temp.usagefix_confined()")
            self.run("DROP FUNCTION pg_temp.usagefix_confined()")
            return found

    def confines(self, role: str) -> bool:
        """Whether what acts as a role must be kept from a superuser's rights."""
        return self.session.superuser and role != self.session.role

    @contextmanager
    def _to_itself(self) -> Iterator[None]:
        """The session without what a role's or database's settings forbid; a pooler's, which others get, as it is."""
        if self.target.pooler:
            yield
            return
        settings = alone(self.session.version_number)
        with translated():
            self._set(settings, local=False)
        try:
            yield
        finally:
            with suppress(UsagefixError):
                self.run("; ".join(f"RESET {name}" for name in settings))

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        """The transaction that is open; else a snapshot of its own, so that names are found where they should be."""
        if self._connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
            yield
        else:
            with self.snapshot():
                yield

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
