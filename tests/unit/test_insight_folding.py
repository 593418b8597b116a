"""Spans, and few numbers that become views."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from usagefix.errors import ConfigurationError
from usagefix.insight.asking import parameters
from usagefix.insight.folding import MOST_KINDS, Hour, cells, change, periods, total, without_rare_kinds
from usagefix.models.insight import OTHERS, Asked

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
HOURS = [START + timedelta(hours=n) for n in range(48)]


@pytest.mark.parametrize(
    ("since", "read"),
    [
        ("24h", (24, 0, 0)),
        ("90d", (None, 0, 90)),
        ("12w", (None, 0, 84)),
        ("6mo", (None, 6, 0)),
        ("1y", (None, 12, 0)),
        ("2026-01-31", (None, None, None)),
    ],
)
def test_a_span(since: str, read: tuple[int | None, ...]) -> None:
    found = parameters(Asked(since=since))
    assert (found["hours"], found["months"], found["days"]) == read


def test_a_time_is_of_the_zone_unless_it_says_how_far_it_is_from_utc() -> None:
    found = parameters(Asked(since="2026-01-31", until="2026-02-01T10:00+02:00"))
    assert (found["since_local"], found["since_at"]) == ("2026-01-31T00:00:00", None)
    assert (found["until_local"], found["until_at"]) == (None, "2026-02-01T10:00:00+02:00")


@pytest.mark.parametrize(
    "since", ["0d", "0h", "-3d", "3", "d", "3 d", "99999y", "999999999d", "3.5d", "", "yesterday", "2026-13-01", "٣d"]
)
def test_no_span(since: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        parameters(Asked(since=since))


def test_a_trend_has_no_gaps_and_all_kinds_everywhere() -> None:
    hours = [Hour(1, "a", 2, 2), Hour(24, "b", 3, 1), Hour(26, None, Decimal("0.5"), 1)]
    days = [START, START + timedelta(days=1), START + timedelta(days=2)]
    found = periods(hours, HOURS, days, days, {1: 2}, {1: 1, 2: 1}, kinds=True)
    assert [period.uses for period in found] == [5, Decimal("0.5"), 0]
    assert [period.by_kind for period in found] == [
        {"": 0, "a": 2, "b": 3},
        {"": Decimal("0.5"), "a": 0, "b": 0},
        {"": 0, "a": 0, "b": 0},
    ]
    assert [(period.users, period.presets) for period in found] == [(2, 1), (0, 1), (0, 0)]
    assert total(hours) == Decimal("5.5")


def test_a_heatmap_has_all_168_cells() -> None:
    clock = [(at.isoweekday(), at.hour) for at in HOURS]
    found = cells([Hour(2, None, 4, 4), Hour(26, "x", 1, 1)], clock)
    assert len(found) == 168
    assert {(cell.weekday, cell.hour): cell.uses for cell in found if cell.uses} == {(1, 1): 4, (2, 1): 1}


def test_rare_kinds_go_together() -> None:
    many = [Hour(1, f"kind {n}", 1, n + 1) for n in range(MOST_KINDS + 5)]
    kinds = {hour.kind for hour in without_rare_kinds(many)}
    assert len(kinds) == MOST_KINDS
    assert OTHERS in kinds
    assert "kind 0" not in kinds
    assert total(without_rare_kinds(many)) == len(many)


@pytest.mark.parametrize(("now", "before", "said"), [(106, 100, 0.06), (0, 100, -1.0), (5, 0, None), (5, -3, None)])
def test_a_change(now: int, before: int, said: float | None) -> None:
    assert change(now, before) == said
