"""One preset: the value shown, and the true value. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from usagefix import picture, preflight
from usagefix.database import Database
from usagefix.errors import ConfigurationError, RowNotFound, UsagefixError
from usagefix.models.verification import COUNTERS, Event, RowCount, RowReport
from usagefix.verify import next_step


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=_Identified)
_LISTS = ". usagefix verify lists wrong "


@dataclass(frozen=True, slots=True)
class Named:
    """A row's id, and what people call it: empty if it has no name."""

    id: str
    label: str


def named(db: Database, wanted: str) -> Named:
    """The row with an id or exact name, whatever its counter shows, in the transaction that is open.

    Raises RowNotFound; ConfigurationError if several rows have the name.
    """
    return _the_one(db, db.rows(db.query("named_row"), Named, {"wanted": wanted}), wanted)


def one_preset(db: Database, wanted: str) -> RowCount:
    """The preset with an id or exact name, in the transaction that is open.

    Raises RowNotFound; ConfigurationError if several presets have the name.
    """
    return _the_one(db, db.rows(db.query("one_preset"), RowCount, {"wanted": wanted}), wanted)


def _the_one(db: Database, found: Sequence[Row], wanted: str) -> Row:
    if not found:
        parent = picture.tables(db)[0]
        keys = [key for key, _ in db.counter.keys]
        kind = ", ".join(str(parent.columns[key]["type"]) for key in keys)
        written = f", written {','.join(keys)}" if db.counter.more_keys else ""
        named = "the id or the name" if db.counter.label else "the id"
        unnamed = "" if db.nouns.usual else "; a name is known only where label declares its column"
        exact = "; a name must be exact, capitals too" if db.counter.label else unnamed
        raise RowNotFound(
            f"no {db.nouns.row} has {named} {wanted!r}",
            hint=f"ids are of type {kind} here{written}{exact}{_LISTS}{db.nouns.rows}",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{db.nouns.of(len(found))} have the name {wanted!r}",
            hint=f"name one by its id: {', '.join(preset.id for preset in found[:5])}",
        )
    return found[0]


def nowhere(looked_in: Mapping[str, UsagefixError]) -> RowNotFound:
    """The error where several tables were searched in vain; ``looked_in``: what each said."""
    hints = (f"{table}: {error.hint.partition(_LISTS)[0]}" for table, error in looked_in.items())
    message = max((error.message for error in looked_in.values()), key=len)
    return RowNotFound(f"{message}; usagefix looked in {', '.join(looked_in)}", hint=f"{'. '.join(hints)}{_LISTS}rows")


def check_preset(db: Database, wanted: str, *, recent: int = 0) -> RowReport:
    """The preset with an id or exact name, and its newest ``recent`` events.

    Raises RowNotFound; ConfigurationError if several presets have the name.
    """
    with db.snapshot():
        preflight.require_readable(db)
        row = one_preset(db, wanted)
        events = None
        if recent and db.counter.truth is None:
            params = {"preset_id": row.id, "recent": recent}
            events = tuple(db.rows(db.query("recent_events"), Event, params))
        step = None if row.accurate or db.counter.truth is not None else next_step(db, COUNTERS)
    return RowReport(row, events, dated=db.counter.keeps_last_use, next=step)
