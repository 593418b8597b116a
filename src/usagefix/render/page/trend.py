"""Uses over time as a picture: lines, an axis of round numbers, dates that do not collide, and the numbers beneath."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from usagefix.models.amount import Amount, minus, plus
from usagefix.models.insight import Step, TrendsReport
from usagefix.render.page.figures import (
    MONTHS,
    Unit,
    date,
    day,
    percent,
    ratio,
    short,
    tick,
    ticks,
    together,
)
from usagefix.render.page.periods import (
    OTHER,
    Detail,
    Group,
    called,
    groups,
    headings,
    how_often,
    is_finite,
    kinds_drawn,
    label_of,
    of_kind,
)

HEIGHT = 1000  # of the picture, which is stretched to the place that it gets
MEAN = 7  # days, of which each weekday is one
_MOST_LABELS, _MOST_NARROW = 13, 5
_LONG = 62  # days, from which on months are named


@dataclass(frozen=True, slots=True)
class Line:
    """One kind: its place among the colours, what it came to, its lines as SVG draws them."""

    place: int
    name: str
    uses: str
    share: str
    thin: str
    thick: str
    area: str


@dataclass(frozen=True, slots=True)
class Label:
    """One beside an axis: ``at`` in percent, or in pixels; ``minor``: left out where there is little room."""

    at: str
    text: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """All that the template draws. ``zero``: where 0 is, of the height."""

    width: int
    lines: tuple[Line, ...]
    levels: tuple[Label, ...]
    zero: str
    dates: tuple[Label, ...]
    groups: tuple[Group, ...]
    headings: tuple[str, ...]
    every: str
    caption: str
    described: str
    pointed: bool


def chart(trend: TrendsReport, unit: Unit, detail: Detail, *, height: int) -> Chart | None:
    """The picture of a trend, ``height`` pixels high; None if there is nothing to draw."""
    periods = trend.periods
    if not any(period.uses for period in periods):
        return None
    kinds = kinds_drawn(periods)
    rows = [of_kind(periods, kind, kinds) for kind in kinds] or [[period.uses for period in periods]]
    smooth = trend.by is Step.DAY and len(periods) >= 2 * MEAN
    last = len(periods) - (1 if cut_short(trend) else 0)
    single = not smooth or detail < Detail.PICTURES
    drawn = [row[:last] if single else _mean(row[:last]) for row in rows]
    finite = [value for row in drawn for value in row if is_finite(value)]
    levels = ticks(min(0, 0, *finite), max(0, 0, *finite), whole=all(value == int(value) for value in finite))
    pen = _Pen(levels[0], levels[-1])
    total = plus(*(value for row in rows for value in row if is_finite(value)))
    lines = []
    for place, (kind, row) in enumerate(zip(kinds or [""], rows, strict=True)):
        thick = pen.line(_mean(row[:last]), MEAN - 1) if smooth else pen.line(row[:last])
        thin = pen.line(row[:last]) if smooth and single else ""
        uses = plus(*(value for value in row if is_finite(value)))
        lines.append(
            Line(
                5 if kind == OTHER else place,
                called(kind) if kinds else unit.plural,
                short(uses),
                percent(ratio(Decimal(uses), Decimal(total))) if kinds else "",
                thin,
                thick,
                f"{thick}V{pen.zero}H{MEAN - 0.5 if smooth else 0.5}z"
                if thick.count("M") == 1 and len(rows) == 1
                else "",
            )
        )
    return Chart(
        len(periods),
        tuple(lines),
        tuple(Label(f"{height * (1 - place / (len(levels) - 1)):.4g}", tick(v)) for place, v in enumerate(levels)),
        f"{pen.zero * height / HEIGHT:.4g}",
        tuple(_dates(trend)),
        tuple(groups(trend, kinds, unit, detail)),
        headings(trend, kinds, unit, detail),
        how_often(trend.by, detail),
        _caption(trend, unit, smooth=smooth, single=single),
        _described(trend, lines if kinds else [], unit),
        detail < Detail.PICTURES,
    )


def _mean(values: Sequence[Amount]) -> list[Amount]:
    """The mean of each seven days, from the first seven on."""
    return [
        Decimal(plus(*values[end - MEAN : end])) / MEAN
        if all(map(is_finite, values[end - MEAN : end]))
        else Decimal("NaN")
        for end in range(MEAN, len(values) + 1)
    ]


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws between two levels; y grows downwards, in whole numbers."""

    low: Decimal
    high: Decimal

    @property
    def zero(self) -> int:
        return self._y(0)

    def _y(self, value: Amount) -> int:
        return round(HEIGHT * (1 - ratio(Decimal(minus(value, self.low)), self.high - self.low)))

    def line(self, values: Sequence[Amount], begin: int = 0) -> str:
        """A line through the middle of each period; interrupted where a value is no number."""
        found, before = [], None
        for place, value in enumerate(values, start=begin):
            if not is_finite(value):
                before = None
                continue
            y = self._y(value)
            if before is None:
                found.append(f"M{place}.5 {y}l")
            else:
                found.append(f"{'' if found[-1].endswith('l') else ' '}1 {y - before}".replace(" -", "-"))
            before = y
        return f"{''.join(found)}M".replace("lM", "h0M").removesuffix("M")  # a point alone is a dot


def cut_short(trend: TrendsReport) -> bool:
    """Whether the last period is not over: a line would fall for no reason."""
    last = trend.periods[-1].start
    local = trend.window.until.astimezone(last.tzinfo)
    return len(trend.periods) > 1 and local < _end(last, trend.by)


def _end(start: datetime, by: Step) -> datetime:
    if by is Step.MONTH:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start + {Step.HOUR: timedelta(hours=1), Step.DAY: timedelta(days=1), Step.WEEK: timedelta(weeks=1)}[by]


def _dates(trend: TrendsReport) -> Iterator[Label]:
    """Where months, days or hours begin, as many as have room."""
    starts = [period.start for period in trend.periods]
    named = [(place, text) for place, start in enumerate(starts) if (text := _dated(start, trend, len(starts)))]
    named = [(place, text) for place, text in named if place or len(named) < 2] or [(0, date(starts[0]))]  # noqa: PLR2004
    named = named[:: -(-len(named) // _MOST_LABELS)]
    every = -(-len(named) // _MOST_NARROW)
    middle = 0.5 if len(starts) <= _LONG else 0.0
    for number, (place, text) in enumerate(named):
        at = 100 * (place + middle) / len(starts)
        if at <= 97:  # noqa: PLR2004 # it would not fit
            yield Label(f"{at:.4g}", text, minor=number % every != 0)


def _dated(start: datetime, trend: TrendsReport, number: int) -> str:
    """What is written below the period, if anything."""
    match trend.by:
        case Step.HOUR:
            if number > 72:  # noqa: PLR2004
                return f"{start.day} {MONTHS[start.month - 1]}" if start.hour == 0 else ""
            return f"{start:%H:%M}" if start.hour % 3 == 0 else ""
        case Step.DAY if number <= _LONG:
            weekly = number <= 14 or start.weekday() == 0  # noqa: PLR2004
            return f"{start.day} {MONTHS[start.month - 1]}" if weekly else ""
        case Step.DAY:
            first = start.day == 1
        case Step.WEEK:
            first = start.day <= 7  # noqa: PLR2004
        case Step.MONTH:
            first = True
    if not first or (start.month != 1 and number > {Step.DAY: 800, Step.WEEK: 120, Step.MONTH: 30}[trend.by]):
        return ""
    return str(start.year) if start.month == 1 else MONTHS[start.month - 1]


def _caption(trend: TrendsReport, unit: Unit, *, smooth: bool, single: bool) -> str:
    mean = (
        "Thick: the mean of seven days up to each. Thin: single days."
        if single
        else "The mean of seven days up to each."
    )
    said = [mean if smooth else f"By {trend.by}."]
    finite = [period for period in trend.periods if is_finite(period.uses)]
    most = max(finite, key=lambda period: period.uses, default=None)
    if most is not None and len(trend.periods) > 1:
        said.append(f"Busiest: {together(label_of([most], trend.by))}, with {unit.of(most.uses)}.")
    if cut_short(trend):
        said.append(f"The last {trend.by} is not over, so no line goes there.")
    return " ".join(said)


def _described(trend: TrendsReport, lines: Sequence[Line], unit: Unit) -> str:
    first, last = trend.periods[0].start, trend.periods[-1].start
    said = f"{unit.of(trend.total_uses)} by {trend.by}, from {day(first)} to {day(last)}."
    if lines:
        said += " " + ", ".join(f"{line.name}: {line.uses}" for line in lines) + "."
    return said + " The table below the picture holds the numbers."
