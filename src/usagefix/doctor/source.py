"""The rules of the application's source: the lines that write the counter, call a function, insert an event."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import ERROR, INFO, WARNING, Rule
from usagefix.doctor.excerpts import of_place
from usagefix.doctor.words import a, is_script, listed, said, shown, where
from usagefix.models.diagnosis import Excerpt, Finding
from usagefix.reading import REQUESTED, Place, Use


def source_writes(case: Case) -> Iterator[Finding]:
    """A line that writes the counter competes with the trigger."""
    take_out = f"remove {case.counter.column} from it"
    for place in case.places(Use.WRITES_COUNTER):
        yield Finding(
            "source_writes",
            ERROR if case.competed_with else WARNING,
            "The counter's value comes from a request" if _is_requested(place) else "A competing writer in the source",
            where(place),
            said(place),
            f"{case.remove(take_out, recorded=case.records_there(place))}; until then the guard"
            " ignores it, see usagefix guard",
            excerpt=of_place(case, place),
        )


def source_carries(case: Case) -> Iterator[Finding]:
    """A line that inserts presets with a count for which there are no events."""
    for place in case.places(Use.INSERTS_COUNTER):
        requested = _is_requested(place)
        often = "how often a preset was used" if case.nouns.usual else "how many events a row has"
        anybody = f"; now anybody can choose {often}"
        yield Finding(
            "source_carries",
            WARNING,
            f"The count of a new {case.nouns.row} comes from a request"
            if requested
            else f"The source inserts {case.nouns.rows} with a count",
            where(place),
            said(place),
            f"remove {case.counter.column} from it: a new {case.nouns.row} has no events yet, and its"
            f" count is 0 by default{anybody if requested else ''}",
            excerpt=of_place(case, place),
        )


def _is_requested(place: Place) -> bool:
    return place.found.name == REQUESTED


def source_calls(case: Case) -> Iterator[Finding]:
    """A line that calls a function that counts, or one that records a use."""
    counting = {function.name for function in case.counting} - {function.name for function in case.recording}
    for place in case.places(Use.CALLS):
        name = place.found.name
        if name in counting:
            severity, does = ERROR if case.competed_with else WARNING, "which counts"
            remedy = case.remove("remove it", recorded=case.records_there(place))
            remedy += "; until then the guard ignores it, see usagefix guard"
        elif any(function.name == name for function in case.picture.functions):
            severity, does = INFO, f"which records {a(case.nouns.event)}"
            remedy = f"none: {case.who_counts}"
        else:
            severity, does = WARNING, "which does not exist"
            remedy = "create the function, or remove the call"
        title = f"The source calls {name}(), {does}"
        yield Finding("source_calls", severity, title, where(place), said(place), remedy, excerpt=of_place(case, place))


def source_inserts(case: Case) -> Iterator[Finding]:
    """A line that inserts an event by itself."""
    for place in case.places(Use.INSERTS_EVENT):
        yield Finding(
            "source_inserts",
            INFO,
            "The source inserts events itself",
            where(place),
            said(place),
            f"none: {case.who_counts}"
            + (f"; but it bypasses {case.counter.recorder}()" if case.counter.recorder is not None else ""),
            excerpt=of_place(case, place),
        )


def source_scripts(case: Case) -> Iterator[Finding]:
    """Scripts that write the counter: what functions they made is judged in the database."""
    lines: dict[str, list[str]] = {}
    begins: dict[str, Excerpt | None] = {}
    for place in case.all_places(Use.WRITES_COUNTER):
        if is_script(place):
            lines.setdefault(shown(place), []).append(str(place.found.line))
            begins.setdefault(shown(place), of_place(case, place))
    for path, numbers in lines.items():
        yield Finding(
            "source_scripts",
            INFO,
            "A script writes the counter",
            path,
            f"line {listed(numbers, 10)}",
            "doctor judges its functions as they are in the database; do not run the script again",
            excerpt=begins[path],
        )


RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (source_writes, source_carries, source_calls, source_inserts, source_scripts)
}
