"""Throttles of notifications, for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from usagefix.models.figures import grouped, plural
from usagefix.models.notifying import Mode, NotificationsReport, Throttle
from usagefix.render.counts import names_of, number
from usagefix.render.ending import BAD, FAINT, GOOD, made_again
from usagefix.render.pieces import Cell, Column, Facts, Mark, Notes, Outline, Result, Script, Section, Table
from usagefix.render.verdict import verdict

_MEANS = {
    Mode.COLLAPSE: "a new one is merged into the unread one",
    Mode.DROP: "a new one is dropped while there is an unread one; nothing says how many",
}


def notified(report: NotificationsReport) -> Outline:
    """Each throttle, and what there is to know of it."""
    results = tuple(_result(throttle) for throttle in report.throttles)
    nothing = Result("notifications", Mark.NOTE, "off", "Throttling of notifications", detail=str(verdict(report)))
    return Outline(results or (nothing,), verdict(report), tuple(_sections(report)))


def _result(throttle: Throttle) -> Result:
    found = "; ".join(throttle.problems) or _window(throttle)
    hint = "" if throttle.works else made_again(throttle.table)
    mark = Mark.OK if throttle.works else Mark.FAILED
    return Result("notifications", mark, _word(throttle), "Throttling of notifications", throttle.table, found, hint)


def in_a_line(throttle: Throttle) -> str:
    """What status says of one."""
    found = "; ".join(throttle.problems) or f"the trigger merges unread ones of a preset, within {throttle.window}"
    return f"{throttle.table}, throttled: {found}"


def _word(throttle: Throttle) -> str:
    return "on" if throttle.works else "altered" if throttle.enabled else "disabled"


def _window(throttle: Throttle) -> str:
    return f"{throttle.mode}: {_MEANS[throttle.mode]}; within {throttle.window}"


def _sections(report: NotificationsReport) -> Iterator[Section]:
    for throttle in report.throttles:
        yield Facts(f"Notifications in {throttle.table}", tuple(_facts(throttle)))
        if throttle.by_preset:
            columns = (
                Column("preset"),
                Column("merged into others", number=True),
                Column("in notifications", number=True),
                Column("id", whole=True, extra=True),
            )
            names = names_of([(one.label, one.id) for one in throttle.by_preset])
            rows = tuple(
                (name, number(one.collapsed), number(one.notifications), Cell(one.id, FAINT))
                for one, name in zip(throttle.by_preset, names, strict=True)
            )
            yield Table("Most merged", columns, rows)
    if report.returning:
        lines = tuple(f"{one.where}: {one.how}" for one in report.returning)
        yield Notes("Reads the row that it inserts, and gets none if that is merged", lines)
    if report.remarks:
        yield Notes("", report.remarks)
    if report.plan:
        yield Script("What it would run", "\n\n".join(report.plan))


def _facts(throttle: Throttle) -> Iterator[tuple[str, Cell]]:
    yield "state", Cell(_word(throttle), GOOD if throttle.works else BAD)
    yield from (("problem", Cell(problem, BAD)) for problem in throttle.problems)
    yield "mode", Cell(f"{throttle.mode}: {_MEANS[throttle.mode]}")
    yield "window", Cell(throttle.window)
    if throttle.only:
        yield "types", Cell(f"only {', '.join(throttle.only)}")
    roles = asdict(throttle.roles)
    columns = ", ".join(f"{role} {name}" for role, name in roles.items() if name and role != "actor_key")
    yield (
        "columns",
        Cell(columns + (f", actor {throttle.roles.data}.{roles['actor_key']}" if roles["actor_key"] else "")),
    )
    yield "objects", Cell(f"trigger {throttle.trigger}, function {throttle.function}()")
    if throttle.collapsed is not None:
        added = f"{grouped(throttle.collapsed)} to {plural(throttle.notifications or 0, 'notification')}"
        yield "added together", Cell(added if throttle.collapsed else "none yet")
    elif throttle.mode is Mode.COLLAPSE:
        yield "added together", Cell("not known: this role may not read all rows, or a column is missing")
