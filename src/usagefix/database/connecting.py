"""Opening a connection, and saying well what is wrong when there is none."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psycopg
from psycopg import conninfo as libpq
from psycopg.abc import Buffer
from psycopg.rows import class_row
from psycopg.types.datetime import TimestamptzLoader

from usagefix import catalog
from usagefix.database.failures import translated
from usagefix.database.session import Database, Session
from usagefix.errors import CannotConnect, ConfigurationError, UsagefixError
from usagefix.models import Target

OLDEST_SERVER = 140000  # CREATE OR REPLACE TRIGGER
CONNECT_SECONDS = 10
SECRET_LENGTH = 8
_FOREIGN_PARAMETERS = ("pgbouncer", "connection_limit", "pool_timeout", "schema", "sslaccept", "statement_cache_size")
_MISCONFIGURED = (
    r"invalid port|invalid integer|invalid \w+ value|invalid command-line argument|unrecognized configuration"
)
_CONNECTION_HINTS = (
    (
        r"password authentication failed|no password supplied",
        "check user and password; in a URL, special characters of the password must be percent-encoded (@ is %40); "
        "it may also come from PGPASSWORD or ~/.pgpass",
    ),
    (r"CONNECT privilege", "GRANT CONNECT ON DATABASE, or connect as another role"),
    (r"not permitted to log in", "connect as a role with LOGIN"),
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
    (r"service file|definition of service", "check PGSERVICE and the service file"),
    (r"starting up|shutting down|too many|remaining connection slots", "try again, or pass --wait SECONDS"),
    (r"invalid response to SSL|expected authentication request", "something other than PostgreSQL answers there"),
    (r"timeout|timed out", "check host, port and firewall; --wait SECONDS waits longer"),
    (r"SSL|certificate", "check sslmode in the URL"),
)


def connect(conninfo: str, source: str, *, wait: float = 0.0) -> Database:
    """Open a connection, trying again for ``wait`` seconds while the server is not there.

    ``conninfo`` is a URL, a libpq string, or empty for libpq's defaults; ``source`` names where it came from in errors.
    Raises ConfigurationError for a malformed one or a server that is too old, CannotConnect otherwise.
    """
    # It warns of what cannot be undone on a lost connection; our own error says that, too.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    parsed = _parse(conninfo, source)
    deadline = time.monotonic() + wait
    while True:
        try:
            connection = psycopg.connect(**parsed, autocommit=True, prepare_threshold=None)
            break
        except (psycopg.Error, UnicodeError) as error:
            failure = _connection_failure(error, parsed)
            if isinstance(failure, ConfigurationError) or not _may_pass(str(error)) or time.monotonic() >= deadline:
                raise failure from None
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
    try:
        return _opened(connection, lambda: psycopg.connect(**parsed, autocommit=True, prepare_threshold=None))
    except BaseException:
        connection.close()
        raise


class _Moment(TimestamptzLoader):
    """Times that Python does not have (infinity, years before 1 and after 9999) are read as none."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return None  # type: ignore[return-value] # every field for a time may be None


def _opened(connection: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]) -> Database:
    connection.adapters.register_loader("timestamptz", _Moment)
    with translated(), connection.cursor(row_factory=class_row(Session)) as cursor:
        session = cursor.execute(catalog.query("session").encode()).fetchall()[0]
    if session.version_number < OLDEST_SERVER:
        raise ConfigurationError(
            f"the server is PostgreSQL {session.server_version}; usagefix needs 14 or later", hint="upgrade the server"
        )
    info = connection.info
    target = Target(
        user=info.user,
        host=_where(info),
        port=None if info.host.startswith("/") else info.port,
        database=session.database,
        server_version=session.server_version.split()[0],
        pooler=info.backend_pid != session.backend_pid,
    )
    return Database(connection, session, target, another)


def _where(info: psycopg.ConnectionInfo) -> str:
    """The host; where PGHOSTADDR or ``hostaddr`` leads elsewhere than its name says, both."""
    given = info.get_parameters().get("hostaddr")
    return info.host if not given or given == info.host else f"{info.host} ({given})"


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
    host, port, name = (str(parsed.get(key, "")) for key in ("host", "port", "dbname"))
    if (not host.startswith("/") and re.search(r"[@\s?#]", host)) or "@" in name or not re.fullmatch(r"[\d,]*", port):
        raise ConfigurationError(
            f"the database URL from {source} is malformed: its host or port cannot be read",
            hint="percent-encode special characters in the password: @ is %40, / is %2F, # is %23, ? is %3F",
        )
    parsed.setdefault("connect_timeout", CONNECT_SECONDS)
    parsed.setdefault("fallback_application_name", "usagefix")
    parsed["client_encoding"] = "utf8"
    return parsed


def _what_is_malformed(message: str, conninfo: str) -> str:
    """A reason in our own words: libpq's may quote the password."""
    if re.search(r"\s", conninfo) and "://" in conninfo:
        return "it holds a space"
    if "percent" in message:
        return "a % is not followed by two hexadecimal digits"
    foreign = [name for name in _FOREIGN_PARAMETERS if f'"{name}"' in message]
    if foreign:
        return f"the parameter {foreign[0]} is not PostgreSQL's; leave it out"
    if "query parameter" in message:
        return "it has a parameter that PostgreSQL does not know"
    if not conninfo.startswith(("postgresql://", "postgres://")):
        return "it does not begin with postgresql://"
    return "PostgreSQL's client library cannot read it"


def _may_pass(message: str) -> bool:
    """Whether waiting can help: a server that is not there yet, not one that says no."""
    return not re.search(r"authentication failed|does not exist|no password supplied|no pg_hba", message)


def _connection_failure(error: psycopg.Error | UnicodeError, parsed: Mapping[str, Any]) -> UsagefixError:
    text, state = str(error), getattr(error, "sqlstate", None)
    lines = [line.strip(" -\t") for line in text.splitlines() if line.strip()]
    # With several addresses psycopg lists one line each under a heading; the server's own word is the best of them.
    telling = [line for line in lines if "FATAL" in line] or [line for line in lines if "failed:" in line] or lines
    reason = re.sub(r"^connection failed: ", "", telling[-1] if telling else "no reason given")
    reason = _without_secrets(reason, parsed)
    if re.search(_MISCONFIGURED, text):
        return ConfigurationError(f"cannot connect: {reason}", hint="check the connection's parameters")
    for pattern, hint in _CONNECTION_HINTS:
        if re.search(pattern, text):
            return CannotConnect(f"cannot connect: {reason}", hint=hint, sqlstate=state)
    return CannotConnect(f"cannot connect: {reason}", hint="check host, port and network", sqlstate=state)


def _without_secrets(text: str, parsed: Mapping[str, Any]) -> str:
    for name in ("password", "sslpassword"):
        secret = str(parsed.get(name) or "")
        # libpq does not print passwords; a short one is a part of many words, and replacing it would tell it.
        if len(secret) >= SECRET_LENGTH:
            text = text.replace(secret, "***")
    return text
