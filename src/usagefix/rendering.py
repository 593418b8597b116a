"""Replaces names in the bundled SQL, token by token: in code only, never in comments, literals or double quotes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from usagefix.keys import Keys
from usagefix.sources import Fragments
from usagefix.tokens import CODE, Kind, Token, lexed

FORMAT = "$format$"  # code that format() reads
CODE_TAGS = frozenset({"$function$", "$do$", "$trial$", FORMAT})  # dollar-quoted literals that hold code
PARAMETER = re.compile(r"%\(\w+\)s")
_MARK = "--? "
_NEEDS = re.compile(r"--.*?--\? (?P<columns>[\w., ]+)|--\? (?P<alone>[\w., ]+)")
_DATED = "presets.last_used_at, preset_usage.created_at"  # what ``--? dated`` stands for
_LEDGER = "usagefix"  # its own schema, never the application's
_NAMED = re.compile(r"(?:(?P<schema>\w+)\.)?(?P<name>\w+)(?P<call>\(\))?")
_CATALOG_TYPES = ("regclass", "regproc", "regprocedure", "regnamespace", "name")
_LOOKUPS = (["to_regclass"], ["to_regproc"], ["to_regprocedure"], ["to_regnamespace"])


@dataclass(frozen=True, slots=True)
class Column:
    """What is written for a column: its name, or where it is ``missing``, table and all, an expression in its place;
    ``inside`` a function it may be another one."""

    text: str
    inside: str
    missing: bool


@dataclass(frozen=True, slots=True)
class Renderer:
    """``schema`` is the word for it; ``words``: what is written for a name that is one anywhere; ``columns``: for one
    that is one only behind the word for its table and a dot, by this word; ``needless``: what is not needed, by the
    word that ends the lines that are for it. ``fragments``: which events count, and for how much. ``schemas``: what
    is written for the schema's word before a name that is elsewhere. ``keys``: where the key has several
    columns. ``said``: literals of functions that people read, by those of the files."""

    schema: str
    words: Mapping[str, str]
    columns: Mapping[str, Mapping[str, Column]]
    needless: frozenset[str] = frozenset()
    fragments: Fragments | None = None
    schemas: Mapping[str, str] = field(default_factory=dict)
    keys: Keys | None = None
    said: Mapping[str, str] = field(default_factory=dict)

    def render(self, text: str, *, inside: bool = False) -> str:
        """The text with other names; ``inside``: it is the body of a function."""
        read = _read(self._without_missing(text), frozenset((self.schema, *self.words, *chain(*self.columns.values()))))
        written, places, code = list(read.texts), read.places, read.code
        for index, of in read.matter:
            place, token = places[index], code[index]
            if token.kind is Kind.DOLLAR:
                tag, content = token.tag, token.content
                end = token.text[len(tag) + len(content) :]
                renderer = self._doubled() if tag == FORMAT else self
                written[place] = f"{tag}{renderer.render(content, inside=True)}{end}"
            elif of is not None:
                written[place] = self._constant(token.text, plain=of == "name")
            elif token.kind is Kind.LITERAL:
                written[place] = self.said.get(token.text, token.text) if inside else token.text
            else:
                first, written[place] = self._word(code, index, inside=inside)
                written[places[first] : place] = [""] * (place - places[first]) if first < index else []
        for begin, behind, whole in self.keys.edits(code) if self.keys else ():
            last = places[behind - 1]
            written[places[begin] : last + 1] = [whole, *[""] * (last - places[begin])]
        for edit in self.fragments.edits(code, inside=inside) if self.fragments else ():
            first, last = places[edit.first], places[edit.end - 1]
            if edit.instead is not None:
                written[first : last + 1] = [edit.instead, *[""] * (last - first)]
            written[first] = edit.before + written[first]
            written[last] += edit.behind
        return "".join(written)

    def _doubled(self) -> Renderer:
        """The same where ``%`` means something and ``%%`` is a percent sign."""
        return replace(
            self,
            words={word: doubled(name) for word, name in self.words.items()},
            columns={
                table: {word: Column(doubled(c.text), doubled(c.inside), c.missing) for word, c in columns.items()}
                for table, columns in self.columns.items()
            },
            fragments=self.fragments and self.fragments.doubled(),
            keys=self.keys and self.keys.doubled(),
            schemas={name: doubled(schema) for name, schema in self.schemas.items()},
        )

    def _without_missing(self, text: str) -> str:
        """Without the lines that end in a mark of a column that is not there."""
        kept, at = [], 0
        if _MARK not in text:
            return text
        for token in lexed(text):
            if token.kind is not Kind.COMMENT or _MARK not in token.text:
                continue
            needs = _NEEDS.fullmatch(token.text)
            columns = (needs["columns"] or needs["alone"]).replace("dated", _DATED).split(", ") if needs else ()
            if any(self._is_missing(*column.split(".")) for column in columns):
                kept.append(text[at : text.rfind("\n", 0, token.offset) + 1])
                at = min(token.end + 1, len(text))
        return "".join((*kept, text[at:]))

    def _is_missing(self, table: str, column: str = "") -> bool:
        return self.columns[table][column].missing if column else table in self.needless

    def _word(self, code: Sequence[Token], index: int, *, inside: bool) -> tuple[int, str]:
        """What is written for a word, in place of the tokens from which on."""
        word = code[index].text
        table = self._table(code, index)
        column = self.columns[table].get(word) if table else None
        if column is None:
            dot, *named = [token.text for token in code[index + 1 : index + 3]] or [""]
            elsewhere = self.schemas.get("".join(named)) if (word, dot) == (self.schema, ".") else None
            return index, elsewhere or self.words.get(word, word)
        first = index
        if column.missing:
            first -= 4 if self._has_schema(code, index - 2) else 2
        return first, column.inside if inside else column.text

    def _table(self, code: Sequence[Token], index: int) -> str | None:
        """The word before the dot that stands for one of the two tables."""
        before = index - 2
        if before < 0 or code[index - 1].text != "." or code[before].text not in self.columns:
            return None
        of_another = before > 0 and code[before - 1].text == "." and not self._has_schema(code, before)
        return None if of_another else code[before].text

    def _has_schema(self, code: Sequence[Token], index: int) -> bool:
        return index > 1 and code[index - 1].text == "." and code[index - 2].text == self.schema

    def _constant(self, text: str, *, plain: bool) -> str:
        """A literal that the server reads as the name of an object: it is code. ``plain``: it reads no quotes in it."""
        named = _NAMED.fullmatch(text[1:-1])
        if named is None or named["name"] not in self.words or named["schema"] not in (None, self.schema, _LEDGER):
            return text
        schema = self.words.get(named["schema"], named["schema"])
        if named["schema"] == self.schema:
            schema = self.schemas.get(named["name"], schema)
        word = self.words[named["name"]]
        if plain and word.startswith('"'):
            word = word[1:-1].replace('""', '"')
        name = f"{schema + '.' if schema else ''}{word}{named['call'] or ''}"
        return "'" + name.replace("'", "''") + "'"


class _Text(NamedTuple):
    """A text, cut into tokens: the text of each, the places of those that are code, and these. ``matter``: the indices
    of those that rendering may write otherwise; of a literal with the type of the catalog's that it names."""

    texts: tuple[str, ...]
    places: tuple[int, ...]
    code: tuple[Token, ...]
    matter: tuple[tuple[int, str | None], ...]


@lru_cache(maxsize=1024)
def _read(text: str, words: frozenset[str]) -> _Text:
    """What is the same for each counter; ``words``: those that are replaced anywhere."""
    found = lexed(text)
    places = tuple(place for place, token in enumerate(found) if token.kind in CODE)
    code = tuple(found[place] for place in places)
    matter = tuple(
        (index, _catalog_type(code, index) if token.kind is Kind.LITERAL else None)
        for index, token in enumerate(code)
        if token.kind is Kind.LITERAL
        or (token.kind is Kind.DOLLAR and token.tag in CODE_TAGS)
        or (token.kind is Kind.WORD and token.text in words and not _is_parameter(code, index))
    )
    return _Text(tuple(token.text for token in found), places, code, matter)


def doubled(text: str) -> str:
    """The text where ``%`` means something and ``%%`` is a percent sign."""
    return text.replace("%", "%%")


def _catalog_type(code: Sequence[Token], index: int) -> str | None:
    """What type of the catalog's a literal is cast to; that of a relation where it is all that a function is given that
    looks there. None: it is no name."""
    around = [token.name or token.text for token in code[max(index - 2, 0) : index + 5]]
    before, after = around[: min(index, 2)], around[min(index, 2) + 1 :]
    if not code[index].text.startswith("'"):
        return None
    if after[:1] == ["::"]:
        cast = after[3 if after[1:3] == ["pg_catalog", "."] else 1 :][:1]
        if cast == ["text"] and code[index].text.startswith("'pg_"):  # a permit: no name of an application's
            return "name"
        return cast[0] if cast and cast[0] in _CATALOG_TYPES else None
    return "regclass" if before[:1] in _LOOKUPS and before[1:] == ["("] and after[:1] == [")"] else None


def _is_parameter(code: Sequence[Token], index: int) -> bool:
    """Whether it is the name in ``%(name)s``."""
    if code[index - 1].text != "(":  # the last one, before the first; then the rest does not fit
        return False
    before, after = code[max(index - 2, 0) : index], code[index + 1 : index + 3]
    return [token.text for token in (*before, *after)] == ["%", "(", ")", "s"]
