"""What verify and check find: checks, the accuracy of a counter, single rows."""

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
    """The accuracy summary of one counter. A row is accurate when its counter equals its baseline plus its events; null
    equals nothing.

    ``drift_total`` is the sum of baseline plus actual minus displayed, where opposite errors cancel out;
    ``drift_magnitude`` is the sum of what each row is wrong by.
    ``rows_with_count`` have a counter that is not 0, ``rows_with_events`` events that come to anything but 0;
    ``rows_with_baseline`` hold something beside their events on purpose, ``baseline_total`` in all. ``orphans`` are
    events of rows that are not there, which is no drift; None if they were not counted.
    """

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
    """One row's counter beside its events. ``label``: what people call it, empty if nothing is. ``displayed_count``
    is None if the counter is null; ``baseline``: what it holds beside its events on purpose; ``last_event_at``: as
    the row tells it."""

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
    would fall, their sum ``falls_from`` to ``falls_to``; ``largest``: the largest falls. ``definition``: where it may
    be the declaration that is wrong, what all counters show, and what all events say."""

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
    """Every check, the totals and the rows to look at, all from one snapshot.

    ``counts`` is None and ``rows`` empty when ``--only`` left out every check that counts. ``dated``: whether
    rows keep the time of their last event. ``doubt``: None if the events look like the whole truth. ``next``: what
    to do about what fails; None if nothing does. ``refused_writes``: how many writes of the counter the guard turned
    away; None if it is not applied, or where the ledger is not for this role to read.
    """

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
    ``next``: what to do where it is not right."""

    row: RowCount
    recent: tuple[Event, ...] | None = None
    dated: bool = True
    next: Step | None = None

    @property
    def ok(self) -> bool:
        return self.row.accurate
