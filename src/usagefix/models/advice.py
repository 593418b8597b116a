"""What to do next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """``do``: a command, a statement, or in words what a person has to edit, joined with ", then "; ``why`` it is that
    and nothing else."""

    do: str
    why: str

    def __str__(self) -> str:
        """As it is printed: the reason of a mere command stands above it, in the checks."""
        return self.do if self.do.startswith("usagefix ") else f"{self.do} ({self.why})"
