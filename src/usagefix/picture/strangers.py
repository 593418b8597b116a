"""Code of others on tables of a superuser, which would get that superuser's rights when usagefix writes. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from usagefix.catalog import released_bodies
from usagefix.database import Database
from usagefix.errors import NotPermitted
from usagefix.quoting import array, shown


@dataclass(frozen=True, slots=True)
class _Stranger:
    """The columns of ``strangers.sql``: what calls a function, its author, and with whose rights it would run."""

    what: str
    function: str
    author: str
    superuser: str


def require_none(db: Database, tables: Iterable[str] | None = None) -> None:
    """Raise NotPermitted if to write to these tables, else to those that an event of the counter in turn changes, would
    run what a role with fewer rights wrote with a superuser's. Only a superuser can meet that."""
    if not db.session.superuser:
        return
    written = [db.counter.child_sql, *of_counters(db)] if tables is None else tables
    asked = {"tables": array(written), "released": list(released_bodies(db.counter))}
    for found in db.rows(db.query("strangers"), _Stranger, asked):
        raise NotPermitted(
            f"{found.what}, which {found.author} wrote: to write to the table would run it with the rights of"
            f" {found.superuser}, a superuser",
            hint=f"read the function, and if you trust it,"
            f" ALTER FUNCTION {found.function} OWNER TO {shown(found.superuser)}; else remove what calls it",
        )


def of_counters(db: Database) -> list[str]:
    """The tables that a changed counter of those in turn is in, and, by that, those of the counters that sum it."""
    return [db.counter.parent_sql, *db.counter.upper_tables]
