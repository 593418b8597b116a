"""What writes: transactions with time limits, retries, and what runs as somebody else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from usagefix.database.failures import RETRYABLE, translated
from usagefix.database.reading import Reading
from usagefix.database.settings import PATH, alone, writing
from usagefix.database.texts import filled_in
from usagefix.database.waiting import Watch, in_the_way
from usagefix.errors import Busy, CannotConnect, NotPermitted, UsagefixError
from usagefix.models.figures import duration, plural
from usagefix.quoting import quoted, shown

T = TypeVar("T")

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
class _Left:
    """What waits for the commit, and who may have it run there: the columns of ``at_commit.sql``."""

    what: str
    owner: str


class Database(Reading):
    """The database that a command works on. Reading is there from below; what writes is here."""

    _confined = ""  # the role that a statement of the transaction ran as

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
        self._confined = ""
        committing = False
        try:
            with translated(), self._begin(psycopg.IsolationLevel.READ_COMMITTED, read_only=False):
                self._set(local)
                yield
                if rollback:
                    raise psycopg.Rollback
                self._require_nothing_at_commit()
                committing = True
        except psycopg.Rollback:  # psycopg swallows it, unless the rollback fails
            raise CannotConnect(
                "the connection was lost during the rollback of a trial",
                hint="the server rolls an open transaction back; run this again",
            ) from None
        except CannotConnect:
            if committing:
                self.changes.append("the last step, or not: the connection was lost during its commit")
            raise

    def end_autovacuum(self, tables: Sequence[str], limits: Limits | None = None) -> None:
        """Keep autovacuum off tables, as SQL names them, until the transaction ends. The server cancels one that is
        there once somebody waited for it for ``deadlock_timeout``; no reader or writer waits behind this lock."""
        if not tables:
            return
        lock_timeout = (limits or Limits()).lock_timeout
        longer = "SELECT set_config('lock_timeout', LEAST(setting::integer + 500, 5000)::text, true)"
        self.run(f"{longer} FROM pg_settings WHERE name = 'deadlock_timeout'")
        self.run(f"LOCK TABLE {', '.join(tables)} IN SHARE UPDATE EXCLUSIVE MODE")
        self.run(f"SET LOCAL lock_timeout = {lock_timeout}")

    def run_alone(self, statement: str, seconds: float) -> None:
        """Run what cannot be in a transaction (``… CONCURRENTLY``), and cancel it after ``seconds``. A session
        setting could do that, too, but would stay behind in a pooler. Raises Busy if it was cancelled."""
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
                f"{' '.join(statement.split()[:3])} waited {duration(seconds)} for older transactions to end",
                hint=self.name_holders(readers=True),
                sqlstate="55P03",
            ) from None
        finally:
            timer.cancel()
            timer.join()

    def retrying(self, work: Callable[[], T], limits: Limits | None = None, *, readers: bool = False) -> T:
        """Call ``work``, a whole transaction, again while it fails for lack of a lock, after longer and longer
        pauses. ``readers``: the work also waits for sessions that only read. Raises Busy, with the sessions that
        block, if the last attempt fails, too."""
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
                        f"{busy.message} ({plural(limits.attempts, 'attempt')})",
                        hint=in_the_way(watch.blockers) or self.name_holders(readers=readers),
                        sqlstate=busy.sqlstate,
                    ) from None
            pause = min(limits.longest_pause, limits.first_pause * 2 ** (attempt - 1))
            pause *= random.uniform(0.5, 1.5)  # noqa: S311 - so that two who collided do not collide again
            by = f" by {'; '.join(map(str, watch.blockers))}" if watch.blockers else ""
            self.on_retry(f"a lock is taken{by}; attempt {attempt + 1} of {limits.attempts} in {duration(pause)}")
            time.sleep(pause)
        raise AssertionError("unreachable")

    def claim(self, *, patiently: bool = False, counting: bool = False) -> None:
        """Take usagefix's advisory locks until the transaction ends: that of the counter in turn, and, but for
        ``counting``, which changes rows alone, the one of all that changes the catalog.

        Raises Busy if another run holds one; ``patiently``: as a lock that :meth:`retrying` waits for.
        """
        (mine,) = self.values(
            "SELECT (%(counting)s OR pg_catalog.pg_try_advisory_xact_lock(%(all)s)) AND"
            " pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(%(slug)s, %(all)s))",
            {"all": LOCK_KEY, "counting": counting},
        )
        if not mine:
            raise Busy(
                "another run of usagefix is active on this database",
                hint="wait for it to end, then run this again",
                sqlstate="55P03" if patiently else None,
            )

    @contextmanager
    def application_path(self) -> Iterator[None]:
        """Within the block, in a transaction, names are found where the application's sessions find them: for what
        fires its triggers or calls its functions. Statements of ours in it name everything with its schema."""
        self.values("SELECT pg_catalog.set_config('search_path', %(path)s, true)", {"path": self.session.search_path})
        yield
        # If the block fails, so does the transaction, or the savepoint before it restores the other path.
        self.values("SELECT pg_catalog.set_config('search_path', %(path)s, true)", {"path": PATH["search_path"]})

    def act(
        self, statement: str, params: Mapping[str, Any] | None = None, *, role: str, returns: bool = True
    ) -> list[str | None]:
        """Run a statement that may run code of the application, such as its triggers: under the application's path, and
        never with a superuser's rights. Returns its only column, which is text.

        For a superuser it runs as ``role``, in a function in which SET ROLE is forbidden; what the owner of a table has
        written cannot become anybody else there. Before the commit, usagefix looks what was put off to it: raises
        NotPermitted there. Names in it have their schema, and operators are written ``OPERATOR(pg_catalog.=)``.
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
            self._confined = role
            return found

    def _require_nothing_at_commit(self) -> None:
        """Raise NotPermitted if what ran as somebody else left something for the commit, where nothing confines it."""
        if not self._confined:
            return
        for left in self.rows(self.query("at_commit"), _Left, {"role": self._confined}):
            raise NotPermitted(
                f"{left.what} until the commit, where it would run with a superuser's rights",
                hint=f"connect as {shown(left.owner)}, who owns the table; or disable the trigger until this is done",
            )

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
