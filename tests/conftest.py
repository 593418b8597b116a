"""A real server for the whole run, a template database with the sample, a clone of it for each test."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import APPLICATIONS, FORKS, SQL, App, Connection

from usagefix import embedded

MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes: a server for each worker, with its write-ahead log

# A shell that runs this in the background has Ctrl-C ignored, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

for _name in [n for n in os.environ if n.startswith("PG") or n.endswith(("DATABASE_URL", "DB_URL"))]:
    del os.environ[_name]


def _wanted() -> Path | None:
    configured = os.environ.get("USAGEFIX_PG_BIN")
    return Path(configured) if configured else None


def pytest_report_header() -> str:
    binaries = embedded.find_binaries(_wanted())
    version = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return f"server: {version.strip()} from {binaries}"


def pytest_sessionfinish() -> None:
    """While the run still waits for this process: what measures the forks' parents writes as they end."""
    FORKS.close()


@dataclass(frozen=True)
class TestServer:
    """The server of this worker. ``templates``: the databases that are there to be cloned; each is made at its first use."""

    __test__ = False
    host: str
    binaries: Path
    templates: set[str] = field(default_factory=set)
    port: int = 5432
    user: str = "postgres"

    def database(self, name: str) -> App:
        """One of its databases."""
        return App(self.host, self.port, name, self.binaries)

    def template(self, name: str) -> str:
        """The database of that name in :data:`TEMPLATES`, which nobody is connected to."""
        template = f"{name}_template"
        if template not in self.templates:
            with self.database("postgres").connect() as maintenance:
                maintenance.execute(f"CREATE DATABASE {template}".encode())
            TEMPLATES[name](self.database(template))
            self.templates.add(template)
        return template


def _in_memory() -> bool:
    """Whether the server's files can be: a clone of a database is some 300 new files, and there is one a test."""
    if not MEMORY.is_dir():
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize > ROOM and not found.f_flag & os.ST_NOEXEC


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    with pytest.MonkeyPatch.context() as patch:
        if _in_memory():
            patch.setattr(tempfile, "tempdir", str(MEMORY))
        running = embedded.start(_wanted(), prefix="usagefix-test-")
    try:
        yield TestServer(running.host, embedded.find_binaries(_wanted()))
    finally:
        embedded.stop(running)


def nothing(_: App) -> None:
    """What an empty database is loaded with."""


def load_sample(app: App) -> None:
    with app.connect(autocommit=False) as connection:
        for name in ("schema", "data"):
            connection.execute((SQL / "sample" / f"{name}.sql").read_bytes())


def load_partitioned(app: App) -> None:
    load_sample(app)
    with app.connect(autocommit=False) as connection:
        connection.execute((APPLICATIONS / "partitioned.sql").read_bytes())


def apply_fix(app: App) -> None:
    result = app.usagefix("apply")
    assert result.code == 0, result.stderr


def load_fixed(app: App) -> None:
    load_sample(app)
    apply_fix(app)


def load_counted(app: App) -> None:
    load_partitioned(app)
    apply_fix(app)


# What loads each state of the application that tests begin with.
TEMPLATES: dict[str, Callable[[App], None]] = {
    "empty": nothing,
    "sample": load_sample,
    "fixed": load_fixed,
    "partitioned": load_partitioned,
    "counted": load_counted,
}


@pytest.fixture(scope="session")
def maintenance(server: TestServer) -> Iterator[Connection]:
    """The connection that creates and drops the databases of tests."""
    with server.database("postgres").connect() as connection:
        yield connection


CONNECTED = "SELECT pid FROM pg_stat_activity WHERE datname = %s"


@contextmanager
def cloned(template: str, server: TestServer, maintenance: Connection) -> Iterator[App]:
    maintenance.execute(f"CREATE DATABASE {template} TEMPLATE {server.template(template)}".encode())
    app = server.database(template)
    try:
        yield app
    finally:
        app.close()
        for _ in range(50):  # the server looks ten times a second whether everybody has left
            if maintenance.execute(CONNECTED, (template,)).fetchone() is None:
                break
            time.sleep(0.002)
        maintenance.execute(f"DROP DATABASE {template} WITH (FORCE)".encode())


@pytest.fixture
def empty(server: TestServer, maintenance: Connection) -> Iterator[App]:
    """A database with nothing in it."""
    with cloned("empty", server, maintenance) as app:
        yield app


@pytest.fixture
def app(server: TestServer, maintenance: Connection) -> Iterator[App]:
    """The drifted sample application."""
    with cloned("sample", server, maintenance) as app:
        yield app


@pytest.fixture
def fixed(server: TestServer, maintenance: Connection) -> Iterator[App]:
    """The sample application after ``usagefix apply``."""
    with cloned("fixed", server, maintenance) as app:
        yield app


@pytest.fixture
def partitioned(server: TestServer, maintenance: Connection) -> Iterator[App]:
    """The sample application with partitioned events, drifted."""
    with cloned("partitioned", server, maintenance) as app:
        yield app


@pytest.fixture
def counted(server: TestServer, maintenance: Connection) -> Iterator[App]:
    """The sample application with partitioned events, after ``usagefix apply``."""
    with cloned("counted", server, maintenance) as app:
        yield app
