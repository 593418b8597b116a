"""The pieces of what trends, heatmap and top show, in the words for a counter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from usagefix.models.amount import Amount, plus
from usagefix.models.figures import aligned, grouped, percent
from usagefix.models.insight import HeatmapReport, Of, Step, TopReport, TrendsReport, Window
from usagefix.models.nouns import Nouns
from usagefix.render import counts
from usagefix.render.ending import FAINT
from usagefix.render.phrases import drawn
from usagefix.render.pieces import Bars, Cell, Column, Heat, Lines, Mark, Notes, Outline, Result, Section
from usagefix.render.verdict import verdict

NO_KIND = "(none)"  # how a kind is called that is null or empty
_MOST_PERIODS = 100  # that people read; a program gets all
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORMS = {Step.HOUR: "%Y-%m-%d %H:%M", Step.DAY: "%Y-%m-%d %a", Step.WEEK: "%Y-%m-%d", Step.MONTH: "%Y-%m-%d"}


def trend(report: TrendsReport, nouns: Nouns) -> Outline:
    """Uses over time."""
    return _outline(report, nouns, tuple(_over_time(report, nouns)))


def heatmap(report: HeatmapReport, nouns: Nouns) -> Outline:
    """Weekday by hour."""
    numbers = tuple(tuple(cell.uses for cell in report.cells if cell.weekday == day) for day in range(1, 8))
    title = f"{_amounts(nouns).capitalize()} by weekday and hour ({report.timezone})"
    heat = Heat(title, _DAYS, tuple(f"{hour:02}" for hour in range(24)), numbers)
    return _outline(report, nouns, (heat,))


def top(report: TopReport, nouns: Nouns) -> Outline:
    """The most used, or the most active."""
    return _outline(report, nouns, tuple(_ranked(report, nouns)))


def _outline(report: TrendsReport | HeatmapReport | TopReport, nouns: Nouns, sections: tuple[Section, ...]) -> Outline:
    said = verdict(report, nouns)
    result = Result(said.word, Mark.NOTE, "seen", f"{_amounts(nouns).capitalize()}", nouns.child, said.rest)
    notes = (*(("each event counts for what it is worth, not for 1",) if nouns.weighed else ()), *report.cannot)
    return Outline((result,), said, (*sections, *((Notes("", notes),) if notes else ())))


def _over_time(report: TrendsReport, nouns: Nouns) -> Iterator[Section]:
    shown = report.periods[-_MOST_PERIODS:]
    named = report.users is not None
    columns = (
        Column(f"{report.by} from", whole=True),
        Column(_amounts(nouns), number=True),
        *((Column("users", number=True, extra=True),) if named else ()),
        Column(_rows(nouns), number=True, extra=True),
    )
    rows = tuple(
        (
            Cell(period.start.strftime(_FORMS[report.by])),
            Cell(uses),
            *((Cell(grouped(period.users or 0)),) if named else ()),
            Cell(grouped(period.presets)),
        )
        for period, uses in zip(shown, aligned([period.uses for period in shown]), strict=True)
    )
    title = f"{_amounts(nouns).capitalize()} by {report.by} ({report.window.timezone})"
    yield Bars(title, columns, rows, _lengths([period.uses for period in shown]))
    left = len(report.periods) - len(shown)
    if left:
        yield Notes("", (f"{grouped(left)} earlier periods are left out here; --format csv has all",))
    kinds = list(report.periods[0].by_kind) if report.periods else []
    if len(kinds) > 1:
        totals = [plus(*(period.by_kind[kind] for period in report.periods)) for kind in kinds]
        values = [tuple(drawn(period.by_kind[kind]) for period in report.periods) for kind in kinds]
        told = zip((kind or NO_KIND for kind in kinds), values, map(Cell, aligned(totals)), strict=True)
        yield Lines("By kind", tuple(sorted(told, key=lambda line: -sum(line[1]))))


def _ranked(report: TopReport, nouns: Nouns) -> Iterator[Section]:
    rows = report.rows
    if not rows:
        yield Notes("", ("there are none",))
        return
    people = report.of is Of.USERS
    named = any(row.label for row in rows)
    columns = (
        Column("", number=True),
        Column(("user" if people else nouns.row) if named else "id", whole=not named),
        Column(_amounts(nouns), number=True),
        Column("share", number=True),
        Column("first", whole=True, extra=True),
        Column("last", whole=True, extra=True),
        *((Column("id", whole=True, extra=True),) if named else ()),
    )
    amounts, names = aligned([row.uses for row in rows]), counts.names_of([(row.label, row.id) for row in rows])
    cells = tuple(
        (
            Cell(grouped(number)),
            name,
            Cell(amount),
            Cell(percent(row.share)),
            Cell(_day(row.first_at, report.window), FAINT),
            Cell(_day(row.last_at, report.window), FAINT),
            *((Cell(row.id, FAINT),) if named else ()),
        )
        for number, (row, amount, name) in enumerate(zip(rows, amounts, names, strict=True), start=1)
    )
    yield Bars("Most active users" if people else nouns.most, columns, cells, _lengths([row.uses for row in rows]))
    if report.new is not None and report.returning is not None:
        said = (
            f"{grouped(report.new)} new users (their first ever is in this time), {grouped(report.returning)} returning"
        )
        yield Notes("", (said,))


def _amounts(nouns: Nouns) -> str:
    """What is added up."""
    return "sum" if nouns.weighed else nouns.events


def _rows(nouns: Nouns) -> str:
    return nouns.rows if nouns.usual else nouns.parent


def _day(at: datetime, window: Window) -> str:
    return at.astimezone(window.until.tzinfo).strftime("%Y-%m-%d")


def _lengths(amounts: Sequence[Amount]) -> tuple[float, ...]:
    numbers = [drawn(amount) for amount in amounts]
    most = max((*numbers, 0.0))
    return tuple(max(number / most, 0.0) if most else 0.0 for number in numbers)
