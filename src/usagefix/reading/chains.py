"""What expressions are about: a table, because of what their chain, their variable or their type names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from usagefix.reading import verbs
from usagefix.reading.code import Token
from usagefix.reading.findings import EVENTS, PRESETS, Lines
from usagefix.reading.languages import Language
from usagefix.reading.names import Names, plain
from usagefix.reading.stream import MEMBER, Stream

_WORD = re.compile(r'[\w."]+')
_DECLARES = {"class", "def", "function", "interface", "type", "enum", "<", "/"}
_POINTS = {"*", "&", "mut", "?", "["}
_NO_NAME = {"as", "in", "is", "of", "extends", "implements", "where", "do", "with", "for", "and", "or", "if"}


@dataclass(frozen=True, slots=True)
class About:
    """The table that an expression is about, and the token that says so.

    ``action`` is update, insert or delete where the chain has said it, new for an object made and not saved.
    ``bare`` is true of a plain variable, which may as well be a dict, a Set or a Map.
    """

    table: str
    index: int
    action: str = ""
    bare: bool = False


class Chains(Stream):
    """A stream that is read once, from left to right."""

    def __init__(self, code: str, lines: Lines, tokens: list[Token], names: Names, language: Language) -> None:
        super().__init__(code, lines, tokens, names, language)
        self._about: dict[int, About] = {}  # of expressions, by their last token
        self._results: dict[int, About] = {}  # of calls, by their opening parenthesis
        self._variables: dict[str, About] = {}
        self._objects: dict[str, list[int]] = {}  # variables that hold the counter for a later update
        self._assigned: tuple[str, int] | None = None  # the variable on the left, and the bracket it is in
        self._class: tuple[str | None, int] = (None, 0)  # the table of the class that is read, and where it starts

    def _name(self, index: int) -> None:
        """What a name is about: a table that it names, else what the chain or the variable is about."""
        text = self._tokens[index].text
        table = self._names.table(text)
        member = self._at(index - 1) in MEMBER
        if text in self._language.functions and not member:
            self._variables.clear()
            self._objects.clear()
        if text == "class" and not member and self._kind(index + 1) == "name":
            self._class = (self._names.table(self._at(index + 1)), index)
        if about := self._of_name(index, table, member=member):
            self._about[index] = about
        around = self._at(self._around[index])
        if not member and self._at(index + 1) == "=" and around != "(" and not self._is_type(index - 1):
            self._variables.pop(text, None)
            self._objects.pop(text, None)
            self._assigned = (text, self._around[index])
        elif text in ("in", "of") and self._kind(index - 1) == "name" and not member:
            self._assigned = (self._at(index - 1), self._around[index])
        elif text == "as" and self._kind(index + 1) == "name" and (of := self._about.get(index - 1)):
            self._variables[self._at(index + 1)] = replace(of, bare=False)
        if self._is_type(index) and not member:
            self._declared(index)

    def _of_name(self, index: int, table: str | None, *, member: bool) -> About | None:
        text = self._tokens[index].text
        if member:
            receiver = self._about.get(index - 3 if self._at(index - 2) == "!" else index - 2)
            return About(table, index) if table else None if self._leads_elsewhere(index) else receiver
        if table:
            return About(table, index, bare=not text[0].isupper())
        if text in ("this", "self") and self._class[0]:
            return About(self._class[0], index)
        return self._variables.get(text)

    def _is_type(self, index: int) -> bool:
        name = self._at(index)
        return name[:1].isupper() and self._names.table(name) == PRESETS

    def _leads_elsewhere(self, index: int) -> bool:
        """Whether a member is another table's: ``preset.posts.…``, ``preset.stats.…``."""
        name = plain(self._tokens[index].text)
        goes_on = self._at(index + 1) in MEMBER and self._at(index + 1) != "("
        return goes_on and name.endswith("s") and name not in verbs.THROUGH

    def _declared(self, index: int) -> None:
        """A variable of a type that is a table's: ``Preset p``, ``p: Preset``, ``p *Preset``."""
        about = About(PRESETS, index)
        after = self._at(index + 1)
        if self._kind(index + 1) == "name" and after not in _NO_NAME and not self._starts_line(index + 1):
            self._variables[after] = about
            return
        before = index - 1
        while before > index - 4 and self._at(before) in _POINTS:
            before -= 1
        if self._at(before) == ":" and self._kind(before - 1) == "name":
            self._variables[self._at(before - 1)] = about
        elif self._language.name == "go" and self._kind(before) == "name" and self._at(before) not in _NO_NAME:
            self._variables[self._at(before)] = about

    def _block_parameter(self, index: int) -> None:
        """``presets.each do |p|``: what the chain before the block is about."""
        if self._at(index + 2) == "|" and self._at(index - 1) in ("do", "{") and (of := self._about.get(index - 2)):
            self._variables[self._at(index + 1)] = replace(of, bare=False)

    def _bind(self, index: int, name: str, around: int) -> None:
        """Keeps what a variable is about while the expression assigned to it, in brackets ``around``, is read."""
        if self._around[index] != around:
            if around >= 0 and index > self._closer.get(around, index):
                self._assigned = None
            return
        text, before = self._at(index), self._tokens[index - 1]
        if self._at(index + 1) == "=" and text == name:
            return
        new_line = self._starts_line(index)
        if text == ";" or (new_line and text not in {*MEMBER, ")", "]", "}"} and before.text not in ("=", "await")):
            self._assigned = None
        elif about := self._about.get(index):
            self._variables[name] = replace(about, bare=about.bare and self._at(index - 1) == "=")

    def _close(self, index: int) -> None:
        opener = self._opener.get(index, -1)
        if opener < 0:
            return
        if self._tokens[index].text == "]" or self._callee(opener) >= 0:
            of = self._results.get(opener) or (self._about.get(opener - 1) if self._at(opener) == "[" else None)
        else:
            of = self._about.get(index - 1)
        if of:
            self._about[index] = of

    def _results_of(self, opener: int, verb: str, receiver: About | None, named: About | None) -> None:
        result = named or receiver
        if result and verb in verbs.ACTIONS:
            result = replace(result, action=verbs.ACTIONS[verb])
        if result:
            self._results[opener] = replace(result, bare=False)

    def _named(self, opener: int, verb: str, *, member: bool) -> About | None:
        """The table that the first argument of a call names."""
        index = opener + 1
        while self._at(index) in ("&", "*", "new"):
            index += 1
        if self._kind(index) == "text":
            word = _WORD.match(self._tokens[index].text.strip('`" '))
            wanted = verb in verbs.NAMES_TABLE or not member
            name = word[0].replace('"', "").rsplit(".", 1)[-1] if word and wanted else ""
        else:
            first = self._at(index) if self._language.name == "rust" else ""
            while self._at(index + 1) == "." and self._kind(index + 2) == "name" and index < opener + 6:
                index += 2
            name = self._at(index) if verb in verbs.NAMES_TABLE and self._at(index + 1) in (")", ",", "{") else ""
            if verb == "get" and not name[:1].isupper():
                name = ""
            if verb in verbs.ACTIONS and self._names.table(first):
                name = first
        table = self._names.table(name) if name else None
        return About(table, index, verbs.ACTIONS.get(verb, "")) if table else None

    def _is_new(self, callee: int) -> bool:
        text = self._tokens[callee].text
        return text[0].isupper() and self._names.table(text) == EVENTS and self._at(callee - 1) not in _DECLARES

    def _about_argument(self, opener: int) -> About | None:
        """What a plain variable that is the first argument of a call is about."""
        if self._kind(opener + 1) != "name" or self._at(opener + 2) not in (")", ","):
            return None
        return self._variables.get(self._at(opener + 1))

    def _piped(self, opener: int) -> bool:
        """Whether a call is about the presets by its arguments, or by what is piped into it."""
        start = opener - 1
        while start > max(opener - 64, 0) and not (self._starts_line(start) and self._at(start) != "|>"):
            start -= 1
        end = min(self._closer.get(opener, opener), opener + 64)
        return any(self._about[index].table == PRESETS for index in range(start, end) if index in self._about)
