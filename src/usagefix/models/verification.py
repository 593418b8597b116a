"""What verify and check-preset find: checks, the accuracy of the counters, single presets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from usagefix.models.advice import Step
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
    def passed(self) -> bool:
        """Skipped checks pass: they had nothing to look at, and say so."""
        return self.status in (Status.OK, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Counts:
    """The accuracy summary. A preset is accurate when its counter equals its baseline plus its number of events;
    null equals nothing.

    ``drift_total`` is the sum of baseline plus actual minus displayed, where opposite errors cancel out;
    ``drift_magnitude`` is the sum of what each preset is wrong by.
    ``presets_with_usage`` have a counter above 0, ``presets_really_used`` at least one event,
    ``presets_with_baseline`` uses that the counter holds beside its events on purpose, ``baseline_total`` in all.
    """

    presets: int
    accurate: int
    inaccurate: int
    displayed_total: int
    actual_total: int
    drift_total: int
    drift_magnitude: int
    presets_with_usage: int
    presets_really_used: int
    baseline_total: int = 0
    presets_with_baseline: int = 0


@dataclass(frozen=True, slots=True)
class PresetCount:
    """One preset's counter beside its events. ``displayed_count`` is None where the counter is null; ``baseline``:
    what it holds beside its events on purpose."""

    id: str
    name: str
    displayed_count: int | None
    actual_records: int
    drift: int
    last_used_at: datetime | None
    baseline: int = 0

    @property
    def truth(self) -> int:
        """What the counter should show."""
        return self.baseline + self.actual_records

    @property
    def accurate(self) -> bool:
        return self.displayed_count == self.truth


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the events do not look like the whole truth: ``falling`` of the counters above zero (``presets_with_usage``)
    would fall, their sum ``falls_from`` to ``falls_to``; ``largest``: the largest falls."""

    reasons: tuple[str, ...]
    falling: int
    presets_with_usage: int
    falls_from: int
    falls_to: int
    largest: tuple[PresetCount, ...]

    def __str__(self) -> str:
        return (
            f"{self.falling:,} of {self.presets_with_usage:,} counters would fall, their sum from {self.falls_from:,}"
            f" to {self.falls_to:,} ({'; '.join(self.reasons)})"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One use of a preset."""

    id: str
    created_at: datetime | None
    usage_type: str
    user_id: str


@dataclass(frozen=True, slots=True)
class VerifyReport(Keyed):
    """Every check, the totals and the presets to look at, all from one snapshot.

    ``counts`` is None and ``presets`` empty when ``--only`` left out every check that counts. ``dated``: whether
    presets keep the time of their last use. ``doubt``: None where the events look like the whole truth. ``next``: what
    to do about what fails; None where nothing does.
    """

    checks: tuple[Check, ...]
    counts: Counts | None
    presets: tuple[PresetCount, ...]
    dated: bool = True
    doubt: Doubt | None = None
    next: Step | None = None

    @property
    def ok(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class PresetReport(Keyed):
    """One preset, and its newest events if asked for. ``dated``: whether presets keep the time of their last use;
    ``next``: what to do where it is not right."""

    preset: PresetCount
    recent: tuple[Event, ...] | None = None
    dated: bool = True
    next: Step | None = None

    @property
    def ok(self) -> bool:
        return self.preset.accurate
