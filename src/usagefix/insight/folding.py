"""Views from few numbers: events by hour and kind become a trend and a heatmap. Knows no database."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from math import isfinite, nan

from usagefix.models.amount import Amount, is_number, minus, plus, share
from usagefix.models.insight import OTHERS, Cell, Period

MOST_KINDS = 12


@dataclass(frozen=True, slots=True)
class Hour:
    """A row of ``insight_hours.sql``: what the events of an hour, by its number from 1, and of a kind come to."""

    hour: int
    kind: str | None
    uses: Amount
    events: int


def without_rare_kinds(hours: Sequence[Hour]) -> tuple[Hour, ...]:
    """The same, where there are too many kinds to show with the rare ones together under one name."""
    found: dict[str | None, int] = {}
    for each in hours:
        found[each.kind] = found.get(each.kind, 0) + each.events
    if len(found) <= MOST_KINDS:
        return tuple(hours)
    frequent = sorted(found, key=lambda kind: (-found[kind], kind or ""))[: MOST_KINDS - 1]
    return tuple(each if each.kind in frequent else replace(each, kind=OTHERS) for each in hours)


def total(hours: Iterable[Hour]) -> Amount:
    """What they come to."""
    return plus(*(each.uses for each in hours))


def cells(hours: Iterable[Hour], clock: Sequence[tuple[int, int]]) -> tuple[Cell, ...]:
    """Weekday by hour: 168. ``clock``: the weekday and hour of each hour of the window."""
    found: dict[tuple[int, int], list[Amount]] = {}
    for each in hours:
        found.setdefault(clock[each.hour - 1], []).append(each.uses)
    return tuple(Cell(day, hour, plus(*found.get((day, hour), []))) for day, hour in product(range(1, 8), range(24)))


def periods(
    hours: Sequence[Hour],
    begins: Sequence[datetime],
    starts: Sequence[datetime],
    shown: Sequence[datetime],
    users: Mapping[int, int] | None,
    presets: Mapping[int, int],
    *,
    kinds: bool,
) -> tuple[Period, ...]:
    """A trend without gaps. ``begins``: of each hour; ``starts``: of each period, ``shown``: the same as they are
    printed; ``users`` and ``presets``: how many, by the number of the period from 1; ``kinds``: events have any."""
    names = sorted({each.kind or "" for each in hours}) if kinds else []
    found: dict[tuple[int, str], list[Amount]] = {}
    for each in hours:
        period = bisect_right(starts, begins[each.hour - 1])
        found.setdefault((period, each.kind or ""), []).append(each.uses)
    told = []
    for number, start in enumerate(shown, start=1):
        by_kind = {kind: plus(*found.get((number, kind), [])) for kind in names}
        uses = plus(*by_kind.values()) if kinds else plus(*found.get((number, ""), []))
        told.append(
            Period(start, uses, None if users is None else users.get(number, 0), presets.get(number, 0), by_kind)
        )
    return tuple(told)


def change(now: Amount, before: Amount) -> float | None:
    """What came since, as a share of what was before; None if that is none, or no number."""
    return part(minus(now, before), before) if is_number(before) and before > 0 else None


def part(of: Amount, whole: Amount) -> float | None:
    """The one as a share of the other; None if that is no number."""
    found = share(of, whole) if is_number(whole) and whole else nan
    return found if isfinite(found) else None
