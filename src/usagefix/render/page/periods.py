"""What stands beneath a trend in numbers: its kinds, and one or several periods in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from usagefix.models.amount import Amount, plus
from usagefix.models.insight import OTHERS, Period, Step, TrendsReport
from usagefix.render.page.figures import MONTHS, Unit, date, day, full, name

KINDS = 5  # that have a line of their own
OTHER = "\0other"


class Detail(IntEnum):
    """How much a page holds beside its pictures; less where it would grow too large."""

    FULL = 0
    WEEKS = 1
    MONTHS = 2
    PICTURES = 3


@dataclass(frozen=True, slots=True)
class Group:
    """One or several periods: what the pointer finds, and a row of the table."""

    first: int
    length: int
    label: str
    cells: tuple[str, ...]
    tip: str


def is_finite(value: Amount) -> bool:
    """Whether it can be drawn."""
    return isinstance(value, int) or value.is_finite()


def kinds_drawn(periods: Sequence[Period]) -> list[str]:
    """The kinds that have a line, the most used first; the last stands for all others where there are more."""
    sums: dict[str, Decimal] = {}
    for period in periods:
        for kind, uses in period.by_kind.items():
            sums[kind] = sums.get(kind, Decimal(0)) + (Decimal(uses) if is_finite(uses) else 0)
    ranked = sorted(sums, key=lambda kind: (kind == OTHERS, -sums[kind], kind))
    if len(ranked) <= KINDS + 1:
        return [OTHER if kind == OTHERS else kind for kind in ranked]
    return [*ranked[:KINDS], OTHER]


def of_kind(periods: Sequence[Period], kind: str, kinds: Sequence[str]) -> list[Amount]:
    """What each period has of a kind, or of all others."""
    if kind != OTHER:
        return [period.by_kind.get(kind, 0) for period in periods]
    return [plus(0, *(uses for of, uses in period.by_kind.items() if of not in kinds)) for period in periods]


def called(kind: str, most: int = 60) -> str:
    """What people read of a kind."""
    return "all others" if kind == OTHER else name(kind, most=most) if kind else "no kind"


def groups(trend: TrendsReport, kinds: Sequence[str], unit: Unit, detail: Detail) -> Iterator[Group]:
    """The periods one by one, or bundled where there is to be less."""
    bundles: dict[object, list[int]] = {}
    for place, period in enumerate(trend.periods):
        bundles.setdefault(_bundle(period.start, place, trend.by, detail), []).append(place)
    for places in bundles.values():
        periods = [trend.periods[place] for place in places]
        only = periods[0] if len(periods) == 1 else None
        uses = plus(*(period.uses for period in periods))
        split = [plus(*of_kind(periods, kind, kinds)) for kind in kinds]
        label = label_of(periods, trend.by)
        known = (
            (*((only.users,) if trend.users is not None else ()), only.presets)
            if only and _single(trend, detail)
            else ()
        )
        tip = [label, unit.of(uses)]
        tip += [f"{full(part)} {called(kind, 24)}" for kind, part in zip(kinds, split, strict=True) if part]
        cells = (full(uses), *map(full, split), *("" if number is None else full(number) for number in known))
        yield Group(places[0], len(places), label, cells, "\n".join(tip))


def _single(trend: TrendsReport, detail: Detail) -> bool:
    """Whether a row of the table is one period, so that its users are known."""
    return detail is Detail.FULL or trend.by is Step.MONTH


def _bundle(start: datetime, place: int, by: Step, detail: Detail) -> object:
    if detail is Detail.FULL or by is Step.MONTH:
        return place
    if detail is Detail.WEEKS:
        return start.date() if by is Step.HOUR else start.isocalendar()[:2]
    return (start.year, start.month)


def label_of(periods: Sequence[Period], by: Step) -> str:
    """What one period, or several in a row, are called."""
    first, last = periods[0].start, periods[-1].start
    if len(periods) > 1:
        return f"{date(first)} to {date(last)}"
    match by:
        case Step.HOUR:
            return f"{day(first)}, {first:%H:%M}"
        case Step.DAY:
            return day(first)
        case Step.WEEK:
            return f"week of {date(first)}"
        case Step.MONTH:
            return f"{MONTHS[first.month - 1]} {first.year}"


def headings(trend: TrendsReport, kinds: Sequence[str], unit: Unit, detail: Detail) -> tuple[str, ...]:
    """Those of the columns of a table."""
    more = (*(("users",) if trend.users is not None else ()), "in use") if _single(trend, detail) else ()
    return (unit.plural, *(called(kind) for kind in kinds), *more)


def how_often(by: Step, detail: Detail) -> str:
    """What a row of the table is."""
    if detail is Detail.FULL or by is Step.MONTH:
        return str(by)
    return "day" if by is Step.HOUR and detail is Detail.WEEKS else "week" if detail is Detail.WEEKS else "month"
