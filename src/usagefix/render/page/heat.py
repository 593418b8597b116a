"""Weekday by hour as a picture: cells in few shades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from usagefix.models.amount import Amount
from usagefix.models.insight import HeatmapReport
from usagefix.render.page.figures import DAYS, Unit, full, percent, ratio, short

SHADES = 8


@dataclass(frozen=True, slots=True)
class Spot:
    """One cell: ``at`` in percent of the width, ``shade`` 0 for none."""

    at: str
    shade: str
    tip: str


@dataclass(frozen=True, slots=True)
class Heat:
    """All that the template draws: a row of cells a weekday, a row of the table an hour; ``plain``: the cells
    of each shade as one shape, which takes a tenth of the room."""

    rows: tuple[tuple[str, tuple[Spot, ...]], ...]
    plain: tuple[tuple[str, str], ...]
    hours: tuple[tuple[str, str], ...]
    table: tuple[tuple[str, tuple[str, ...]], ...]
    most: str
    below: bool
    caption: str
    described: str


def heat(report: HeatmapReport, unit: Unit) -> Heat | None:
    """The picture of a heatmap; None if there is nothing to draw."""
    uses = {(cell.weekday, cell.hour): cell.uses for cell in report.cells}
    if not any(uses.values()):
        return None
    finite = [value for value in uses.values() if Decimal(value).is_finite()] or [0]
    most = max(*finite, -min(finite))
    rows = tuple(
        (
            weekday[:3],
            tuple(_spot(number, hour, uses.get((number, hour), 0), most, unit) for hour in range(24)),
        )
        for number, weekday in enumerate(DAYS, start=1)
    )
    table = tuple(
        (f"{hour:02}", tuple(full(uses.get((number, hour), 0)) for number in range(1, 8))) for hour in range(24)
    )
    caption = _caption(report, uses, unit)
    described = f"{unit.of(report.total_uses)} by weekday and hour in {report.timezone}. {caption}"
    return Heat(
        rows,
        _plain(rows),
        tuple((f"{100 * (hour + 0.5) / 24:.4g}", f"{hour:02}") for hour in range(0, 24, 3)),
        table,
        short(most),
        min(finite) < 0,
        caption,
        f"{described} The table below the picture holds the numbers.",
    )


def _spot(weekday: int, hour: int, uses: Amount, most: Amount, unit: Unit) -> Spot:
    tip = f"{DAYS[weekday - 1]}, {_between(hour)}\n{unit.of(uses)}"
    return Spot(f"{100 * hour / 24:.4g}", _shade(uses, most), tip)


def _plain(rows: Sequence[tuple[str, Sequence[Spot]]]) -> tuple[tuple[str, str], ...]:
    shapes: dict[str, str] = {}
    for y, (_, spots) in enumerate(rows):
        for x, spot in enumerate(spots):
            shapes[spot.shade] = f"{shapes.get(spot.shade, '')}M{x} {y}h1v1h-1z"
    return tuple(sorted(shapes.items()))


def _shade(uses: Amount, most: Amount) -> str:
    """Of none, of less than none, else one of the shades."""
    if not uses or not Decimal(uses).is_finite():
        return "s0"
    if uses < 0:
        return "sn"
    return f"s{min(SHADES, 1 + int(SHADES * ratio(Decimal(uses), Decimal(most))))}"


def _between(hour: int) -> str:
    return f"{hour:02}:00 to {(hour + 1) % 24:02}:00"


def _caption(report: HeatmapReport, uses: dict[tuple[int, int], Amount], unit: Unit) -> str:
    positive = {place: value for place, value in uses.items() if Decimal(value).is_finite() and value > 0}
    if not positive:
        return f"Times in {report.timezone}."
    (weekday, hour), most = max(positive.items(), key=lambda found: found[1])
    total = Decimal(report.total_uses)
    part = f", {percent(ratio(Decimal(most), total))} {unit.of_all}" if total.is_finite() and total > 0 else ""
    return f"Busiest: {DAYS[weekday - 1]}, {_between(hour)}, with {unit.of(most)}{part}. Times in {report.timezone}."


def shades() -> Sequence[str]:
    """The classes of the legend, from few to many."""
    return [f"s{number}" for number in range(1, SHADES + 1)]
