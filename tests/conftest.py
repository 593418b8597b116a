"""A real server for the whole run, a template database with the sample, a clone of it for each test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_postgresql import factories
from support import SQL, App

from usagefix import embedded

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


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    with embedded.running(_wanted(), prefix="usagefix-test-") as running:
        yield TestServer(running.host, embedded.find_binaries(_wanted()))


def load_sample(**arguments: Any) -> None:
    arguments.pop("autocommit", None)
    with psycopg.connect(**arguments) as connection:
        for name in ("schema", "data"):
            connection.execute((SQL / "sample" / f"{name}.sql").read_bytes())


sample_server = factories.postgresql_noproc(depends_on="server", dbname="sample", load=[load_sample])
postgresql = factories.postgresql("sample_server")


@pytest.fixture
def app(postgresql: psycopg.Connection[Any], server: TestServer) -> Iterator[App]:
    """The drifted sample application."""
    app = App(server.host, server.port, postgresql.info.dbname, server.binaries)
    postgresql.close()
    yield app
    app.close()


@pytest.fixture
def fixed(app: App) -> App:
    """The sample application after ``usagefix apply``."""
    result = app.usagefix("apply")
    assert result.code == 0, result.stderr
    return app
