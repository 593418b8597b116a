"""One ``[[counter]]``, or the same as flags: its keys become a Declaration, or a list of all mistakes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from usagefix import naming
from usagefix.counter import STANDARD
from usagefix.declaration import Declaration, Missing, Name
from usagefix.declaring import fragments
from usagefix.declaring.identifiers import Unreadable, column_of, columns, function_of
from usagefix.errors import ConfigurationError
from usagefix.models.figures import plural

KEYS = ("counter", "events", "where", "sum", "last", "key", "missing", "only", "label", "name", "recorder", "truth")
_WITH_TRUTH = frozenset(("counter", "truth", "key", "only", "label", "name"))
_LAST = ("column", "from")
EVENT_TIME = "created_at"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What was written for one counter: values by key, and where each is."""

    values: Mapping[str, Any]
    place: Callable[[str], str]
    origin: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong: where, with its key, and what."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place} {self.what}"

    @property
    def line(self) -> int:
        """The line in its file; 0 if it is in none."""
        found = re.search(r":(\d+): ", self.place)
        return int(found[1]) if found else 0


class Mistaken(ConfigurationError):
    """What declares the counters is wrong; the message has every mistake, a line each."""

    in_lines = True

    def __init__(self, mistakes: Sequence[Mistake], *, hint: str = "") -> None:
        said = [" ".join(str(mistake).split()) for mistake in sorted(mistakes, key=lambda mistake: mistake.line)]
        message = said[0] if len(said) == 1 else "\n".join((f"{plural(len(said), 'mistake')} in the counters", *said))
        super().__init__(message, hint=hint or "docs/counters.md lists the keys, each with an example")


def declarations(entries: Iterable[Entry]) -> tuple[Declaration, ...]:
    """The counters of all entries, each with its name. Raises Mistaken, with every mistake of every entry."""
    mistakes: list[Mistake] = []
    read = [found for entry in entries if (found := _One(entry, mistakes).declaration()) is not None]
    mistakes += _twice(read)
    if mistakes:
        raise Mistaken(mistakes)
    taken = {declaration.name for declaration in read if declaration.name}
    named = []
    for declaration in read:
        name = declaration.name or naming.fitting(
            declaration.parent.schema, declaration.parent.table, declaration.column, frozenset(taken)
        )
        taken.add(name)
        named.append(replace(declaration, name=name))
    return tuple(named)


def _twice(read: Sequence[Declaration]) -> Iterator[Mistake]:
    columns: dict[tuple[Name, str], Declaration] = {}
    names: dict[str, Declaration] = {}
    for declaration in read:
        other = columns.setdefault((declaration.parent, declaration.column), declaration)
        if other is not declaration:
            yield Mistake(
                declaration.place("counter"), f"is {declaration.shown}, which {other.place('counter')} is already"
            )
        elif declaration.name and (other := names.setdefault(declaration.name, declaration)) is not declaration:
            yield Mistake(declaration.place("name"), f"is {declaration.name}, which {other.place('name')} is already")


class _One:
    """An entry on its way to a declaration; what is wrong goes to the list."""

    def __init__(self, entry: Entry, mistakes: list[Mistake]) -> None:
        self._entry = entry
        self._mistakes = mistakes

    def declaration(self) -> Declaration | None:
        """None if anything is wrong."""
        before = len(self._mistakes)
        self._keys()
        schema, parent, column = self._counter()
        events = self._events()
        key = self._named("key", columns) or ()
        last, time = self._last()
        only = self._sql("only")
        missing = self._missing(only)
        found = Declaration(
            parent=Name(schema, parent),
            column=column,
            name=self._name((parent, column)),
            events=events and Name(events[0], events[1]),
            foreign_key=events[2] if events else (),
            key=key,
            where=self._sql("where"),
            weight=self._sql("sum"),
            last=last,
            time=time,
            only=only,
            missing=missing,
            label=self._one_column("label"),
            recorder=self._named("recorder", function_of),
            truth=self._truth(),
            origin=self._entry.origin,
            places=tuple((name, self._entry.place(name)) for name in self._entry.values),
        )
        if key and found.foreign_key and len(key) != len(found.foreign_key):
            self._wrong("key", f"has {plural(len(key), 'column')}, events has {len(found.foreign_key)}")
        return found if len(self._mistakes) == before else None

    def _wrong(self, key: str, what: str) -> None:
        self._mistakes.append(Mistake(self._entry.place(key), what))

    def _keys(self) -> None:
        given = self._entry.values
        for key in given:
            if key not in KEYS:
                self._wrong(key, f"is no key of a counter{near(key, KEYS)}")
            elif "truth" in given and "events" not in given and key not in _WITH_TRUTH:
                self._wrong(key, "makes no sense with truth, whose query says all of it")
        if "counter" not in given:
            self._wrong("counter", 'is missing: counter = "table.column"')
        if "events" in given and "truth" in given:
            self._wrong("truth", "stands beside events: a counter has one of the two")
        if "events" not in given and "truth" not in given:
            self._wrong("events", 'is missing: events = "table.column", the column that names the row of the counter')

    def _text(self, key: str) -> str | None:
        value = self._entry.values.get(key)
        if value is None or isinstance(value, str):
            return value
        self._wrong(key, f"is {_kind(value)}; it should be text in quotes")
        return None

    def _named(self, key: str, read: Callable[[str], T]) -> T | None:
        text = self._text(key)
        if text is None:
            return None
        try:
            return read(text)
        except Unreadable as unreadable:
            self._wrong(key, f"= {text!r} {unreadable}")
            return None

    def _counter(self) -> tuple[str | None, str, str]:
        found = self._named("counter", column_of)
        if found is None:
            return None, "", ""
        if len(found[2]) > 1:
            self._wrong("counter", "has several columns; each is a counter of its own")
        return found[0], found[1], found[2][0]

    def _events(self) -> tuple[str | None, str, tuple[str, ...]] | None:
        found = self._named("events", column_of)
        if found is not None and len(set(found[2])) < len(found[2]):
            self._wrong("events", "has a column twice")
        return found

    def _one_column(self, key: str) -> str | None:
        found = self._named(key, columns)
        if found is not None and len(found) > 1:
            self._wrong(key, "has several columns; it is one")
        return found[0] if found else None

    def _name(self, column: tuple[str, str]) -> str:
        name = self._text("name")
        if name is None:
            return ""
        if not naming.is_name(name):
            self._wrong(
                "name",
                f"= {name!r} cannot be a name: it is of small letters, digits and _, at most {naming.LONGEST} bytes",
            )
        elif name == STANDARD.slug and column != naming.USUAL:
            self._wrong("name", f"= {name!r} is the name of presets.usage_count only")
        return name

    def _sql(self, key: str) -> str | None:
        text = self._text(key)
        for what in fragments.mistakes(text) if text is not None else ():
            self._wrong(key, what)
        return text

    def _truth(self) -> str | None:
        text = self._text("truth")
        for what in fragments.truth_mistakes(text) if text is not None else ():
            self._wrong("truth", what)
        return text

    def _last(self) -> tuple[str | None, str | None]:
        value = self._entry.values.get("last")
        if value is None:
            return None, None
        if isinstance(value, str):
            value = {"column": value}
        if not isinstance(value, Mapping):
            self._wrong("last", f'is {_kind(value)}; it should be {{ column = "last_event_at", from = "created_at" }}')
            return None, None
        for key in value:
            if key not in _LAST:
                self._wrong("last", f"has {key!r}, which is no key of it{near(key, _LAST)}")
        if "column" not in value:
            self._wrong("last", 'lacks column: { column = "last_event_at", from = "created_at" }')
        column, time = self._part(value, "column"), self._part(value, "from")
        return (column, time or EVENT_TIME) if column else (None, None)

    def _part(self, value: Mapping[str, Any], key: str) -> str | None:
        """A column that a key of ``last`` names."""
        text = value.get(key)
        if text is None:
            return None
        if not isinstance(text, str):
            self._wrong("last", f"has {key} = {_kind(text)}; it should be text in quotes")
            return None
        try:
            found = columns(text)
        except Unreadable as unreadable:
            self._wrong("last", f"has {key} = {text!r}, which {unreadable}")
            return None
        if len(found) > 1:
            self._wrong("last", f"has several columns as {key}; it is one")
        return found[0]

    def _missing(self, only: str | None) -> Missing:
        text = self._text("missing")
        if text is None:
            return Missing.IGNORE
        if text not in tuple(Missing):
            self._wrong("missing", f"= {text!r} is neither {' nor '.join(map(repr, map(str, Missing)))}")
            return Missing.IGNORE
        if text == Missing.CREATE and only is not None and fragments.constants(only) is None:
            self._wrong("missing", "= 'create' needs an only of the form column = constant [AND ...]: a new row has it")
        return Missing(text)


def near(word: str, known: Iterable[str]) -> str:
    """``; is sum meant?`` where a known word is like it, else all of them."""
    known = sorted(known)
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"; is {found[0]} meant?" if found else f"; there are {', '.join(known)}"


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "a table"}
    return names.get(type(value), "a date")
