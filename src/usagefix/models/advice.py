"""What to do next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """``do``: a command, a statement, or words for what a person has to edit, joined with ", then "; ``why``: the
    reason."""

    do: str
    why: str

    def __str__(self) -> str:
        """The step as it is printed. A mere command needs no reason, because the checks above it give that."""
        return self.do if self.do.startswith("usagefix ") else f"{self.do} ({self.why})"
