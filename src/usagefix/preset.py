"""One preset: the value shown, and the true value. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from usagefix import picture, preflight
from usagefix.database import Database
from usagefix.errors import ConfigurationError, RowNotFound
from usagefix.models.verification import COUNTERS, Event, RowCount, RowReport
from usagefix.verify import next_step


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=_Identified)


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
        exact = "; a name must be exact, capitals too" if db.counter.label else ""
        raise RowNotFound(
            f"no {db.nouns.row} has {named} {wanted!r}",
            hint=f"ids are of type {kind} here{written}{exact}. usagefix verify lists {db.nouns.rows}",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{db.nouns.of(len(found))} have the name {wanted!r}",
            hint=f"name one by its id: {', '.join(preset.id for preset in found[:5])}",
        )
    return found[0]


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
