"""The names by which clients and mappers of objects call the two tables and the counter, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from usagefix.reading.findings import EVENTS, PRESETS
from usagefix.reading.subject import Subject

SIDES = (PRESETS, EVENTS)
_SUFFIX = re.compile(r"(?:table|model|entity|repository|repo)$")


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """A name without what spellings differ in: usage_count, usageCount, UsageCount, increment!."""
    return name.replace("_", "").rstrip("!?").lower()


def singular(table: str) -> str:
    """A table's name as its model is called."""
    name = plain(table)
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    if name.endswith(("xes", "ches", "shes", "sses")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _forms(table: str) -> set[str]:
    """The names of a table and of its model, in the singular and the plural."""
    name = plain(table)
    return {name, singular(table), f"{name}s"}


@dataclass(frozen=True)
class Names:
    """What the names in a file may be for; ``sides``: the tables that are looked for, one at a time where the events
    are of the parent itself."""

    subject: Subject
    functions: Collection[str]
    sides: tuple[str, ...] = SIDES
    counter: str = field(init=False)
    _tables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counter", plain(self.subject.counter))
        names = {PRESETS: self.subject.parent, EVENTS: self.subject.child}
        object.__setattr__(self, "_tables", {form: side for side in self.sides for form in _forms(names[side])})

    def table(self, name: str) -> str | None:
        """The table that a name is for: a model, table or variable in the singular or plural, in any case."""
        short = plain(name)
        return self._tables.get(short) or self._tables.get(_SUFFIX.sub("", short))

    def is_counter(self, name: str) -> bool:
        """Whether a name is the counter's."""
        return plain(name) == self.counter
