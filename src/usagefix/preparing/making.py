"""Creates missing parent rows that events name, before it counts the events."""

from __future__ import annotations

import re
from collections.abc import Sequence

from usagefix.fragments import closed
from usagefix.preparing.finding import Keys
from usagefix.quoting import literal, quoted

_MINE = (
    "(pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8"
    " OPERATOR(pg_catalog.-) pg_catalog.age(event.xmin))::pg_catalog.text::pg_catalog.xid8"
)
# Its newest version is of another transaction, which has committed since it is seen.
_OLDER = f"""
    AND CASE WHEN pg_catalog.age(event.xmin) OPERATOR(pg_catalog.<=) 0 THEN pg_catalog.pg_xact_status(
        {_MINE}) OPERATOR(pg_catalog.=) 'in progress' END IS NOT TRUE"""


class Making(Keys):
    """Makes the parent rows that events name and that are not there, each with what older events of it count. Two that
    make the same row: the second waits for the first, and finds its row. Where others count beside, for all of them,
    unfiltered, as they lock: before that."""

    _WHY = (
        "    -- Create missing rows, with the number of earlier events. A session that creates the same row waits,\n"
        "    -- and then finds it.\n"
    )

    def statement(self) -> str:
        """For events that are there: see :func:`usagefix.preparing.making`."""
        own = self.of_events[0]
        keys = ", ".join(f"event.{column}" for column in own)
        wanted = [f"({closed(self.counter.where)})"] if self.counter.where else []
        key, one_of = ", ".join(self.of_parent), "OPERATOR(pg_catalog.=) ANY"
        if len(own) == 1:
            wanted.append(f"event.{own[0]} {one_of} (%(ids)s)")
        else:  # the columns, by which an index is used, and their ROW
            wanted += [f"event.{column} {one_of} (%(ids_{n})s)" for n, column in enumerate(own, 1)]
            wanted.append(f"ROW({keys})::pg_catalog.text {one_of} (%(ids)s::pg_catalog.text[])")
            key = f"ROW({key})"
        found = f"SELECT DISTINCT {keys} FROM {self.counter.child_sql} AS event"  # noqa: S608
        made = self._insert(f"{found} WHERE {' AND '.join(wanted)}")
        text = f"{made}\nRETURNING {key}::pg_catalog.text"
        return re.sub(r"%%(\(ids(_\d+)?\)s)", r"%\1", text.replace("%", "%%"))

    def of_backfill(self) -> str:
        """All rows that lack, for the backfill by hand: those of its own events."""
        if not self.counter.creates:
            return ""
        keys = ", ".join(f"event.{column}" for column in self.of_events[0])
        where = f" WHERE ({closed(self.counter.where)})" if self.counter.where else ""
        found = self._insert(f"SELECT DISTINCT {keys} FROM {self.counter.child_sql} AS event{where}")  # noqa: S608
        lines = ["-- Create missing rows.", *f"{found};".splitlines()]
        return "".join(f"    {line}\n" for line in lines)

    def of_insert(self) -> str:
        return (
            self._WHY + self._statement(self.select(["new_events"], self._where), "    ", self._before)
            if self.counter.creates
            else ""
        )

    def of_update(self) -> str:
        if not self.counter.creates:
            return ""
        come, gone = (self.select([table], self._where) for table in ("new_events", "old_events"))
        keys = _but(come, gone)
        return (
            f"{self._WHY}    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            f"{self._statement(keys, ' ' * 8, self._before)}    END IF;\n"
        )

    def of_row(self) -> str:
        if not self.counter.creates:
            return ""
        come, gone = (self.select([f"(SELECT {row}.*)"], self._where) for row in ("NEW", "OLD"))
        start = self._total(self.counter.child_sql, self._names, _OLDER)
        return (
            "    -- Create the row if it is missing, with the events of other transactions.\n"
            "    -- A session that creates the same row waits, and then finds it.\n"
            "    IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN\n"
            f"{self._statement(_but(come, gone), ' ' * 8, start)}    END IF;\n"
        )

    def of_guard(self) -> str:
        """Of another counter that counts the same events: its own function counts next what the row is made for."""
        if not self.counter.beside:
            return ""
        row = [f"NEW.{key}" for key in self.of_parent]
        start = self._total(self.counter.child_sql, row, _OLDER)
        return (
            "    -- A row that a function makes which counts the same events starts with those of other transactions:\n"
            "    -- what this one wrote is counted next.\n"
            "    IF TG_OP = 'INSERT' AND current_setting('usagefix.making', true) =\n"
            f"        concat({self._events}::regclass::oid, ' ', pg_trigger_depth() - 1)\n"
            f"    THEN\n        NEW.{self.counter.sql('column')} := {start};\n        RETURN NEW;\n    END IF;\n"
        )

    @property
    def _before(self) -> str:
        """What a row that is missing would show without the statement: no event was one of its before an UPDATE that
        makes some."""
        row = self._names
        now, come = self._total(self.counter.child_sql, row), self._total("new_events", row)
        return f"{now}\n    OPERATOR(pg_catalog.-) {come}"

    def _total(self, table: str, row: Sequence[str], further: str = "") -> str:
        """What events of one row count for in all, as SQL."""
        weight, where = (closed(text) if text else "" for text in (self.counter.weight, self.counter.where))
        total = f"COALESCE(pg_catalog.sum({weight}), 0)" if weight else "pg_catalog.count(*)"
        pairs = zip(self.of_events[0], row, strict=True)
        same = " AND ".join(f"event.{column} OPERATOR(pg_catalog.=) {key}" for column, key in pairs)
        counts = f" AND ({where})" if where else ""
        return f"(SELECT {total} FROM {table} AS event WHERE {same}{counts}{further})"  # noqa: S608

    @property
    def _events(self) -> str:
        return literal(self.counter.child_sql)

    @property
    def _where(self) -> str:
        return f" WHERE ({closed(self.counter.where)})" if self.counter.where and not self.counter.beside else ""

    def _statement(self, keys: str, indent: str, start: str) -> str:
        making = f"pg_catalog.to_regclass({self._events})::pg_catalog.oid, ' ', pg_catalog.pg_trigger_depth()"
        text = (
            f"PERFORM pg_catalog.set_config('usagefix.making', pg_catalog.concat(\n    {making}), true);\n"
            f"{self._insert(keys, start)};\nPERFORM pg_catalog.set_config('usagefix.making', '', true);"
        )
        return "".join(f"{indent}{line}\n" for line in text.splitlines())

    @property
    def _names(self) -> list[str]:
        """The key of a row that is missing."""
        return ["missing.key", *(f"missing.key_{n}" for n, _ in enumerate(self.counter.more_keys, 2))]

    def _insert(self, keys: str, start: str = "0") -> str:
        counter, of_row = self.counter, self._names
        names = [name.removeprefix("missing.") for name in of_row]
        columns = [*self.of_parent, counter.sql("column"), *(quoted(name) for name, _ in counter.constants)]
        values = [*of_row, start, *(value for _, value in counter.constants)]
        there = self.equal("preset", of_row) + (f" AND ({closed(counter.only)})" if counter.only else "")
        # Not a mere sub-select: see the locking.
        source = f"({keys})" if counter.more_keys else f"pg_catalog.unnest(ARRAY(\n        {keys}))"
        return (
            f"INSERT INTO {counter.parent_sql} ({', '.join(columns)})\n"
            f"SELECT {', '.join(values)}\nFROM {source} AS missing ({', '.join(names)})\n"
            f"WHERE {' AND '.join(f'{value} IS NOT NULL' for value in of_row)}"
            f" AND NOT EXISTS (\n    SELECT FROM {counter.parent_sql} AS preset WHERE {there})\n"
            f"ORDER BY {', '.join(of_row)}\nON CONFLICT DO NOTHING"
        )


def _but(come: str, gone: str) -> str:
    """The keys that an UPDATE makes events name, and that they did not name before."""
    return f"({come})\n            EXCEPT ({gone})"
