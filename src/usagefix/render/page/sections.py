"""What the page says of one counter: what verify found, the cards, the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from usagefix.models.figures import grouped, out_of, parts, plural
from usagefix.models.insight import Insight, Step, TrendsReport, Window
from usagefix.models.nouns import Nouns
from usagefix.models.outcome import NONE, Given
from usagefix.models.verification import Counts, VerifyReport
from usagefix.render.page.figures import Unit, clock, date, full, name, percent, short, together, zone
from usagefix.render.page.heat import Heat, heat
from usagefix.render.page.periods import Detail
from usagefix.render.page.ranking import Ranking, ranking
from usagefix.render.page.trend import Chart, chart, cut_short
from usagefix.render.phrases import tally
from usagefix.render.words import again

CHART_HEIGHT = 240
_MOST_CHECKS = 5


@dataclass(frozen=True, slots=True)
class Band:
    """What verify says: a word first; ``tone``, a class, only repeats it."""

    tone: str
    word: str
    rest: str
    details: tuple[str, ...] = ()
    following: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """``▲ 5.9%``: an arrow, and how much; in words for who hears it."""

    arrow: str
    much: str
    spoken: str
    tone: str


@dataclass(frozen=True, slots=True)
class Card:
    """A number to read from afar; ``exact`` where it is rounded; ``spark``: its days as a line."""

    title: str
    value: str
    exact: str
    caption: str
    change: Change | None = None
    spark: str = ""
    sparks: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """One counter."""

    number: int
    title: str
    counted: str
    unit: Unit
    length: str
    when: str
    window: str
    band: Band
    cards: tuple[Card, ...]
    chart: Chart | None
    heat: Heat | None
    presets: Ranking
    used: bool
    users: Ranking | None
    notes: tuple[str, ...]
    labelled: bool


def section(number: int, nouns: Nouns, insight: Insight, detail: Detail, given: Given = NONE) -> Section:
    """All of one counter, in the words for it; ``given``: the options for what to do next."""
    unit = Unit(nouns.event, nouns.weighed)
    title = f"Usage of {nouns.parent}" if nouns.usual else name(nouns.counter, most=80)
    users = insight.users
    every = (insight.trend, insight.heatmap, insight.presets, *((users,) if users else ()))
    return Section(
        number,
        title,
        name(nouns.counted, most=400),
        unit,
        _length(insight.trend),
        f"When {nouns.rows} are used" if nouns.usual else f"When {nouns.events} happen",
        spanned(insight.trend.window),
        band(insight.verified, nouns, given),
        tuple(_cards(insight, nouns)),
        chart(insight.trend, unit, detail, height=CHART_HEIGHT),
        heat(insight.heatmap, unit),
        ranking(insight.presets, nouns, unit),
        any(period.uses for period in insight.trend.periods) or bool(insight.presets.rows),
        ranking(users, nouns, unit) if users else None,
        tuple(dict.fromkeys(name(why, most=400) for report in every for why in report.cannot)),
        users is not None and any(row.label for row in users.rows),
    )


def spanned(window: Window) -> str:
    """``26 Nov 2025 to 25 Nov 2026``: its first and its last day; of less than two days with hours."""
    where = zone(window)
    since, until = window.since.astimezone(where), window.until.astimezone(where)
    if until - since < timedelta(days=2):
        return f"{together(clock(since))} to {together(clock(until))}"
    last = until if (until.hour, until.minute) != (0, 0) else until - timedelta(days=1)
    return f"{together(date(since))} to {together(date(last))}"


def band(verified: VerifyReport | None, nouns: Nouns, given: Given = NONE) -> Band:
    """What verify says now."""
    if verified is None:
        return Band("mind", "Not known", "verify has no answer: usagefix verify says why")
    failed = [check for check in verified.checks if check.failed]
    counts = verified.counts
    details = [f"{check.title}: {check.detail}" if check.detail else check.title for check in failed]
    more = len(details) - _MOST_CHECKS
    details = [name(line, most=300) for line in details[:_MOST_CHECKS]] + ([f"and {more} more"] if more > 0 else [])
    checks = tally(check.status for check in verified.checks)
    following = name(again(str(verified.next), given), most=400) if verified.next else ""
    if counts is None:
        return Band(
            "bad" if failed else "mind", "Wrong" if failed else "Not counted", checks, tuple(details), following
        )
    if counts.inaccurate:
        one = counts.inaccurate == 1
        those = "differs from its" if one else "differ from their"
        differ = f"{parts(counts.inaccurate, counts.rows, 'counter')} {those}"
        much = f"by {short(counts.drift_magnitude)}{'' if one else ' together'}"
        return Band("bad", "Wrong", f"{differ} {nouns.events}, {much}", tuple(details), following)
    if failed:
        return Band("bad", "Not safe", f"{_agree(counts, nouns)}, but {checks}", tuple(details), following)
    return Band("good", "Right", f"{_agree(counts, nouns)}; {checks}")


def _agree(counts: Counts, nouns: Nouns) -> str:
    if not counts.rows:
        return f"there is no {nouns.row} yet"
    if counts.rows == 1:
        return f"the one counter agrees with its {nouns.events}"
    return f"{out_of(counts.accurate, counts.rows)} counters agree with their {nouns.events}"


def _cards(insight: Insight, nouns: Nouns) -> Iterator[Card]:
    recent, trend = insight.last_30, insight.trend
    unit = "Sum" if nouns.weighed else nouns.events.capitalize()
    whole = _length(trend)
    over = recent.periods[:-1] if cut_short(recent) else recent.periods
    spark = [period.uses for period in over]
    yield Card(
        f"{unit}, last 30 days",
        short(recent.total_uses),
        full(recent.total_uses),
        f"30 days before: {short(recent.before_uses)}",
        change(recent),
        *_spark(spark),
    )
    if recent.users is not None:
        people = [period.users or 0 for period in over]
        known = f"{grouped(trend.users)} in {whole}" if trend.users is not None else ""
        yield Card("Users, last 30 days", short(recent.users), full(recent.users), known, None, *_spark(people))
    rows = [period.presets for period in over]
    there = insight.verified.counts.rows if insight.verified and insight.verified.counts else None
    known = f"of {grouped(there)} in all" if there else f"{grouped(trend.presets)} in {whole}"
    yield Card(
        f"{_busy(nouns)}, last 30 days",
        short(recent.presets),
        full(recent.presets),
        known,
        None,
        *_spark(rows),
    )
    before = f"{whole} before: {short(trend.before_uses)}" if trend.before_uses else "none before that"
    everything = [period.uses for period in (trend.periods[:-1] if cut_short(trend) else trend.periods)]
    yield Card(
        f"{unit}, {whole}",
        short(trend.total_uses),
        full(trend.total_uses),
        before,
        change(trend),
        *_spark(_weekly(everything)),
    )


def _busy(nouns: Nouns) -> str:
    """What rows are called that have events."""
    return f"{nouns.rows.capitalize()} in use" if nouns.usual else nouns.with_events.capitalize()


def change(trend: TrendsReport) -> Change | None:
    """What came since the window before; None if that had nothing."""
    if trend.change is None:
        return None
    rounded = percent(abs(trend.change))
    if rounded in ("0%", "<0.1%"):
        return Change("", "±0%", "as many as", "")
    if trend.change > 0:
        return Change("▲", rounded, "more than", "up")
    return Change("▼", rounded, "less than", "down")


def _length(trend: TrendsReport) -> str:
    """``365 days``, ``36 hours``: days of the calendar, of which the last may have just begun."""
    where, window = zone(trend.window), trend.window
    hours = round((window.until - window.since) / timedelta(hours=1))
    if trend.by is Step.HOUR and hours < 48:  # noqa: PLR2004
        return plural(hours, "hour")
    last = (window.until - timedelta(microseconds=1)).astimezone(where).date()
    return plural((last - window.since.astimezone(where).date()).days + 1, "day")


def _weekly(values: Sequence[int | Decimal]) -> list[Decimal]:
    """At most 52 sums, of as many values each; what is left over at the beginning is left out."""
    size = -(-len(values) // 52)
    return [sum(map(Decimal, values[end - size : end]), Decimal(0)) for end in range(len(values), size - 1, -size)][
        ::-1
    ]


def _spark(values: Sequence[int | Decimal]) -> tuple[str, int]:
    """A line without an axis, 0 to 100 high, from 0; nothing if it would be flat or no numbers."""
    exact = [Decimal(value) for value in values]
    if len(exact) < 2 or not all(value.is_finite() and value >= 0 for value in exact) or not max(exact):  # noqa: PLR2004
        return "", 0
    heights = [100 - round(90 * float(value / max(exact))) for value in exact]
    return f"M0 {heights[0]}L" + " ".join(f"{place} {y}" for place, y in enumerate(heights[1:], start=1)), len(
        exact
    ) - 1
