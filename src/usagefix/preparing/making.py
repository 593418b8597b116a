"""Parent rows that events name and that are not there yet, made before the events are counted."""

from __future__ import annotations

import re

from usagefix.fragments import closed
from usagefix.preparing.finding import Keys
from usagefix.quoting import literal, quoted


class Making(Keys):
    """Makes the parent rows that events name and that are not there. Two that make the same row: the second waits for
    the first, and finds its row. Where others count beside, for all of them, unfiltered, as they lock: before that."""

    _WHY = "    -- Make rows that are not there yet, at 0. Who makes the same one waits, and finds it.\n"

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

    def of_insert(self) -> str:
        return (
            self._WHY + self._statement(self.select(["new_events"], self._where), "    ")
            if self.counter.creates
            else ""
        )

    def of_update(self) -> str:
        if not self.counter.creates:
            return ""
        come, gone = (self.select([table], self._where) for table in ("new_events", "old_events"))
        keys = f"({come})\n            EXCEPT ({gone})"
        return (
            f"{self._WHY}    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            f"{self._statement(keys, ' ' * 8)}    END IF;\n"
        )

    def of_row(self) -> str:
        if not self.counter.creates:
            return ""
        row = "(SELECT NEW.*)"
        come = self.select([row], self._where)
        return (
            f"{self._WHY}    IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN\n"
            f"{self._statement(come, ' ' * 8)}    END IF;\n"
        )

    def of_guard(self) -> str:
        """Of another counter that counts the same events: its own function counts next what the row is made for."""
        if not self.counter.creates:
            return ""
        return (
            "    -- A row that a function makes which counts the same events starts at 0: these are counted next.\n"
            "    IF TG_OP = 'INSERT' AND current_setting('usagefix.making', true) =\n"
            f"        concat({self._events}::regclass::oid, ' ', pg_trigger_depth() - 1)\n"
            f"    THEN\n        NEW.{self.counter.sql('column')} := 0;\n        RETURN NEW;\n    END IF;\n"
        )

    @property
    def _events(self) -> str:
        return literal(self.counter.child_sql)

    @property
    def _where(self) -> str:
        return f" WHERE ({closed(self.counter.where)})" if self.counter.where and not self.counter.beside else ""

    def _statement(self, keys: str, indent: str) -> str:
        making = f"pg_catalog.to_regclass({self._events})::pg_catalog.oid, ' ', pg_catalog.pg_trigger_depth()"
        text = (
            f"PERFORM pg_catalog.set_config('usagefix.making', pg_catalog.concat(\n    {making}), true);\n"
            f"{self._insert(keys)};\nPERFORM pg_catalog.set_config('usagefix.making', '', true);"
        )
        return "".join(f"{indent}{line}\n" for line in text.splitlines())

    def _insert(self, keys: str) -> str:
        counter = self.counter
        names = ["key", *(f"key_{n}" for n, _ in enumerate(counter.more_keys, 2))]
        of_row = [f"missing.{name}" for name in names]
        columns = [*self.of_parent, counter.sql("column"), *(quoted(name) for name, _ in counter.constants)]
        values = [*of_row, "0", *(value for _, value in counter.constants)]
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
