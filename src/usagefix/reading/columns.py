"""Finds the counter as a key, a name or a keyword in a call that sets it, or inserts it."""

from __future__ import annotations

import re
from functools import cached_property

from usagefix.reading import verbs
from usagefix.reading.chains import About, Chains
from usagefix.reading.findings import PRESETS, REQUESTED, Use
from usagefix.reading.names import plain
from usagefix.reading.stream import MEMBER

_HIGHEST = 12  # brackets between the counter and the call that sets it
_WIDEST = 40  # tokens of what an argument starts with
_NOTHING = {"0", "null", "nil", "None", "NULL", "undefined", "default", "DEFAULT"}
_TAKEN_APART = re.compile(r"\{([^{}]{0,300})\}\s*=\s*(?:await\s+)?(?:\w+\.){0,3}(?:req|request|body|ctx)\b")
_READ = re.compile(
    r"(\w+)\s*=\s*(?:await\s+)?[\w.]{0,40}\b(?:req|request)\b\??\.\w*(?:json|body|form|data|params|query)\b"
)


class Columns(Chains):
    """What is set by keys."""

    def _is_set(self, index: int, opener: int, before: str, after: str) -> Use | None:
        """What is done with the counter where it is an argument or a key, by the bracket that it is in."""
        bracket = self._at(opener) if opener >= 0 else ""
        if self._kind(index) == "text" and self._kind(index - 1) == "name" and self._about_member(index - 1):
            return Use.WRITES_COUNTER if plain(before) in verbs.SETS_BY_NAME else None  # increment! :usage_count
        if before not in (bracket, ","):
            return None
        if self._kind(index) == "text" and bracket in ("(", "[") and after in (",", ")", "]"):
            return Use.WRITES_COUNTER if self._by_name(opener, bracket) else None
        if bracket == "(" and after in ("=", ":"):
            return self._by_keyword(index, opener, after)
        shorthand = bracket == "{" and after in (",", "}") and not self._language.python
        if shorthand or (bracket in ("{", "[", "(") and after in (":", "=>")):
            return self._climbs(index, opener)
        return None

    def _by_name(self, opener: int, bracket: str) -> bool:
        """``increment('usage_count')``, ``bulk_update(rows, ['usage_count'])``."""
        call = self._around[opener] if bracket == "[" else opener
        verb = plain(self._at(self._callee(call))) if call >= 0 else ""
        named = verb in verbs.SETS_BY_NAME and (bracket == "(" or verb == "bulkupdate")
        return named and self._sets(call)

    def _by_keyword(self, index: int, opener: int, after: str) -> Use | None:
        """``update(usage_count=1)``, ``update(usage_count: 1)``."""
        if after != ("=" if self._language.name in ("python", "kotlin") else ":"):
            return None
        if self._language.name not in ("python", "kotlin", "ruby", "elixir"):
            return self._climbs(index, opener)
        if self._at(opener - 1) == "dict":
            return self._climbs(index, opener)
        return self._given(index, opener) or self._copied(opener)

    def _about_member(self, index: int) -> bool:
        about = self._about.get(index)
        return about is not None and about.table == PRESETS and self._at(index - 1) in MEMBER

    def _given(self, index: int, opener: int) -> Use | None:
        """What a call does with a counter that it is given by a key."""
        if self._sets(opener):
            return Use.WRITES_COUNTER
        return Use.INSERTS_COUNTER if self._inserts(opener) and not self._is_nothing(index) else None

    def _copied(self, opener: int) -> Use | None:
        """``save(preset.copy(usageCount = …))``."""
        callee = self._callee(opener)
        if callee < 0 or self._at(callee) != "copy" or not self._about_member(callee):
            return None
        return Use.WRITES_COUNTER if self._is_saved_around(callee) else None

    def _is_saved_around(self, index: int) -> bool:
        """Whether a call around an expression saves it."""
        for _ in range(4):
            index = self._around[index]
            if index < 0:
                return False
            if self._at(index) == "(" and plain(self._at(index - 1)) in verbs.SAVES:
                return True
        return False

    def _is_nothing(self, index: int) -> bool:
        """Whether the value after a key is one that a new row has anyway."""
        value = index + 2
        written = self._tokens[value].text if self._kind(value) in ("name", "number") else ""
        return written in _NOTHING and self._at(value + 1) in (",", "}", ")", "]", "", ";") and self._at(index + 1) in (
            ":", "=>", "=",
        )  # fmt: skip

    def _climbs(self, index: int, opener: int) -> Use | None:
        """What the call does to which the brackets around a key lead; keeps a variable that they lead to."""
        for _ in range(_HIGHEST):
            if opener < 0:
                return None
            if self._at(opener) == "(" and self._callee(opener) >= 0 and (use := self._given(index, opener)):
                return use
            start = self._start(opener)
            before, key = self._at(start - 1), start - 2
            if before in (":", "=>") and (self._kind(key) == "text" or self._at(key) not in ("", ")", "]", "}")):
                if self._at(key - 1) != "?" and self._tokens[key].text not in verbs.HOLDS_COLUMNS:
                    return None
            elif before == "=":
                keyword = self._at(self._around[start]) == "(" and self._language.python
                if not keyword:
                    self._hold(index, start - 2)
                if self._at(key) not in verbs.HOLDS_COLUMNS or not keyword:
                    return None
            elif before in ("as", "satisfies", "const", "let", "var", "<") or self._is_pattern(opener):
                return None
            opener = self._around[opener]
        return None

    def _is_pattern(self, opener: int) -> bool:
        """Whether braces take an object apart, as in ``({ usage_count }) => …``."""
        closer = self._closer.get(opener, -1)
        after = (self._at(closer + 1), self._at(closer + 2))
        return closer >= 0 and self._at(opener) == "{" and (after[0] == "=" or after == (")", "=>"))

    def _hold(self, index: int, name: int) -> None:
        """Remembers the counter in the object of a variable: a column only once an update takes the variable."""
        python = self._language.python
        if python or self._at(name - 1) in ("const", "let", "var") or self._kind(name) == "name":
            self._objects.setdefault(self._at(name), []).append(index)
            return
        for start in range(name, max(name - _WIDEST, -1), -1):
            if self._at(start) in ("const", "let", "var"):
                self._objects.setdefault(self._at(start + 1), []).append(index)
                return

    def _held(self, opener: int, verb: str, receiver: About | None) -> None:
        """Variables with the counter in them, handed to an update, an insert, or a call that saves."""
        saves = verb in verbs.SAVES
        sets, inserts = (saves or self._sets(opener)), self._inserts(opener)
        if not sets and not inserts:
            return
        names = {self._at(receiver.index)} if saves and receiver else set[str]()
        names |= set(self._objects) if verb in verbs.SAVES_ALL else set()
        for index in range(opener + 1, min(opener + 9, self._closer.get(opener, opener))):
            if self._kind(index) == "name" and self._at(index - 1) in ("(", "[", "{", ",", "...", "**", "&"):
                names.add(self._at(index))
        for index in [index for name in names for index in self._objects.get(name, [])]:
            block = self._around[index]
            if sets and saves and not self._is_preset(index):
                continue
            if (sets or not self._is_nothing(index)) and (self._language.python or self._is_open(block, opener)):
                self._write(Use.WRITES_COUNTER if sets else Use.INSERTS_COUNTER, index)

    def _is_preset(self, index: int) -> bool:
        """Whether the counter is an attribute of what is about the presets."""
        about = self._about.get(index - 2)
        return about is not None and about.table == PRESETS

    def _is_open(self, block: int, index: int) -> bool:
        """Whether the block that a variable is declared in goes on at a later token."""
        for _ in range(_HIGHEST):
            declared = block < 0 or self._at(block - 1) not in ("=", ",", "(", ":", "[")
            if declared:
                break
            block = self._around[block]
        return block < 0 or self._closer.get(block, index) >= index

    def _of_call(self, opener: int) -> tuple[str, About | None]:
        """What a call does, and what it is about; not where nothing says that it is a method of a table's."""
        callee = self._callee(opener)
        if callee < 0 or (self._at(callee - 1) not in MEMBER and self._language.name != "elixir"):
            return "", None
        verb, about = plain(self._at(callee)), self._about.get(callee)
        if self._language.name == "elixir" and verb in verbs.SETS and self._piped(opener):
            about = About(PRESETS, callee, "update")
        return verb, None if about and self._language.python and about.bare else about

    def _sets(self, opener: int) -> bool:
        """Whether a call sets columns of the presets that are its keys."""
        verb, about = self._of_call(opener)
        if self._patches(opener):
            return True
        if self._language.python and verb == "update" and not self._about.get(self._callee(opener)):
            return self._at(opener + 1) not in ("{", ")") and self._adds_to_itself(opener)
        if about is None or about.table != PRESETS:
            return False
        return verb in verbs.SETS or (verb in verbs.SETS_IN_UPDATE and about.action == "update")

    def _patches(self, opener: int) -> bool:
        """``fetch(`${url}/rest/v1/presets?id=eq.1`, { method: 'PATCH', body: … })``."""
        text = self._tokens[opener + 1].text if self._kind(opener + 1) == "text" else ""
        return "rest/v1/" in text and text.partition("rest/v1/")[2].partition("?")[0] == self._names.subject.parent

    def _inserts(self, opener: int) -> bool:
        """Whether a call inserts presets whose columns are its keys."""
        verb, about = self._of_call(opener)
        if about is None or about.table != PRESETS or about.action == "new":
            return False
        return verb in verbs.INSERTS or (verb == "values" and about.action == "insert")

    def _adds_to_itself(self, opener: int) -> bool:
        """Whether it is Django's ``.update(usage_count=F("usage_count") + 1)`` on a query that is not known."""
        for index in range(opener + 1, opener + _WIDEST):
            if self._at(index) == "F" and self._at(index + 1) == "(" and self._kind(index + 2) == "text":
                return self._is_counter(index + 2)
        return False

    def _write(self, use: Use, index: int) -> None:
        self._hit(use, index, REQUESTED if self._is_requested(index) else "")

    def _is_requested(self, index: int) -> bool:
        """Whether the value of a key, or of an assignment, comes from the request."""
        value = index + 2 if self._at(index + 1) in (":", "=>", "=", "+=") else index
        for at in range(value, self._end_of_value(value)):
            if self._kind(at) != "name" or self._at(at - 1) in MEMBER:
                continue
            name, follows = self._at(at), self._at(at + 1)
            if name in self._requested and (at != index or name in self._taken_apart):
                return True
            if plain(name) in verbs.REQUEST and follows in (*MEMBER, "["):
                return True
        return False

    @cached_property
    def _taken_apart(self) -> frozenset[str]:
        """The names that are taken out of the request's body."""
        found = (re.split(r"\s*,\s*", match[1]) for match in _TAKEN_APART.finditer(self._code))
        return frozenset(re.split(r"\s*[:=]\s*", part.strip())[-1] for parts in found for part in parts)

    @cached_property
    def _requested(self) -> frozenset[str]:
        """The variables that hold the request's body, or a part of it."""
        return self._taken_apart | {match[1] for match in _READ.finditer(self._code)}
