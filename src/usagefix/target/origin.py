"""Who says where the database is, in words: a person sees at once when it is another one than they think."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from usagefix.target.location import Location
from usagefix.target.naming import LIBPQ_VARIABLES, Address


def origin(address: Address, location: Location, environment: Mapping[str, str]) -> str:
    """As ``.env``, ``DATABASE_URL``, ``PGHOST, PGUSER``, ``--database-url, service shop in ~/.pg_service.conf``.

    libpq's own variables are named where the address leaves out what they say.
    """
    said = [address.origin] if address.conninfo else []
    service = str(location.parameters.get("service") or environment.get("PGSERVICE", ""))
    if service:
        return ", ".join([*said, f"service {service}{_file_of(service, environment)}"])
    return ", ".join(
        [*said, *(name for name, key in LIBPQ_VARIABLES.items() if _fills_in(name, key, location, environment))]
    )


def _fills_in(name: str, key: str, location: Location, environment: Mapping[str, str]) -> bool:
    return bool(environment.get(name)) and not location.parameters.get(key)


def _file_of(service: str, environment: Mapping[str, str]) -> str:
    """The file that defines a service, where it is the person's own; else nothing: the system's is one of several."""
    named = environment.get("PGSERVICEFILE")
    file = Path(named) if named else Path("~/.pg_service.conf").expanduser()
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, RuntimeError, ValueError):
        return ""
    return f" in {named or '~/.pg_service.conf'}" if any(line.strip() == f"[{service}]" for line in lines) else ""
