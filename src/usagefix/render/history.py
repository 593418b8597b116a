"""The history of the ledger, for people."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix import catalog
from usagefix.models.figures import drifted, grouped, plural
from usagefix.models.history import LogEntry, LogReport
from usagefix.render.counts import moment
from usagefix.render.phrases import SECONDS
from usagefix.render.pieces import Cell, Column, Mark, Notes, Outline, Result, Table
from usagefix.render.verdict import verdict

_NEVER_CORRECTED = "counted: every counter was right"


def logged(report: LogReport) -> Outline:
    """Each entry in a line; its counter, where there are several."""
    several = len({entry.counter for entry in report.entries}) > 1
    columns = (
        Column("when (UTC)", whole=True),
        Column("what was done"),
        *((Column("counter"),) if several else ()),
        Column("by"),
        Column("with"),
    )
    rows = tuple(
        (
            moment(entry.at, SECONDS),
            Cell("; ".join(done(entry))),
            *((Cell(entry.counter),) if several else ()),
            Cell(entry.by_role),
            Cell(_with(entry)),
        )
        for entry in report.entries
    )
    warned = tuple(f"this may be false: {why}" for why in report.distrusted)
    listed = (Table("", columns, rows, of_results=True),) if rows else ()
    ended = verdict(report)
    nothing = Result("log", Mark.OK, ended.word, "The ledger", "usagefix", ended.rest)
    results = tuple(_result(entry) for entry in report.entries) or (nothing,)
    return Outline(results, ended, (*listed, *((Notes("", warned),) if warned else ())))


def _result(entry: LogEntry) -> Result:
    who = f"{moment(entry.at, SECONDS).text} UTC by {entry.by_role}, {_with(entry)}"
    return Result(entry.action, Mark.OK, "done", "; ".join(done(entry)), entry.counter, who)


def _with(entry: LogEntry) -> str:
    return entry.tool or entry.application or "by hand"


def done(entry: LogEntry) -> Iterator[str]:
    """What was done, in words."""
    match entry.action:
        case "apply":
            yield f"{_version(entry)} applied"
        case "rollback":
            yield f"{_version(entry)} rolled back"
        case "give_back":
            yield f"{plural(entry.rows or 0, 'counter')} got back what was shown before: {_drift(entry)}"
        case _:
            yield from _corrected(entry)
    if entry.unfinished:
        yield f"the run is {entry.unfinished}" if entry.unfinished == "going" else "the run was interrupted"


def _corrected(entry: LogEntry) -> Iterator[str]:
    if entry.rows:
        yield f"{plural(entry.rows, 'counter')} corrected: {_drift(entry)}"
    if entry.last_events:
        yield f"the time of the last event of {plural(entry.last_events, 'row')} corrected"
    if entry.baselines:
        yield f"{plural(entry.baselines, 'baseline')} kept, {grouped(entry.baseline_total or 0)} in all"
    if not (entry.rows or entry.last_events or entry.baselines or entry.unfinished):
        yield _NEVER_CORRECTED


def _drift(entry: LogEntry) -> str:
    return drifted(entry.drift or 0, entry.magnitude or 0)


def _version(entry: LogEntry) -> str:
    """With its name, where this usagefix knows it."""
    return next((str(m) for m in catalog.migrations() if m.version == entry.version), entry.version or "")
