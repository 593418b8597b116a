"""The tool's own tables, schema ``usagefix``: which versions are applied, when and by whom.

``apply.sql`` creates them and writes to them, so that a fix by hand is recorded too. What apply replaced
(``saved_objects``) is read by ``rollback.sql``; the corrections of counters by :mod:`usagefix.backfill`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usagefix import __version__, catalog
from usagefix.database import Database
from usagefix.errors import NotPermitted


@dataclass(frozen=True, slots=True)
class Applied:
    """A version that is applied: the columns of ``history.sql``. ``tool`` is None where it was applied by hand."""

    version: str
    applied_at: datetime
    applied_by: str
    tool: str | None
    checksum: str | None


@dataclass(frozen=True, slots=True)
class _Push:
    """The columns of ``pushes.sql``."""

    version: str
    pushed_as: str


def exists(db: Database) -> bool:
    """Whether this database has a ledger. Raises NotPermitted where it has one that the role may not read."""
    there, usable = db.tuple(
        "SELECT ledger.oid IS NOT NULL, COALESCE(pg_catalog.has_schema_privilege(ledger.oid, 'USAGE'), false)"
        " FROM (VALUES (1)) AS one LEFT JOIN pg_catalog.pg_namespace AS ledger ON ledger.nspname = 'usagefix'"
    )
    if there and not usable:
        raise NotPermitted(
            f"role {db.session.role} may not read the ledger, schema usagefix",
            hint="connect as the role that ran apply, or as a superuser",
        )
    return bool(there) and bool(db.values("SELECT to_regclass('usagefix.history') IS NOT NULL")[0])


def applied(db: Database) -> dict[str, Applied]:
    """The applied versions, oldest first; empty where there is no ledger."""
    if not exists(db):
        return {}
    return {row.version: row for row in db.rows(db.query("history"), Applied)}


def begun(db: Database) -> set[str]:
    """The versions that rollback can undo: applied, or begun by an apply that was interrupted."""
    if not exists(db):
        return set()
    return set(db.values("SELECT DISTINCT version FROM usagefix.saved_objects"))


def pushed(db: Database) -> dict[str, str]:
    """The applied versions that ``supabase db push`` applied, each with the version of the file that did.

    Empty where there is no such list, or the role may not read it.
    """
    if not exists(db) or not db.values(db.query("pushes_readable"))[0]:
        return {}
    migrations = catalog.migrations()
    known = {"versions": [m.version for m in migrations], "names": [m.name for m in migrations]}
    return {push.version: push.pushed_as for push in db.rows(db.query("pushes"), _Push, known)}


def require_trusted(db: Database) -> None:
    """Raise NotPermitted where others could have written to what rollback runs."""
    writers = sorted(set(db.values(db.query("ledger_writers"))))
    if writers:
        raise NotPermitted(
            f"{', '.join(writers)} may change schema usagefix, so what is recorded there cannot be trusted",
            hint="look at its definitions, and revoke the grants",
        )


def provenance(migration: catalog.Migration) -> dict[str, str]:
    """The settings from which a script notes in the ledger what ran it."""
    return {"usagefix.tool": f"usagefix {__version__}", "usagefix.checksum": migration.checksum}
