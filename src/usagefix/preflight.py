"""What must be true of a database before a command looks at it or changes it; each failure names what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from usagefix.database import Database
from usagefix.errors import NotPermitted, ReadOnlyServer, WrongDatabase

NEEDED_COLUMNS = {
    "presets": ("id", "name", "usage_count", "last_used_at"),
    "preset_usage": ("preset_id", "created_at"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """One of the two tables as this role sees it: the columns of ``tables.sql``. ``filtered``: RLS hides rows."""

    name: str
    present: bool
    other_kind: bool
    force_rls: bool
    owner: str | None
    owned: bool
    readable: bool
    filtered: bool
    columns: list[str]


@dataclass(frozen=True, slots=True)
class MissingRight:
    """A right that the role lacks, and what grants it: the columns of ``rights.sql``."""

    missing: str
    remedy: str


def require_readable(db: Database, **further: tuple[str, ...]) -> None:
    """The two tables are there with the columns needed (``further``: more of them by table), and can be read whole.

    Raises WrongDatabase or NotPermitted.
    """
    tables = db.rows(db.query("tables"), Table)
    for table in tables:
        if not table.present:
            what = "; that name is a view there" if table.other_kind else ""
            raise WrongDatabase(
                f"database {db.session.database} has no table public.{table.name}{what}",
                hint="is this the application's database? usagefix needs public.presets and public.preset_usage",
            )
    for table in tables:
        needed = (*NEEDED_COLUMNS[table.name], *further.get(table.name, ()))
        absent = [column for column in needed if column not in table.columns]
        if absent:
            raise WrongDatabase(
                f"table public.{table.name} has no column {', '.join(absent)}",
                hint=f"usagefix needs public.{table.name}({', '.join(needed)})",
            )
    for table in tables:
        if not table.readable:
            raise NotPermitted(
                f"role {db.session.role} may not read public.{table.name}",
                hint=f"connect as {table.owner}, or GRANT SELECT ON public.{table.name} TO {db.session.role}",
            )
        if table.filtered:
            raise NotPermitted(
                f"row level security hides rows of public.{table.name} from role {db.session.role}",
                hint="counts would be wrong; connect as a role with BYPASSRLS"
                + (f", or as {table.owner}, its owner" if not table.force_rls else ""),
            )


def require_changeable(db: Database) -> None:
    """The server takes writes, and the role has every right that apply, backfill and rollback need.

    Raises ReadOnlyServer or NotPermitted, naming each right and what grants it.
    """
    if db.session.standby:
        raise ReadOnlyServer("the server is a standby: it accepts no writes", hint="connect to the primary server")
    if db.session.read_only:
        raise ReadOnlyServer(
            "the session accepts no writes: default_transaction_read_only is on",
            hint="it may be set for the role, for the database, or on a standby: connect to the primary server,"
            " or as a role that may write",
        )
    for table in db.rows(db.query("tables"), Table):
        if not table.owned:
            raise NotPermitted(
                f"role {db.session.role} does not own table public.{table.name}; its owner is {table.owner}",
                hint=f"connect as {table.owner}",
            )
    missing = db.rows(db.query("rights"), MissingRight)
    if missing:
        raise NotPermitted(
            f"role {db.session.role} lacks {'; and '.join(right.missing for right in missing)}",
            hint="; ".join(right.remedy for right in missing),
        )
