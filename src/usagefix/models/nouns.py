"""What people read of a counter: its name, its tables, and what its rows and events are called."""

from __future__ import annotations

from dataclasses import dataclass

from usagefix.models.amount import Amount


@dataclass(frozen=True, slots=True)
class Nouns:
    """The words for one counter; those that are there of themselves are for presets and their uses.

    ``counter`` is its name, ``counted`` what is counted where, in a line; ``usual``: it is the one that needs no name.
    ``row``: what a row of ``parent`` is, ``event``: what one of ``child`` is. ``column`` and ``last`` are the counter
    and the time of the last event, behind their table.
    """

    counter: str = "preset_usage_count"
    counted: str = "presets.usage_count ← preset_usage.preset_id"
    usual: bool = True
    row: str = "preset"
    event: str = "use"
    parent: str = "presets"
    child: str = "preset_usage"
    column: str = "presets.usage_count"
    last: str = "presets.last_used_at"

    @property
    def rows(self) -> str:
        return f"{self.row}s"

    @property
    def events(self) -> str:
        return f"{self.event}s"

    @property
    def heading(self) -> str:
        """Its name, and what it counts."""
        return f"{self.counter}: {self.counted}"

    def of(self, number: Amount) -> str:
        """``1 preset``, ``2 presets``."""
        return plural(number, self.row)

    def times(self, number: Amount) -> str:
        """``1 use``, ``2 uses``."""
        return plural(number, self.event)


def plural(number: Amount, noun: str) -> str:
    """``1 preset``, ``2 presets``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


USUAL = Nouns()
