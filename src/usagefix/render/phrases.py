"""Numbers, times and findings in words, the same in every format. Needs no rich."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from usagefix.models import BackfillReport, DailyLimit, RollbackReport

# What becomes of the application's triggers: held off or not, in a dry run or not.
_FATE = {
    (True, True): "would be held off; otherwise they would fire",
    (True, False): "were held off; otherwise they would have fired",
    (False, True): "would fire",
    (False, False): "fired",
}


def signed(value: int) -> str:
    """A drift."""
    return f"{value:+,}" if value else "0"


def plural(number: int, noun: str) -> str:
    """``1 preset``, ``2 presets``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counted(value: int | None) -> str:
    """A counter, which may be null."""
    return "null" if value is None else f"{value:,}"


def moment(value: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time in UTC."""
    return "never" if value is None else value.astimezone(UTC).strftime(form)


def corrections(report: BackfillReport) -> Iterator[str]:
    """What a backfill changed, or would change, a line each; lines about one trigger are indented."""
    verb = "would be corrected" if report.dry_run else "corrected"
    if report.presets_changed:
        both = f"({report.magnitude:,} up and down together)"
        yield f"{plural(report.presets_changed, 'preset')} {verb}: drift {signed(report.drift_removed)} {both}"
    else:
        yield "every counter was right: no drift to remove"
    if report.resumed:
        yield f"{plural(report.resumed, 'preset')} had been corrected by a run that was interrupted"
    if report.rounds > 1:
        yield f"counted {report.rounds} times, since events were deleted or truncated meanwhile"
    if report.presets_changed and report.triggers:
        yield f"your triggers on presets {_FATE[report.triggers[0].held_off, report.dry_run]}:"
        for trigger in report.triggers:
            times = f"{'at most ' if trigger.at_most else ''}{plural(trigger.fires, 'time')}"
            yield f"  {trigger.name}: {times}"


def undone(report: RollbackReport) -> Iterator[str]:
    """What a rollback undid, a line each."""
    for version in report.migrations:
        yield f"{version} rolled back"
    match report.daily_limit:
        case DailyLimit.RESTORE:
            yield "the daily limit is back, and track_preset_usage() as it was"
        case DailyLimit.SKIP:
            yield "the daily limit stays off, and track_preset_usage() as it is (the old one needs the limit)"
        case None:
            pass
    if report.migrations and report.counts is not None:
        yield f"the counters keep their values: {report.counts.accurate} of {report.counts.presets} accurate"
    if report.purged:
        yield "schema usagefix is gone, with its history"
