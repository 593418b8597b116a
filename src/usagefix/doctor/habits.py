"""The rules of how the application counts by itself: what goes wrong without a word. Not for the usual application,
whose causes are known."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import WARNING, Rule
from usagefix.doctor.excerpts import first, of_function, of_place
from usagefix.doctor.words import listed, where
from usagefix.models.diagnosis import Excerpt, Finding
from usagefix.picture.differing import read_by
from usagefix.reading import Use, in_sql
from usagefix.reading.habits import Habit, of_body, of_line


def _places(case: Case, habit: Habit) -> list[tuple[str, Excerpt | None]]:
    """The functions and lines of source that do it, each with its code."""
    if case.nouns.usual:
        return []
    found = [
        (function.signature, of_function(case, function, Use.WRITES_COUNTER))
        for function in case.writers
        if not case.released(function) and habit in of_body(function.body, case.subject)
    ]
    found += [
        (f"job {job.name}", None)
        for job in case.picture.jobs
        if _writes(case, job.command) and habit in of_body(job.command, case.subject)
    ]
    lines = (place for place in case.places(Use.WRITES_COUNTER) if habit in of_line(place.found.text))
    return found + [(where(place), of_place(case, place)) for place in lines]


def _writes(case: Case, command: str) -> bool:
    return any(found.use is Use.WRITES_COUNTER for found in in_sql(command, subject=case.subject))


def stops_at_zero(case: Case) -> Iterator[Finding]:
    """A counter that stops at zero hides that it was wrong."""
    if found := _places(case, Habit.STOPS):
        yield Finding(
            "stops_at_zero",
            WARNING,
            "The counter stops at zero, which hides wrong counts",
            case.counted_column,
            f"in {listed(name for name, _ in found)}: a counter that is already too low loses what it should subtract",
            f"remove it there: {case.who_counts}",
            excerpt=first(*(code for _, code in found)),
        )


def counts_anew(case: Case) -> Iterator[Finding]:
    """A recount sets the counter to what it read a moment ago."""
    if found := _places(case, Habit.RECOUNTS):
        yield Finding(
            "counts_anew",
            WARNING,
            "The counter is set to a count, which misses concurrent writes",
            case.counted_column,
            f"in {listed(name for name, _ in found)}: it loses events that are not committed yet, or come meanwhile",
            f"remove it there: {case.who_counts}, and usagefix backfill is exact under load",
            excerpt=first(*(code for _, code in found)),
        )


def update_forgotten(case: Case) -> Iterator[Finding]:
    """What an event counts for can change, and nothing counts that."""
    told = sorted(read_by(case.counter))
    if not told or not case.counted or case.counters_of("UPDATE", enabled=False):
        return
    yield Finding(
        "update_forgotten",
        WARNING,
        "An UPDATE can change what an event counts for, and no trigger counts it",
        case.events,
        f"{case.counters_of('INSERT')[0]} counts new events; nothing counts later changes of {', '.join(told)}",
        "usagefix apply",
    )


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (stops_at_zero, counts_anew, update_forgotten)}
