"""Fits one declared counter with events to the tables of a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from usagefix.counter import Counter
from usagefix.declaration import Declaration, Missing
from usagefix.declaring.fragments import constants
from usagefix.picture.declared import COUNTERS, INEXACT, NUMBERS, WHOLE, Table, Tables
from usagefix.picture.vetting import Source, Unsound, Vetted, glanced, vetted
from usagefix.quoting import shown


def fitted(tables: Tables, declaration: Declaration) -> Counter | None:
    """The counter; otherwise None, with a mistake."""
    assert declaration.events is not None  # noqa: S101
    parent = tables.table(declaration, "counter", declaration.parent)
    events = tables.table(declaration, "events", declaration.events)
    if parent is None or events is None:
        return None
    return _Fitting(tables, declaration, parent, events).counter()


def number(tables: Tables, declaration: Declaration, parent: Table) -> str:
    """The type of the counter, below a domain; empty, and noted, where it cannot be counted in."""
    column = tables.column(declaration, "counter", parent, declaration.column)
    if column is None:
        return ""
    about = parent.columns[column]
    what = None
    if about["generated"]:
        what = f"is {column}, which the server generates: nobody else can write it"
    elif about["identity"]:
        what = f"is {column}, an identity column, which numbers rows"
    elif about["base"] in INEXACT:
        what = f"is of type {about['type']}, in which sums are not exact; numeric is"
    elif about["base"] not in (NUMBERS if (parent.schema, parent.name, column) in tables.applied else COUNTERS):
        what = f"is of type {about['type']}; a counter is integer, bigint or numeric"
    if what is not None:
        tables.wrong(declaration, "counter", what)
    return str(about["base"]) if what is None else ""


def predicate(tables: Tables, declaration: Declaration, key: str, text: str | None, source: Source) -> str | None:
    """A condition as the counter has it; None if there is none, or, and noted, where it cannot be one."""
    found = _sql(tables, declaration, key, text, source)
    if found is not None and found.kind != "boolean":
        tables.wrong(declaration, key, f"is of type {found.kind}; it should be true or false")
    return found.text if found is not None else None


def _sql(tables: Tables, declaration: Declaration, key: str, text: str | None, source: Source) -> Vetted | None:
    if text is None:
        return None
    try:
        return (vetted if tables.vetting else glanced)(tables.db, text, source)
    except Unsound as unsound:
        tables.wrong(declaration, key, str(unsound))
        return None


class _Fitting:
    """One declaration, and its two tables."""

    def __init__(self, tables: Tables, declaration: Declaration, parent: Table, events: Table) -> None:
        self._tables = tables
        self._said = declaration
        self._parent = parent
        self._events = events

    def counter(self) -> Counter | None:
        said, parent, events = self._said, self._parent, self._events
        kind = number(self._tables, said, parent)
        refers = said.foreign_key if self._tables.columns(said, "events", events, said.foreign_key) else ()
        key = self._key() if refers else ()
        of_events = Source(events.sql, "event", self._tables.trusted(parent))
        fixed = self._constants()
        last = self._time_column("last", parent, said.last)
        where = predicate(self._tables, said, "where", said.where, of_events)
        weight = self._weight(of_events)
        only = predicate(
            self._tables, said, "only", said.only, Source(parent.sql, "preset", self._tables.trusted(parent))
        )
        label = self._tables.column(said, "label", parent, said.label) if said.label else None
        time = self._time_column("last", events, said.time)
        if not key:
            return None
        self._require_key(key, dict(fixed), last)
        written = {"where": said.where, "weight": said.weight, "only": said.only}
        return Counter(
            schema=parent.schema,
            parent=parent.name,
            key=key[0],
            column=said.column,
            last=last,
            label=label,
            child=events.name,
            foreign_key=refers[0],
            time=time,
            event_id=self._if_there("id"),
            user=self._if_there("user_id"),
            kind=self._if_there("usage_type"),
            data=self._if_there("usage_data"),
            child_schema=events.schema if events.schema != parent.schema else None,
            more_keys=tuple(zip(key[1:], refers[1:], strict=True)),
            number=kind,
            where=where,
            weight=weight,
            only=only,
            constants=fixed,
            creates=said.missing is Missing.CREATE,
            slug=said.name,
            partitioned=events.kind == "p",
            recorder=said.recorder,
            incrementer=None,
            daily=None,
            encoding=self._tables.db.codec,
            declared=tuple((name, text) for name, text in written.items() if text is not None),
        )

    def _wrong(self, key: str, what: str) -> None:
        self._tables.wrong(self._said, key, what)

    def _if_there(self, column: str) -> str | None:
        return column if column in self._events.columns else None

    def _key(self) -> tuple[str, ...]:
        """The columns of the parent to which those of the events refer; none, and noted, where that is not known."""
        said, parent = self._said, self._parent
        if said.key:
            return said.key if self._tables.columns(said, "key", parent, said.key) else ()
        for foreign in self._events.refers:
            to_parent = (foreign["schema"], foreign["table"]) == (parent.schema, parent.name)
            if to_parent and sorted(foreign["columns"]) == sorted(said.foreign_key):
                keys = dict(zip(foreign["columns"], foreign["keys"], strict=True))
                return tuple(keys[column] for column in said.foreign_key)
        if len(parent.primary) == len(said.foreign_key):
            return parent.primary
        why = f"has the primary key ({', '.join(parent.primary)})" if parent.primary else "has no primary key"
        self._wrong("key", f"is missing: no foreign key says what the events refer to, and {parent} {why}")
        return ()

    def _require_key(self, key: Sequence[str], fixed: Iterable[str], last: str | None) -> None:
        """The key finds one row, can be compared, and, where rows are made, is all that these need."""
        parent, events = self._parent, self._events
        for of_parent, of_event in zip(key, self._said.foreign_key, strict=True):
            left, right = parent.columns[of_parent]["type"], events.columns[of_event]["type"]
            if not self._tables.can_be_compared(left, right):
                both = f"has {of_event} of type {right}, and {parent}.{of_parent} is of type {left}"
                self._wrong("events", f"{both}: they cannot be compared")
        if self._said.column in key:
            self._wrong("counter", f"is {self._said.column}, by which events find their row")
        if self._said.missing is Missing.CREATE:
            self._require_creatable({*key, *fixed}, {self._said.column, *([last] if last else [])})
        else:
            self._tables.require_unique(self._said, parent, key, fixed)

    def _require_creatable(self, key: set[str], more: set[str]) -> None:
        """A row can be made of its key and its count, and ON CONFLICT finds the one that is there."""
        parent = self._parent
        if not any({*columns} == key for columns in parent.keys):
            self._wrong("missing", f"= 'create' needs a unique index on {parent} ({', '.join(sorted(key))})")
        given = key | more
        needed = [name for name, about in parent.columns.items() if about["required"] and name not in given]
        if needed:
            none = f"= 'create' cannot give {parent} its {', '.join(needed)}: there is no default"
            table = f"{shown(parent.schema)}.{shown(parent.name)}"
            ways = ", ".join(f"ALTER {shown(name)} SET DEFAULT …" for name in needed)
            self._wrong("missing", f"{none} (ALTER TABLE {table} {ways})")
        for name in sorted(given & parent.columns.keys()):
            if parent.columns[name]["generated"] or parent.columns[name]["identity"] == "a":
                self._wrong("missing", f"= 'create' cannot write {parent}.{name}, which the server generates")

    def _time_column(self, key: str, table: Table, column: str | None) -> str | None:
        """A column that holds a time; of the events it may be a day."""
        if column is None or self._tables.column(self._said, key, table, column) is None:
            return None
        kind = table.columns[column]["base"]
        if not kind.startswith("timestamp") and (table is self._parent or kind != "date"):
            self._wrong(key, f"names {column}, of type {table.columns[column]['type']}; it should be a timestamp")
        return column

    def _weight(self, source: Source) -> str | None:
        found = _sql(self._tables, self._said, "sum", self._said.weight, source)
        column = self._parent.columns.get(self._said.column)
        if found is None or column is None:
            return None
        if found.kind in INEXACT:
            self._wrong("sum", f"is of type {found.kind}, in which sums are not exact; numeric is")
        elif found.kind not in NUMBERS:
            self._wrong("sum", f"is of type {found.kind}; it should be a number")
        elif found.kind == "numeric" and column["base"] in WHOLE:
            self._wrong("sum", f"is numeric, and the counter {column['type']}: what is behind the point would be lost")
        elif found.kind == "numeric" and column["scale"] is not None:
            own = self._events.columns.get(str(self._said.weight).strip().strip('"'), {}).get("scale")
            if own is not None and own > column["scale"]:
                self._wrong("sum", f"has {own} digits behind the point, and the counter only {column['scale']}")
        return found.text

    def _constants(self) -> tuple[tuple[str, str], ...]:
        """The columns that ``only`` fixes, with their values."""
        found = constants(self._said.only) if self._said.only else None
        columns = self._parent.columns
        literals = ((column, value if value.startswith("'") else f"'{value}'") for column, value in found or ())
        return tuple((column, f"{value}::{columns[column]['type']}") for column, value in literals if column in columns)
