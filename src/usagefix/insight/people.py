"""What a user is called: by a column that somebody names, and never by an e-mail address. Reads only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usagefix.database import Database
from usagefix.errors import ConfigurationError
from usagefix.insight.columns import EMAIL_NAMED
from usagefix.picture.hidden import require_nothing_hidden
from usagefix.quoting import array, quoted

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_AUTH = "auth"  # the schema of Supabase's own tables


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that keys of users lead to: the columns of ``user_tables.sql``."""

    schema: str
    name: str
    key: str
    type: str
    direct: bool
    columns: list[str]
    readable: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Labels:
    """Where the names of users are: a column beside the key that events hold."""

    table: _Table
    column: str

    def added(self, db: Database, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows about users with their names, where there are any."""
        table, key = self.table, quoted(self.table.key)
        query = (
            (
                f"SELECT pg_catalog.jsonb_build_array({key}::text, {quoted(self.column)}::text)"  # noqa: S608
                f" FROM {quoted(table.schema)}.{quoted(table.name)} WHERE {key} = ANY (%(ids)s::{table.type}[])"
            )
            .replace("%", "%%")
            .replace("%%(ids)s", "%(ids)s")
        )
        names = dict(db.values(query, {"ids": array(str(row["id"]) for row in rows)}))
        return [{**row, "label": names.get(row["id"]) or ""} for row in rows]


def labels(db: Database, wanted: str) -> Labels:
    """The column ``wanted``, as ``table.column`` or ``column``, of a table that the users of events lead to.

    Raises ConfigurationError if there is none, or if it holds addresses.
    """
    *before, column = wanted.split(".")
    tables = db.rows(db.query("user_tables"), _Table)
    named = ".".join(before)
    found = [table for table in tables if (named in (table.name, str(table)) if named else table.direct)]
    hint = "name TABLE.COLUMN of a table that has the user's key, as in profiles.username"
    if EMAIL_NAMED.search(column):
        raise _private(wanted, "has the name of an e-mail address, and usagefix reads none")
    if named in ("auth.users", "users") and any(t.schema == _AUTH for t in found) and all(
        t.schema == _AUTH for t in found
    ):  # fmt: skip
        raise _private(wanted, "is a column of auth.users, and usagefix reads only the key of that")
    found = [table for table in found if table.schema != _AUTH]
    if not found:
        others = ", ".join(str(table) for table in tables if table.schema != _AUTH)
        leads = f"they lead to {others}" if others else "the user of an event has no foreign key"
        raise ConfigurationError(f"--user-label {wanted}: {leads}", hint=hint)
    fitting = [table for table in found if column in table.columns]
    if not fitting:
        raise ConfigurationError(
            f"--user-label {wanted}: {found[0]} has no column {column}",
            hint=f"there are {', '.join(name for name in found[0].columns if not EMAIL_NAMED.search(name))}",
        )
    require_nothing_hidden(db, (f"{quoted(fitting[0].schema)}.{quoted(fitting[0].name)}",))
    return Labels(fitting[0], column)


def without_addresses(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows without an e-mail address that a name or a key holds; a key becomes a word that stands for it."""
    return [
        {
            **row,
            "id": _stands_for(row["id"]) if _ADDRESS.search(row["id"]) else row["id"],
            "label": "" if _ADDRESS.search(row["label"]) else row["label"],
        }
        for row in rows
    ]


def _stands_for(text: str) -> str:
    return f"user {hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:8]}"


def _private(wanted: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"--user-label {wanted} {why}", hint="choose a name that people chose to show")
