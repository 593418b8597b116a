"""What the guard does about other writers of the counter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usagefix.models.choices import GuardMode
from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """Writes of the counter that the guard refused: the columns of ``refused_writes.sql``. ``via``: the functions
    that led to them, the nearest first, empty for a plain statement; ``writes``: rows."""

    mode: str
    role: str
    application: str
    via: str
    writes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class GuardReport(Keyed):
    """The guard's mode and the writes that it refused, the latest first. ``was``: the mode before, None if nobody
    changed it. ``rejected``: the number of writes that failed; they were undone with their transactions, so nothing
    else is known of them. ``unnoted``: the number of writes that were too many to record."""

    mode: GuardMode
    was: GuardMode | None
    refused: tuple[RefusedWrite, ...]
    rejected: int
    unnoted: int = 0

    @property
    def ok(self) -> bool:
        return True
