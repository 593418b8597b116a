"""Amounts keep every digit, from the server to JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from usagefix.models.amount import Amount, amount, minus, plus, share
from usagefix.models.nouns import USUAL
from usagefix.models.outcome import Outcome, Part
from usagefix.models.verification import Counts, VerifyReport
from usagefix.render.document import document

LONG = "9" * 60 + "." + "1" * 40
READ: dict[str, Amount] = {
    "0": 0, "-3": -3, "7.00": 7, "-0.50": Decimal("-0.50"), LONG: Decimal(LONG), "9" * 5_000: Decimal("9" * 5_000),
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_whole_numbers_are_int(text: str) -> None:
    assert (amount(text), type(amount(text))) == (READ[text], type(READ[text]))


def test_sums_are_exact() -> None:
    assert plus(1, 2) == 3
    assert str(plus(Decimal(LONG), 1)) == "1" + "0" * 60 + "." + "1" * 40
    assert minus(Decimal(LONG), Decimal(LONG)) == 0
    assert type(plus(Decimal("0.5"), Decimal("0.5"))) is int
    assert minus(3, Decimal("0.5")) == Decimal("2.5")
    assert f"{share(Decimal(LONG), Decimal(LONG)):.0%}" == "100%"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_has_every_digit(*, ascii_only: bool) -> None:
    counts = replace(Counts(1, 1, 0, 0, 0, 0, 0, 1, 1), displayed_total=amount(LONG), drift_total=Decimal("NaN"))
    text = document(Outcome("verify", parts=[Part(USUAL, VerifyReport((), counts, ()))]), ascii_only=ascii_only)
    (body,) = json.loads(text, parse_float=Decimal)["counters"]
    assert body["counts"]["displayed_total"] == Decimal(LONG)
    assert body["counts"]["drift_total"] is None, "JSON has no such number"
