"""Opening a connection, and saying well what is wrong when there is none."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import conninfo as libpq
from psycopg.rows import class_row

from usagefix import catalog
from usagefix.database.failures import translated
from usagefix.database.session import Database, Session
from usagefix.errors import CannotConnect, ConfigurationError, UsagefixError
from usagefix.models import Target

OLDEST_SERVER = 140000  # CREATE OR REPLACE TRIGGER
CONNECT_SECONDS = 10
_FOREIGN_PARAMETERS = ("pgbouncer", "connection_limit", "pool_timeout", "schema", "sslaccept", "statement_cache_size")
_CONNECTION_HINTS = (
    (
        r"password authentication failed|no password supplied",
        "check user and password; in a URL, special characters"
        " of the password must be percent-encoded (@ is %40); it may also come from PGPASSWORD or ~/.pgpass",
    ),
    (r"database .* does not exist", "check the database name at the end of the URL"),
    (r"role .* does not exist", "check the user name in the URL"),
    (
        r"[Cc]onnection refused|No such file or directory",
        "is the server running, and are host and port right? --wait SECONDS waits for one that is starting",
    ),
    (
        r"could not translate host name|failed to resolve host|[Nn]ame or service not known|nodename",
        "check the host name",
    ),
    (r"timeout|timed out", "check host, port and firewall; --wait SECONDS waits longer"),
    (r"starting up|shutting down|too many clients|remaining connection slots", "try again, or pass --wait SECONDS"),
    (r"SSL|certificate", "check sslmode in the URL"),
    (r"service file|definition of service", "check PGSERVICE and the service file"),
)


def connect(conninfo: str, source: str, *, wait: float = 0.0) -> Database:
    """Open a connection, trying again for ``wait`` seconds while the server is not there.

    ``conninfo`` is a URL, a libpq string, or empty for libpq's defaults; ``source`` names where it came from in errors.
    Raises ConfigurationError for a malformed one or a server that is too old, CannotConnect otherwise.
    """
    parsed = _parse(conninfo, source)
    deadline = time.monotonic() + wait
    while True:
        try:
            connection = psycopg.connect(**parsed, autocommit=True, prepare_threshold=None)
            break
        except psycopg.Error as error:
            failure = _connection_failure(error, parsed)
            if isinstance(failure, ConfigurationError) or not _may_pass(str(error)) or time.monotonic() >= deadline:
                raise failure from None
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
    try:
        return _opened(connection)
    except BaseException:
        connection.close()
        raise


def _opened(connection: psycopg.Connection[Any]) -> Database:
    with translated(), connection.cursor(row_factory=class_row(Session)) as cursor:
        session = cursor.execute(catalog.query("session").encode()).fetchall()[0]
    if session.version_number < OLDEST_SERVER:
        raise ConfigurationError(
            f"the server is PostgreSQL {session.server_version}; usagefix needs 14 or later", hint="upgrade the server"
        )
    info = connection.info
    target = Target(
        user=info.user,
        host=info.host,
        port=None if info.host.startswith("/") else info.port,
        database=session.database,
        server_version=session.server_version.split()[0],
        pooler=info.backend_pid != session.backend_pid,
    )
    return Database(connection, session, target)


def _parse(conninfo: str, source: str) -> dict[str, Any]:
    """libpq's parameters. Its own messages quote parts of the string, which may be the password: never passed on."""
    try:
        parsed: dict[str, Any] = dict(libpq.conninfo_to_dict(conninfo))
    except psycopg.Error as error:
        raise ConfigurationError(
            f"the database URL from {source} is malformed: {_what_is_malformed(str(error), conninfo)}",
            hint="the form is postgresql://user:password@host:5432/database, with special characters in the password "
            "percent-encoded (@ is %40, / is %2F, % is %25, # is %23)",
        ) from None
    if re.search(r"[@\s?#]", str(parsed.get("host", ""))) or not re.fullmatch(r"[\d,]*", str(parsed.get("port", ""))):
        raise ConfigurationError(
            f"the database URL from {source} is malformed: the host name cannot be read",
            hint="percent-encode special characters in the password: @ is %40, / is %2F, # is %23, ? is %3F",
        )
    parsed.setdefault("connect_timeout", CONNECT_SECONDS)
    parsed.setdefault("fallback_application_name", "usagefix")
    return parsed


def _what_is_malformed(message: str, conninfo: str) -> str:
    if "percent" in message:
        return "a % is not followed by two hexadecimal digits"
    for name in _FOREIGN_PARAMETERS:
        if f'"{name}"' in message:
            return f"the parameter {name} is not PostgreSQL's; leave it out"
    if "query parameter" in message:
        return "it has a parameter that PostgreSQL does not know"
    if "://" not in conninfo:
        return "it does not begin with postgresql://"
    if not conninfo.startswith(("postgresql://", "postgres://")):
        return "it does not begin with postgresql://"
    return "PostgreSQL's client library cannot read it"


def _may_pass(message: str) -> bool:
    """Whether waiting can help: a server that is not there yet, not one that says no."""
    return not re.search(r"authentication failed|does not exist|no password supplied|no pg_hba", message)


def _connection_failure(error: psycopg.Error, parsed: Mapping[str, Any]) -> UsagefixError:
    text = _without_secrets(str(error), parsed)
    lines = [line.strip(" -\t") for line in text.splitlines() if line.strip()]
    # With several addresses psycopg lists one line each under a heading; the last one is as good as any.
    reason = re.sub(r"^connection failed: ", "", lines[-1] if lines else "no reason given")
    if len(lines) > 1 and "Is the server running" in lines[-1]:
        reason = re.sub(r"^connection failed: ", "", lines[-2])
    for pattern, hint in _CONNECTION_HINTS:
        if re.search(pattern, text):
            return CannotConnect(f"cannot connect: {reason}", hint=hint, sqlstate=error.sqlstate)
    return CannotConnect(f"cannot connect: {reason}", hint="check host, port and network", sqlstate=error.sqlstate)


def _without_secrets(text: str, parsed: Mapping[str, Any]) -> str:
    for name in ("password", "sslpassword"):
        secret = str(parsed.get(name) or "")
        if secret:
            text = text.replace(secret, "***")
    return text
