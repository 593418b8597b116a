"""The pieces of what discover found."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.models.discovery import DiscoverReport, FoundCounter, NeverMaintained, Undecided
from usagefix.models.figures import grouped, percent, plural, signed
from usagefix.render.counts import drift, number
from usagefix.render.pieces import Cell, Column, Mark, Notes, Outline, Result, Section, Table
from usagefix.render.verdict import verdict

_MOST = 20  # things that were not looked at; all of them are in JSON
_WHY = {
    "low": "less than half",
    "few": "too few rows, or values too much alike, to rule out chance",
    "rival": "something else agrees nearly as often",
    "tie": "something else gives the same in nearly every row looked at",
}


def discovered(report: DiscoverReport) -> Outline:
    """Each counter, and each column that may be one."""
    results = (
        *map(_counter, report.counters),
        *map(_never, report.never_maintained),
        *map(_undecided, report.undecided),
    )
    nothing = Result("nothing_found", Mark.NOTE, "none", "No counter was found", detail=str(verdict(report)))
    return Outline(results or (nothing,), verdict(report), tuple(_sections(report)))


def _counter(found: FoundCounter) -> Result:
    return Result("counter", Mark.OK, "counter", found.counter, counted(found), _agreement(found))


def _never(idle: NeverMaintained) -> Result:
    said = f"0 or null in every row looked at, though {plural(idle.rows, 'row')} of them have events"
    hint = "declare it if it should count"
    return Result(
        "never_maintained", Mark.WARNING, "never maintained", idle.counter, " or ".join(idle.events), said, hint
    )


def _undecided(open_: Undecided) -> Result:
    said = f"{percent(open_.agreement)} of {plural(open_.rows, 'row')} agree: {_WHY[open_.why]}"
    hint = "declare it if you know that it counts these: docs/counters.md"
    rival = f" ({open_.rival}: {percent(open_.runner_up)} where they differ)" if open_.why == "rival" else ""
    rival = f" ({open_.rival})" if open_.why == "tie" else rival
    return Result("undecided", Mark.NOTE, "undecided", open_.counter, counted(open_), said + rival, hint)


def counted(found: FoundCounter | Undecided) -> str:
    """What a counter counts."""
    what = f"sum({found.sum}) of " if found.sum else ""
    return f"{what}{found.events}{f' where {found.where}' if found.where else ''}"


def _agreement(found: FoundCounter) -> str:
    where = " of a sample" if found.sampled else ""
    wrong = f", {grouped(found.inaccurate)} off by {signed(found.drift_total)} in all" if found.inaccurate else ""
    return f"{percent(found.agreement)} of {plural(found.rows, 'row')}{where} agree{wrong}"


def _sections(report: DiscoverReport) -> Iterator[Section]:
    if report.counters:
        columns = (
            Column("counter"), Column("counts"), Column("agree", number=True), Column("rows", number=True),
            Column("inaccurate", number=True), Column("drift", number=True),
        )  # fmt: skip
        rows = tuple(
            (
                Cell(found.counter),
                Cell(counted(found)),
                Cell(percent(found.agreement)),
                Cell(f"{grouped(found.rows)}{' *' if found.sampled else ''}"),
                number(found.inaccurate, wrong=found.inaccurate > 0),
                drift((found.drift_total,), wrong=found.drift_total != 0),
            )
            for found in report.counters
        )
        yield Table("Counters", columns, rows)
        if any(found.sampled for found in report.counters):
            yield Notes("", ("* a sample of a large table; usagefix verify counts all of it",))
    yield from _told("Never maintained", map(_never, report.never_maintained))
    yield from _told("Undecided", map(_undecided, report.undecided))
    alike = tuple(
        f"{found.counter}: {other} gives the same in every row looked at"
        for found in report.counters
        for other in found.alike
    )
    yield from (Notes("What would fit as well", alike),) if alike else ()
    if not (report.counters or report.never_maintained or report.undecided):
        yield Notes("", ("no column of numbers agrees with the events of any table",))
    if report.passed_over:
        lines = [f"{passed.what}: {passed.why}" for passed in report.passed_over[:_MOST]]
        more = len(report.passed_over) - _MOST
        yield Notes("Not looked at", (*lines, *((f"and {grouped(more)} more",) if more > 0 else ())))


def _told(title: str, results: Iterator[Result]) -> Iterator[Notes]:
    lines = tuple(f"{result.title} ({result.object}): {result.detail}" for result in results)
    if lines:
        yield Notes(title, lines)
