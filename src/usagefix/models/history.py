"""What was done in a database, as its ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usagefix.models.advice import Step
from usagefix.models.amount import Amount
from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One thing that was done to one counter: the columns of ``log.sql`` but for the last.

    ``action``: ``apply`` or ``rollback`` of a ``version``; ``backfill`` or ``give_back``, a ``run`` of corrections.
    ``rows``: counters that were corrected, by ``drift`` in all, ``magnitude`` up and down together; ``last_events``:
    rows of which only the time of the last event was; ``baselines``: rows whose surplus of ``baseline_total`` became a
    baseline, and still is one. ``unfinished``: ``going`` or ``interrupted``, null where the run ended. ``tool``: the
    version of usagefix, or the migration tool; null where that was done by hand.
    """

    at: datetime | None
    action: str
    counter: str
    version: str | None
    run: int | None
    unfinished: str | None
    rows: int | None
    drift: Amount | None
    magnitude: Amount | None
    last_events: int | None
    baselines: int | None
    baseline_total: Amount | None
    by_role: str
    application: str
    tool: str | None


@dataclass(frozen=True, slots=True)
class LogReport(Keyed):
    """The newest entries of the ledger first, of ``found`` in all. ``ledger``: there is one; ``distrusted``: why what
    it says may be false, in sentences; ``next``: what to do where nothing was done yet."""

    entries: tuple[LogEntry, ...]
    found: int
    ledger: bool
    distrusted: tuple[str, ...] = ()
    next: Step | None = None

    @property
    def ok(self) -> bool:
        return True
