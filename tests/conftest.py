"""A real server for the whole run, a template database with the sample, a clone of it for each test."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from pytest_postgresql import factories
from support import APPLICATIONS, FORKS, SQL, App, run

from usagefix import embedded

MEMORY = Path("/dev/shm")
LOGGED = 100  # lines of a server's log that a failure shows
ROOM = 4 << 30  # bytes: a server for each worker, with its write-ahead log

# Autovacuum would take its lock on a table, or change a plan, in one run of a hundred. What a test waits for in vain is
# to be found in the log.
SETTINGS = {"autovacuum": "off", "log_lock_waits": "on", "log_checkpoints": "off", "log_timezone": "UTC"}

# The same examples each time, and none is too slow on a machine that many share.
settings.register_profile("shared", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what its servers have logged last."""
    report = yield
    if report.failed:
        began, ended = (f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}" for at in (call.start, call.stop))
        report.sections.append((f"{report.when}, {began} to {ended} UTC", f"load: {os.getloadavg()}"))
        values = getattr(item, "funcargs", {}).values()
        hosts = {value.host for value in values if isinstance(value, App | TestServer)}
        for log in (Path(host) / "server.log" for host in hosts):
            if log.is_file():
                last = log.read_text(errors="replace").splitlines()[-LOGGED:]
                report.sections.append((f"{log}, the end", "\n".join(last)))
    return report


@dataclass(frozen=True)
class TestServer:
    """What pytest-postgresql asks of a server that somebody else started."""

    __test__ = False
    host: str
    binaries: Path
    port: int = 5432
    user: str = "postgres"
    password: None = None
    options: str = ""
    maintenance_dbname: str = "postgres"
    template_dbname: None = None


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
        running = embedded.start(_wanted(), prefix="usagefix-test-", settings=SETTINGS)
    try:
        yield TestServer(running.host, embedded.find_binaries(_wanted()))
    finally:
        embedded.stop(running)


def load_sample(**arguments: Any) -> None:
    arguments.pop("autocommit", None)
    with psycopg.connect(**arguments) as connection:
        for name in ("schema", "data"):
            connection.execute((SQL / "sample" / f"{name}.sql").read_bytes())


def load_partitioned(**arguments: Any) -> None:
    load_sample(**arguments)
    arguments.pop("autocommit", None)
    with psycopg.connect(**arguments) as connection:
        connection.execute((APPLICATIONS / "partitioned.sql").read_bytes())


def apply_fix(**arguments: Any) -> None:
    url = App(arguments["host"], arguments["port"], arguments["dbname"], Path()).url()
    result = run("apply", DATABASE_URL=url)
    assert result.code == 0, result.stderr


# A template for each state of the application that tests begin with.
sample_server = factories.postgresql_noproc(depends_on="server", dbname="sample", load=[load_sample])
fixed_server = factories.postgresql_noproc(depends_on="server", dbname="fixed", load=[load_sample, apply_fix])
partitioned_server = factories.postgresql_noproc(depends_on="server", dbname="partitioned", load=[load_partitioned])
counted_server = factories.postgresql_noproc(depends_on="server", dbname="counted", load=[load_partitioned, apply_fix])
empty_server = factories.postgresql_noproc(depends_on="server", dbname="empty")
empty_database = factories.postgresql("empty_server")
sample_database = factories.postgresql("sample_server")
fixed_database = factories.postgresql("fixed_server")
partitioned_database = factories.postgresql("partitioned_server")
counted_database = factories.postgresql("counted_server")


@contextmanager
def opened(database: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    app = App(server.host, server.port, database.info.dbname, server.binaries)
    database.close()
    yield app
    app.close()


@pytest.fixture
def empty(empty_database: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    """A database with nothing in it."""
    with opened(empty_database, server) as app:
        yield app


@pytest.fixture
def app(sample_database: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    """The drifted sample application."""
    with opened(sample_database, server) as app:
        yield app


@pytest.fixture
def fixed(fixed_database: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    """The sample application after ``usagefix apply``."""
    with opened(fixed_database, server) as app:
        yield app


@pytest.fixture
def partitioned(partitioned_database: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    """The sample application with partitioned events, drifted."""
    with opened(partitioned_database, server) as app:
        yield app


@pytest.fixture
def counted(counted_database: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    """The sample application with partitioned events, after ``usagefix apply``."""
    with opened(counted_database, server) as app:
        yield app
