"""What is counted where in one database, and the bundled SQL written for it: the only place that knows names.

The SQL files name what the usual application has, and run as they are there. For another database these names are
sentinels: :meth:`Counter.render` replaces them token by token, in code only. A word in a comment, in a literal or
between double quotes stays. ``--? presets.last_used_at`` ends a line that needs this column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

from usagefix.errors import ConfigurationError
from usagefix.tokens import CODE, Kind, Token, tokens

LONGEST_NAME = 63  # bytes; the server cuts what is longer
EVENT_TIMES = ("created_at", "used_at")  # what the usual application calls the time of a use, in this order
CODE_TAGS = frozenset({"$function$", "$do$", "$trial$"})  # dollar-quoted literals that hold code

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
_FUNCTIONS = ("auto_increment", "auto_adjust", "guard")
_TRIGGERS = {
    "trigger_auto_increment": ("", "_row", "_enter", "_leave"),
    "trigger_auto_adjust": ("", "_row", "_enter", "_leave", "_delete", "_update", "_truncate", "_truncating"),
    "trigger_guard": ("", "_insert"),
    "zz_trigger_guard": ("",),
}
# The columns by the word that stands for their table. Of NEW and OLD only the guard reads an id: that of the parent.
_OF_PARENT = {"id": "key", "name": "label", "last_used_at": "last"}
_OF_CHILD = {"id": "event_id", "user_id": "user", "usage_type": "kind", "usage_data": "data", "created_at": "time"}
_OF_ROWS = {**_OF_CHILD, **_OF_PARENT}
# In a trigger the time of a use that has none is the time when it is recorded.
_RECORDED = frozenset({"written", "come", "gone", "event", "NEW", "OLD"})
_TABLES: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("presets", "preset"), _OF_PARENT),
    **dict.fromkeys(("preset_usage", "written", "come", "gone", "event"), _OF_CHILD),
    **dict.fromkeys(("NEW", "OLD"), _OF_ROWS),
}
_RELATIONS = ("parent", "child", "daily")
_NEEDS = re.compile(r"--\? (?P<columns>[\w., ]+)")
_PARAMETER = re.compile(r"%\(\w+\)s")
_NAMED = re.compile(r"(?:(?P<schema>public)\.)?(?P<name>\w+)(?P<call>\(\))?")
_CATALOG_TYPES = (["regclass"], ["regproc"], ["regprocedure"], ["regnamespace"])
_LOOKUPS = (["to_regclass"], ["to_regproc"], ["to_regprocedure"], ["to_regnamespace"])
_SCHEMA = re.compile(r"[\w -]{1,63}")


@dataclass(frozen=True, slots=True)
class Counter:
    """The table with the counter (``parent``), the table of events (``child``), their columns, and what our objects
    are called. None: that column is not there.

    ``column`` is the counter, ``last`` the time of the last use, ``label`` what people call a row; ``time``,
    ``event_id``, ``user``, ``kind`` and ``data`` are columns of an event. ``where`` and ``weight``: which events count,
    and for how much. ``slug``: what functions and triggers are named after; ``daily``: the index of the daily limit.
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
    where: str | None = None
    weight: str | None = None
    slug: str = "preset_usage_count"
    recorder: str = "track_preset_usage"
    incrementer: str = "increment_preset_usage"
    daily: str = "idx_preset_usage_daily_unique"

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        named = [value for field, value in given.items() if field not in ("where", "weight", "slug")]
        for name in (*named, *self.objects.values()):
            if name is not None:
                _require_name(name)

    @property
    def objects(self) -> dict[str, str]:
        """Our functions and triggers by what they are for: ``auto_increment``, ``trigger_auto_adjust_delete`` …"""
        return {role: f"{before}_{self.slug}{after}" for role, (before, after) in _roles().items()}

    @property
    def triggers(self) -> frozenset[str]:
        """The names of our triggers."""
        return frozenset(name for role, name in self.objects.items() if role not in _FUNCTIONS)

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
        return f"{self.schema_sql}.{self.sql('child')}"

    @property
    def params(self) -> dict[str, str | None]:
        """The names as parameters of a catalog question.

        Columns, schema and triggers are plain. What ``to_regclass()`` takes (``parent``, ``child``, ``daily``) and what
        ``to_regprocedure()`` takes (``auto_increment``, ``auto_adjust``, ``guard``) is qualified and quoted; the same
        with ``_name`` behind it is plain. ``schema_sql`` is quoted, for ``to_regnamespace()``.
        """
        plain = {field.name: getattr(self, field.name) for field in fields(self)} | self.objects
        names = {f"{role}_name": plain[role] for role in (*_RELATIONS, *_FUNCTIONS)}
        relations = {role: f"{self.schema_sql}.{self.sql(role)}" for role in _RELATIONS}
        functions = {role: f"{self.schema_sql}.{self.sql(role)}()" for role in _FUNCTIONS}
        return {**plain, **names, **relations, **functions, "schema_sql": self.schema_sql}

    def sql(self, what: str) -> str:
        """One name as SQL writes it: of a field, or of one of :attr:`objects`. A name of the usual application is
        plain, any other in double quotes."""
        name, usual = (counter._plain(what) for counter in (self, STANDARD))
        if name is None:
            return _OPTIONAL[what]
        return name if name == usual else quoted(name)

    def render(self, text: str) -> str:
        """The bundled SQL in these names; the same text where they are those of the files.

        A ``%`` in a name is doubled where the text takes parameters.
        """
        percent = "%%" if _PARAMETER.search(text) else "%"
        words = {word: self.sql(what).replace("%", percent) for word, what in _sentinels().items()}
        return _Rendering(self, words, percent).text(text, inside=False)

    def _plain(self, what: str) -> str | None:
        return self.objects[what] if what in _roles() else getattr(self, what)


class _Rendering:
    """One text on its way; ``words``: what is written for each sentinel that is one anywhere."""

    def __init__(self, counter: Counter, words: Mapping[str, str], percent: str) -> None:
        self._counter, self._words, self._percent = counter, words, percent

    def text(self, text: str, *, inside: bool) -> str:
        """The text rendered; ``inside`` a function."""
        text = self._without_missing(text)
        found = list(tokens(text))
        written = [token.text for token in found]
        places = [place for place, token in enumerate(found) if token.kind in CODE]
        code = [found[place] for place in places]
        for index, token in enumerate(code):
            place = places[index]
            if token.kind is Kind.DOLLAR and token.tag in CODE_TAGS:
                tag, content = token.tag, token.content
                end = token.text[len(tag) + len(content) :]
                written[place] = f"{tag}{self.text(content, inside=True)}{end}"
            elif token.kind is Kind.LITERAL and _is_catalog_constant(code, index):
                written[place] = self._constant(token.text)
            elif token.kind is Kind.WORD and not _is_parameter(code, index):
                self._word(code, index, places, written, inside=inside)
        return "".join(written)

    def _without_missing(self, text: str) -> str:
        """Without the lines that end in a mark of a column that is not there."""
        kept, at = [], 0
        for token in tokens(text):
            needs = _NEEDS.fullmatch(token.text) if token.kind is Kind.COMMENT else None
            if needs and any(self._is_missing(*column.split(".")) for column in needs["columns"].split(", ")):
                kept.append(text[at : text.rfind("\n", 0, token.offset) + 1])
                at = min(token.end + 1, len(text))
        return "".join((*kept, text[at:]))

    def _is_missing(self, table: str, column: str) -> bool:
        return self._counter._plain(_TABLES[table][column]) is None

    def _word(self, code: list[Token], index: int, places: list[int], written: list[str], *, inside: bool) -> None:
        word = code[index].text
        table = _qualifier(code, index)
        what = _TABLES[table].get(word) if table else None
        if what is not None and self._counter._plain(what) is None:
            recorded = inside and what == "time" and table in _RECORDED
            first = index - (4 if _is_qualified(code, index - 2) else 2)
            written[places[first] : places[index]] = [""] * (places[index] - places[first])
            written[places[index]] = "pg_catalog.now()" if recorded else _OPTIONAL[what]
        elif what is not None:
            written[places[index]] = self._counter.sql(what).replace("%", self._percent)
        elif word in self._words and self._counter._plain(_sentinels()[word]) is not None:
            written[places[index]] = self._words[word]

    def _constant(self, text: str) -> str:
        """A literal that the server reads as the name of an object: it is code."""
        named = _NAMED.fullmatch(text[1:-1])
        if not text.startswith("'") or named is None or named["name"] not in self._words:
            return text
        schema = f"{self._words['public']}." if named["schema"] else ""
        name = f"{schema}{self._words[named['name']]}{named['call'] or ''}"
        return "'" + name.replace("'", "''") + "'"


def _is_catalog_constant(code: list[Token], index: int) -> bool:
    """Whether a literal is cast to a type of the catalog's, or is all that a function is given that looks there."""
    around = [token.name or token.text for token in code[max(index - 2, 0) : index + 5]]
    before, after = around[: min(index, 2)], around[min(index, 2) + 1 :]
    if after[:1] == ["::"]:
        return after[3 if after[1:3] == ["pg_catalog", "."] else 1 :][:1] in _CATALOG_TYPES
    return before[:1] in _LOOKUPS and before[1:] == ["("] and after[:1] == [")"]


def _is_parameter(code: list[Token], index: int) -> bool:
    """Whether it is the name in ``%(name)s``."""
    return [token.text for token in code[max(index - 2, 0) : index]] == ["%", "("] and [
        token.text for token in code[index + 1 : index + 3]
    ] == [")", "s"]


def _qualifier(code: list[Token], index: int) -> str | None:
    """The word before the dot that stands for one of the two tables."""
    if index < 2 or code[index - 1].text != "." or code[index - 2].text not in _TABLES:  # noqa: PLR2004
        return None
    other = index > 2 and code[index - 3].text == "." and not _is_qualified(code, index - 2)  # noqa: PLR2004
    return None if other else code[index - 2].text


def _is_qualified(code: list[Token], index: int) -> bool:
    """Whether ``public.`` is before it."""
    return index > 1 and code[index - 1].text == "." and code[index - 2].text == "public"


@cache
def _roles() -> dict[str, tuple[str, str]]:
    """What our objects are for, each with what is before and behind the slug in its name."""
    functions = {role: (role, "") for role in _FUNCTIONS}
    triggers = {before + after: (before, after) for before, ends in _TRIGGERS.items() for after in ends}
    return functions | triggers


@cache
def _sentinels() -> dict[str, str]:
    """The words of the files that are names anywhere in code, each with what it is."""
    anywhere = (
        "schema",
        "parent",
        "column",
        "last",
        "child",
        "foreign_key",
        "time",
        "recorder",
        "incrementer",
        "daily",
    )
    return {str(STANDARD._plain(what)): what for what in (*anywhere, *_roles())}


def _require_name(name: str) -> None:
    if (
        not 0 < len(name.encode()) <= LONGEST_NAME
        or "\0" in name
        or any(text in name for text in CODE_TAGS)
        or _PARAMETER.search(name)
    ):
        raise ConfigurationError(
            f"{name!r} cannot be a name",
            hint=f"a name in PostgreSQL has 1 to {LONGEST_NAME} bytes; ours come from the slug",
        )


def quoted(name: str) -> str:
    """A name in double quotes, as SQL writes one that is not plain."""
    return '"' + name.replace('"', '""') + '"'


def checked_schema(schema: str) -> str:
    """The name of a schema, as given. Raises ConfigurationError for one that usagefix does not write into SQL."""
    if not _SCHEMA.fullmatch(schema) or schema in ("usagefix", "information_schema") or schema.startswith("pg_"):
        raise ConfigurationError(
            f"the schema {schema!r} cannot be used",
            hint="name the application's own schema, without quotes; letters, digits, _, - and spaces can be in it",
        )
    return schema


STANDARD = Counter()
