"""What verify says as OpenMetrics, read back by Prometheus's own parsers: the format's, and the older one's."""

from __future__ import annotations

import dataclasses
import math
import time
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
from prometheus_client.parser import text_string_to_metric_families as read_older

from usagefix.errors import Busy, CannotConnect, UsagefixError
from usagefix.models.amount import Amount
from usagefix.models.nouns import USUAL
from usagefix.models.outcome import Outcome, Part
from usagefix.models.target import Place, Target
from usagefix.models.verification import Check, Counts, Status, VerifyReport
from usagefix.render.openmetrics import openmetrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
HERE = Place("app", "db.example:5432")
NASTY = (
    'a"b', "a\\b", "a\nb", "\\n", '\\"', "a\\", '"', "{}", "a,b=c", "#", "# EOF", "café 日本 😀", "##[error]x", "::error::x",
    "\t", " ", "a\u2028b", "\\\\\n\"'",
)  # fmt: skip


def samples(text: str) -> Samples:
    """Every sample, as both parsers read it; the format's own one checks all that the format asks for."""
    found = {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in read(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }
    older = {(s.name, frozenset(s.labels.items())): float(s.value) for f in read_older(text) for s in f.samples}
    assert {key: repr(value) for key, value in older.items()} == {key: repr(value) for key, value in found.items()}
    assert text.endswith("\n# EOF\n")
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    (one,) = [
        value for (called, given), value in found.items() if called == f"usagefix_{name}" and labels.items() <= given
    ]
    return one


def report(**totals: Amount) -> VerifyReport:
    none: dict[str, Any] = {f.name: 0 for f in dataclasses.fields(Counts)}
    counts = Counts(**none | totals)
    checks = [Check(name, "", status, "", "", "") for name, status in (
        ("events_complete", Status.OK), ("counted_once", Status.OK), ("counted_once", Status.UNEXPECTED),
        ("daily_limit_gone", Status.SKIPPED),
    )]  # fmt: skip
    return VerifyReport(tuple(checks), counts, (), refused_writes=7)


def test_all_of_a_counter() -> None:
    totals: dict[str, Amount] = {
        "rows": 5, "inaccurate": 2, "displayed_total": 10, "actual_total": 7, "drift_total": -3, "drift_magnitude": 9,
        "orphans": 4, "baseline_total": Decimal("0.5"),
    }  # fmt: skip
    text = openmetrics(Outcome("verify", place=HERE, parts=[Part(USUAL, report(**totals))], duration_ms=1250))
    found = samples(text)
    assert all({("database", "app"), ("server", "db.example:5432")} <= given for _, given in found)
    told = {
        "verify_up": 1, "verify_ok": 0, "verify_exit_code": 1, "verify_duration_seconds": 1.25, "counter_up": 1, "counter_ok": 0,
        "drift": -3, "drift_magnitude": 9, "rows": 5, "inaccurate_rows": 2, "displayed": 10, "actual": 7, "orphans": 4,
        "baseline": 0.5, "refused_writes_total": 7,
    }  # fmt: skip
    assert {name: value(found, name) for name in told} == told
    assert abs(value(found, "verify_timestamp_seconds") - time.time()) < 5
    statuses = {status: value(found, "checks", status=status, counter="preset_usage_count") for status in Status}
    assert statuses == dict.fromkeys(Status, 0) | {Status.OK: 2, Status.UNEXPECTED: 1, Status.SKIPPED: 1}
    passed = {
        dict(labels)["check"]: number for (name, labels), number in found.items() if name.endswith("check_passed")
    }
    assert passed == {"events_complete": 1, "counted_once": 0}, "a check that does not apply has no sample"
    kinds = {line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    assert kinds == {"gauge", "counter"}, "node_exporter knows no others"
    assert '"' not in "".join(line for line in text.splitlines() if line.startswith("# HELP")), "the older format"


@pytest.mark.parametrize("name", NASTY)
def test_any_name_comes_back(name: str) -> None:
    nouns = dataclasses.replace(USUAL, counter=name)
    text = openmetrics(Outcome("verify", place=Place(name, name), parts=[Part(nouns, report())]))
    found = samples(text)
    shown = name.replace("##[", r"#\x23[")
    assert value(found, "rows", counter=shown, database=shown, server=shown) == 0
    assert "##[" not in text


def test_what_a_terminal_obeys_is_written_out() -> None:
    text = openmetrics(Outcome("verify", place=Place("a\x1b[31m\rb\u202e\udcff")))
    assert value(samples(text), "verify_ok", database=r"a\x1b[31m\rb\u202e\xff") == 0


@pytest.mark.parametrize(
    ("amount", "written", "read_as"),
    [
        (10**40 + 1, "10000000000000000000000000000000000000001", 1e40),
        (Decimal("-0.10"), "-0.10", -0.1),
        (Decimal("1E+30"), "1" + "0" * 30, 1e30),
        (Decimal("1E-30"), "0." + "0" * 29 + "1", 1e-30),
        (Decimal("1E+5000"), "+Inf", math.inf),
        (Decimal("-1E+400"), "-Inf", -math.inf),
        (Decimal("NaN"), "NaN", math.nan),
        (Decimal("-Infinity"), "-Inf", -math.inf),
    ],
)
def test_sums_of_any_length(amount: Amount, written: str, read_as: float) -> None:
    text = openmetrics(Outcome("verify", parts=[Part(USUAL, report(drift_total=amount))]))
    assert f'\nusagefix_drift{{counter="preset_usage_count"}} {written}\n' in text
    found = value(samples(text), "drift")
    assert found == read_as or (math.isnan(found) and math.isnan(read_as))


def test_an_int_that_python_does_not_write() -> None:
    assert "} +Inf\n" in openmetrics(Outcome("verify", parts=[Part(USUAL, report(drift_total=10**5000))]))


def test_a_failure_tells_itself() -> None:
    other = dataclasses.replace(USUAL, counter="other")
    gone = CannotConnect("gone", hint="")
    lost = Outcome("verify", parts=[Part(USUAL, report()), Part(other, error=gone)], error=gone, left=("third",))
    cases = [
        (Outcome("verify", error=gone), 3, {}),
        (Outcome("verify", parts=[Part(USUAL, report()), Part(other, error=Busy("", hint=""))]), 4, {"other": 0}),
        (lost, 3, {"preset_usage_count": 1, "other": 0, "third": 0}),
        (Outcome("verify", parts=[Part(USUAL, error=UsagefixError("", hint=""))]), 1, {"preset_usage_count": 0}),
    ]
    for outcome, code, up in cases:
        found = samples(openmetrics(outcome))
        assert [value(found, f"verify_{name}") for name in ("up", "ok", "exit_code")] == [0, 0, code]
        assert {name: value(found, "counter_up", counter=name) for name in up} == up
        for part in outcome.parts:
            told = ("usagefix_drift", frozenset({("counter", part.nouns.counter)})) in found
            assert told == (part.error is None), "no number where there is none"


def test_checks_alone() -> None:
    found = samples(openmetrics(Outcome("verify", parts=[Part(USUAL, VerifyReport((), None, ()))])))
    assert not [
        name for name, _ in found if name.startswith(("usagefix_drift", "usagefix_refused", "usagefix_orphans"))
    ]
    assert value(found, "verify_ok") == 1


def test_a_place_has_no_user() -> None:
    for host, port, server in (
        ("::1", 5432, "[::1]:5432"),
        ("/tmp", None, "/tmp"),
        ("db (10.0.0.1)", 1, "db (10.0.0.1):1"),
    ):
        place = Target("somebody", host, port, "app", "17", pooler=False).place
        assert place == Place("app", server)
