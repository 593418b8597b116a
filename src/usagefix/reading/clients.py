"""Finds what TypeScript, JavaScript and Python do to the counter through a client library or a mapper of objects.

Reads calls the way their chains are written: ``.from('presets').update({ usage_count: … })`` is about the presets
because of what its chain names. What a function does with its parameters is beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from usagefix.reading.code import Token
from usagefix.reading.findings import EVENTS, PRESETS, Hit, Lines, Use, joined
from usagefix.reading.running import is_statement
from usagefix.reading.sql import hits
from usagefix.reading.subject import USUAL, Subject

_COUNTER = "usagecount"
_SUFFIX = re.compile(r"(?:table|model|entity|repository|repo)$")
_WORD = re.compile(r'[\w."]+')

_NAMES_TABLE = {"from", "from_", "table", "into", "update", "insert", "delete", "updatetable", "insertinto"}
_NAMES_TABLE |= {
    "deletefrom",
    "query",
    "select",
    "get",
    "getrepository",
    "model",
    "batchinsert",
    "createquerybuilder",
    "knex",
}
_ACTIONS = {"updatetable": "update", "insertinto": "insert", "deletefrom": "delete", "into": "insert"}
_ACTIONS |= {action: action for action in ("update", "insert", "delete")} | {"batchinsert": "insert"}
_ROWS = {"insert": Use.INSERTS_EVENT, "delete": Use.DELETES_EVENT}
_SETS = {"update", "upsert", "updatemany", "updateone", "updatemanyandreturn", "updateorcreate", "bulkupdate", "merge"}
_SETS |= {"increment", "decrement", "onconflictdoupdate", "onconflict", "doupdateset", "findoneandupdate"}
_SETS_IN_UPDATE = {"set", "values"}  # elsewhere a Map's, or the values of a new row
_SETS_BY_NAME = {"increment", "decrement", "set", "bulkupdate"}
_INSERTS = {"insert", "upsert", "create", "createmany", "createmanyandreturn", "insertmany", "bulkcreate"}
_INSERTS |= {"getorcreate", "updateorcreate", "findorcreate", "insertone"}
_SAVES = {"add", "addall", "save", "bulksaveobjects", "persist", "merge"}
_DELETES = {"delete", "deletemany", "del", "truncate", "destroy"}
_HOLDS_COLUMNS = {"data", "update", "set", "set_", "values", "defaults", "$set", "$inc"}
_MEMBER = {".", "?."}
_DECLARES = {"class", "def", "function", "interface", "type", "enum", "<", "/"}
_HIGHEST = 12  # brackets between the counter and the call that sets it
_MARGIN = 64  # looked at before and after the tokens
_WIDEST = 40  # tokens of <generic, types> or of what an argument starts with


@dataclass(frozen=True, slots=True)
class _Subject:
    """The table that an expression is about, and the token that says so.

    ``action`` is update, insert or delete where the chain has said it, new for an object made and not saved.
    ``bare`` is true of a plain variable, which may as well be a dict, a Set or a Map.
    """

    table: str
    index: int
    action: str = ""
    bare: bool = False


@lru_cache(maxsize=10_000)
def _plain(name: str) -> str:
    return name.replace("_", "").lower()


@lru_cache(maxsize=10_000)
def _table(name: str) -> str | None:
    """The table that a name is for: a model, table or variable in the singular or plural, in any case."""
    plain = _SUFFIX.sub("", _plain(name))
    if plain in ("preset", "presets"):
        return PRESETS
    return EVENTS if plain in ("presetusage", "presetusages") else None


def in_code(
    code: str, streams: list[list[Token]], functions: Collection[str], *, python: bool, subject: Subject = USUAL
) -> set[Hit]:
    """The uses in the tokens of a file, through clients and in SQL texts. ``code`` is the file's whole text."""
    lines = Lines(code)
    found = (_Stream(code, lines, tokens, functions, subject, python=python).hits() for tokens in streams)
    return set[Hit]().union(*found)


class _Stream:
    """One stream of tokens, read once from left to right."""

    def __init__(
        self,
        code: str,
        lines: Lines,
        tokens: list[Token],
        functions: Collection[str],
        subject: Subject,
        *,
        python: bool,
    ) -> None:
        self._code, self._lines, self._tokens, self._python = code, lines, tokens, python
        self._functions, self._subject = set(functions), subject
        texts = [token.text if token.kind in ("name", "mark") else "" for token in tokens]
        self._at = [*texts, *[""] * _MARGIN].__getitem__  # of names and marks; empty for texts and just outside
        self._kind = [*(token.kind for token in tokens), *[""] * _MARGIN].__getitem__
        self._found: set[Hit] = set()
        self._around: list[int] = []  # of every token, the bracket that it is in, else -1
        self._opener: dict[int, int] = {}
        self._closer: dict[int, int] = {}
        self._pair()
        self._subjects: dict[int, _Subject] = {}  # of expressions, by their last token
        self._results: dict[int, _Subject] = {}  # of calls, by their opening parenthesis
        self._variables: dict[str, _Subject] = {}
        self._objects: dict[str, list[int]] = {}  # variables that hold the counter for a later update
        self._assigned: tuple[str, int] | None = None  # the variable on the left, and the bracket it is in
        self._read_texts = 0

    def _pair(self) -> None:
        opened: list[int] = []
        pairs = {")": "(", "]": "[", "}": "{"}
        for index, token in enumerate(self._tokens):
            closes = pairs.get(token.text) if token.kind == "mark" else None
            if closes and opened and self._tokens[opened[-1]].text == closes:
                self._opener[index] = opened[-1]
                self._closer[opened.pop()] = index
            self._around.append(opened[-1] if opened else -1)
            if token.kind == "mark" and token.text in "([{":
                opened.append(index)

    def hits(self) -> set[Hit]:
        for index, (kind, text, _, _) in enumerate(self._tokens):
            if kind == "text":
                self._text(index)
            elif kind == "name":
                self._name(index)
            elif text == "(":
                self._call(index)
            elif text in (")", "]"):
                self._close(index)
            if self._assigned:
                self._bind(index, *self._assigned)
            if kind in ("name", "text") and _plain(text) == _COUNTER:
                self._counter(index)
        return self._found

    def _hit(self, use: Use, index: int, name: str = "") -> None:
        self._found.add(Hit(self._lines.at(self._tokens[index].offset), use, name))

    def _text(self, index: int) -> None:
        """SQL in a text, and in those that are joined to it."""
        if index < self._read_texts:
            return
        pieces: list[tuple[int, str]] = []
        end = index
        while self._kind(end) == "text":
            token = self._tokens[end]
            pieces.append((self._lines.at(token.offset), token.text))
            joins = self._at(end + 1) == "+" and self._kind(end + 2) == "text"
            end += 2 if joins else 1
            if not joins and not self._python:
                break
        self._read_texts = end
        text = joined(pieces)
        if is_statement(text) and not self._is_docstring(index):
            self._found |= {
                hit._replace(line=hit.line + pieces[0][0]) for hit in hits(text, self._functions, self._subject)
            }
        for name in self._functions if "rpc/" in text else ():
            if re.search(rf"\brpc/{re.escape(name)}\b", text):
                self._hit(Use.CALLS, index, name)

    def _is_docstring(self, index: int) -> bool:
        if not self._python or self._around[index] >= 0:
            return False
        if index == 0:
            return True
        before = self._tokens[index - 1]
        starts_line = "\n" in self._code[before.end : self._tokens[index].offset]
        return starts_line and before.text not in ("=", "+", "+=", ",", "return")

    def _name(self, index: int) -> None:
        """What a name is about: a table that it names, else what the chain or the variable is about."""
        text = self._tokens[index].text
        table = _table(text)
        member = self._at(index - 1) in _MEMBER
        if self._python and text == "def":
            self._variables.clear()
            self._objects.clear()
        if member:
            receiver = self._subjects.get(index - 3 if self._at(index - 2) == "!" else index - 2)
            subject = _Subject(table, index) if table else receiver
        else:
            subject = _Subject(table, index, bare=not text[0].isupper()) if table else self._variables.get(text)
        if subject:
            self._subjects[index] = subject
        around = self._at(self._around[index])
        if not member and self._at(index + 1) == "=" and around != "(":
            self._variables.pop(text, None)
            self._objects.pop(text, None)
            self._assigned = (text, self._around[index])

    def _bind(self, index: int, name: str, around: int) -> None:
        """Keeps what a variable is about while the expression assigned to it, in brackets ``around``, is read."""
        if self._around[index] != around:
            if around >= 0 and index > self._closer.get(around, index):
                self._assigned = None
            return
        text, before = self._at(index), self._tokens[index - 1]
        if self._at(index + 1) == "=" and text == name:
            return
        new_line = "\n" in self._code[before.end : self._tokens[index].offset]
        if text == ";" or (new_line and text not in {*_MEMBER, ")", "]", "}"} and before.text not in ("=", "await")):
            self._assigned = None
        elif subject := self._subjects.get(index):
            self._variables[name] = replace(subject, bare=subject.bare and self._at(index - 1) == "=")

    def _callee(self, opener: int) -> int:
        """The index of the name that is called, past <generic types>; -1 where the parenthesis only groups."""
        if self._kind(opener - 1) == "name":
            return opener - 1
        if self._at(opener - 1) != ">" or self._python:
            return -1
        depth = 0
        for index in range(opener - 1, max(opener - _WIDEST, 0), -1):
            depth += (self._at(index) == ">") - (self._at(index) == "<")
            if depth == 0:
                return index - 1 if self._kind(index - 1) == "name" else -1
            if self._at(index) in (";", "=>", ")"):
                break
        return -1

    def _close(self, index: int) -> None:
        opener = self._opener.get(index, -1)
        if opener < 0:
            return
        if self._tokens[index].text == "]" or self._callee(opener) >= 0:
            of = self._results.get(opener) or (self._subjects.get(opener - 1) if self._at(opener) == "[" else None)
        else:
            of = self._subjects.get(index - 1)
        if of:
            self._subjects[index] = of

    def _call(self, opener: int) -> None:
        callee = self._callee(opener)
        if callee < 0:
            return
        verb = _plain(self._at(callee))
        member = self._at(callee - 1) in _MEMBER
        receiver = self._subjects.get(callee) if member else None
        named = self._named(opener, verb, member=member)
        if receiver and receiver.index == callee:  # a method of the table's own name
            receiver = None
        self._results_of(opener, verb, receiver, named)
        if not member and self._is_new(callee):
            self._results[opener] = _Subject(EVENTS, callee, "new")
            self._saved_at_once(callee)
        self._function(opener, callee, verb, member=member)
        if receiver and receiver.table == PRESETS and verb in _SETS | _SETS_IN_UPDATE | {"save"}:
            self._held(opener, verb, receiver)
        elif receiver and receiver.table == EVENTS:
            self._event(opener, verb, receiver)
        elif named and named.table == EVENTS and named.action in _ROWS and (not receiver or verb == "into"):
            self._hit(_ROWS[named.action], named.index)
        elif verb in _SAVES:
            self._added(opener)

    def _results_of(self, opener: int, verb: str, receiver: _Subject | None, named: _Subject | None) -> None:
        result = named or receiver
        if result and verb in _ACTIONS:
            result = replace(result, action=_ACTIONS[verb])
        if result:
            self._results[opener] = replace(result, bare=False)

    def _named(self, opener: int, verb: str, *, member: bool) -> _Subject | None:
        """The table that the first argument of a call names."""
        index = opener + 1
        if self._kind(index) == "text":
            word = _WORD.match(self._tokens[index].text.strip('`" '))
            name = word[0].replace('"', "").rsplit(".", 1)[-1] if word and (verb in _NAMES_TABLE or not member) else ""
        else:
            while self._at(index + 1) == "." and self._kind(index + 2) == "name" and index < opener + 6:
                index += 2
            name = self._at(index) if verb in _NAMES_TABLE and self._at(index + 1) in (")", ",") else ""
            if verb == "get" and not name[:1].isupper():
                name = ""
        table = _table(name) if name else None
        return _Subject(table, index, _ACTIONS.get(verb, "")) if table else None

    def _is_new(self, callee: int) -> bool:
        text = self._tokens[callee].text
        return text[0].isupper() and _table(text) == EVENTS and self._at(callee - 1) not in _DECLARES

    def _saved_at_once(self, callee: int) -> None:
        index = callee
        for _ in range(4):
            index = self._around[index]
            if index < 0:
                return
            if self._at(index) == "(" and _plain(self._at(index - 1)) in _SAVES:
                self._hit(Use.INSERTS_EVENT, callee)

    def _added(self, opener: int) -> None:
        subject = self._subjects_of_first(opener)
        if subject and subject.action == "new":
            self._hit(Use.INSERTS_EVENT, subject.index)

    def _subjects_of_first(self, opener: int) -> _Subject | None:
        if self._kind(opener + 1) != "name" or self._at(opener + 2) not in (")", ","):
            return None
        return self._variables.get(self._at(opener + 1))

    def _event(self, opener: int, verb: str, receiver: _Subject) -> None:
        if verb in _INSERTS or (verb == "save" and receiver.action == "new"):
            self._hit(Use.INSERTS_EVENT, receiver.index)
        elif verb in _DELETES and not (receiver.bare and self._at(opener + 1) != "{"):
            self._hit(Use.DELETES_EVENT, receiver.index)

    def _function(self, opener: int, callee: int, verb: str, *, member: bool) -> None:
        """A function of the database called by name: ``.rpc('name')``, ``callproc("name")``, ``func.name()``."""
        if verb in ("rpc", "callproc"):
            for index in range(opener + 1, min(opener + 9, len(self._tokens))):
                if self._at(index) in (",", "("):
                    break
                name = self._tokens[index].text.rsplit(".", 1)[-1]
                if self._kind(index) == "text" and name in self._functions:
                    self._hit(Use.CALLS, index, name)
        elif member and self._at(callee) in self._functions and self._at(callee - 2) == "func":
            self._hit(Use.CALLS, callee, self._at(callee))

    def _counter(self, index: int) -> None:
        """A mention of the counter: set as an attribute, or as a key on its way into an update."""
        before, after = self._at(index - 1), self._at(index + 1)
        assigned = ("=", "+=", "-=", "++", "--")
        indexes = self._kind(index - 2) == "name" or self._at(index - 2) in (")", "]")
        if before in _MEMBER or (before == "[" and after == "]" and indexes):
            attribute = before in _MEMBER
            if (after if attribute else self._at(index + 2)) not in assigned:
                return
            of = self._subjects.get(index - 2)
            if attribute and self._python and of and of.table == PRESETS:
                self._hit(Use.WRITES_COUNTER, index)
            elif self._kind(index - 2) == "name":
                self._objects.setdefault(self._at(index - 2), []).append(index)
        elif self._is_set(index, self._around[index], before, after):
            self._hit(Use.WRITES_COUNTER, index)

    def _is_set(self, index: int, opener: int, before: str, after: str) -> bool:
        bracket = self._at(opener) if opener >= 0 else ""
        if before not in (bracket, ","):
            return False
        if self._kind(index) == "text" and bracket in ("(", "[") and after in (",", ")", "]"):
            call = self._around[opener] if bracket == "[" else opener
            verb = _plain(self._at(self._callee(call))) if call >= 0 else ""
            return verb in _SETS_BY_NAME and (bracket == "(" or verb == "bulkupdate") and self._sets(call)
        if bracket == "(" and after == "=" and self._python:
            return self._sets(opener) or (self._at(opener - 1) == "dict" and self._climbs(index, opener))
        if bracket == "{" and after in (":", ",", "}") and self._kind(index) in ("name", "text"):
            return (after == ":" or not self._python) and self._climbs(index, opener)
        return False

    def _climbs(self, index: int, opener: int) -> bool:
        """Whether the brackets around a key lead to a call that sets columns; keeps a variable that they lead to."""
        for _ in range(_HIGHEST):
            if opener < 0:
                return False
            if self._at(opener) == "(" and self._callee(opener) >= 0 and self._sets(opener):
                return True
            start = self._start(opener)
            before, key = self._at(start - 1), start - 2
            if before == ":" and (self._kind(key) == "text" or self._at(key) not in ("", ")", "]", "}")):
                if self._at(key - 1) != "?" and self._tokens[key].text not in _HOLDS_COLUMNS:
                    return False
            elif before == "=":
                keyword = self._at(self._around[start]) == "(" and self._python
                if not keyword:
                    self._hold(index, start - 2)
                if self._at(key) not in _HOLDS_COLUMNS or not keyword:
                    return False
            elif before in ("as", "satisfies", "const", "let", "var", "<") or self._is_pattern(opener):
                return False
            opener = self._around[opener]
        return False

    def _is_pattern(self, opener: int) -> bool:
        """Whether braces take an object apart, as in ``({ usage_count }) => …``."""
        closer = self._closer.get(opener, -1)
        after = (self._at(closer + 1), self._at(closer + 2))
        return closer >= 0 and self._at(opener) == "{" and (after[0] == "=" or after == (")", "=>"))

    def _start(self, opener: int) -> int:
        """The first token of the call or literal that a bracket opens."""
        start = self._callee(opener) if self._at(opener) == "(" else opener
        start = opener if start < 0 else start
        for _ in range(4):
            if self._at(opener) != "(" or self._at(start - 1) not in _MEMBER or self._kind(start - 2) != "name":
                break
            start -= 2
        return start

    def _hold(self, index: int, name: int) -> None:
        """Remembers the counter in the object of a variable: a column only once an update takes the variable."""
        if self._python or self._at(name - 1) in ("const", "let", "var") or self._kind(name) == "name":
            self._objects.setdefault(self._at(name), []).append(index)
            return
        for start in range(name, max(name - _WIDEST, -1), -1):
            if self._at(start) in ("const", "let", "var"):
                self._objects.setdefault(self._at(start + 1), []).append(index)
                return

    def _held(self, opener: int, verb: str, receiver: _Subject) -> None:
        """Variables with the counter in them, handed to an update."""
        if verb != "save" and not self._sets(opener):
            return
        names = {self._at(receiver.index)} if verb == "save" else set[str]()
        for index in range(opener + 1, min(opener + 9, self._closer.get(opener, opener))):
            if self._kind(index) == "name" and self._at(index - 1) in ("(", "[", "{", ",", "...", "**"):
                names.add(self._at(index))
        for index in [index for name in names for index in self._objects.get(name, [])]:
            block = self._around[index]
            if self._python or self._is_open(block, opener):
                self._hit(Use.WRITES_COUNTER, index)

    def _is_open(self, block: int, index: int) -> bool:
        """Whether the block that a variable is declared in goes on at a later token."""
        for _ in range(_HIGHEST):
            declared = block < 0 or self._at(block - 1) not in ("=", ",", "(", ":", "[")
            if declared:
                break
            block = self._around[block]
        return block < 0 or self._closer.get(block, index) >= index

    def _sets(self, opener: int) -> bool:
        """Whether a call sets columns of the presets that are its keys."""
        callee = self._callee(opener)
        if callee < 0 or self._at(callee - 1) not in _MEMBER:
            return False
        verb, subject = _plain(self._at(callee)), self._subjects.get(callee)
        if self._python and verb == "update" and not subject and self._at(opener + 1) not in ("{", ")"):
            return self._adds_to_itself(opener)
        if not subject or subject.table != PRESETS or (self._python and subject.bare):
            return False
        return verb in _SETS or (verb in _SETS_IN_UPDATE and subject.action == "update")

    def _adds_to_itself(self, opener: int) -> bool:
        """Whether it is Django's ``.update(usage_count=F("usage_count") + 1)`` on a query that is not known."""
        for index in range(opener + 1, opener + _WIDEST):
            if self._at(index) == "F" and self._at(index + 1) == "(" and self._kind(index + 2) == "text":
                return _plain(self._tokens[index + 2].text) == _COUNTER
        return False
