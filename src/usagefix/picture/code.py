"""The code that a database runs when events or counters change: triggers, functions, daily limits. Reads only.
verify, apply and doctor share one look; its ``reader`` says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from usagefix import catalog
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.errors import Busy
from usagefix.picture import Table, tables
from usagefix.picture.objects import Function, Trigger
from usagefix.reading import Argument, Column, Events, Reader, Routine, Subject, Use, UserKey, in_sql

_WORD = re.compile(r"\w+")
_CALL = re.compile(r'(\w+)"?\s*\(')
_MOST_ROUNDS = 8  # functions that call functions that count: nobody nests deeper


@dataclass(frozen=True, slots=True)
class Limit:
    """A daily limit: the columns of ``daily_limits.sql``. ``name`` and ``extras`` are written as SQL needs them."""

    name: str
    valid: bool
    partitioned: bool
    constraint_name: str | None
    referred_to: bool
    identifies: bool
    definition: str
    key_columns: list[str]
    key_attributes: list[str]
    predicate: str | None
    extras: list[str]


@dataclass(frozen=True)
class Code:
    """What runs when events or counters change. ``functions`` and ``triggers`` hold usagefix's own, too."""

    counter: Counter
    parent: Table
    events: Table
    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]
    limits: tuple[Limit, ...]
    facts: Events

    @cached_property
    def reader(self) -> Reader:
        """What the application's functions do; usagefix's own are not among them."""
        return Reader(
            functions=tuple(routine(function) for function in self.functions if not self.is_released(function)),
            events=self.facts,
            subject=subject(self.counter),
        )

    def is_released(self, function: Function) -> bool:
        """Whether a function is one of usagefix's, as released."""
        return function.body in catalog.released_bodies(self.counter)

    def function(self, oid: int) -> Function | None:
        """A function by its oid."""
        return next((function for function in self.functions if function.oid == oid), None)

    @cached_property
    def limit(self) -> Limit | None:
        """The daily limit that apply can drop; it cannot drop a constraint."""
        return next((limit for limit in self.limits if limit.constraint_name is None), None)

    def calls(self, name: str) -> bool:
        """Whether a trigger or another function calls a function of this name. The application may as well."""
        named = {function.oid for function in self.functions if function.name == name}
        return any(trigger.function in named for trigger in self.triggers) or any(
            found.use is Use.CALLS
            for function in self.functions
            if function.oid not in named
            for found in in_sql(function.body, functions=[name])
        )

    @cached_property
    def recorders(self) -> tuple[Function, ...]:
        """The functions that record a use, by their name. Somebody else's under that name is none: it is not run."""
        wanted = (self.counter.schema, self.counter.recorder)
        return tuple(f for f in self.functions if (f.schema, f.name) == wanted and f.kind == "f" and f.trusted)

    @cached_property
    def counting_triggers(self) -> tuple[Trigger, ...]:
        """The enabled triggers on the events that count and are not usagefix's."""
        return tuple(
            trigger for trigger in self.triggers
            if trigger.is_on("preset_usage", "partition") and not trigger.cloned and trigger.fires
            and trigger.name not in self.counter.triggers and self._counts(trigger)
        )  # fmt: skip

    @cached_property
    def watching(self) -> tuple[Trigger, ...]:
        """The enabled triggers on the counters' table that are not usagefix's: a count fires them."""
        return tuple(t for t in self.triggers if t.is_on("presets") and t.fires and t.name not in self.counter.triggers)

    def _counts(self, trigger: Trigger) -> bool:
        function = self.function(trigger.function)
        if function is not None and self.is_released(function):
            return not function.name.startswith("auto_note_")  # the same for each counter, and counts nothing
        return function is not None and self.reader.counts(routine(function))


def code(db: Database) -> Code:
    """One look, within the snapshot that is open."""
    return db.once("code", lambda: _look(db))


def _look(db: Database) -> Code:
    parent, events = tables(db)
    (user_key, auth_uid, attached, owners) = db.tuple(db.query("events_facts"))
    functions = _functions(db, parent, frozenset(attached), owners) if owners else ()
    limits = tuple(db.rows(db.query("daily_limits"), Limit)) if db.counter.daily is not None else ()
    return Code(
        counter=db.counter,
        parent=parent,
        events=events,
        functions=functions,
        triggers=tuple(
            db.rows(db.query("picture_triggers"), Trigger, {"functions": [function.oid for function in functions]})
        ),
        limits=limits,
        facts=Events(
            columns=tuple(_column(name, facts) for name, facts in events.columns.items()),
            key_type=parent.type_of(db.counter.key) if db.counter.key in parent.columns else "",
            auth_uid=auth_uid,
            user_key=UserKey(**user_key) if user_key else None,
            limit_columns=tuple(limits[0].key_attributes) if limits else (),
        ),
    )


def subject(counter: Counter) -> Subject:
    """What code is read for, where this is counted."""
    usual = Subject()
    return Subject(
        schema=counter.schema,
        parent=counter.parent,
        counter=counter.column,
        child=counter.child,
        foreign_key=counter.foreign_key,
        event_id=counter.event_id or usual.event_id,
        user=counter.user or usual.user,
        kind=counter.kind or usual.kind,
        data=counter.data or usual.data,
        times=tuple(dict.fromkeys((counter.time or usual.times[0], *usual.times))),
        alongside=tuple(dict.fromkeys((counter.last or usual.alongside[0], *usual.alongside))),
        incrementer=counter.incrementer or "",
        recorder=counter.recorder or "",
        daily=counter.daily or "",
        key=counter.key,
        creates=counter.creates,
    )


def routine(function: Function) -> Routine:
    """A function as the reader takes it."""
    return Routine(
        signature=function.signature,
        schema=function.schema,
        name=function.name,
        language=function.language,
        body=function.body,
        definition=function.definition or "",
        arguments=tuple(Argument(**given) for given in function.parameters),
        returns=function.returns,
        returns_set=function.returns_set,
        atomic=function.atomic,
    )


def _column(name: str, facts: dict[str, Any]) -> Column:
    return Column(name, facts["type"], required=facts["required"] and not facts["filled"], not_null=facts["required"])


def _functions(
    db: Database, parent: Table, attached: frozenset[int], owners: Mapping[str, Mapping[str, Any]]
) -> tuple[Function, ...]:
    """The functions of triggers, those that name the counter or the events, those that call these, and so on.
    ``owners``: what each role can do to the counter."""
    counter = db.counter
    together = db.together if any(of.slug == counter.slug for of in db.together) else (counter,)
    read = db.once("functions", lambda: _read(db, together), of_all=together is db.together)
    mine = [replace(of, attached=of.oid in attached, **owners.get(of.owner, {})) for of in read]
    mine = [function for function in mine if _ours(counter, function, parent)]
    matter = _that_matter(mine, (counter,))
    found = [function for function in mine if function.attached or function.oid in matter]
    for function in found:
        if function.torn:
            raise Busy(f"{function.name}() was replaced or dropped while usagefix read it", hint="run this again")
    return tuple(sorted(found, key=lambda function: function.signature))


def _read(db: Database, counters: Sequence[Counter]) -> tuple[Function, ...]:
    """The functions among which are those of all of these counters."""
    asked: dict[str, Any] = {
        "words": sorted({name for of in counters for name in (of.column, of.child)}),
        "known_names": sorted(_known(counters)),
        "relations": sorted({table for of in counters for table in (of.parent_sql, of.child_sql)}),
    }
    read, names = dict[int, Function](), list[str]()
    for _ in range(_MOST_ROUNDS):
        further = {"names": names, "known": list(read)}
        found = db.rows(db.query("picture_functions"), Function, asked | further)
        read |= {function.oid: function for function in found}
        callers = _that_matter(read.values(), counters)
        before, names = names, sorted({function.name.lower() for function in callers.values()})
        if names == before:
            break
    return tuple(read.values())


def _that_matter(functions: Iterable[Function], counters: Sequence[Counter]) -> dict[int, Function]:
    """Those that name a counter or its events, those that have a name by which they are known, and who calls them."""
    known, words = _known(counters), frozenset(name for of in counters for name in (of.column, of.child))
    found = {of.oid: of for of in functions if of.name in known or _names(of.body, words)}
    while callees := frozenset(of.name.lower() for of in found.values()):
        callers = {of.oid: of for of in functions if of.oid not in found and _names(of.body, callees, called=True)}
        if not callers:
            break
        found |= callers
    return found


def _known(counters: Sequence[Counter]) -> frozenset[str]:
    """The names of functions that are known by their names."""
    names = (name for of in counters for name in (of.incrementer, of.recorder, *of.functions))
    return frozenset(name for name in names if name is not None)


@lru_cache(maxsize=4096)
def _said(body: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a body, and those in front of a bracket, in lower case."""
    code = body.lower()
    return frozenset(_WORD.findall(code)), frozenset(_CALL.findall(code))


def _names(body: str, names: frozenset[str], *, called: bool = False) -> bool:
    """Whether one of these names is a word of a body, in any case; ``called``: in front of a bracket."""
    words, odd = _simple(names)
    if not words.isdisjoint(_said(body)[called]):
        return True
    return bool(odd) and bool(re.search(odd + (r'"?\s*\(' if called else ""), body, re.IGNORECASE))


@lru_cache(maxsize=256)
def _simple(names: frozenset[str]) -> tuple[frozenset[str], str]:
    """The names that are words, in lower case, and a pattern for the others; empty where there are none."""
    odd = sorted(name for name in names if not _WORD.fullmatch(name))
    return frozenset(name.lower() for name in names if _WORD.fullmatch(name)), _pattern(odd) if odd else ""


def _pattern(names: Iterable[str]) -> str:
    """Any of these names as a word of a body."""
    either = "|".join(re.escape(name.replace('"', '""')) for name in names)
    return rf"(?<!\w)(?:{either})(?!\w)"


def _ours(counter: Counter, function: Function, parent: Table) -> bool:
    """Where other schemas have both tables too: whether a function means those of ours."""
    if function.attached or not parent.elsewhere:
        return True
    both = {counter.schema, *parent.elsewhere}
    named_tables = _pattern((counter.parent, counter.child))
    qualified = re.compile(rf'(?:"(?P<quoted>[^"]+)"|(?P<plain>\w+))\s*\.\s*"?{named_tables}', re.IGNORECASE)
    named = {match["quoted"] or match["plain"].lower() for match in qualified.finditer(function.body)}
    if named & both:
        return counter.schema in named
    if function.search_path:
        path = [part.strip(' "') for part in function.search_path.split(",")]
        return next((part for part in path if part in both), counter.schema) == counter.schema
    return function.schema not in parent.elsewhere
