"""What a backfill does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from usagefix.models.amount import Amount
from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class FiredTrigger:
    """A trigger of the application on the table with the counter, and what a backfill does about it.

    ``fires``: how often the corrections fire it, or would if it were not held off; ``at_most``: it has a condition of
    its own, or fires once for a batch before anybody knows how many there will be, so it may be fewer.
    """

    name: str
    held_off: bool
    fires: int
    at_most: bool


@dataclass(frozen=True, slots=True)
class Baselines:
    """So many rows, whose counters hold ``total`` beside their events, on purpose."""

    rows: int = 0
    total: Amount = 0


NO_BASELINES = Baselines()


@dataclass(frozen=True, slots=True)
class Unrepaired:
    """A row that the server refuses to update, and why: its counter stays as it is."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class BackfillReport(Keyed):
    """What a backfill changed, or, when ``dry_run``, would change: counters, and times of the last event.

    ``drift_removed`` is the sum of the deltas added to counters (negative where they showed too much);
    ``magnitude`` the sum of their absolute values. ``batches``: when ``dry_run``, at most so many.
    ``resumed`` counts rows that an interrupted run had corrected. ``rounds`` is above 1 where events were deleted or
    truncated so that the first count no longer fitted; a row corrected in several rounds counts in each.
    ``unrepaired``: rows that the server refused to update; the others were corrected.
    ``baselines``: what counters showed too much, and now hold on purpose; ``forgotten``: what they no longer do.
    ``counted_ms``, ``corrected_ms``: how long it counted, and corrected, in milliseconds; None in a dry run.
    """

    rows_changed: int
    drift_removed: Amount
    magnitude: Amount
    resumed: int
    batches: int
    triggers: tuple[FiredTrigger, ...]
    rounds: int = 1
    dry_run: bool = False
    baselines: Baselines = NO_BASELINES
    forgotten: Baselines = NO_BASELINES
    unrepaired: tuple[Unrepaired, ...] = ()
    counted_ms: int | None = None
    corrected_ms: int | None = None

    @property
    def ok(self) -> bool:
        return not self.unrepaired

    def keys(self) -> dict[str, Any]:
        return {"backfill": asdict(self)}


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a running backfill is, in rows."""

    done: int
    total: int
