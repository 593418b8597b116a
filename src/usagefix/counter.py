"""What is counted, and where, in one database: one frozen value. No other module knows names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from usagefix.errors import ConfigurationError
from usagefix.quoting import quoted
from usagefix.rendering import CODE_TAGS, PARAMETER

LONGEST_NAME = 63  # bytes; the server cuts what is longer
EVENT_TIMES = ("created_at", "used_at")  # what the usual application calls the time of a use, in this order

# Columns that may be missing, and what a query reads in their place.
_OPTIONAL = {
    "last": "NULL::pg_catalog.timestamptz",
    "label": "NULL::pg_catalog.text",
    "time": "NULL::pg_catalog.timestamptz",
    "event_id": "NULL::pg_catalog.text",
    "user": "NULL::pg_catalog.text",
    "kind": "NULL::pg_catalog.text",
    "data": "NULL::pg_catalog.text",
}
_FUNCTIONS = ("auto_increment", "auto_adjust", "auto_count_row", "auto_note", "guard")
_SEQUENCES = ("rejected", "unnoted")  # of the ledger
_TRIGGERS = {
    "trigger_auto_increment": ("",),
    "trigger_auto_adjust": ("_delete", "_update", "_truncate"),
    "trigger_auto_count_row": ("",),
    "trigger_auto_note": ("_enter", "_leave"),
    "zz_trigger_guard": ("",),
}
_NO_NAMES = (
    *("more_keys", "number", "where", "weight", "only", "constants", "creates", "beside", "above", "truth"),
    *("slug", "partitioned", "baselines", "encoding", "declared", "stored", "recalled"),
)
_BARE = re.compile(r"[a-z0-9_]+")
_SCHEMA = re.compile(r"[\w -]{1,63}")


@dataclass(frozen=True, slots=True)
class Counter:
    """The table with the counter (``parent``), the table of events (``child``), their columns, and what our objects
    are called. None: that column is not there.

    ``schema`` is the parent's, and the child's where ``child_schema`` is None. ``column`` is the counter, ``number``
    its type, ``last`` the time of the last use, ``label`` what people call a row; ``time``, ``event_id``, ``user``,
    ``kind`` and ``data`` are columns of an event. ``more_keys``: of a key of several columns those behind ``key``, each
    with the column of an event that refers to it.

    ``where`` and ``weight``: which events count, and for how much; None: all, and 1 each. ``only``: which rows of the
    parent have a counter; ``constants``: the columns that it fixes, with their values as SQL. As the server prints
    them, columns of an event are behind ``event.``, those of the parent behind ``preset.``. ``creates``: a parent row
    that is not there yet is made. ``beside``: the columns by which other counters of the same parent find it from the
    same events; ``above``: the ways up to rows whose counters add this one up, each step as schema, table, key and the
    column of the row below. ``truth``: a query of keys and values in place of events, for what is only verified.

    ``slug``: the counter's name, which its functions and triggers bear. ``recorder``, ``incrementer``: the functions
    that record an event, and that add one; ``daily``: the index of the daily limit; None: there is no such thing.
    ``partitioned``: the events are; ``baselines``: the ledger has some; what only these need is left out without.
    ``encoding``: in which the database keeps text, as Python calls it.

    ``declared``: fragments as a person wrote them, where the fields have what the server made of them; ``stored``: what
    the server made of them when the counter was applied, by which functions of ours are known and nothing is run.
    ``recalled``: only the ledger knows it, so that its fragments are nowhere but in ``stored``.

    Raises ConfigurationError for what cannot be a name.
    """

    schema: str = "public"
    parent: str = "presets"
    key: str = "id"
    column: str = "usage_count"
    last: str | None = "last_used_at"
    label: str | None = "name"
    child: str = "preset_usage"
    foreign_key: str = "preset_id"
    time: str | None = "created_at"
    event_id: str | None = "id"
    user: str | None = "user_id"
    kind: str | None = "usage_type"
    data: str | None = "usage_data"
    child_schema: str | None = None
    more_keys: tuple[tuple[str, str], ...] = ()
    number: str = "integer"
    where: str | None = None
    weight: str | None = None
    only: str | None = None
    constants: tuple[tuple[str, str], ...] = ()
    creates: bool = False
    beside: tuple[str, ...] = ()
    above: tuple[tuple[str, ...], ...] = ()
    truth: str | None = None
    slug: str = "preset_usage_count"
    partitioned: bool = True
    baselines: bool = True
    recorder: str | None = "track_preset_usage"
    incrementer: str | None = "increment_preset_usage"
    daily: str | None = "idx_preset_usage_daily_unique"
    encoding: str = "utf-8"
    declared: tuple[tuple[str, str], ...] = ()
    stored: tuple[tuple[str, str], ...] = ()
    recalled: bool = False

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        named = [value for field, value in given.items() if field not in _NO_NAMES]
        for name in (*named, *self.objects.values()):
            if name is not None:
                _require_name(name)
        for fragment in (self.where, self.weight, self.only):
            if fragment is not None and any(tag in fragment for tag in CODE_TAGS):
                raise ConfigurationError(
                    f"{fragment!r} cannot be part of a function", hint=f"write it without {', '.join(CODE_TAGS)}"
                )

    def md5(self, text: str) -> str:
        """What PostgreSQL's ``md5()`` gives for a text in this database."""
        return hashlib.md5(text.encode(self.encoding, "surrogateescape"), usedforsecurity=False).hexdigest()

    @property
    def objects(self) -> dict[str, str]:
        """Our functions, triggers and sequences by what they are for: ``auto_increment``, ``rejected`` …"""
        return {role: f"{before}_{self.slug}{after}" for role, (before, after) in _roles().items()}

    @property
    def roles_of_functions(self) -> tuple[str, ...]:
        """What our functions are for, see :attr:`objects`."""
        return _FUNCTIONS

    @property
    def functions(self) -> frozenset[str]:
        """The names of our functions."""
        return frozenset(self.objects[role] for role in _FUNCTIONS)

    @property
    def triggers(self) -> frozenset[str]:
        """The names of our triggers."""
        return frozenset(name for role, name in self.objects.items() if role not in _FUNCTIONS + _SEQUENCES)

    @property
    def permit(self) -> str:
        """How the last name on the path of a counting function begins, by which the guard of this counter, and of no
        other, knows a count: never quoted. A number follows, how deep in triggers that is."""
        hashed = hashlib.md5(self.slug.encode(), usedforsecurity=False).hexdigest()
        return f"pg_usagefix_{self.slug if _BARE.fullmatch(self.slug) else hashed}_"

    @property
    def first_permit(self) -> str:
        """The one of a count that no other trigger led to."""
        return f"{self.permit}1"

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """The columns by which a row of the parent is found, each with that of an event that refers to it."""
        return ((self.key, self.foreign_key), *self.more_keys)

    @property
    def keys_sql(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The same as SQL writes them: the columns of the parent, and those of an event."""
        more = [(quoted(of_parent), quoted(of_event)) for of_parent, of_event in self.more_keys]
        of_parent, of_event = zip((self.sql("key"), self.sql("foreign_key")), *more, strict=True)
        return of_parent, of_event

    @property
    def of_itself(self) -> bool:
        """Whether its events are rows of the same table, as replies to comments are comments."""
        return self.child_table == self.parent_table

    @property
    def parent_table(self) -> tuple[str, str]:
        """The table with the counter, by schema and name as the catalog has them: to compare it with another's."""
        return self.schema, self.parent

    @property
    def child_table(self) -> tuple[str, str]:
        """The same for the table of events."""
        return self.child_schema or self.schema, self.child

    @property
    def upper_tables(self) -> tuple[str, ...]:
        """The tables whose counters add this one up, at any height, as SQL writes them, each once."""
        steps = (way[at : at + 2] for way in self.above for at in range(0, len(way), 4))
        return tuple(f"{quoted(schema)}.{quoted(table)}" for schema, table in dict.fromkeys(steps))

    @property
    def dated(self) -> bool:
        """Whether events tell when they were, and the parent when it was last used."""
        return self.last is not None and self.time is not None

    @property
    def keeps_last_use(self) -> bool:
        """Whether the parent has a column for it."""
        return self.last is not None

    @property
    def schema_sql(self) -> str:
        """The schema as SQL writes it."""
        return self.sql("schema")

    @property
    def parent_sql(self) -> str:
        """The table with the counter, with its schema, as SQL writes it."""
        return f"{self.schema_sql}.{self.sql('parent')}"

    @property
    def child_sql(self) -> str:
        """The table of events, with its schema, as SQL writes it."""
        return f"{self._child_schema_sql}.{self.sql('child')}"

    @property
    def daily_sql(self) -> str | None:
        """The index of the daily limit, with its schema, as SQL writes it; None if there is no such thing."""
        return f"{self._child_schema_sql}.{self.sql('daily')}" if self.daily is not None else None

    @property
    def usual(self) -> bool:
        """Whether it is the one that the bundled SQL names, wherever its tables are: then people read of presets."""
        return self.slug == STANDARD.slug

    @property
    def written(self) -> dict[str, str]:
        """The fragments as a person wrote them."""
        found = {name: getattr(self, name) for name in ("where", "weight", "only")} | dict(self.declared)
        return {name: text for name, text in found.items() if text is not None}

    @property
    def as_stored(self) -> Counter:
        """The counter whose functions are here: its bodies are made of what the server made of the fragments."""
        fragments: dict[str, Any] = dict(self.stored)
        return replace(self, **fragments, stored=()) if self.stored else self

    @property
    def params(self) -> dict[str, Any]:
        """The names as parameters of a catalog question.

        Columns, schema and triggers are plain. What ``to_regclass()`` takes (``parent``, ``child``, ``daily``) and what
        ``to_regprocedure()`` takes (``auto_increment``, ``auto_adjust``, ``guard``) is qualified and quoted; the same
        with ``_name`` behind it is plain. ``schema_sql`` is quoted, for ``to_regnamespace()``. ``keys``: the columns by
        which one row of the parent is found; ``event_keys``: those by which an event names it.
        """
        plain = {field.name: getattr(self, field.name) for field in fields(self)} | self.objects
        relations = {"parent": self.parent_sql, "child": self.child_sql, "daily": self.daily_sql}
        names = {f"{role}_name": plain[role] for role in (*relations, *_FUNCTIONS)}
        functions = {role: f"{self.schema_sql}.{self.sql(role)}()" for role in _FUNCTIONS}
        keys = [*(ours for ours, _ in self.keys), *(column for column, _ in self.constants)]
        of_events = [column for _, column in self.keys]
        lists = {"keys": keys, "event_keys": of_events}
        return {**plain, **names, **relations, **functions, **lists, "schema_sql": self.schema_sql}

    def sql(self, what: str) -> str:
        """One name as SQL writes it: of a field, or of one of :attr:`objects`. A name of the usual application is
        plain, any other in double quotes."""
        name, usual = (counter.plain(what) for counter in (self, STANDARD))
        if name is None:
            return _OPTIONAL[what]
        return name if name == usual else quoted(name)

    @property
    def _child_schema_sql(self) -> str:
        return self.sql("child_schema" if self.child_schema is not None else "schema")

    def plain(self, what: str) -> str | None:
        """The same as the catalog has it; None if there is no such thing."""
        return self.objects[what] if what in _roles() else getattr(self, what)


@cache
def _roles() -> dict[str, tuple[str, str]]:
    """What our objects are for, each with what is before and behind the slug in its name."""
    plain = {role: (role, "") for role in _FUNCTIONS + _SEQUENCES}
    triggers = {before + after: (before, after) for before, ends in _TRIGGERS.items() for after in ends}
    return plain | triggers


@cache
def _require_name(name: str) -> None:
    if (
        not 0 < len(name.encode()) <= LONGEST_NAME
        or "\0" in name
        or any(text in name for text in CODE_TAGS)
        or PARAMETER.search(name)
    ):
        raise ConfigurationError(
            f"{name!r} cannot be a name",
            hint=f"a name in PostgreSQL has 1 to {LONGEST_NAME} bytes; ours come from the counter's name",
        )


def checked_schema(schema: str) -> str:
    """The name of a schema, as given. Raises ConfigurationError for one that usagefix does not write into SQL."""
    if not _SCHEMA.fullmatch(schema) or schema in ("usagefix", "information_schema") or schema.startswith("pg_"):
        raise ConfigurationError(
            f"the schema {schema!r} cannot be used",
            hint="name the application's own schema, without quotes; it may have letters, digits, _, - and spaces",
        )
    return schema


STANDARD = Counter()
