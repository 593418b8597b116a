"""The rule of throttles of notifications, which are about no counter in particular."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import Rule
from usagefix.models.diagnosis import Finding, Severity


def throttle_altered(case: Case) -> Iterator[Finding]:
    """A throttle that somebody disabled or altered: people get a notification for each use again, or none."""
    for throttle in case.throttles:
        if not throttle.works:
            yield Finding(
                "throttle_altered",
                Severity.WARNING,
                "Somebody changed the throttle of notifications",
                throttle.table,
                "; ".join(throttle.problems),
                f"usagefix notifications collapse --table {shlex.quote(throttle.table)}"
                " (it creates the throttle again; off removes it)",
            )


RULES: dict[str, Rule] = {throttle_altered.__name__: throttle_altered}
