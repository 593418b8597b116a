"""What a backfill does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from usagefix.models.amount import Amount
from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class FiredTrigger:
    """A trigger of the application on the table with the counter. ``fires``: how often the corrections fire it, or
    would if it could fire; ``at_most``: it has a condition, or fires once a batch and there may be fewer batches.
    ``held_off``: the backfill keeps it from firing."""

    name: str
    held_off: bool
    fires: int
    at_most: bool


@dataclass(frozen=True, slots=True)
class Baselines:
    """The number of rows whose counters hold ``total`` in addition to their events."""

    rows: int = 0
    total: Amount = 0


NO_BASELINES = Baselines()


@dataclass(frozen=True, slots=True)
class Unrepaired:
    """A row that the server refuses to update, and why: its counter keeps its value."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class BackfillReport(Keyed):
    """What a backfill changed, or, with ``dry_run``, would change: counters, and times of the last event.

    ``drift_removed``: the sum of the deltas added to counters (negative if they showed too much); ``magnitude``: the
    sum of their absolute values. ``batches``: with ``dry_run``, at most so many. ``last_only``: how many of
    ``rows_changed`` had a right counter and only an old time of the last event. ``resumed``: rows that an interrupted
    run had corrected. ``rounds``: above 1 if events were deleted or truncated, so that the first count became wrong; a
    row that was corrected in several rounds counts in each. ``unrepaired``: rows that the server refused to update; the
    others were corrected. ``baselines``: what counters showed too much, and keep from now on; ``forgotten``: former
    baselines. ``refresh``: statements for the materialised views that still show the old counters, in their order.
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
    last_only: int = 0
    refresh: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.unrepaired

    @property
    def counters_changed(self) -> int:
        """How many counters were wrong."""
        return self.rows_changed - self.last_only

    def keys(self) -> dict[str, Any]:
        return {"backfill": asdict(self)}


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """The progress of a running backfill, in rows."""

    done: int
    total: int
