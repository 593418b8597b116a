"""The server that everything is measured on, and databases of the sample application filled to size.

Loading is no part of any figure, so it takes every short cut: events go in without indexes, foreign keys and triggers,
and what is needed more than once is cloned.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.measure import BenchmarkFailed, Scale, say, timed
from usagefix import catalog, embedded

# Nothing may happen by itself in the midst of a measurement: tables are vacuumed between rounds instead.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "256MB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
USERS = 1_000
START_SECONDS = 60.0
# Coprime to every number of presets in use, so that events visit all presets in a scattered order.
STRIDE = 7919

# What is wrong by an independent count, in one snapshot.
DRIFTED = """
    SELECT count(*) FROM presets LEFT JOIN (SELECT preset_id, count(*) AS uses FROM preset_usage GROUP BY 1) AS events
    ON events.preset_id = presets.id WHERE presets.usage_count IS DISTINCT FROM coalesce(events.uses, 0)
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def events(number: int, presets: int) -> str:
    """A query for so many events, spread evenly over the presets and over a year, none against the daily limit.

    Its columns are EVENT_COLUMNS. It reads the clock, and nothing else that changes.
    """
    return f"""
        SELECT md5('preset ' || 1 + n * {STRIDE} % {presets})::uuid, md5('user ' || 1 + n / {presets} % {USERS})::uuid,
            'showcase_creation', date_trunc('day', now()) - interval '366 days' + n * (interval '365 days' / {number})
        FROM generate_series(0::bigint, {number} - 1) AS n
    """


EVENT_COLUMNS = "preset_id, user_id, usage_type, created_at"


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the server."""

    server: embedded.Server
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def connect(self) -> Connection:
        """A connection in autocommit mode; the caller closes it (``with``)."""
        return psycopg.connect(self.url, autocommit=True)

    def run(self, *statements: str) -> None:
        """Run statements in one session of their own, each in its own transaction."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def value(self, query: str) -> Any:
        """The first value of a query's first row."""
        with self.connect() as connection:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None

    def seconds(self, *statements: str) -> float:
        """The time of statements in one transaction, with its commit and without connecting."""
        with self.connect() as connection, timed() as elapsed, connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())
        return elapsed()

    def drop(self) -> None:
        """Remove the database."""
        Database(self.server, "postgres").run(f"DROP DATABASE {self.name}")

    def spawn_usagefix(self, *arguments: str, wrapper: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start the command on this database, as a user would."""
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", "usagefix", *arguments],
            env=os.environ | {"DATABASE_URL": self.url},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def usagefix(self, *arguments: str, wrapper: tuple[str, ...] = ()) -> str:
        """Run the command and return what it prints. Raises BenchmarkFailed if it fails."""
        return finished(self.spawn_usagefix(*arguments, wrapper=wrapper))

    def require_no_drift(self) -> None:
        """Raise BenchmarkFailed where a counter differs from its events."""
        if drifted := self.value(DRIFTED):
            raise BenchmarkFailed(f"{drifted} counters of {self.name} are wrong")


@dataclass(frozen=True, slots=True)
class Lab:
    """A running server, the scale of the run, and the databases that several benchmarks share."""

    server: embedded.Server
    scale: Scale
    _templates: dict[str, Database] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def main(self) -> Database:
        """The database that is always there."""
        return Database(self.server, "postgres")

    def application(self, presets: int, number_of_events: int = 0) -> Database:
        """A template: the sample application without its daily limit, every counter at 0."""
        name = f"application_{presets}_{number_of_events}"
        if name not in self._templates:
            with timed() as elapsed:
                self.main.run(f"CREATE DATABASE {name}")
                database = Database(self.server, name)
                _fill(database, presets, number_of_events)
            say(f"loaded {number_of_events:,} events of {presets:,} presets in {elapsed():.0f} s")
            self._templates[name] = database
        return self._templates[name]

    def clone(self, template: Database) -> Database:
        """A copy, which the caller drops."""
        name = f"clone_{next(self._numbers)}"
        # Version 14 knows no other way.
        strategy = " STRATEGY file_copy" if self.main.value("SHOW server_version_num") >= "150000" else ""
        self.main.run(f"CREATE DATABASE {name} TEMPLATE {template.name}{strategy}")
        return Database(self.server, name)

    @contextmanager
    def cloned(self, template: Database) -> Iterator[Database]:
        """A copy for the length of the block, read once so that its small tables are in memory."""
        database = self.clone(template)
        try:
            database.run("SELECT count(*) FROM presets", "SELECT count(*) FROM auth.users")
            yield database
        finally:
            database.drop()


@contextmanager
def running(scale: Scale) -> Iterator[Lab]:
    """A private server with SETTINGS for the length of the block; nothing of it stays."""
    server = embedded.start(prefix="usagefix-bench-")
    try:
        Database(server, "postgres").run(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in SETTINGS.items()))
        server = _started_again(server)
        _wait_until_ready(server)
        yield Lab(server, scale)
    finally:
        embedded.stop(server)


def program(server: embedded.Server, name: str) -> Path | None:
    """One of PostgreSQL's programs: beside the server's own, else on PATH; None if there is none."""
    beside = server.binaries / name
    on_path = shutil.which(name)
    return beside if beside.exists() else Path(on_path) if on_path else None


def finished(process: subprocess.Popen[str]) -> str:
    """Wait for a process and return what it prints. Raises BenchmarkFailed if it fails."""
    out, err = process.communicate()
    if process.returncode:
        raise BenchmarkFailed(f"{process.args!r} ended with {process.returncode}: {err.strip() or out.strip()}")
    return out


def _started_again(server: embedded.Server) -> embedded.Server:
    server.process.send_signal(signal.SIGINT)
    server.process.wait()
    with (server.folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            server.process.args,
            cwd=server.folder,
            user=server.folder.stat().st_uid if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return replace(server, process=process)


def _wait_until_ready(server: embedded.Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            Database(server, "postgres").run("SELECT 1")
            return
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                log = (server.folder / "server.log").read_text(errors="replace")
                raise BenchmarkFailed(f"the server does not start: {log[-500:]}") from None
            time.sleep(0.05)


def _fill(database: Database, presets: int, number_of_events: int) -> None:
    with database.connect() as connection:
        with connection.transaction():
            connection.execute(catalog.sample("schema").encode())
            connection.execute("DROP INDEX idx_preset_usage_daily_unique")
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            indexes = connection.execute(
                "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
                " WHERE indrelid IN ('presets'::regclass, 'preset_usage'::regclass) AND NOT indisprimary"
            ).fetchall()
            for name, _ in indexes:
                connection.execute(f"DROP INDEX {name}".encode())
            connection.execute("ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_pkey")
            for statement in _rows(presets, number_of_events):
                connection.execute(statement.encode())
            connection.execute("ALTER TABLE preset_usage ADD PRIMARY KEY (id)")
            for _, definition in indexes:
                connection.execute(definition.encode())
        connection.execute("VACUUM (ANALYZE)")


def _rows(presets: int, number_of_events: int) -> Iterator[str]:
    yield f"INSERT INTO auth.users SELECT md5('user ' || n)::uuid FROM generate_series(1, {USERS}) AS n"
    yield f"""
        INSERT INTO presets (id, user_id, name, is_public)
        SELECT md5('preset ' || n)::uuid, md5('user ' || 1 + n % {USERS})::uuid, 'Preset ' || n, true
        FROM generate_series(1, {presets}) AS n
    """
    if number_of_events:
        yield f"INSERT INTO preset_usage ({EVENT_COLUMNS}) {events(number_of_events, presets)}"
