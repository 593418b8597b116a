"""By which columns a counter, and those beside it, find their parent: text for the bodies of the counting functions."""

from __future__ import annotations

from collections.abc import Sequence

from usagefix.counter import Counter
from usagefix.fragments import closed
from usagefix.quoting import quoted


class Keys:
    """By which columns a counter, and those beside it, find their parent."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.of_parent, own = counter.keys_sql
        others = [(quoted(name),) for name in counter.beside if name != counter.foreign_key]
        # Counters with keys of several columns differ by what they filter: they find it by the same columns.
        self.of_events = [own] if counter.more_keys else list(dict.fromkeys([own, *others]))
        self.order = ", ".join(f"preset.{key}" for key in self.of_parent)

    def select(self, tables: Sequence[str], where: str = "") -> str:
        """A query for the keys of these events, each once."""
        found = [
            f"SELECT {', '.join(f'event.{column}' for column in columns)} FROM {table} AS event{where}"  # noqa: S608
            for table in tables
            for columns in self.of_events
        ]
        return (
            "\n            UNION ".join(found) if len(found) > 1 else found[0].replace("SELECT", "SELECT DISTINCT", 1)
        )

    def equal(self, left: str, right: Sequence[str]) -> str:
        pairs = zip(self.of_parent, right, strict=True)
        return " AND ".join(f"{left}.{key} OPERATOR(pg_catalog.=) {other}" for key, other in pairs)

    def unless_changed(self) -> str:
        """Leave for updates of anything else: they lock nothing, so they are in nobody's way."""
        fragments = [closed(text) for text in (self.counter.where, self.counter.weight) if text]
        read = [*(f"event.{name}" for names in self.of_events for name in names), *fragments]
        read += [f"event.{self.counter.sql('time')}"] * (self.counter.time is not None)
        facts = ", ".join(read)
        new, old = (f"SELECT {facts} FROM {table} AS event" for table in ("new_events", "old_events"))  # noqa: S608
        return (
            "    -- An UPDATE of anything else is nothing to count.\n"
            "    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            f"        IF NOT EXISTS (\n            {new}\n            EXCEPT ALL {old}\n"
            "        ) THEN RETURN NULL; END IF;\n    END IF;\n"
        )
