"""What the page says and how large it is; how it looks is tested in a browser."""
# ruff: noqa: RUF001

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from year import HOSTILE, KINDS, LIKES, TARGET, UNTIL, odd, year

from usagefix.errors import Refused
from usagefix.models.amount import Amount
from usagefix.models.insight import OTHERS, Insight, Step, TopReport
from usagefix.models.nouns import USUAL
from usagefix.models.verification import VerifyReport
from usagefix.render.page import MOST_BYTES, Told, page
from usagefix.render.page.figures import Unit, full, name, percent, short, tick, ticks
from usagefix.render.page.periods import Detail
from usagefix.render.page.sections import band, section, spanned
from usagefix.render.page.trend import chart

MADE = datetime(2026, 11, 27, 1, 4, tzinfo=UTC)
USES = Unit("use", False)


def made(*told: Told) -> str:
    text = page(told, TARGET, MADE)
    assert len(text.encode()) <= MOST_BYTES
    return text


def read(text: str) -> str:
    body = re.sub(r"<style>.*?</style>|</?(?:bdi|b|span|code|a)\b[^>]*>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).replace("\u00a0", " ").split())


@pytest.mark.parametrize("insight", [*odd().values(), year()], ids=[*odd(), "year"])
def test_every_picture_is_well_formed_and_says_what_it_is(insight: Insight) -> None:
    text = made((USUAL, insight))
    pictures = re.findall(r'<svg[^>]*role="img".*?</svg>(?=\s*</div>|\s*<ol)', text, re.DOTALL)
    for picture in pictures:
        tree = ElementTree.fromstring(re.sub(r"&(?!amp|lt|gt|quot|#)\w+;", "", picture))
        labels = tree.attrib["aria-labelledby"].split()
        assert [each.attrib["id"] for each in tree if "id" in each.attrib] == labels
        assert not [v for each in tree.iter() for v in each.attrib.values() if "nan" in v.lower() or "inf" in v.lower()]
    assert text.count("<details>") == len(pictures), "the numbers of each are beneath it"
    assert len(set(re.findall(r' id="([^"]+)"', text))) == len(re.findall(r' id="', text))
    assert not re.search(r'<[^>]*\sstyle=|<script|\son\w+="', re.sub(r"<title>.*?</title>", "", text, flags=re.DOTALL))


def test_it_stays_small_and_names_what_it_leaves_out() -> None:
    long = "🎨" * 200
    crowd = [(replace(LIKES, counter=f"counter_{n}"), year(seed=n, wrong=n % 2)) for n in range(14)]
    text = made(*crowd)
    said = read(text)
    assert all(f"counter_{n}" in said for n in range(14))
    assert "usagefix dashboard FILE.html --counter NAME" in said
    left = text.count('href="#c')
    assert text.count('class="counter"') == left < 14, "no link leads nowhere"
    hostile = year(kinds=[f"{long}{n}" for n in range(30)])
    assert hostile.users
    users = replace(hostile.users, rows=tuple(replace(hostile.users.rows[0], label=f"{long}{n}") for n in range(50)))
    made((USUAL, replace(hostile, users=users, presets=users)))


def test_the_mean_begins_where_seven_days_are_known() -> None:
    insight = year(21, kinds=())
    days = tuple(replace(period, uses=7 if n % 7 == 0 else 0) for n, period in enumerate(insight.trend.periods))
    drawn = chart(replace(insight.trend, periods=days), USES, Detail.FULL, height=100)
    assert drawn
    (line,) = drawn.lines
    assert re.fullmatch(r"M6\.5 \d+l1 0(?: 1 0){13}", line.thick), (
        "from the seventh day on, and the week's pattern is gone"
    )
    assert line.thin.startswith("M0.5 ")
    short_one = chart(year(6, kinds=()).trend, USES, Detail.FULL, height=100)
    assert short_one
    assert (short_one.lines[0].thin, short_one.lines[0].thick[:5]) == ("", "M0.5 ")


def test_a_day_that_is_not_over_does_not_fall() -> None:
    trend = year(30, kinds=()).trend
    begun = replace(trend, window=replace(trend.window, until=UNTIL - timedelta(hours=9)))
    whole, cut = (chart(each, USES, Detail.FULL, height=100) for each in (trend, begun))
    assert whole
    assert cut
    assert cut.lines[0].thin.count(" ") < whole.lines[0].thin.count(" ") or cut.lines[0].thin != whole.lines[0].thin
    assert "is not over" in cut.caption
    assert len(cut.groups) == 30, "the table has it"


def test_tables_add_up_to_the_total_whatever_is_left_out() -> None:
    trend = year(kinds=[f"kind {n}" for n in range(9)]).trend
    for detail in Detail:
        drawn = chart(trend, USES, detail, height=100)
        assert drawn is not None
        rows = [[int(cell.replace(",", "")) for cell in group.cells] for group in drawn.groups]
        assert sum(row[0] for row in rows) == trend.total_uses
        assert all(row[0] == sum(row[1:7]) for row in rows), "five kinds and all others"
        assert all(a.first + a.length == b.first for a, b in pairwise(drawn.groups))
        assert drawn.headings[:7] == ("uses", *(f"kind {n}" for n in range(5)), "all others")


@pytest.mark.parametrize("kinds", [["a", OTHERS, "b"], [OTHERS, *"abcdefg"]])
def test_what_is_others_already_is_no_kind_of_its_own(kinds: list[str]) -> None:
    drawn = chart(year(30, kinds=kinds).trend, USES, Detail.FULL, height=100)
    assert drawn
    assert [line.name for line in drawn.lines] == ([*kinds[:1], "b"] if kinds[0] == "a" else list("abcde")) + [
        "all others"
    ]
    assert drawn.lines[-1].place == 5, "grey"


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 0, True, "0 1"),
        (0, 1, True, "0 1"),
        (0, 3, True, "0 1 2 3"),
        (0, 2398, True, "0 500 1,000 1,500 2,000 2,500"),
        (Decimal("-1.25"), Decimal("0.25"), False, "−1.5 −1 −0.5 0 0.5"),
        (0, 123_456, True, "0 25k 50k 75k 100k 125k"),
        (0, 10**40, True, "0 2 × 10³⁹ 4 × 10³⁹ 6 × 10³⁹ 8 × 10³⁹ 1 × 10⁴⁰"),
        (-(10**3000), 0, True, "−1 × 10³⁰⁰⁰ −8 × 10²⁹⁹⁹ −6 × 10²⁹⁹⁹ −4 × 10²⁹⁹⁹ −2 × 10²⁹⁹⁹ 0"),
    ],
)
def test_an_axis_has_round_numbers(low: Amount, high: Amount, whole: bool, expected: str) -> None:
    assert " ".join(map(tick, ticks(low, high, whole=whole))) == expected


def test_numbers_fit_where_they_stand() -> None:
    assert [short(n) for n in (0, -5, 999_999_999, 1_234_567_890, 10**15, Decimal("NaN"), Decimal("-12.50"))] == [
        "0", "−5", "999,999,999", "1.23B", "1 × 10¹⁵", "NaN", "−12.50",
    ]  # fmt: skip
    assert full(10**4000) == "1 × 10⁴⁰⁰⁰"
    assert full(1_234_567_890_123) == "1,234,567,890,123"
    assert [percent(s) for s in (0.0, 0.0004, 0.05, 0.059, 0.33, 1.0, -0.2, 41.0)] == [
        "0%",
        "<0.1%",
        "5.0%",
        "5.9%",
        "33%",
        "100%",
        "−20%",
        "4,100%",
    ]


def test_names_are_on_one_line_and_turn_nothing() -> None:
    assert name("a\n b\t\x07c\u202ed") == r"a b \x07c\u202ed"
    assert name("x" * 300) == "x" * 199 + "…"
    assert len(name("漢" * 300)) <= 101
    assert name("") == "(empty)"


def test_the_band_says_a_word_first() -> None:
    def said(wrong: int, rows: int = 240) -> str:
        from year import verified

        found = band(verified(wrong, rows), USUAL)
        return f"{found.word}: {found.rest}"

    assert said(0) == "Right: 240 of 240 counters agree with their uses; both checks pass"
    assert said(12) == "Wrong: 12 of 240 counters differ from their uses, by 36 together"
    assert said(1) == "Wrong: 1 of 240 counters differs from its uses, by 3"
    assert said(0, 1) == "Right: the one counter agrees with its uses; both checks pass"
    assert said(0, 0).startswith("Right: there is no preset yet")
    assert band(None, USUAL).word == "Not known"
    assert band(VerifyReport((), None, ()), USUAL).word == "Not counted"


def test_a_counter_that_cannot_be_shown_is_named() -> None:
    said = read(made((USUAL, year(30)), (LIKES, Refused("nothing tells when </b> events were", hint=""))))
    assert "Not shown post_likes_count: nothing tells when </b> events were" in said
    assert "Not shown" in read(made((LIKES, Refused("no", hint=""))))


def test_whose_data_it_is_without_a_secret() -> None:
    text = made((USUAL, year(30)))
    said = read(text)
    assert "Database shop on db.example.org, as of 27 Nov 2026, 02:04" in said
    assert "28 Oct 2026 to 26 Nov 2026, times in Europe/Berlin" in said
    assert "from app@db.example.org:5432/shop, PostgreSQL 15.14" in said
    assert "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-" in text


def test_a_time_zone_that_python_does_not_know_is_no_reason_to_fail() -> None:
    insight = year(30)
    window = replace(insight.trend.window, timezone="posixrules/Nowhere", since=insight.trend.window.since)
    assert "28 Oct 2026" in spanned(window).replace("\u00a0", " ")
    made((USUAL, replace(insight, trend=replace(insight.trend, window=window))))


def test_other_periods() -> None:
    trend = year(60, kinds=KINDS[:1]).trend
    for by, label in (
        (Step.HOUR, "Mon 28 Sep 2026, 00:00"),
        (Step.WEEK, "week of 28 Sep 2026"),
        (Step.MONTH, "Sep 2026"),
    ):
        drawn = chart(replace(trend, by=by), USES, Detail.FULL, height=100)
        assert drawn
        assert (drawn.every, drawn.groups[0].label, drawn.lines[0].thin) == (by, label, "")


def test_a_period_is_as_long_as_the_window_asks_for() -> None:
    from usagefix.cli.commands.dashboard import _step

    spans = {"24h": "hour", "2d": "hour", "3d": "day", "365d": "day", "3y": "week", "12y": "week", "20y": "month"}
    assert {since: str(_step(since, None)) for since in spans} == spans
    assert _step("2026-01-01", "2026-01-02T12:00") is Step.HOUR
    assert _step("2020-01-01", "2026-01-02") is Step.WEEK
    assert _step("nonsense", None) is Step.HOUR, "which is refused later"


def test_users_are_not_named_where_none_are_known() -> None:
    text = read(made((USUAL, year(30, users=False))))
    assert "Users" not in text
    assert "Most active" not in text


def test_a_sum_is_not_called_uses() -> None:
    weighed = replace(LIKES, weighed=True)
    found = section(1, weighed, year(30, kinds=()), Detail.FULL)
    assert found.cards[0].title == "Sum, last 30 days"
    assert "of the sum" in found.presets.caption


def test_hostile_names_are_escaped() -> None:
    insight = year(30, kinds=HOSTILE[:3])
    assert isinstance(insight.users, TopReport)
    text = made((replace(LIKES, counter=HOSTILE[1], counted=HOSTILE[11]), insight), (USUAL, year(6)))
    assert "<script" not in text
    assert text.count("<style") == 1
    assert "\x07" not in text
