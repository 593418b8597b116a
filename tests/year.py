"""A year of uses as people make them: weekdays, hours, growth; and names as nobody expects them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from usagefix.models.amount import Amount, plus
from usagefix.models.insight import (
    Cell,
    HeatmapReport,
    Insight,
    Of,
    Period,
    Step,
    TopReport,
    TopRow,
    TrendsReport,
    Window,
)
from usagefix.models.nouns import USUAL
from usagefix.models.target import Target
from usagefix.models.verification import Check, Counts, Status, VerifyReport

TARGET = Target("app", "db.example.org", 5432, "shop", "15.14", False)
LIKES = replace(
    USUAL,
    counter="post_likes_count",
    counted="posts.likes_count ← likes.post_id",
    usual=False,
    row="row",
    event="event",
)
ZONE = ZoneInfo("Europe/Berlin")
UNTIL = datetime(2026, 11, 27, tzinfo=ZONE)
KINDS = ("playground generation", "showcase creation", "sample verification")
HOSTILE = (
    "Ada Lovelace",
    "</script><script>alert(1)</script>",
    "Jürgen Ümlaut-Ščřžý",
    "🎨🖌️👩‍🎨 studio",
    "<img src=x onerror=alert(2)>",
    "שלום עולם",
    "a name of two hundred characters, " + "which goes on and on " * 7 + "until it ends here",
    "bob'; DROP TABLE users;--",
    "{{7*7}} {% raw %} ${x} %{y}",
    'zoë" onmouseover="alert(3)',
    "\u202egnp.exe\x07",
    "</title></svg></style><style>*{display:none}",
)


def year(
    days: int = 365,
    *,
    kinds: Sequence[str] = KINDS,
    users: bool = True,
    scale: float = 1.0,
    wrong: int = 0,
    seed: int = 7,
) -> Insight:
    """All views of one counter. ``scale``: how many uses, against a busy application."""
    chance = random.Random(seed)
    since = datetime.combine((UNTIL - timedelta(days=days)).date(), datetime.min.time(), ZONE)
    window = Window(since, UNTIL, "Europe/Berlin")
    periods = tuple(_day(since, number, kinds, users, scale, chance) for number in range(days))
    total = sum(int(period.uses) for period in periods)
    trend = TrendsReport(
        window, Step.DAY, periods, total, round(total * 0.71), 0.408 if total else None, 8412 if users else None, 212
    )
    last = periods[-30:]
    recent = sum(int(period.uses) for period in last)
    last_30 = replace(
        trend,
        window=replace(window, since=last[0].start),
        periods=last,
        total_uses=recent,
        before_uses=round(recent / 1.059),
        change=0.059 if recent else None,
        users=3140 if users else None,
        presets=187,
    )
    heatmap = HeatmapReport(window, window.timezone, tuple(_cells(total, chance)), total)
    return Insight(
        trend,
        last_30,
        heatmap,
        _top(
            window, Of.PRESETS, total, ("Golden hour", "Neon noir", "Paper cut", "Dreamy film", "Low-fi", *HOSTILE[1:6])
        ),
        _top(window, Of.USERS, total, HOSTILE[:10]) if users else None,
        verified(wrong),
    )


def empty(days: int = 365) -> Insight:
    """That of an application which nobody uses."""
    return year(days, kinds=(), scale=0)


def verified(wrong: int = 0, rows: int = 240) -> VerifyReport:
    """What verify says where so many counters are wrong."""
    status = Status.FAILED if wrong else Status.OK
    checks = [
        Check("trigger_enabled", "every use is counted", Status.OK, "preset_usage", "", ""),
        Check(
            "counters_accurate",
            "counters equal their events",
            status,
            "presets",
            f"{wrong} of {rows} differ",
            "usagefix backfill",
        ),
    ]
    counts = Counts(rows, rows - wrong, wrong, 689_236 - 3 * wrong, 689_236, 3 * wrong, 3 * wrong, rows, rows)
    return VerifyReport(tuple(checks), counts, ())


def _day(
    since: datetime, number: int, kinds: Sequence[str], users: bool, scale: float, chance: random.Random
) -> Period:
    start = since + timedelta(days=number)
    weekly = (1.05, 1.12, 1.2, 1.1, 0.98, 0.52, 0.46)[start.weekday()]
    grown = (1 + number / 260) * (1 + 0.06 * math.sin(number / 17))
    by_kind: dict[str, Amount] = {
        kind: round(scale * share * weekly * grown * chance.uniform(0.88, 1.12))
        for kind, share in zip(kinds, (780, 390, 160, *(90 / (n + 1) for n in range(60))), strict=False)
    }
    uses = plus(0, *by_kind.values()) if kinds else round(scale * 1300 * weekly * grown * chance.uniform(0.88, 1.12))
    return Period(start, uses, int(uses) // 3 if users else None, min(int(uses), 120 + number // 12), by_kind)


def _cells(total: int, chance: random.Random) -> list[Cell]:
    weights = {
        (weekday, hour): (0.5 if weekday > 5 else 1) * chance.uniform(0.85, 1.15)
        * (0.06 + math.exp(-(((hour - 10.5) / 3.2) ** 2)) + 0.9 * math.exp(-(((hour - 15.5) / 3.6) ** 2)) + 0.3 * (18 < hour < 23))
        for weekday in range(1, 8)
        for hour in range(24)
    }  # fmt: skip
    scale = total / sum(weights.values())
    return [Cell(weekday, hour, round(weight * scale)) for (weekday, hour), weight in weights.items()]


def _top(window: Window, of: Of, total: int, names: Sequence[str]) -> TopReport:
    names = names if total else ()
    uses = [round(total * 0.064 * 0.83**place) for place in range(len(names))]
    rows = tuple(
        TopRow(f"{place:08x}-0000-4000-8000-{place:012x}", name, count, count / total, window.since + timedelta(days=place), window.until - timedelta(hours=place + 1))
        for place, (name, count) in enumerate(zip(names, uses, strict=True))
    )  # fmt: skip
    users = of is Of.USERS
    return TopReport(
        window, of, rows, total, sum(row.share for row in rows), 8412 if users else 212,
        1204 if users else None, 7208 if users else None,
    )  # fmt: skip


def odd() -> dict[str, Insight]:
    """Pages that are easily forgotten."""
    plain = year(90)
    huge = 10**40
    return {
        "empty": empty(),
        "one day": year(1),
        "six days": year(6),
        "one kind": year(kinds=KINDS[:1]),
        "no kind, no users": year(kinds=(), users=False),
        "thirty kinds": year(kinds=[f"kind {number}" for number in range(30)]),
        "not verified": replace(plain, verified=None),
        "huge": replace(
            plain,
            trend=replace(
                plain.trend,
                total_uses=huge * 90,
                periods=tuple(replace(p, uses=p.uses * huge, by_kind={}) for p in plain.trend.periods),
            ),
        ),
        "a sum below zero": replace(
            plain,
            trend=replace(
                plain.trend,
                total_uses=Decimal("-12.50"),
                periods=tuple(replace(p, uses=Decimal(i % 7 - 5) / 4, by_kind={}) for i, p in enumerate(plain.trend.periods)),
            ),
            heatmap=replace(plain.heatmap, cells=tuple(replace(cell, uses=-cell.uses) for cell in plain.heatmap.cells)),
            presets=replace(plain.presets, rows=tuple(replace(row, uses=-row.uses, share=-row.share) for row in plain.presets.rows)),
        ),
        "not a number": replace(
            plain,
            trend=replace(plain.trend, total_uses=Decimal("NaN"), periods=tuple(replace(p, uses=Decimal("NaN"), by_kind={}) for p in plain.trend.periods)),
        ),
    }  # fmt: skip
