"""The name of the database: from the option, the environment, ``.env``, else libpq's own settings, in that order."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from usagefix.errors import ConfigurationError

if TYPE_CHECKING:
    from dotenv.parser import Binding

URL_VARIABLES = ("DATABASE_URL", "SUPABASE_DB_URL")
# libpq's own, each with the parameter that it sets.
LIBPQ_VARIABLES = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGSERVICE": "service",
    "PGDATABASE": "dbname",
    "PGPORT": "port",
    "PGUSER": "user",
}


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a database. ``conninfo`` holds the password: it never shows in a repr; ``notes`` hold none of it.

    ``source`` names the string in errors; ``file`` is the one that it stands in, if any.
    """

    source: str
    conninfo: str = field(repr=False)
    notes: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def origin(self) -> str:
        """Where a person would look for it."""
        return self.source if self.file is None else str(self.file)


def resolve(database_url: str | None, env_file: Path | None, environment: Mapping[str, str], folder: Path) -> Address:
    """The address to connect to.

    ``.env`` in ``folder`` is read only when nothing before it names a database; ``env_file``, when given, must exist
    and ranks above ``.env`` but never overrides the environment. Raises ConfigurationError if nothing names one.
    """
    if env_file is not None and not _is_file(env_file):
        raise ConfigurationError(f"there is no file {env_file} to read", hint="check the path in --env-file")
    if database_url is not None:
        if not database_url.strip():
            raise ConfigurationError("--database-url is empty", hint="give a URL: postgresql://user@host:5432/database")
        return Address("--database-url", database_url.strip())
    for name in URL_VARIABLES:
        if environment.get(name, "").strip():
            return Address(name, environment[name].strip())
    dotenv = env_file or folder / ".env"
    values, unreadable = _read_dotenv(dotenv) if _is_file(dotenv) else ({}, "")
    notes = (unreadable,) if unreadable else ()
    for name in URL_VARIABLES:
        if values.get(name, "").strip():
            source = f"{name} in {dotenv.name}"
            return Address(source, values[name].strip(), notes, env_file or Path(dotenv.name))
    if any(environment.get(name) for name in LIBPQ_VARIABLES):
        return Address("PG* variables", "", notes)
    without = f"{dotenv.name} exists, and names none" if not unreadable and _is_file(dotenv) else unreadable
    raise ConfigurationError(
        "no database is named" + (f"; {without}" if without else ""),
        hint="set DATABASE_URL (or SUPABASE_DB_URL, or libpq's PG* variables), write it to .env, "
        "or pass --database-url postgresql://user@host:5432/database",
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # closed folders, names that are too long
        return False


def _read_dotenv(path: Path) -> tuple[dict[str, str], str]:
    """What the file sets, and which of its lines cannot be read, in words; their content may be secret."""
    from dotenv.parser import parse_stream  # only where there is such a file

    try:
        bindings = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path} cannot be read", hint="check that it is a text file that you may read"
        ) from None
    values = {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}
    lines = [_first_line(binding) for binding in bindings if _is_unreadable(binding)]
    if not lines:
        return values, ""
    which = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
    return values, f"{which} of {path.name} cannot be read: write NAME='value'"


def _is_unreadable(binding: Binding) -> bool:
    return binding.error or (binding.key in URL_VARIABLES and binding.value is None)


def _first_line(binding: Binding) -> int:
    """The parser counts the empty lines before it in."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
