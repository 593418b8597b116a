"""The words for a counter: its name, its tables, and what its rows and events are called."""

from __future__ import annotations

from dataclasses import dataclass

from usagefix.models.amount import Amount
from usagefix.models.figures import grouped, plural


@dataclass(frozen=True, slots=True)
class Nouns:
    """The words for one counter; the defaults are for presets and their uses. ``counter``: its name; ``counted``:
    what is counted where, in a line; ``usual``: it is the one that needs no name; ``weighed``: an event counts for
    more or less than 1. ``row``: a row of ``parent``; ``event``: a row of ``child``. ``column`` and ``last``: the
    counter and the time of the last event, with their table; ``recorder``: the function that records an event, empty
    if there is none. The rest are headings and the result of a smoke test."""

    counter: str = "preset_usage_count"
    counted: str = "presets.usage_count ← preset_usage.preset_id"
    usual: bool = True
    weighed: bool = False
    row: str = "preset"
    event: str = "use"
    an_event: str = "a use"
    does: str = "uses the preset"
    untried: str = "smoke could try no use, because there is no preset with a user"
    parent: str = "presets"
    child: str = "preset_usage"
    column: str = "presets.usage_count"
    last: str = "presets.last_used_at"
    recorder: str = "track_preset_usage()"
    with_count: str = "presets with usage"
    with_events: str = "presets really used"
    most: str = "Most used presets"
    last_event: str = "last use"
    smoked: str = "a use counts, from the application's call to the counter; all of it is undone"

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

    def of(self, number: int) -> str:
        """``1 preset``, ``2 presets``."""
        return plural(number, self.row)

    def total(self, amount: Amount) -> str:
        """``1 use``, ``2 uses``; of what is weighed, a mere number."""
        return grouped(amount) if self.weighed else plural(amount, self.event)


USUAL = Nouns()
