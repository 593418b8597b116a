"""The database that a command acts on."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The database a command acts on. Free of secrets; ``port`` is None where there is none (a Unix socket)."""

    user: str
    host: str
    port: int | None
    database: str
    server_version: str
    pooler: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if re.fullmatch(r"[\da-fA-F:.]*:[^/\s]*", self.host) else self.host
        where = host if self.port is None else f"{host}:{self.port}"
        how = "through a pooler" if self.pooler else "direct connection"
        return f"{self.user}@{where}/{self.database}, PostgreSQL {self.server_version}, {how}"
