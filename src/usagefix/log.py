"""What was done in this database, when, by whom and with what: the history that the ledger keeps. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from usagefix import ledger, picture
from usagefix.database import Database
from usagefix.errors import ConfigurationError, UsagefixError
from usagefix.models.advice import Step
from usagefix.models.history import LogEntry, LogReport

_TABLES = ("backfills", "baselines", "corrections", "history")
_COUNTERS = "SELECT counter FROM usagefix.history UNION SELECT counter FROM usagefix.backfills ORDER BY counter"


@dataclass(frozen=True, slots=True)
class _Row(LogEntry):
    """The columns of ``log.sql``."""

    found: int


def log(db: Database, *, counters: Sequence[str] = (), limit: int, declared: bool = False) -> LogReport:
    """The newest ``limit`` entries, of all counters or of some, by their names or as table.column. ``declared``: a file
    declares counters.

    Raises ConfigurationError for a counter that the ledger does not know, UsagefixError where a part of the ledger is
    gone, NotPermitted where the role may not read it.
    """
    with db.snapshot():
        if not ledger.exists(db):
            return LogReport((), 0, ledger=False, next=_first(db, declared))
        if lost := ledger.lost(db, _TABLES):
            raise UsagefixError(
                f"the ledger has no table {', '.join(lost)}",
                hint="usagefix apply makes it again, without what it held",
            )
        wanted = _known(db, counters) if counters else None
        rows = db.rows(db.query("log"), _Row, {"counters": wanted, "most": limit})
        distrusted = db.values(db.query("ledger_distrusted"))
        first = None if rows else _first(db, declared)
    names = [field.name for field in fields(LogEntry)]
    entries = tuple(LogEntry(**{name: getattr(row, name) for name in names}) for row in rows)
    found = rows[0].found if rows else 0
    return LogReport(entries, found, ledger=True, distrusted=tuple(distrusted), next=first)


def _first(db: Database, declared: bool) -> Step:
    """What to do where nothing was done yet."""
    if declared or all(table.present for table in picture.tables(db)):
        return Step("usagefix apply --dry-run", "it shows what apply would do, and changes nothing")
    return Step("usagefix discover", "it finds the counters of other tables than presets and preset_usage")


def _known(db: Database, wanted: Sequence[str]) -> list[str]:
    """Their names in the ledger. Raises ConfigurationError for one that it does not know."""
    there = db.values(_COUNTERS)
    names = {name: name for name in there}
    if not set(wanted) <= names.keys():
        for of in ledger.counters(db):
            names |= {f"{of.parent}.{of.column}": of.slug, f"{of.schema}.{of.parent}.{of.column}": of.slug}
    for name in wanted:
        if name not in names:
            known = f"it has {', '.join(there)}" if there else "it has none yet"
            raise ConfigurationError(f"the ledger knows no counter {name}", hint=known)
    return sorted({names[name] for name in wanted})
