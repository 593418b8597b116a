"""How a command ended: what every format of its result is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usagefix.errors import UsagefixError
    from usagefix.models.reports import Report
    from usagefix.models.target import Target


@dataclass(slots=True)
class Outcome:
    """A command, as far as it came: ``target`` is None where it never connected, ``report`` where it failed.

    ``changes`` says in words what a failed command has left in the database.
    """

    command: str
    target: Target | None = None
    report: Report | None = None
    error: UsagefixError | None = None
    changes: str = ""
    duration_ms: int = 0

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.report is not None and self.report.ok else 1

    @property
    def ok(self) -> bool:
        return self.exit_code == 0
