"""What the functions of some counters do before they count: make parent rows that are not there yet; lock all that any
of several counters of the same parent may change, in one order. Text for the bodies of the counting functions.

It stands in front of comments that the SQL files hold for it, in bodies only, and is nothing for the usual counter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from usagefix.fragments import closed
from usagefix.quoting import quoted

_INCREMENT = "    -- Most statements insert one event: then nothing is grouped or sorted.\n"
_ONE_BY_ONE = "    -- Else one by one, in the order of their ids.\n"
_ADJUST = "    -- What the statement changed, preset by preset.\n"
_ROW = "    -- What the row changed, preset by preset.\n"
_GONE = "        CONTINUE WHEN shown IS NULL; -- the preset is gone\n"
_NOTED = "        too_low := too_low OR shown IS NULL; -- what a backfill has still to add to it may not fit any more\n"
_STARTS = "    -- A preset that is new, or gets another id, starts with the events that are there."
ANCHORS = (_STARTS, _INCREMENT, _ONE_BY_ONE, _ADJUST, _ROW, _GONE)


class Counted(Protocol):
    """What of a counter is read here, see :class:`usagefix.counter.Counter`."""

    @property
    def parent_sql(self) -> str: ...
    @property
    def child_sql(self) -> str: ...
    @property
    def foreign_key(self) -> str: ...
    @property
    def more_keys(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def where(self) -> str | None: ...
    @property
    def only(self) -> str | None: ...
    @property
    def constants(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def creates(self) -> bool: ...
    @property
    def beside(self) -> tuple[str, ...]: ...
    @property
    def above(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def partitioned(self) -> bool: ...
    @property
    def weight(self) -> str | None: ...
    @property
    def time(self) -> str | None: ...
    def sql(self, what: str) -> str: ...


def prepared(counter: Counted, text: str) -> str:
    """Rendered SQL with what these functions do first."""
    if not (counter.creates or counter.beside or counter.above):
        return text
    for anchor, added in _additions(counter).items():
        text = text.replace(anchor, added + anchor)
    return text


def making(counter: Counted) -> str:
    """A statement that makes the parent rows which events name and which are not there, each with the counter at 0.
    Parameter: ids, an array as text, the keys that it is about. Returns the key of each row that it made."""
    return _Making(counter).statement()


def making_all(counter: Counted) -> str:
    """The same for every key."""
    return _Making(counter).statement(of_some=False)


def _additions(counter: Counted) -> Mapping[str, str]:
    made, locked = _Making(counter), _Locking(counter)
    return {
        _INCREMENT: made.of_insert() * bool(counter.beside) + locked.of_insert(),
        _ONE_BY_ONE: made.of_insert() * (not counter.beside),
        _ADJUST: made.unless_changed() + made.of_update() + locked.of_change(),
        _ROW: made.of_row() + locked.of_row(),
        _GONE: _NOTED * counter.creates,
        _STARTS: made.of_guard(),
    }


class _Keys:
    """By which columns a counter, and those beside it, find their parent."""

    def __init__(self, counter: Counted) -> None:
        self.counter = counter
        self.of_parent = [counter.sql("key"), *(quoted(ours) for ours, _ in counter.more_keys)]
        own = (counter.sql("foreign_key"), *(quoted(theirs) for _, theirs in counter.more_keys))
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


class _Locking(_Keys):
    """Locks every parent row that a counter of this parent may change, in one order: two sets, each in order, one after
    the other, would be two orders."""

    _WHY = (
        "    -- Other functions count these events for the same rows, too: lock all that any of them may change\n"
        "    -- before the first one counts, in the order of their keys.\n"
    )

    _ABOVE = (
        "    -- Other counters add this one up: lock the rows of this one, and theirs, before the first is written,\n"
        "    -- each table in the order of its keys.\n"
    )

    def of_insert(self) -> str:
        return self._why + self._all(["new_events"], "    ") if self._locks else ""

    def of_change(self) -> str:
        if not self._locks:
            return ""
        indent = " " * 8
        return (
            f"{self._why}    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN\n"
            + self._all(["old_events"], indent)
            + "    ELSIF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            + self._all(["old_events", "new_events"], indent)
            + "".join(self._of_partition())
            + "    END IF;\n"
        )

    def of_row(self) -> str:
        if not self.counter.beside:  # one row of one counter is in one order
            return ""
        rows = [f"{row}.{column}" for row in ("OLD", "NEW") for columns in self.of_events for column in columns]
        if self.counter.more_keys:
            tuples = [
                self.equal("preset", [f"{row}.{column}" for column in self.of_events[0]]) for row in ("OLD", "NEW")
            ]
            found = "\n        OR ".join(tuples)
        else:
            found = f"preset.{self.of_parent[0]} OPERATOR(pg_catalog.=) ANY (ARRAY[{', '.join(rows)}])"
        return (
            f"{self._WHY}    PERFORM FROM {self.counter.parent_sql} AS preset\n    WHERE {found}\n    {self._order}\n"
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
        ways = [way[:end] for way in self.counter.above for end in range(4, len(way) + 1, 4)]
        for way in dict.fromkeys(ways) if not self.counter.more_keys else ():
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
    def _locks(self) -> bool:
        return bool(self.counter.beside or self.counter.above)

    @property
    def _why(self) -> str:
        return self._WHY * bool(self.counter.beside) + self._ABOVE * bool(self.counter.above)

    @property
    def _order(self) -> str:
        return f"ORDER BY {self.order} FOR NO KEY UPDATE;"


class _Making(_Keys):
    """Makes the parent rows that events name and that are not there. Two that make the same row: the second waits for
    the first, and finds its row. Where others count beside, for all of them, unfiltered, as they lock: before that."""

    _WHY = "    -- Make rows that are not there yet, at 0. Who makes the same one waits, and finds it.\n"

    def statement(self, *, of_some: bool = True) -> str:
        own = self.of_events[:1]
        keys = ", ".join(f"event.{column}" for column in own[0])
        wanted = [f"({closed(self.counter.where)})"] if self.counter.where else []
        wanted += [f"event.{own[0][0]} OPERATOR(pg_catalog.=) ANY (%(ids)s)"] if of_some else []
        found = f"SELECT DISTINCT {keys} FROM {self.counter.child_sql} AS event"  # noqa: S608
        text = self._insert(found + (f" WHERE {' AND '.join(wanted)}" if wanted else ""))
        if not of_some:
            return f"{text};"
        text = text.replace("%", "%%").replace("%%(ids)s", "%(ids)s")
        return f"{text}\nRETURNING {self.of_parent[0].replace('%', '%%')}::pg_catalog.text"

    def of_insert(self) -> str:
        return self._WHY + self._statement(self.select(["new_events"], self._where), "    ") if self._makes else ""

    def of_update(self) -> str:
        if not self._makes:
            return ""
        come, gone = (self.select([table], self._where) for table in ("new_events", "old_events"))
        keys = f"({come})\n            EXCEPT ({gone})"
        return (
            f"{self._WHY}    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n"
            f"{self._statement(keys, ' ' * 8)}    END IF;\n"
        )

    def of_row(self) -> str:
        if not self._makes:
            return ""
        row = "(SELECT NEW.*)"
        come = self.select([row], self._where)
        return (
            f"{self._WHY}    IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN\n"
            f"{self._statement(come, ' ' * 8)}    END IF;\n"
        )

    def of_guard(self) -> str:
        """Of another counter that counts the same events: its own function counts next what the row is made for."""
        if not self._makes:
            return ""
        return (
            "    -- A row that a function makes which counts the same events starts at 0: these are counted next.\n"
            "    IF TG_OP = 'INSERT' AND current_setting('usagefix.making', true) =\n"
            f"        concat({self._events}::regclass::oid, ' ', pg_trigger_depth() - 1)\n"
            f"    THEN\n        NEW.{self.counter.sql('column')} := 0;\n        RETURN NEW;\n    END IF;\n"
        )

    @property
    def _events(self) -> str:
        return "'" + self.counter.child_sql.replace("'", "''") + "'"

    @property
    def _makes(self) -> bool:
        return self.counter.creates

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
