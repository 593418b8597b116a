"""The result of a use that was tried, and undone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_HOLDS_VALUES = ("22", "23")  # classes of SQLSTATE whose DETAIL quotes rows
LIMITED = "23505"  # unique_violation: what a daily limit says to the second use


@dataclass(frozen=True, slots=True)
class Outcome:
    """The change of the counter and the sum of the new events, or how the server refused. Neither: another session
    had locked the preset, or it was deleted. ``inserted``: the number of new events."""

    counted: int | Decimal | None = None
    recorded: int | Decimal | None = None
    inserted: int | None = None
    state: str = ""
    message: str = ""
    detail: str = ""
    hint: str = ""
    context: str = ""
    constraint: str = ""
    table: str = ""
    column: str = ""

    @property
    def tried(self) -> bool:
        return bool(self.state) or self.recorded is not None

    @property
    def fails(self) -> bool:
        return bool(self.state)

    @property
    def records(self) -> bool:
        return bool(self.inserted)

    @property
    def agrees(self) -> bool:
        """Whether counter and events changed alike, or the row with the counter no longer exists."""
        return not self.fails and (self.counted is None or self.counted == self.recorded)

    @property
    def complaint(self) -> str:
        """The server's message, without what may quote a row."""
        said = f"{self.message} (SQLSTATE {self.state})"
        if self.detail and not self.state.startswith(_HOLDS_VALUES):
            said += f"; DETAIL: {self.detail}"
        if self.hint:
            said += f"; HINT: {self.hint}"
        return " ".join(said.split())

    def __str__(self) -> str:
        if self.fails:
            return f"fails: {self.complaint}"
        if not self.tried:
            return "could not be tried: another session has locked the preset, or it is deleted"
        return f"{self.counted} counted, {self.recorded} recorded"
