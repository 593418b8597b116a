"""What one database looks like to usagefix: the two tables, their columns, and their names in SQL. Reads only.

Everything that depends on how a database was made asks here. Only three columns are certain: ``presets.id``,
``presets.usage_count`` and ``preset_usage.preset_id``; the others are used where they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from usagefix.database import Database
from usagefix.names import EVENT_TIMES, OPTIONAL, Names

CERTAIN = {"presets": ("id", "usage_count"), "preset_usage": ("preset_id",)}


@dataclass(frozen=True, slots=True)
class Table:
    """One of the two tables as this role sees it: the columns of ``tables.sql``.

    ``owned``: the role may act as its owner; ``filtered``: row level security hides rows from the role; ``elsewhere``:
    other schemas that have both tables.
    """

    name: str
    present: bool
    other_kind: bool
    partitioned: bool
    rls: bool
    force_rls: bool
    owner: str | None
    owned: bool
    readable: bool
    filtered: bool
    columns: dict[str, dict[str, Any]]
    elsewhere: list[str]

    def type_of(self, column: str) -> str:
        """The type of a column, without a length: ``character varying``."""
        return re.sub(r"\(.*\)", "", str(self.columns[column]["type"]))


def tables(db: Database) -> tuple[Table, Table]:
    """``presets`` and ``preset_usage``."""
    found = {table.name: table for table in db.rows(db.query("tables"), Table)}
    return found["presets"], found["preset_usage"]


def names(db: Database, schema: str) -> Names:
    """The names of the two tables' columns in ``schema``; those of the files where the tables are missing."""
    db.names = Names(schema)
    presets, events = tables(db)
    if not presets.present or not events.present:
        return db.names
    times = [name for name in EVENT_TIMES if name in events.columns and _is_time(events.type_of(name))]
    time = times[0] if times else None
    has = {f"presets.{column}" for column in presets.columns} | {f"preset_usage.{column}" for column in events.columns}
    if "last_used_at" in presets.columns and not presets.type_of("last_used_at").startswith("timestamp"):
        has.discard("presets.last_used_at")  # a day, or a text: not a time that could follow
    if time is not None:
        has.add("preset_usage.created_at")
    else:
        has.discard("preset_usage.created_at")
    return Names(schema, time or EVENT_TIMES[0], frozenset(OPTIONAL) - has)


def _is_time(kind: str) -> bool:
    return kind == "date" or kind.startswith("timestamp")
