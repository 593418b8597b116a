"""From a connection string to libpq's parameters; nothing is connected yet.

libpq is asked through psycopg, which is imported where it is needed: it takes longer than a help page to print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from usagefix.models.target import Place, server
from usagefix.target import urls

CONNECT_SECONDS = 10
# Seconds, and how often: a network that goes away in silence ends a statement after a minute, not after hours.
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


@dataclass(frozen=True, slots=True)
class Location:
    """Where a database is. ``parameters`` hold the password and never show in a repr; ``notes`` hold none.

    ``schema`` is the one that the URL names; ``pooler``: it says that it leads through one.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    schema: str | None = None
    pooler: bool = False
    notes: tuple[str, ...] = ()

    @property
    def has_host(self) -> bool:
        """Whether the string or the environment names a host; a service may do so, too."""
        return bool(self.parameters.get("host") or _defaults()["host"])

    @property
    def hostaddr(self) -> str:
        """The address that the string or the environment gives for the host, else nothing."""
        return self._given("hostaddr")

    @property
    def place(self) -> Place:
        """Which database that is, as far as it is known before there is a connection."""
        host, port, database = (self._given(name) for name in ("host", "port", "dbname"))
        return Place(database, server(host, None if host.startswith("/") else port or "5432") if host else "")

    def _given(self, name: str) -> str:
        """What the string or the environment says for a parameter, else nothing."""
        return str(self.parameters.get(name) or (_defaults()[name] or b"").decode())


def locate(conninfo: str, source: str) -> Location:
    """What ``conninfo`` says: a URL, a libpq string, or empty for libpq's defaults; ``source`` names it in errors.

    Raises ConfigurationError for a malformed one, without quoting any of it.
    """
    import psycopg
    from psycopg import conninfo as libpq

    known = _defaults().keys()
    reading = urls.read(conninfo, source, known)
    try:
        parameters: dict[str, Any] = dict(libpq.conninfo_to_dict(reading.conninfo))
    except (psycopg.Error, UnicodeError) as error:
        raise urls.malformed(str(error), conninfo, source, known) from None
    if urls.is_misread(parameters):
        raise urls.misread(source)
    if not _defaults()["connect_timeout"]:  # PGCONNECT_TIMEOUT
        parameters.setdefault("connect_timeout", CONNECT_SECONDS)
    parameters.setdefault("fallback_application_name", "usagefix")
    for name, value in _KEEPALIVES.items():
        parameters.setdefault(name, value)
    parameters["client_encoding"] = "utf8"
    return Location(parameters, reading.schema, reading.pooler, reading.notes)


def _defaults() -> dict[str, bytes | None]:
    """libpq's own parameters, each with what the environment sets it to."""
    from psycopg.pq import Conninfo

    return {option.keyword.decode(): option.val for option in Conninfo.get_defaults()}
