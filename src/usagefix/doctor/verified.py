"""The rules of a counter that is only verified: the application counts, and usagefix says where."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import INFO, WARNING, Rule, out_of_step
from usagefix.doctor.excerpts import of_function, of_place
from usagefix.doctor.source import source_scripts
from usagefix.doctor.surroundings import counter_indexed, counter_near_limit, index_invalid, not_looked_at
from usagefix.doctor.views import materialised_view, view_of_counter
from usagefix.doctor.words import listed, said, where
from usagefix.models.diagnosis import Finding
from usagefix.reading import Use

_HERE = "if the counter is wrong, look here: usagefix only verifies it"


def differs(case: Case) -> Iterator[Finding]:
    """What is shown is not what the query says."""
    remedy = "correct it where the application counts; usagefix only verifies a counter with truth"
    yield from out_of_step(case, "Displayed counts differ from the truth query", remedy)


def counter_writer(case: Case) -> Iterator[Finding]:
    """Who writes the counter, and who calls that."""
    for function in case.writers:
        callers = case.callers(function)
        yield Finding(
            "counter_writer",
            INFO,
            "A function writes the counter",
            function.signature,
            f"called by {listed(callers)}" if callers else f"no caller found in: {case.looked_at}",
            _HERE,
            excerpt=of_function(case, function, Use.WRITES_COUNTER),
        )


def source_writes(case: Case) -> Iterator[Finding]:
    """The lines of the source that write it."""
    for place in case.places(Use.WRITES_COUNTER):
        title, code = "The source writes the counter", of_place(case, place)
        yield Finding("source_writes", INFO, title, where(place), said(place), _HERE, excerpt=code)


def nothing_writes(case: Case) -> Iterator[Finding]:
    """Nothing keeps it, as far as one can see."""
    if not case.writers and not any(True for _ in case.places(Use.WRITES_COUNTER)):
        yield Finding(
            "nothing_writes",
            INFO if case.source is None else WARNING,
            "doctor found nothing that writes the counter",
            case.counted_column,
            f"searched: {case.looked_at}",
            "find out what should maintain it: usagefix doctor --source . in the application's folder reads its code",
        )


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        differs, counter_writer, source_writes, nothing_writes, source_scripts, counter_indexed, counter_near_limit,
        index_invalid, not_looked_at, materialised_view, view_of_counter,
    )
}  # fmt: skip
