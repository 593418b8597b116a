"""Where the database is: the option, the environment, ``.env``, else libpq's own settings, in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from usagefix.errors import ConfigurationError

URL_VARIABLES = ("DATABASE_URL", "SUPABASE_DB_URL")
LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT", "PGUSER")


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a database. ``conninfo`` holds the password: it never shows in a repr."""

    source: str
    conninfo: str = field(repr=False)


def resolve(database_url: str | None, env_file: Path | None, environment: Mapping[str, str], folder: Path) -> Address:
    """The address to connect to.

    ``.env`` in ``folder`` is read only when nothing before it names a database; ``env_file``, when given, must exist
    and ranks above ``.env`` but never overrides the environment. Raises ConfigurationError where nothing names one.
    """
    if env_file is not None and not _is_file(env_file):
        raise ConfigurationError(f"there is no file {env_file} to read", hint="check the path given with --env-file")
    if database_url is not None:
        if not database_url.strip():
            raise ConfigurationError("--database-url is empty", hint="give a URL: postgresql://user@host:5432/database")
        return Address("--database-url", database_url.strip())
    for name in URL_VARIABLES:
        if environment.get(name, "").strip():
            return Address(name, environment[name].strip())
    dotenv = env_file or folder / ".env"
    if _is_file(dotenv):
        values = _read_dotenv(dotenv)
        for name in URL_VARIABLES:
            if (values.get(name) or "").strip():
                return Address(f"{name} in {dotenv.name}", (values[name] or "").strip())
    if any(environment.get(name) for name in LIBPQ_VARIABLES):
        return Address("PG* variables", "")
    raise ConfigurationError(
        "no database is named",
        hint="set DATABASE_URL (or SUPABASE_DB_URL, or libpq's PG* variables), write it to .env, "
        "or pass --database-url postgresql://user@host:5432/database",
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # closed folders, names that are too long
        return False


def _read_dotenv(path: Path) -> dict[str, str | None]:
    import logging  # noqa: PLC0415 - only where there is such a file

    from dotenv import dotenv_values  # noqa: PLC0415

    logging.getLogger("dotenv").setLevel(logging.ERROR)  # it warns on stderr of lines that it skips
    try:
        return dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path} cannot be read", hint="check that it is a text file and yours to read"
        ) from None
