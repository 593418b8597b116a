"""The database that a command acts on."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A database without user and password. ``server`` is its host and port; each is empty before it is known."""

    database: str = ""
    server: str = ""


UNKNOWN = Place()


@dataclass(frozen=True, slots=True)
class Target:
    """The database a command acts on. Free of secrets; ``port`` is None if there is none (a Unix socket)."""

    user: str
    host: str
    port: int | None
    database: str
    server_version: str
    pooler: bool

    @property
    def place(self) -> Place:
        """The database and its server."""
        return Place(self.database, server(self.host, self.port))

    def __str__(self) -> str:
        how = "through a pooler" if self.pooler else "direct connection"
        return f"{self.user}@{self.place.server}/{self.database}, PostgreSQL {self.server_version}, {how}"


def server(host: str, port: int | str | None) -> str:
    """A host and its port, if any, as in a URL."""
    shown = f"[{host}]" if re.fullmatch(r"[\da-fA-F:.]*:[^/\s]*", host) else host
    return shown if port is None else f"{shown}:{port}"
