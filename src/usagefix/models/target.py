"""The database that a command acts on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address


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


# Names of this machine, some of them within a container on it.
_HERE = frozenset(
    [
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
        "host.docker.internal",
        "gateway.docker.internal",
        "kubernetes.docker.internal",
        "host.containers.internal",
        "host.lima.internal",
        "host.orb.internal",
    ]
)


def is_here(host: str, address: str = "", *, named: bool = False) -> bool:
    """Whether a server is on this machine: on a Unix socket, by a name of this machine, or at an address of its own
    loopback network. ``address``: where the host was found; ``named``: somebody gave that, so the host is only a name
    for it, as for a tunnel.

    The end of a tunnel or of a pooler here counts as here: nothing tells where it leads.
    """
    if not host or host.startswith(("/", "@")):
        return True
    name = host.lower().rstrip(".")
    own_name = name in _HERE or name.endswith(".localhost") or _is_loopback(name)
    if named:
        return own_name and _is_loopback(address)
    return own_name or _is_loopback(address)


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def server(host: str, port: int | str | None) -> str:
    """A host and its port, if any, as in a URL."""
    shown = f"[{host}]" if re.fullmatch(r"[\da-fA-F:.]*:[^/\s]*", host) else host
    return shown if port is None else f"{shown}:{port}"
