"""Behind a real PgBouncer that hands a connection to another client after each transaction: nothing of ours stays on it.

Pool size 1 is the hardest case: every client gets the very connection that usagefix has just used, and what usagefix
asks a second connection for has to wait for its first one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import components
import psycopg
import pytest
from conftest import TestServer
from support import INDEX, LONG, ROOT, SQL, App, Connection, Result, ended, told

pytestmark = components.needs("pgbouncer")

SIZES = (1, 4)
HARDEST = pytest.mark.parametrize("size", [1], ids=["pool-of-1"])
CLIENTS = 3
# A day for each event, long before those of the sample: the daily limit lets it pass, while it is there.
EVENT = """
    INSERT INTO public.preset_usage (preset_id, user_id, usage_type, created_at)
    VALUES (md5('preset ' || 1 + %s::int %% 40)::uuid, md5('user ' || %s::int)::uuid, 'showcase_creation', '1990-01-01'::timestamptz + %s * interval '1 day')
"""
# Names of our own settings and of those that only the application has; pg_settings does not list either.
CUSTOM = sorted(
    {"request.jwt.claim.sub", "request.jwt.claim.role", "request.jwt.claims"}.union(
        *(
            re.findall(r"['\"](usagefix\.[a-z_]+)['\"]", source.read_text())
            for folder, suffix in ((SQL, "sql"), (ROOT / "src", "py"))
            for source in folder.rglob(f"*.{suffix}")
        )
    )
)
STATE = """
    SELECT name, setting FROM pg_settings WHERE name <> 'application_name'
    UNION ALL SELECT name, coalesce(current_setting(name, true), '') FROM unnest(%s::text[]) AS name
    UNION ALL VALUES
        ('current_user', current_user::text), ('session_user', session_user::text), ('role', current_setting('role')),
        ('temporary tables', (SELECT count(*)::text FROM pg_class WHERE relnamespace = pg_my_temp_schema())),
        ('prepared statements', (SELECT count(*)::text FROM pg_prepared_statements)),
        ('cursors', (SELECT count(*)::text FROM pg_cursors WHERE is_holdable)),
        ('channels', (SELECT count(*)::text FROM pg_listening_channels())),
        ('advisory locks', (SELECT count(*)::text FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'))
"""
LOOKED_AT = (
    "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "search_path", "row_security",
    "session_replication_role", "default_transaction_read_only", "DateStyle", "role", "request.jwt.claim.sub",
    "usagefix.tool", "usagefix.bypass_guard",
)  # fmt: skip


def state(connection: Connection) -> dict[str, str]:
    return dict(connection.execute(STATE.encode(), (CUSTOM,)).fetchall())


def defaults(app: App) -> dict[str, str]:
    """What a session begins with, past the pool."""
    with app.connect() as connection:
        connection.execute("LOAD 'plpgsql'")  # brings settings of its own, at the latest with the first function
        return state(connection)


@contextmanager
def pgbouncer(server: TestServer, size: int, mode: str = "transaction", **more: object) -> Iterator[Path]:
    """PgBouncer on a socket in a folder of its own, which is all it yields, on the server's port number."""
    folder = Path(tempfile.mkdtemp(prefix="usagefix-test-"))
    # It refuses to run as root, and the server's socket is for nobody then.
    account = "nobody" if os.geteuid() == 0 else None
    if account:
        shutil.chown(folder, account)
    settings = {
        "listen_port": server.port,
        "unix_socket_dir": folder,
        "auth_type": "trust",
        "auth_file": folder / "users",
        "pool_mode": mode,
        "default_pool_size": size,
        "logfile": folder / "log",
        "log_connections": 0,
        "log_disconnections": 0,
        **more,
    }
    (folder / "users").write_text(f'"{server.user}" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={server.host} port={server.port}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    process = subprocess.Popen(
        [components.path("pgbouncer"), folder / "ini"], user=account, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr
        said = ""
        while "process up" not in said:
            said = process.stderr.readline()
            assert said, "PgBouncer ended at once"
        yield folder
    finally:
        process.terminate()
        process.communicate(timeout=LONG)
        shutil.rmtree(folder)


@pytest.fixture(params=SIZES, ids=[f"pool-of-{size}" for size in SIZES])
def size(request: pytest.FixtureRequest) -> int:
    assert isinstance(request.param, int)
    return request.param


def through(host: Path, app: App) -> App:
    return App(str(host), app.port, app.name, app.binaries)


@pytest.fixture
def pooled(app: App, server: TestServer, size: int) -> Iterator[App]:
    """The drifted sample application, through PgBouncer."""
    with pgbouncer(server, size) as host:
        pooled = through(host, app)
        yield pooled
        pooled.close()


@pytest.fixture
def pooled_fixed(fixed: App, server: TestServer, size: int) -> Iterator[App]:
    """The sample application after ``usagefix apply``, through PgBouncer."""
    with pgbouncer(server, size) as host:
        pooled = through(host, fixed)
        yield pooled
        pooled.close()


@dataclass
class Clients:
    """What other users of the pool have done and seen."""

    expected: dict[str, str]
    events: list[int] = field(default_factory=lambda: [0] * CLIENTS)
    seen: list[int] = field(default_factory=lambda: [0] * CLIENTS)
    backends: set[int] = field(default_factory=set)
    leaked: set[tuple[str, str]] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    moved: threading.Condition = field(default_factory=threading.Condition)

    def get_on(self, more: int = 5) -> None:
        """Wait until each client has written and looked some more."""
        targets = [seen + more for seen in self.seen]
        with self.moved:
            assert self.moved.wait_for(
                lambda: self.failures or all(map(int.__ge__, self.seen, targets)), timeout=LONG
            ), "the clients do not get on"


@contextmanager
def clients(pooled: App, expected: dict[str, str], first: int = 1) -> Iterator[Clients]:
    """Users of the same pool: each looks at what the connection it is given is set to, then writes an event."""
    state_of_all, stop = Clients(expected), threading.Event()

    def use(number: int) -> None:
        try:
            # A pool in transaction mode has no place for statements prepared by a client.
            with psycopg.connect(pooled.url(), autocommit=True, prepare_threshold=None) as connection:
                while not stop.is_set():
                    with connection.transaction():
                        found = state(connection)
                        (backend,) = connection.execute("SELECT pg_backend_pid()").fetchall()[0]
                    with state_of_all.moved:
                        state_of_all.leaked |= found.items() - expected.items()
                        state_of_all.backends.add(backend)
                        state_of_all.seen[number] += 1
                        state_of_all.moved.notify_all()
                    so_far = state_of_all.events[number]
                    connection.execute(EVENT.encode(), (so_far, first + number, so_far))
                    state_of_all.events[number] += 1
        except psycopg.Error as error:
            with state_of_all.moved:
                state_of_all.failures.append(str(error))
                state_of_all.moved.notify_all()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield state_of_all
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def assert_nothing_leaked(users: Clients, size: int) -> None:
    assert users.failures == []
    assert users.leaked == set()
    assert all(users.seen)
    assert 1 <= len(users.backends) <= size


def done(result: Result) -> Result:
    assert "through a pooler" in result.stderr.splitlines()[0]
    return result


def test_the_whole_life_while_others_use_the_pool(app: App, pooled: App, size: int) -> None:
    expected = defaults(app)
    assert expected.keys() >= set(LOOKED_AT)
    before = app.one("SELECT count(*) FROM preset_usage")
    with clients(pooled, expected) as users:
        users.get_on()
        assert done(pooled.usagefix("verify")).code == 1
        users.get_on()
        applied = done(pooled.usagefix("apply"))
        assert applied.code == 0, applied.stderr
        users.get_on()
        assert app.drift() == (0, 0), "in one snapshot, while events come in"
        assert done(pooled.usagefix("verify")).code == 0
        smoked = done(pooled.usagefix("smoke"))
        assert smoked.code == 0, smoked.stdout
        users.get_on()

        with app.connect(autocommit=False) as bypassing:
            bypassing.execute("SET LOCAL session_replication_role = replica")
            app.use(app.preset(2), times=7, connection=bypassing)
            bypassing.execute("UPDATE presets SET usage_count = usage_count + 3 WHERE id = %s", (app.preset(4),))
        assert app.drift() == (2, 10)
        assert done(pooled.usagefix("verify")).code == 1
        assert done(pooled.usagefix("backfill")).code == 0
        assert app.drift() == (0, 0)

        with psycopg.connect(pooled.url(), prepare_threshold=None) as session:
            session.execute("SET LOCAL ROLE authenticated")
            session.execute("SELECT set_config('request.jwt.claim.sub', %s, true)", (app.user_id(3),))
            for _ in range(2):
                session.execute("SELECT track_preset_usage(%s, 'showcase_creation')", (app.preset(3),))
        users.get_on()
        assert done(pooled.usagefix("status")).code == 0
        assert done(pooled.usagefix("check-preset", app.preset(3))).code == 0
    assert_nothing_leaked(users, size)
    assert app.drift() == (0, 0)
    assert app.one("SELECT count(*) FROM preset_usage") == before + sum(users.events) + 7 + 2, "no event is lost"

    with clients(pooled, expected, first=1 + CLIENTS) as users:
        assert done(pooled.usagefix("rollback", "--yes")).code == 1, "two uses on one day"
        users.get_on()
        rolled_back = done(pooled.usagefix("rollback", "--yes", "--daily-limit", "skip"))
        assert rolled_back.code == 0, rolled_back.stderr
        users.get_on()
        assert done(pooled.usagefix("verify")).code == 1
    assert_nothing_leaked(users, size)


def test_back_to_the_daily_limit(app: App, pooled: App, size: int) -> None:
    """CREATE INDEX CONCURRENTLY runs outside of a transaction, where nothing can be set for it alone."""
    before, expected = app.dump(), defaults(app)
    assert pooled.usagefix("apply").code == 0
    with clients(pooled, expected) as users:
        users.get_on()
        rolled_back = done(pooled.usagefix("rollback", "--yes"))
        assert rolled_back.code == 0, rolled_back.stderr
        users.get_on()
    assert_nothing_leaked(users, size)
    assert app.dump() == before


@contextmanager
def holding(app: App, statement: str, *params: Any) -> Iterator[Connection]:
    """A session past the pool, in a transaction that has done something and does not end."""
    with app.connect(autocommit=False) as holder:
        holder.execute("SET application_name = 'forgotten-console'")
        holder.execute(statement.encode(), params)
        yield holder


@HARDEST
def test_a_lock_that_is_not_let_go(app: App, pooled: App, size: int) -> None:
    dump, expected = app.dump(), defaults(app)
    with holding(app, "LOCK preset_usage IN ROW EXCLUSIVE MODE") as holder:
        result = ended(pooled.spawn("apply"))
        assert result.code == 4, result.stderr
        assert "(8 attempts)" in result.stderr
        assert "nothing in the database was changed" in result.stderr
        # At pool size 1 nobody can look while usagefix waits: it asks afterwards.
        assert f"in the way: pid {holder.info.backend_pid} (forgotten-console)" in result.stderr
    assert app.dump() == dump
    with clients(pooled, expected) as users:
        users.get_on(1)
    assert_nothing_leaked(users, size)
    assert pooled.usagefix("apply").code == 0
    assert app.drift() == (0, 0)


def test_a_lock_that_is_let_go(app: App, pooled: App) -> None:
    with holding(app, "LOCK preset_usage IN ROW EXCLUSIVE MODE") as holder:
        process = pooled.spawn("apply")
        told(process, "attempt 2 of 8")
        holder.rollback()
        result = ended(process)
    assert result.code == 0, result.stderr
    assert app.drift() == (0, 0)


@HARDEST
def test_an_old_transaction_stands_against_the_end_of_the_limit(app: App, pooled: App, size: int) -> None:
    """DROP INDEX CONCURRENTLY is cancelled through the pool, while it has the pool's only connection."""
    expected = defaults(app)
    with holding(app, "SELECT FROM preset_usage") as holder:
        process = pooled.spawn("apply")
        told(process, "attempt 2 of 3")
        holder.rollback()
        result = ended(process)
    assert result.code == 0, result.stderr
    with clients(pooled, expected) as users:
        users.get_on(1)
    assert_nothing_leaked(users, size)
    assert app.one("SELECT to_regclass(%s)", INDEX) is None
    assert app.drift() == (0, 0)


def test_a_locked_preset_only_delays_the_backfill(fixed: App, pooled_fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 0")
    with holding(fixed, "SELECT FROM presets WHERE id = %s FOR UPDATE", fixed.preset(5)) as holder:
        process = pooled_fixed.spawn("backfill", "--batch-size", "1")
        told(process, "attempt 2 of 8")
        holder.rollback()
        result = ended(process)
    assert result.code == 0, result.stderr
    assert fixed.drift() == (0, 0)


def test_what_leaks_is_seen(app: App, server: TestServer) -> None:
    """The proof that the clients above would notice: each kind of trace, left on purpose."""
    expected = defaults(app)
    traces: dict[str, Callable[[Connection], object]] = {
        "lock_timeout": lambda c: c.execute("SET lock_timeout = '1s'"),
        "search_path": lambda c: c.execute("SET search_path = pg_catalog"),
        "row_security": lambda c: c.execute("SET row_security = off"),
        "usagefix.tool": lambda c: c.execute("SET usagefix.tool = 'left'"),
        "role": lambda c: c.execute("SET ROLE authenticated"),
        "temporary tables": lambda c: c.execute("CREATE TEMPORARY TABLE left_behind ()"),
        "prepared statements": lambda c: c.execute("PREPARE left_behind AS SELECT 1"),
        "advisory locks": lambda c: c.execute("SELECT pg_advisory_lock(1)"),
    }
    for number, (trace, leave) in enumerate(traces.items()):
        with pgbouncer(server, 1) as host:
            pooled = through(host, app)
            with psycopg.connect(pooled.url(), autocommit=True, prepare_threshold=None) as careless:
                leave(careless)
                with clients(pooled, expected, first=1 + number * CLIENTS) as users:
                    users.get_on(1)
            assert trace in dict(users.leaked), f"{trace}: {users.leaked or users.failures}"


def test_statement_pooling_is_said_to_be_too_little(app: App, server: TestServer) -> None:
    with pgbouncer(server, 1, "statement") as host:
        for command in ("verify", "apply"):
            result = through(host, app).usagefix(command)
            assert result.code == 2, result.stderr
            assert "error: the pooler gives a connection for one statement only" in result.stderr
            assert "hint: usagefix needs transactions: set pool_mode to transaction or session" in result.stderr
            assert "run this again" not in result.stderr


def test_a_pooler_without_a_free_connection(app: App, server: TestServer) -> None:
    """It accepts everybody, and says so only at the first statement: this is no lost connection, and can be waited for."""
    with pgbouncer(server, 1, query_wait_timeout=1) as host:
        pooled = through(host, app)
        with pooled.connect(autocommit=False) as other:
            other.execute("SELECT 1")
            refused = pooled.usagefix("verify")
            assert refused.code == 3, refused.stderr
            assert "hint: the pooler has no free connection to the server" in refused.stderr
            process = pooled.spawn("verify", "--wait", "60")
            told(process, "waiting up to 60 s for the database")
            other.rollback()
            assert ended(process).code == 1
        pooled.close()


def test_session_pooling(app: App, server: TestServer) -> None:
    before, expected = app.dump(), defaults(app)
    with pgbouncer(server, 4, "session") as host:
        for command, code in ((("verify",), 1), (("apply",), 0), (("smoke",), 0), (("rollback", "--yes"), 0)):
            result = through(host, app).usagefix(*command)
            assert result.code == code, result.stderr
        with through(host, app).connect() as next_client:
            assert state(next_client).items() <= expected.items()
    assert app.dump() == before


def test_a_database_that_is_read_only_by_default_cannot_be_changed_through_a_pooler(
    app: App, server: TestServer
) -> None:
    """DROP INDEX CONCURRENTLY cannot say for itself that it writes, and a SET would stay behind."""
    app.sql(f'ALTER DATABASE "{app.name}" SET default_transaction_read_only = on')
    with pgbouncer(server, 1) as host:
        result = through(host, app).usagefix("apply")
    assert result.code == 5, result.stderr
    assert "hint: connect directly, or as another role" in result.stderr
    assert "nothing in the database was changed" in result.stderr
