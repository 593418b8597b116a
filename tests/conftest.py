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
from pytest_postgresql.executors import NoopExecutor
from support import APPLICATIONS, FORKS, SQL, App, Connection, run

from usagefix import embedded

pytest_plugins = ["planted"]

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


@pytest.fixture(scope="session")
def administrator(server: TestServer) -> Iterator[Connection]:
    """The session that makes and drops the databases of the tests: a connection for each would cost as much as a clone."""
    url = App(server.host, server.port, server.maintenance_dbname, server.binaries).url()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def cloned(template: NoopExecutor, administrator: Connection, server: TestServer) -> Iterator[App]:
    """A database for one test. STRATEGY file_copy saves nothing: the test then reads the pages that the log had filled."""
    name = template.dbname
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template.template_dbname}".encode())
    app = App(server.host, server.port, name, server.binaries)
    try:
        yield app
    finally:
        app.close()
        administrator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@pytest.fixture
def empty(empty_server: NoopExecutor, administrator: Connection, server: TestServer) -> Iterator[App]:
    """A database with nothing in it."""
    with cloned(empty_server, administrator, server) as app:
        yield app


@pytest.fixture
def app(sample_server: NoopExecutor, administrator: Connection, server: TestServer) -> Iterator[App]:
    """The drifted sample application."""
    with cloned(sample_server, administrator, server) as app:
        yield app


@pytest.fixture
def fixed(fixed_server: NoopExecutor, administrator: Connection, server: TestServer) -> Iterator[App]:
    """The sample application after ``usagefix apply``."""
    with cloned(fixed_server, administrator, server) as app:
        yield app


@pytest.fixture
def partitioned(partitioned_server: NoopExecutor, administrator: Connection, server: TestServer) -> Iterator[App]:
    """The sample application with partitioned events, drifted."""
    with cloned(partitioned_server, administrator, server) as app:
        yield app


@pytest.fixture
def counted(counted_server: NoopExecutor, administrator: Connection, server: TestServer) -> Iterator[App]:
    """The sample application with partitioned events, after ``usagefix apply``."""
    with cloned(counted_server, administrator, server) as app:
        yield app
