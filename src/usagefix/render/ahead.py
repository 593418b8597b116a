"""What a command is going to do, in a few sentences, before anybody agreed to it: the most important ones first."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.models.choices import Counters, DailyLimit, GuardMode, Throttling
from usagefix.models.correction import BackfillReport
from usagefix.models.figures import drifted
from usagefix.models.migration import Forecast, RollbackPlan
from usagefix.models.nouns import Nouns
from usagefix.render.phrases import corrections
from usagefix.render.verdict import GUARDED

_MOMENT = "an instant, at most 1 s an attempt"


def of_apply(forecast: Forecast, nouns: Nouns) -> Iterator[str]:
    """Versions, corrections, what changes of the application's own, and who waits for how long."""
    if forecast.versions:
        yield f"applies {' and '.join(forecast.versions)}"
    counts = forecast.counts
    if forecast.corrected is not None:
        if forecast.versions or _changes(forecast.corrected):
            yield from (line.strip() for line in corrections(forecast.corrected, nouns))
    elif counts is not None and counts.inaccurate:
        yield f"corrects {nouns.of(counts.inaccurate)}: {drifted(counts.drift_total, counts.drift_magnitude)}"
    elif counts is not None and not forecast.versions:
        yield "corrects what is not right, in small transactions"
    for function in forecast.functions:
        yield f"changes your function {function}: it leaves the counting to the triggers"
    yield from forecast.remarks
    if forecast.limit is not None:
        yield f"drops the daily limit {forecast.limit}: a second {nouns.event} on one day is recorded, too"
    if forecast.versions:
        tables = f"{nouns.child} and {nouns.parent}" if forecast.counting else nouns.parent
        yield f"locks {tables} against writers for {_MOMENT}; readers do not wait"


def of_backfill(preview: BackfillReport, nouns: Nouns) -> Iterator[str]:
    """Its corrections, and who waits for how long."""
    if _changes(preview):
        yield from (line.strip() for line in corrections(preview, nouns))
        yield f"locks the {nouns.rows} that are corrected, some at a time, for about 15 ms each"


def _changes(preview: BackfillReport) -> bool:
    return bool(preview.rows_changed or preview.baselines.rows or preview.forgotten.rows)


def of_rollback(plan: RollbackPlan, nouns: Nouns) -> Iterator[str]:
    """What is as before then, and what stays."""
    if plan.versions and plan.counting:
        yield f"no longer counts {nouns.events}: the triggers go, and your functions are as they were before apply"
        if plan.had_limit and plan.daily_limit is DailyLimit.RESTORE:
            yield f"refuses a second {nouns.event} by one person on one day again: the daily limit comes back"
        elif plan.had_limit:
            yield "keeps the daily limit off, and your functions as they are"
        if plan.counters is Counters.RESTORE:
            yield f"gives each counter back what it showed before apply, plus the {nouns.events} since"
        else:
            yield f"keeps the counters as they are now; from then on usagefix adds no {nouns.event} to them"
    elif plan.versions:
        yield f"no longer guards {nouns.column}: whatever writes it changes it"
    if plan.versions:
        tables = f"{nouns.child} and {nouns.parent}" if plan.counting else nouns.parent
        yield f"locks {tables} against readers and writers for {_MOMENT}"
    if plan.purge:
        yield "drops schema usagefix, with the history and what rollback gives back"


def of_guard(mode: GuardMode, nouns: Nouns) -> Iterator[str]:
    """What becomes of other writes."""
    yield f"switches the guard of {nouns.column} to {mode}: {GUARDED[mode]}"
    yield f"locks {nouns.parent} against writers for {_MOMENT}; readers do not wait"


def of_notifications(action: Throttling, table: str, window: str) -> Iterator[str]:
    """What becomes of new notifications."""
    if action is Throttling.COLLAPSE:
        yield f"adds a new row of {table} to the unread one of the same kind, where that is at most {window} old"
        yield f"locks {table} against writers for {_MOMENT}; readers do not wait"
    else:
        yield f"makes each notification a row of its own in {table} again"
        yield f"locks {table} against readers and writers for {_MOMENT}"
