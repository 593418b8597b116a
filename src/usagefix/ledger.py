"""The tool's own tables, schema ``usagefix``: which counters are kept, which versions of each are applied, when and by
whom, and what apply replaced.

``apply.sql`` writes to them too, so that a fix by hand is recorded. The corrections of counters are read by
:mod:`usagefix.backfill`. What the ledger holds was written by a role that may be less than who reads it: it is checked
before it is believed, see :func:`require_trusted`, and run as the owner of the tables, see
:mod:`usagefix.planning.undoing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from usagefix import __version__, catalog, definition, naming
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.errors import NotPermitted
from usagefix.models.correction import NO_BASELINES, Baselines

_TABLES = (
    "counters",
    "history",
    "saved_objects",
    "backfills",
    "corrections",
    "baselines",
    "held_at_zero",
    "refused_writes",
)

_PARTS = (
    "SELECT ledger.oid IS NOT NULL, COALESCE(pg_catalog.has_schema_privilege(ledger.oid, 'USAGE'), false),"
    " ARRAY(SELECT relname::text FROM pg_catalog.pg_class WHERE relnamespace OPERATOR(pg_catalog.=) ledger.oid)"
    " FROM (VALUES (1)) AS one LEFT JOIN pg_catalog.pg_namespace AS ledger"
    " ON ledger.nspname OPERATOR(pg_catalog.=) 'usagefix'"
)
WITH = {"usagefix.tool": f"usagefix {__version__}"}
"""The setting from which the ledger notes what works on it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a version last, applied or rolled back: the columns of ``history.sql``. ``tool`` is None if
    that was done by hand."""

    version: str
    action: str
    applied_at: datetime
    applied_by: str
    tool: str | None
    checksum: str | None


@dataclass(frozen=True, slots=True)
class Saved:
    """What was there before apply: the columns of ``saved_objects.sql``. ``definition`` is None if nothing was.

    ``left_behind``: the body that apply put in place of a function's; ``how`` it came about. The last three are those
    of a daily limit.
    """

    version: str
    kind: str
    identity: str
    definition: str | None
    extras: list[str]
    left_behind: str | None
    how: str | None
    key_columns: list[str] | None
    key_attributes: list[str] | None
    predicate: str | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says of one counter; empty if there is none. ``latest``: what became of each version last;
    ``saved``: by version, what rollback can undo; ``counters``: all that are kept here."""

    exists: bool = False
    latest: tuple[Applied, ...] = ()
    saved: tuple[Saved, ...] = ()
    counters: tuple[Counter, ...] = ()

    def entry(self, version: str) -> Applied | None:
        """When a version was applied; None if it is not."""
        return self._latest(version, "apply")

    def rolled_back(self, version: str) -> Applied | None:
        """When a version was rolled back; None if it is applied, or never was."""
        return self._latest(version, "rollback")

    def _latest(self, version: str, action: str) -> Applied | None:
        return next((entry for entry in self.latest if (entry.version, entry.action) == (version, action)), None)

    def outdated(self, counter: Counter) -> bool:
        """Whether a counter was applied with fragments that were written otherwise."""
        return any(kept.slug == counter.slug and kept.written != counter.written for kept in self.counters)

    @property
    def begun(self) -> frozenset[str]:
        """The versions that rollback can undo: applied, or begun by an apply that was interrupted."""
        return frozenset(saved.version for saved in self.saved)

    def of(self, version: str) -> tuple[Saved, ...]:
        """What a version replaced."""
        return tuple(saved for saved in self.saved if saved.version == version)

    @property
    def limit(self) -> Saved | None:
        """The daily limit that apply lifted; None if there was none."""
        return next((saved for saved in self.saved if saved.kind == "index" and saved.definition), None)


@dataclass(frozen=True, slots=True)
class Pushed:
    """The migration tool that applied a version, and as what it lists the file."""

    by: str
    version: str


def read(db: Database) -> Ledger:
    """What the ledger says of the counter in turn. Raises NotPermitted if there is one that the role may not
    read."""
    return db.once("ledger", lambda: _read(db))


def _read(db: Database) -> Ledger:
    if not exists(db):
        return Ledger()
    saved = [] if lost(db, ["saved_objects"]) else db.rows(db.query("saved_objects"), Saved)
    return Ledger(True, tuple(db.rows(db.query("history"), Applied)), tuple(saved), counters(db))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The columns of ``counters.sql``."""

    slug: str
    definition: Mapping[str, Any]


def counters(db: Database) -> tuple[Counter, ...]:
    """The counters that are applied here, in the order in which they were; none if this role may not read them.

    Raises NotPermitted for what apply would not have written. No fragment of theirs may become part of a statement.
    """
    return db.once("counters", lambda: _counters(db), of_all=True)


def _counters(db: Database) -> tuple[Counter, ...]:
    if db.values(db.query("counters_there")) != [True] or "history" not in _parts(db)[2]:
        return ()
    return tuple(definition.counter_of(kept.slug, kept.definition) for kept in db.rows(db.query("counters"), _Kept))


def settled(db: Database, wanted: Counter) -> Counter:
    """A declared counter under the name by which it was applied; under another one where its own belongs to another
    counter of this database."""
    kept = counters(db)
    same = next((stored for stored in kept if definition.same_place(wanted, stored)), None)
    if same is not None:
        return definition.settled(wanted, same)
    taken = [stored for stored in kept if stored.slug == wanted.slug]
    there = taken and db.values("SELECT to_regclass(%(taken)s) IS NOT NULL", {"taken": taken[0].parent_sql})[0]
    if not there:
        return wanted
    others = frozenset(stored.slug for stored in kept)
    return replace(wanted, slug=naming.fitting(wanted.schema, wanted.parent, wanted.column, others))


def renewed(db: Database, written: Ledger) -> tuple[str, ...]:
    """By which fields the counter in turn counts other events, or rows, than when it was applied."""
    stored = next((kept for kept in written.counters if kept.slug == db.counter.slug), None)
    if stored is None:
        return ()
    was = {"was_child": stored.child_sql, "was_foreign_key": stored.foreign_key, "was_key": stored.key}
    return definition.changed(db.counter, stored, frozenset(db.values(db.query("renamed"), was)))


def exists(db: Database) -> bool:
    """Whether this database has a ledger. Raises NotPermitted if it has one that the role may not read."""
    there, usable, parts = _parts(db)
    if there and not usable:
        raise NotPermitted(
            f"role {db.session.role} may not read the ledger, schema usagefix",
            hint="connect as the role that ran apply, or as a superuser",
        )
    return "history" in parts


def _parts(db: Database) -> tuple[bool, bool, list[str]]:
    there, usable, parts = db.once("parts of the ledger", lambda: db.tuple(_PARTS), of_all=True)
    return there, usable, parts


def baselines(db: Database) -> Baselines:
    """What counters hold beside their events, on purpose: of presets that are there."""
    return db.row(db.query("baselines"), Baselines) if db.counter.baselines else NO_BASELINES


def lost(db: Database, tables: Sequence[str] = _TABLES) -> list[str]:
    """The tables of the ledger that are not there any more, of all or of some."""
    _, _, parts = _parts(db)
    return [table for table in tables if table not in parts]


def pushed(db: Database, written: Ledger) -> dict[str, Pushed]:
    """The versions that a migration tool applied, each with that tool, as its file says.

    Only where that tool's own list has the file, and the role may read it.
    """
    noted = {entry.version: (entry.tool or "").partition(" ") for entry in written.latest if entry.action == "apply"}
    lists = {tool: db.values(db.query("pushes"), {"tool": tool}) for tool in {tool for tool, _, _ in noted.values()}}
    return {
        version: Pushed(tool, listed)
        for version, (tool, _, listed) in noted.items()
        if any(db.values(question, {"version": listed})[0] for question in lists[tool])
    }


def require_trusted(db: Database) -> None:
    """Raise NotPermitted where others could have written to the ledger, or something acts on what is written to it."""
    distrusted = db.once("distrust", lambda: db.values(db.query("ledger_distrusted")))
    if distrusted:
        raise NotPermitted(
            f"{'; '.join(distrusted)}: what is recorded in schema usagefix cannot be trusted",
            hint="check it; then give it to an owner that you trust, revoke the grants, or drop what acts on it",
        )


def provenance(migration: catalog.Migration) -> dict[str, str]:
    """The settings from which a script notes in the ledger what ran it."""
    return {**WITH, "usagefix.checksum": migration.checksum}
