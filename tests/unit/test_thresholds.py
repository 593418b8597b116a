"""When a backfill asks which side is true, and when it does not. Needs no server."""

from __future__ import annotations

import pytest

from usagefix.trust import Falls, why


def falls(
    used: int, shown: int, falling: int = 0, falls_from: int = 0, falls_to: int = 0, without_event: int = 0
) -> Falls:
    return Falls(used, shown, falling, falls_from, falls_to, without_event, [])


ASKS = {
    "no event at all, many counters": (falls(300, 43_271, 300, 43_271, 0, 300), 0),
    "no event at all, a tiny database": (falls(3, 68, 3, 68, 0, 3), 0),
    "no event at all, one counter of one": (falls(1, 1, 1, 1, 0, 1), 0),
    "a tenth of the counters has no event, little in sum": (falls(300, 90_000, 30, 90, 0, 30), 0),
    "three of ten have no event": (falls(10, 1_000, 3, 30, 0, 3), 0),
    "a fifth of the sum, each counter has events": (falls(300, 10_000, 5, 4_000, 2_000), 0),
    "one counter holds most of the sum": (falls(300, 10_000, 1, 9_000, 10), 0),
    "the sum rises in all, what falls is a large part": (falls(40, 1_000, 10, 500, 100), 0),
    "many fall, and were used after their newest event": (falls(100, 10_000, 20, 1_000, 900), 15),
    "so do three of three": (falls(3, 100_000, 3, 100_000, 99_000), 3),
}
DOES_NOT = {
    "nothing falls": (falls(300, 43_271), 0),
    "there is no counter above zero": (falls(0, 0), 0),
    "one counter a bit too high": (falls(300, 43_271, 1, 150, 149), 1),
    "one left over from a test": (falls(300, 43_271, 1, 17, 0, 1), 1),
    "two of three have no event": (falls(3, 68, 2, 9, 0, 2), 0),
    "many a bit too high, counted twice for a while": (falls(300, 43_271, 200, 40_000, 37_000), 0),
    "a few uses of presets that were never used": (falls(40, 7_956, 6, 6, 0, 6), 0),
    "nine uses of ten": (falls(3, 10, 1, 10, 1), 0),
    "29 of 300 have no event, little in sum": (falls(300, 43_271, 29, 400, 0, 29), 0),
    "used later, but few of those that fall": (falls(100, 10_000, 20, 1_000, 900), 9),
    "used later, but few fall": (falls(300, 43_271, 9, 900, 850), 9),
    "two fall, used later": (falls(10, 1_000, 2, 100, 95), 2),
}


@pytest.mark.parametrize("case", ASKS)
def test_it_asks_when_it_matters(case: str) -> None:
    assert list(why(*ASKS[case]))


@pytest.mark.parametrize("case", DOES_NOT)
def test_it_does_not_ask_for_a_small_drift_or_one_that_rises(case: str) -> None:
    assert list(why(*DOES_NOT[case])) == []
