"""verify as OpenMetrics 1.0 text, for Prometheus and compatible programs: always a complete exposition, even on
failure. It has only gauges, one counter, and no timestamps, so that the textfile collector of node_exporter, which
reads the older format, accepts it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from usagefix.models.amount import Amount
from usagefix.models.outcome import Outcome, Part
from usagefix.models.verification import Status, VerifyReport
from usagefix.render.words import harmless_lines

# Name: what it is. In their order; a name that ends in a unit says so.
_FAMILIES = {
    "verify_up": "1 where verify reached an answer for every counter, 0 where something kept it from that.",
    "verify_ok": "1 where everything is right: the exit code is 0.",
    "verify_exit_code": "0 fine, 1 a finding, 2 usage, 3 cannot connect, 4 busy, 5 refused, 70 a defect, 130 ended.",
    "verify_timestamp_seconds": "When verify ended, as Unix time.",
    "verify_duration_seconds": "How long verify took.",
    "counter_up": "1 where verify reached an answer for the counter.",
    "counter_ok": "1 where no check of the counter fails.",
    "checks": "Checks of the counter by how they ended.",
    "check_passed": "1 where the check passes, 0 where it fails; no sample where it does not apply.",
    "drift": "Baseline plus actual minus displayed, in all; opposite errors cancel out.",
    "drift_magnitude": "What each row is wrong by, in all.",
    "rows": "Rows that have the counter.",
    "inaccurate_rows": "Rows whose counter is wrong.",
    "displayed": "What all counters show.",
    "actual": "What all events come to.",
    "baseline": "What counters hold beside their events on purpose.",
    "orphans": "Events of rows that are not there.",
    "refused_writes": "Writes of the counter that the guard turned away.",
}
_COUNTERS = frozenset({"refused_writes"})
_LARGEST = Decimal(sys.float_info.max)
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def openmetrics(outcome: Outcome) -> str:
    """The whole exposition. Where there is no report of a counter, or of a part of it, the samples about that are left
    out, and ``usagefix_verify_up`` is 0."""
    exposition = _Exposition({"database": outcome.place.database, "server": outcome.place.server})
    exposition.add("verify_up", outcome.failure is None)
    exposition.add("verify_ok", outcome.ok)
    exposition.add("verify_exit_code", outcome.exit_code)
    exposition.add("verify_timestamp_seconds", time.time())
    exposition.add("verify_duration_seconds", outcome.duration_ms / 1000)
    for part in outcome.parts:
        _add(exposition, part)
    for left in outcome.left:
        exposition.add("counter_up", False, counter=left)
        exposition.add("counter_ok", False, counter=left)
    return str(exposition)


@dataclass(slots=True)
class _Exposition:
    """Samples by family, each with the labels that all have."""

    common: dict[str, str]
    samples: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _FAMILIES})

    def add(self, name: str, value: Amount | float, **labels: str) -> None:
        given = {key: text for key, text in (labels | self.common).items() if text}
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in given.items())
        suffix = "_total" if name in _COUNTERS else ""
        self.samples[name].append(f"usagefix_{name}{suffix}{said and f'{{{said}}}'} {_number(value)}")

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, samples in self.samples.items():
            if samples:
                yield f"# TYPE usagefix_{name} {'counter' if name in _COUNTERS else 'gauge'}"
                if name.endswith("_seconds"):
                    yield f"# UNIT usagefix_{name} seconds"
                yield f"# HELP usagefix_{name} {_FAMILIES[name]}"
                yield from samples
        yield "# EOF"


def _add(exposition: _Exposition, part: Part) -> None:
    counter = part.nouns.counter
    exposition.add("counter_up", part.error is None, counter=counter)
    exposition.add("counter_ok", part.exit_code == 0, counter=counter)
    if not isinstance(part.report, VerifyReport):
        return
    report = part.report
    by_status = Counter(check.status for check in report.checks)
    for status in Status:
        exposition.add("checks", by_status[status], counter=counter, status=status)
    passed: dict[str, bool] = {}
    for check in report.checks:
        if check.status is not Status.SKIPPED:
            passed[check.check_id] = passed.get(check.check_id, True) and not check.failed
    for check_id, passes in passed.items():
        exposition.add("check_passed", passes, counter=counter, check=check_id)
    if (counts := report.counts) is not None:
        totals = {
            "drift": counts.drift_total,
            "drift_magnitude": counts.drift_magnitude,
            "rows": counts.rows,
            "inaccurate_rows": counts.inaccurate,
            "displayed": counts.displayed_total,
            "actual": counts.actual_total,
            "baseline": counts.baseline_total,
        }
        for name, value in totals.items():
            exposition.add(name, value, counter=counter)
        if counts.orphans is not None:
            exposition.add("orphans", counts.orphans, counter=counter)
    if report.refused_writes is not None:
        exposition.add("refused_writes", report.refused_writes, counter=counter)


def _escaped(text: str) -> str:
    # The runner of GitHub Actions obeys ##[ wherever it stands.
    return harmless_lines(text).replace("##[", r"#\x23[").translate(_ESCAPED)


def _number(value: Amount | float) -> str:
    """With all its digits; what no reader can hold is infinite."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.3f}"
    exact = Decimal(value)
    if exact.is_nan():
        return "NaN"
    if exact.copy_abs() > _LARGEST:
        return "+Inf" if exact > 0 else "-Inf"
    return f"{exact:f}"
