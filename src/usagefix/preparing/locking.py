"""Locks the parent rows that a statement may change, before it is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from usagefix.preparing.finding import Keys
from usagefix.quoting import quoted

# In the words of the SQL files. Not from the rows of a sub-select: the plan, kept for the session, would be that of its
# first statement; of an array it is the same for many rows and for few.
AT_ONCE = (
    "    -- Otherwise update all at once: they are locked. Not if triggers of others may change more rows meanwhile.\n"
)
COUNTED = f"""{AT_ONCE}    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS other
        WHERE other.tgrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('public.presets')
            AND other.tgtype OPERATOR(pg_catalog.&) 19 OPERATOR(pg_catalog.=) 19 -- BEFORE UPDATE, of each row
            AND NOT pg_catalog.starts_with(other.tgname::pg_catalog.text, 'zz_trigger_guard_')
    ) THEN
        UPDATE public.presets AS preset
        SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) each.uses
          , last_used_at = GREATEST(preset.last_used_at, each.newest) --? presets.last_used_at
        FROM (
            SELECT pg_catalog.array_agg(counted.key) AS keys, pg_catalog.array_agg(counted.uses) AS uses,
                pg_catalog.array_agg(counted.newest) AS newest
            FROM (
                SELECT written.preset_id AS key, pg_catalog.count(*) AS uses,
                    pg_catalog.max(written.created_at) AS newest
                FROM new_events AS written GROUP BY written.preset_id
            ) AS counted
        ) AS listed
        CROSS JOIN ROWS FROM (
            pg_catalog.unnest(listed.keys), pg_catalog.unnest(listed.uses), pg_catalog.unnest(listed.newest)
        ) AS each (key, uses, newest)
        WHERE preset.id OPERATOR(pg_catalog.=) each.key;
        RETURN NULL;
    END IF;
"""  # noqa: S608 - its own words


class Locking(Keys):
    """Locks every parent row that a counter of this parent may change, in one order. Two sets, each in order but one
    after the other, would be two orders."""

    _WHY = (
        "    -- Other functions also count these events for the same rows: lock all that any of them may change\n"
        "    -- before the first one counts, in the order of their keys.\n"
    )

    _ABOVE = (
        "    -- Other counters sum this one: lock its rows, and theirs, before the first write,\n"
        "    -- each table in the order of its keys.\n"
    )

    def of_insert(self) -> str:
        if not self._locks:
            return ""
        tables = [self.counter.parent_sql, *self._upper]
        return self._why + self._tables(tables) + self._all(["new_events"], "    ")

    def of_change(self) -> str:
        if not self._locks:
            return ""
        indent = " " * 8
        return (
            f"{self._why}{self._tables(self._upper)}    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN\n"
            + self._all(["old_events"], indent)
            + "    ELSIF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            + self._all(["old_events", "new_events"], indent)
            + "".join(self._of_partition())
            + "    END IF;\n"
        )

    def of_row(self) -> str:
        if not self.counter.beside:  # one row of one counter is in one order
            return self._tables(self._upper)
        rows = [f"{row}.{column}" for row in ("OLD", "NEW") for columns in self.of_events for column in columns]
        if self.counter.more_keys:
            tuples = [
                self.equal("preset", [f"{row}.{column}" for column in self.of_events[0]]) for row in ("OLD", "NEW")
            ]
            found = "\n        OR ".join(tuples)
        else:
            found = f"preset.{self.of_parent[0]} OPERATOR(pg_catalog.=) ANY (ARRAY[{', '.join(rows)}])"
        return (
            f"{self._WHY}{self._tables(self._upper)}    PERFORM FROM {self.counter.parent_sql} AS preset\n"
            f"    WHERE {found}\n    {self._order}\n"
        )

    def _of_partition(self) -> Iterator[str]:
        if self.counter.partitioned:
            query = self._statement(["ONLY %s"], "").replace("PERFORM", "SELECT", 1).strip().rstrip(";")
            text = query.replace("%", "%%").replace("ONLY %%s", "ONLY %1$s").replace("'", "''")
            yield "    ELSIF TG_WHEN OPERATOR(pg_catalog.=) 'BEFORE' THEN\n"
            yield f"        EXECUTE pg_catalog.format('{text}', TG_RELID::pg_catalog.regclass);\n"

    def _statement(self, tables: Sequence[str], indent: str) -> str:
        touched = self.select(tables)
        # One event of one key is one row: the counting itself locks that.
        one = "EXISTS (SELECT FROM new_events OFFSET 1) AND " * (
            len(self.of_events) == 1 and list(tables) == ["new_events"]
        )
        if self.counter.more_keys:
            columns = [f"touched.{column}" for column in self.of_events[0]]
            joined = f"JOIN {self.counter.parent_sql} AS preset ON {self.equal('preset', columns)}"
            text = f"PERFORM FROM ({touched}) AS touched\n{joined}\nORDER BY {self.order} FOR NO KEY UPDATE OF preset;"
        else:
            # Not a join: its plan, kept for the session, would be that of its first statement, of many events or of one
            any_of = f"preset.{self.of_parent[0]} OPERATOR(pg_catalog.=) ANY (ARRAY(\n        {touched}))"
            text = f"PERFORM FROM {self.counter.parent_sql} AS preset\nWHERE {one}{any_of}\n{self._order}"
        return "".join(f"{indent}{line}\n" for line in text.splitlines())

    def _all(self, tables: Sequence[str], indent: str) -> str:
        return self._statement(tables, indent) + "".join(self._further(tables, indent))

    def _further(self, tables: Sequence[str], indent: str) -> Iterator[str]:
        """The rows whose counters add up this one, by each way: what fires when this one is written locks them."""
        for way in self._ways:
            keys, below, key = self.select(tables), self.counter.parent_sql, self.of_parent[0]
            for at in range(0, len(way), 4):
                schema, table, upper, column = map(quoted, way[at : at + 4])
                row = f"SELECT row.{column} FROM {below} AS row"  # noqa: S608
                keys = f"{row} WHERE row.{key} OPERATOR(pg_catalog.=) ANY (ARRAY({keys}))"
                below, key = f"{schema}.{table}", upper
            many = "EXISTS (SELECT FROM new_events OFFSET 1) AND " * (list(tables) == ["new_events"])
            found = f"WHERE {many}upper.{key} OPERATOR(pg_catalog.=) ANY (ARRAY(\n    {keys}))"
            text = f"PERFORM FROM {below} AS upper\n{found}\nORDER BY upper.{key} FOR NO KEY UPDATE;"
            yield "".join(f"{indent}{line}\n" for line in text.splitlines())

    @property
    def _ways(self) -> Sequence[tuple[str, ...]]:
        """Each way up, by way of those that are shorter."""
        ways = [way[:end] for way in self.counter.above for end in range(4, len(way) + 1, 4)]
        return list(dict.fromkeys(ways)) if not self.counter.more_keys else []

    @property
    def _upper(self) -> Sequence[str]:
        """The tables at the end of each way."""
        return self.counter.upper_tables if self._ways else ()

    def _tables(self, tables: Sequence[str]) -> str:
        """All tables before the first row: who holds a row must not wait for a table."""
        return f"    LOCK TABLE {', '.join(f'ONLY {table}' for table in tables)} IN ROW EXCLUSIVE MODE;\n" * bool(
            tables
        )

    @property
    def _locks(self) -> bool:
        return bool(self.counter.beside or self.counter.above)

    @property
    def _why(self) -> str:
        return self._WHY * bool(self.counter.beside) + self._ABOVE * bool(self.counter.above)

    @property
    def _order(self) -> str:
        return f"ORDER BY {self.order} FOR NO KEY UPDATE;"
