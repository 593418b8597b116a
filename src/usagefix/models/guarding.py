"""What the guard does about other writers of the counter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usagefix.models.choices import GuardMode
from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """Who tried to write the counter: the columns of ``refused_writes.sql``.

    ``via``: the functions it came through, the nearest first, empty for a statement on its own; ``writes``: rows.
    """

    mode: str
    role: str
    application: str
    via: str
    writes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class GuardReport(Keyed):
    """The guard's mode and what it has refused, the latest first.

    ``was``: the mode before, None if none was asked for. ``rejected`` counts the writes that failed; they are undone
    with their transactions, so nothing else is known of them. ``unnoted`` counts those that came too often to be noted,
    of which no more is known either.
    """

    mode: GuardMode
    was: GuardMode | None
    refused: tuple[RefusedWrite, ...]
    rejected: int
    unnoted: int = 0

    @property
    def ok(self) -> bool:
        return True
