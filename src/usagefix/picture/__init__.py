"""What one database looks like to usagefix: the two tables, their columns, and their names in SQL. Reads only.

Code that depends on how a database was made asks here. usagefix needs only three columns: ``presets.id``,
``presets.usage_count`` and ``preset_usage.preset_id``, or their names here. It uses the others if they exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from usagefix.counter import EVENT_TIMES, STANDARD, Counter
from usagefix.database import Database
from usagefix.quoting import shown


@dataclass(frozen=True, slots=True)
class Table:
    """One of the two tables as this role sees it: the columns of ``tables.sql``. ``owned``: the role may act as its
    owner; ``filtered``: row level security hides rows from the role; ``elsewhere``: other schemas that have both
    tables."""

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
    schema: str = ""

    @property
    def sql(self) -> str:
        """The table as SQL writes it, with quotes only where it needs them."""
        return f"{shown(self.schema)}.{shown(self.name)}"

    def type_of(self, column: str) -> str:
        """The type of a column, without a length: ``character varying``."""
        return re.sub(r"\(.*\)", "", str(self.columns[column]["type"]))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a role cannot read all rows of a table, and what to do about it."""

    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Baselines:
    """The columns of ``baselines_there.sql``."""

    there: bool
    readable: bool


def tables(db: Database) -> tuple[Table, Table]:
    """The table with the counter, and that of the events."""
    parent, child = db.once("tables", lambda: db.rows(db.query("tables"), Table))
    schema = db.counter.schema
    return replace(parent, schema=schema), replace(child, schema=db.counter.child_schema or schema)


def unreadable(db: Database, table: Table) -> Unreadable | None:
    """Why this role cannot read all rows of one of the two tables; None if it can. Nobody is told to connect as the
    role that they are."""
    role, name = db.session.role, table.sql
    if not table.readable:
        as_owner = f", or connect as {table.owner}, who owns it" if table.owner != role else ""
        grant = f"GRANT SELECT ON {name} TO {shown(role)}"
        return Unreadable(f"role {role} may not read {name}", grant + as_owner)
    if not table.filtered:
        return None
    remedy = "connect as a role with BYPASSRLS"
    if not table.force_rls:
        remedy += f", or as {table.owner}, who owns it"
    elif table.owned:
        remedy += f", or ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"
    return Unreadable(f"row level security hides rows of {name} from role {role}, so counts would be wrong", remedy)


def counter(db: Database, schema: str) -> Counter:
    """The counter of the usual application in ``schema``, with the columns that are there."""
    return look_up(db, Counter(schema=schema))


def look_up(db: Database, wanted: Counter) -> Counter:
    """The counter that is ``wanted``, without columns that do not exist; unchanged if a table is missing. If the
    time of the events has the usual name, it may be another one of ``EVENT_TIMES`` instead."""
    with db.snapshot():
        return _there(db, wanted)


def _there(db: Database, wanted: Counter) -> Counter:
    db.counter = wanted
    parent, events = tables(db)
    wanted = replace(wanted, encoding=db.codec)
    if not parent.present or not events.present:
        return wanted
    times = EVENT_TIMES if wanted.time == STANDARD.time else (wanted.time,)
    # A day, or a text, is not a time that could follow.
    follows = wanted.last in parent.columns and parent.type_of(str(wanted.last)).startswith("timestamp")
    return replace(
        wanted,
        last=wanted.last if follows else None,
        label=_if_there(wanted.label, parent),
        time=next((time for time in times if time in events.columns and _is_time(events.type_of(time))), None),
        event_id=_if_there(wanted.event_id, events),
        user=_if_there(wanted.user, events),
        kind=_if_there(wanted.kind, events),
        data=_if_there(wanted.data, events),
        partitioned=events.partitioned,
        baselines=bool(baselines(db)),
    )


def baselines(db: Database) -> Baselines | None:
    """The ledger's table of baselines; None if it does not exist, or nothing was ever written to it. Within a
    snapshot it misses nothing that this snapshot sees."""
    found = db.once("baselines", lambda: db.rows(db.query("baselines_there"), Baselines))
    return found[0] if found and found[0].there else None


def _if_there(column: str | None, table: Table) -> str | None:
    return column if column in table.columns else None


def _is_time(kind: str) -> bool:
    return kind == "date" or kind.startswith("timestamp")
