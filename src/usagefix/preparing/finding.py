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

    def unless_any(self) -> str:
        """Leave where no new event passes the filter. Not where rows are made: they may be for another counter, too."""
        if self.counter.where is None or self.counter.creates:
            return ""
        return f"    -- Return if none of these events counts here.\n    {self._leave_without('new_events')}\n"

    def unless_gone(self) -> str:
        """Leave where no event that goes passes the filter."""
        if self.counter.where is None:
            return ""
        return (
            "    -- Return if none of these events counted here.\n"
            "    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN\n"
            f"        {self._leave_without('old_events')}\n    END IF;\n"
        )

    def _leave_without(self, table: str) -> str:
        found = f"SELECT FROM {table} AS event WHERE ({closed(str(self.counter.where))})"
        return f"IF NOT EXISTS ({found}) THEN RETURN NULL; END IF;"

    def unless_changed(self) -> str:
        """Leave for updates of anything else: they lock nothing, so they are in nobody's way."""
        if not (self.counter.creates or self.counter.beside or self.counter.above):
            return ""
        fragments = [closed(text) for text in (self.counter.where, self.counter.weight) if text]
        read = [*(f"event.{name}" for names in self.of_events for name in names), *fragments]
        read += [f"event.{self.counter.sql('time')}"] * (self.counter.time is not None)
        facts = ", ".join(read)
        new, old = (f"SELECT {facts} FROM {table} AS event" for table in ("new_events", "old_events"))  # noqa: S608
        return (
            "    -- Return if an UPDATE changes nothing that counts.\n"
            "    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            f"        IF NOT EXISTS (\n            {new}\n            EXCEPT ALL {old}\n"
            "        ) THEN RETURN NULL; END IF;\n    END IF;\n"
        )
