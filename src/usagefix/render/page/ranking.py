"""The most used and the most active as bars behind their names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal

from usagefix.models.figures import grouped, out_of
from usagefix.models.insight import Of, TopReport, TopRow
from usagefix.models.nouns import Nouns
from usagefix.render.page.figures import Unit, clock, full, name, percent, ratio, short, zone


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: how wide in percent, what it is called, its key where that is another."""

    width: str
    below: bool
    name: str
    key: str
    uses: str
    share: str
    first: str
    last: str
    exact: str
    tip: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """All that the template draws. ``keyed``: some are shown by a name, so that the table holds keys, too."""

    heading: str
    bars: tuple[Bar, ...]
    keyed: bool
    caption: str
    described: str
    column: str


def ranking(report: TopReport, nouns: Nouns, unit: Unit) -> Ranking:
    """The picture of a ranking, of users or else of what events are of."""
    users = report.of is Of.USERS
    row, rows = ("user", "users") if users else (nouns.row, nouns.rows)
    where = zone(report.window)
    most = max((abs(Decimal(of.uses)) for of in report.rows if Decimal(of.uses).is_finite()), default=Decimal(0))
    bars = tuple(_bar(of, most, unit, where) for of in report.rows)
    shown = out_of(len(bars), report.among) if report.among > len(bars) else f"all {grouped(report.among)}"
    shown = f"{shown} {rows}"
    if len(bars) == report.among == 1:
        shown = f"the only {row}"
    new = ""
    if report.new is not None:
        new = {0: "; none is new", 1: "; one is new"}.get(report.new, f"; {grouped(report.new)} are new")
    said = f"{shown[:1].upper()}{shown[1:]}, {percent(report.top_share)} {unit.of_all}{new}."
    described = "; ".join(f"{bar.name}: {bar.exact}" for bar in bars[:3])
    return Ranking(
        "Most active users" if users else nouns.most,
        bars,
        any(bar.key for bar in bars),
        said if bars else "",
        f"{said} The first: {described}. The table below the picture holds the numbers.",
        row,
    )


def _bar(of: TopRow, most: Decimal, unit: Unit, where: tzinfo | None) -> Bar:
    called, key = name(of.label) if of.label else name(of.id), name(of.id) if of.label else ""
    first, last = (clock(moment.astimezone(where)) for moment in (of.first_at, of.last_at))
    uses = Decimal(of.uses)
    width = 100 * ratio(abs(uses), most) if uses.is_finite() else 0.0
    tip = [
        called,
        *([key] if key else []),
        f"{unit.of(of.uses)}, {percent(of.share)}",
        f"first {first}",
        f"last {last}",
    ]
    return Bar(
        f"{width:.3g}",
        not uses.is_nan() and uses < 0,
        called,
        key,
        short(of.uses),
        percent(of.share),
        first,
        last,
        full(of.uses),
        "\n".join(tip),
    )
