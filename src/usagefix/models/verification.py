"""The results of verify and check: checks, the accuracy of a counter, single rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from usagefix.models.advice import Step
from usagefix.models.amount import Amount, plus
from usagefix.models.figures import grouped, parts
from usagefix.models.keyed import Keyed

COUNTERS, LAST_USED, ACCEPTED = "counters_accurate", "last_used_current", "uses_accepted"
COMPLETE = "events_complete"  # do the events look like the whole truth?
COUNTING_CHECKS = (COUNTERS, LAST_USED)  # those that look at rows; a backfill mends them


class Status(StrEnum):
    """The outcome of one check."""

    OK = "ok"
    MISSING = "missing"
    OUTDATED = "outdated"
    UNEXPECTED = "unexpected"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``verify``: the columns of the check statements in ``verify.sql``."""

    check_id: str
    title: str
    status: Status
    object: str
    detail: str
    hint: str

    @property
    def failed(self) -> bool:
        """Whether something is wrong. A skipped check neither fails nor passes: it does not apply."""
        return self.status not in (Status.OK, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Counts:
    """The accuracy summary of one counter. A row is accurate if its counter equals its baseline plus its events;
    null equals nothing. ``drift_total``: the sum of baseline plus actual minus displayed, in which opposite errors
    cancel out; ``drift_magnitude``: the sum of the errors of all rows without their signs. ``rows_with_count``: rows
    whose counter is not 0; ``rows_with_events``: rows whose events do not sum to 0; ``rows_with_baseline``: rows
    with a baseline, ``baseline_total`` together. ``orphans``: events whose row is missing, which is no drift; None
    if nobody counted them."""

    rows: int
    accurate: int
    inaccurate: int
    displayed_total: Amount
    actual_total: Amount
    drift_total: Amount
    drift_magnitude: Amount
    rows_with_count: int
    rows_with_events: int
    baseline_total: Amount = 0
    rows_with_baseline: int = 0
    orphans: int | None = None


@dataclass(frozen=True, slots=True)
class RowCount:
    """One row's counter and its events. ``label``: what people call it, empty if it has no name.
    ``displayed_count``: None if the counter is null; ``baseline``: what it holds in addition to its events;
    ``last_event_at``: from the row."""

    id: str
    label: str
    displayed_count: Amount | None
    actual_records: Amount
    drift: Amount
    last_event_at: datetime | None
    baseline: Amount = 0

    @property
    def called(self) -> str:
        """What people call it, else its id."""
        return self.label or self.id

    @property
    def truth(self) -> Amount:
        """What the counter should show."""
        return plus(self.baseline, self.actual_records)

    @property
    def accurate(self) -> bool:
        return self.displayed_count == self.truth


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the events do not look like the whole truth: ``falling`` of the counters above zero (``rows_with_count``)
    would fall, their sum from ``falls_from`` to ``falls_to``; ``largest``: the largest falls. ``definition``: what
    all counters show and what all events say, if the declaration may be wrong."""

    reasons: tuple[str, ...]
    falling: int
    rows_with_count: int
    falls_from: Amount
    falls_to: Amount
    largest: tuple[RowCount, ...]
    definition: tuple[Amount, Amount] | None = None

    def __str__(self) -> str:
        if self.definition is not None:
            shown, said = self.definition
            return f"they show {grouped(shown)} in all, the events say {grouped(said)} ({'; '.join(self.reasons)})"
        return (
            f"{parts(self.falling, self.rows_with_count, 'counter')} would fall, their sum from"
            f" {grouped(self.falls_from)} to {grouped(self.falls_to)} ({'; '.join(self.reasons)})"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a row."""

    id: str
    created_at: datetime | None
    usage_type: str
    user_id: str


@dataclass(frozen=True, slots=True)
class VerifyReport(Keyed):
    """Every check, the totals and the rows to look at, all from one snapshot. ``counts`` is None and ``rows`` empty
    if ``--only`` left out every check that counts. ``dated``: whether rows keep the time of their last event.
    ``doubt``: None if the events look like the whole truth. ``next``: what to do about failing checks; None if none
    fails. ``refused_writes``: how many writes of the counter the guard refused; None if it is not applied, or if
    this role may not read the ledger."""

    checks: tuple[Check, ...]
    counts: Counts | None
    rows: tuple[RowCount, ...]
    dated: bool = True
    doubt: Doubt | None = None
    next: Step | None = None
    refused_writes: int | None = None

    @property
    def ok(self) -> bool:
        return not any(check.failed for check in self.checks)


@dataclass(frozen=True, slots=True)
class RowReport(Keyed):
    """One row, and its newest events if asked for. ``dated``: whether rows keep the time of their last event;
    ``next``: what to do if it is not right."""

    row: RowCount
    recent: tuple[Event, ...] | None = None
    dated: bool = True
    next: Step | None = None

    @property
    def ok(self) -> bool:
        return self.row.accurate
