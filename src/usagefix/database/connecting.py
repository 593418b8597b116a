"""Opens a connection, and explains why there is none."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import class_row
from psycopg.types.datetime import TimestamptzLoader

from usagefix import catalog
from usagefix.database import hints
from usagefix.database.failures import translated
from usagefix.database.link import Session
from usagefix.database.session import Database
from usagefix.database.texts import speak
from usagefix.errors import CannotConnect, ConfigurationError, NotPermitted, UsagefixError
from usagefix.models.figures import duration
from usagefix.models.target import Target
from usagefix.target import Location

OLDEST_SERVER = 140000  # CREATE OR REPLACE TRIGGER
SECRET_LENGTH = 8


def connect(location: Location, *, wait: float = 0.0, on_wait: Callable[[str], None] = lambda _: None) -> Database:
    """Open a connection. If the server is not there, try for ``wait`` seconds; ``on_wait`` is called once then.
    Raises ConfigurationError if the parameters are wrong or the server is too old, CannotConnect otherwise."""
    # It warns of what cannot be undone on a lost connection; our own error says that, too.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    deadline, told = time.monotonic() + wait, False
    while True:
        try:
            return _opened(location)
        except (psycopg.Error, UnicodeError, CannotConnect) as error:
            # A pooler accepts everybody, and lacks a server only for the first statement.
            if isinstance(error, CannotConnect):
                failure: UsagefixError = error
            else:
                failure = _connection_failure(error, location.parameters)
            lasting = isinstance(failure, ConfigurationError) or not hints.may_pass(str(error))
            if lasting or time.monotonic() >= deadline:
                raise failure from None
            if not told:
                on_wait(f"waiting up to {duration(wait)} for the database: {hints.cause(failure.message)}")
                told = True
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))


def _connect(location: Location) -> psycopg.Connection[Any]:
    connection = psycopg.connect(**location.parameters, autocommit=True, prepare_threshold=None)
    speak(connection)
    return connection


class _Moment(TimestamptzLoader):
    """Times that Python does not have (infinity, years before 1 and after 9999) are read as none."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return None  # type: ignore[return-value] # every field for a time may be None


def _opened(location: Location) -> Database:
    connection = _connect(location)
    try:
        return _looked_at(connection, location)
    except BaseException:
        connection.close()
        raise


def _looked_at(connection: psycopg.Connection[Any], location: Location) -> Database:
    connection.adapters.register_loader("timestamptz", _Moment)
    if 0 < connection.info.server_version < OLDEST_SERVER:  # such a server refuses the question below
        version = connection.info.parameter_status("server_version")
        raise ConfigurationError(
            f"the server is PostgreSQL {version}; usagefix needs 14 or later", hint="upgrade the server"
        )
    with translated(), connection.cursor(row_factory=class_row(Session)) as cursor:
        session = cursor.execute(catalog.query("session").encode()).fetchall()[0]
    if session.trap is not None:
        raise NotPermitted(
            f"usagefix.{session.trap} is not as usagefix creates it, and could run somebody's code with your rights",
            hint="usagefix reads nothing there; find out who made it, then drop it, or the whole schema usagefix",
        )
    info = connection.info
    target = Target(
        user=info.user,
        host=_where(info, location),
        port=None if info.host.startswith("/") else info.port,
        database=session.database,
        server_version=session.server_version.split()[0],
        pooler=location.pooler or info.backend_pid != session.backend_pid,
    )
    return Database(connection, session, target, lambda: _connect(location))


def _where(info: psycopg.ConnectionInfo, location: Location) -> str:
    """The host; where PGHOSTADDR or ``hostaddr`` leads elsewhere than its name says, both."""
    # psycopg resolves names itself, and the result is then the connection's hostaddr.
    given = location.hostaddr if location.has_host else info.get_parameters().get("hostaddr")
    return info.host if not given or given == info.host else f"{info.host} ({given})"


def _connection_failure(error: psycopg.Error | UnicodeError, parameters: Mapping[str, Any]) -> UsagefixError:
    text = str(error)
    reason = _without_secrets(hints.reason(text), parameters)
    if hints.is_misconfigured(text):
        # A value with an @ may be a piece of a password that libpq took for a parameter.
        reason = re.sub(r'"[^"]*@[^"]*"', '"…"', reason)
        hint = "check the connection's parameters"
        if hints.is_about_services(text):
            hint = (
                "check the service's name (service= or PGSERVICE) and its file (PGSERVICEFILE, else ~/.pg_service.conf)"
            )
        return ConfigurationError(f"cannot connect: {reason}", hint=hint)
    host, port = (str(parameters.get(name) or "") for name in ("host", "port"))
    hint = hints.hint(reason, text, host, port)
    return CannotConnect(f"cannot connect: {reason}", hint=hint, sqlstate=getattr(error, "sqlstate", None))


def _without_secrets(text: str, parsed: Mapping[str, Any]) -> str:
    for name in ("password", "sslpassword"):
        secret = str(parsed.get(name) or "")
        # libpq prints no passwords. A short one is part of many words, and replacing it would reveal it.
        if len(secret) >= SECRET_LENGTH:
            text = text.replace(secret, "***")
    return text
