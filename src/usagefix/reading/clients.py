"""Finds what an application does to the counter through a client library or a mapper of objects, and in SQL texts.

Reads calls the way their chains are written: ``.from('presets').update({ usage_count: … })`` is about the presets
because of what its chain names. What a function does with its parameters is beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from usagefix.reading import verbs
from usagefix.reading.anywhere import in_command
from usagefix.reading.attributes import Attributes
from usagefix.reading.chains import About
from usagefix.reading.findings import EVENTS, PRESETS, Hit, Lines, Use, joined
from usagefix.reading.languages import Language
from usagefix.reading.lexing import cut
from usagefix.reading.names import SIDES, Names, plain, singular
from usagefix.reading.running import is_statement
from usagefix.reading.sql import hits
from usagefix.reading.stream import MEMBER
from usagefix.reading.subject import USUAL, Subject


def in_code(code: str, language: Language, functions: Collection[str] = (), subject: Subject = USUAL) -> set[Hit]:
    """The uses in a file's whole text, through clients and in SQL texts."""
    lines, streams = Lines(code), list(cut(code, language))
    itself = subject.parent == subject.child
    both = [Names(subject, frozenset(functions), sides) for sides in (((PRESETS,), (EVENTS,)) if itself else (SIDES,))]
    found = (_Clients(code, lines, tokens, names, language).hits() for names in both for tokens in streams)
    return set[Hit]().union(*found)


class _Clients(Attributes):
    """One stream of tokens, read once from left to right."""

    _read_texts = 0

    def hits(self) -> set[Hit]:
        for index, (kind, text, _, _) in enumerate(self._tokens):
            if kind == "text":
                self._text(index)
            elif kind == "name":
                self._name(index)
                self._setter(index)
                self._bare_call(index)
                self._cached(index)
            elif text == "(":
                self._call(index)
            elif text in (")", "]"):
                self._close(index)
            elif text == "|":
                self._block_parameter(index)
            if self._assigned:
                self._bind(index, *self._assigned)
            if kind in ("name", "text") and self._is_counter(index):
                self._counter(index)
        return self._found

    def _text(self, index: int) -> None:
        """SQL in a text, and in those that are joined to it."""
        if index < self._read_texts:
            return
        pieces: list[tuple[int, str]] = []
        end = index
        while self._kind(end) == "text":
            token = self._tokens[end]
            pieces.append((self._lines.at(token.offset), token.text))
            joins = self._at(end + 1) in self._language.joins and self._kind(end + 2) == "text"
            end += 2 if joins else 1
            if not joins and not self._language.adjacent:
                break
        self._read_texts = end
        text = joined(pieces)
        if self._is_documentation(index):
            return
        if is_statement(text):
            self._sql(text, pieces[0][0])
        else:
            self._written_out(index, text)
            found = in_command(text, self._names.functions, self._names.subject)
            self._found |= {hit._replace(line=hit.line + pieces[0][0]) for hit in found}
        for name in self._names.functions if "rpc/" in text else ():
            if re.search(rf"\brpc/{re.escape(name)}\b", text):
                self._hit(Use.CALLS, index, name)

    def _sql(self, text: str, line: int) -> None:
        subject, functions = self._names.subject, self._names.functions
        found = hits(text, functions, subject)
        if not found and self._names.counter in text.lower():  # a language of queries over models, such as JPQL
            model = replace(subject, parent=singular(subject.parent), counter=self._names.counter)
            found = {hit for hit in hits(text, (), model) if hit.use is Use.WRITES_COUNTER}
        self._found |= {hit._replace(line=hit.line + line) for hit in found}

    def _is_documentation(self, index: int) -> bool:
        if self._at(index - 1) in ("doc", "moduledoc") and self._at(index - 2) == "@":
            return True
        if not self._language.python or self._around[index] >= 0:
            return False
        if index == 0:
            return True
        before = self._tokens[index - 1]
        return self._starts_line(index) and before.text not in ("=", "+", "+=", ",", "return")

    def _call(self, opener: int) -> None:
        callee = self._callee(opener)
        if callee < 0:
            return
        verb = plain(self._at(callee))
        member = self._at(callee - 1) in MEMBER
        receiver = self._about.get(callee) if member else None
        named = self._named(opener, verb, member=member)
        if receiver and receiver.index == callee:  # a method of the table's own name
            receiver = None
        self._results_of(opener, verb, receiver, named)
        if not member and self._is_new(callee):
            self._results[opener] = About(EVENTS, callee, "new")
            if self._is_saved_around(callee):
                self._hit(Use.INSERTS_EVENT, callee)
        self._function(opener, callee, verb, member=member)
        if verb == "resetcounters" and receiver and receiver.table == PRESETS:
            self._recounted(opener, callee)
        if receiver and receiver.table == EVENTS:
            self._event(opener, verb, receiver)
        elif named and named.table == EVENTS and named.action in verbs.ROWS and (not receiver or verb == "into"):
            self._hit(verbs.ROWS[named.action], named.index)
        elif receiver and receiver.table == PRESETS and verb in verbs.SETS | verbs.SETS_IN_UPDATE | verbs.INSERTS:
            self._held(opener, verb, receiver)
        elif verb in verbs.SAVES:
            self._saved(opener, verb, receiver)

    def _bare_call(self, index: int) -> None:
        """Ruby's call without parentheses."""
        of = self._about.get(index)
        if self._language.name == "ruby" and of and of.table == EVENTS and self._at(index + 1) != "(":
            verb = plain(self._tokens[index].text)
            if self._at(index - 1) in MEMBER and of.index != index and verb in verbs.INSERTS | verbs.DELETES:
                self._hit(Use.INSERTS_EVENT if verb in verbs.INSERTS else Use.DELETES_EVENT, of.index)

    def _saved(self, opener: int, verb: str, receiver: About | None) -> None:
        made = self._about_argument(opener)
        if made and made.action == "new":
            self._hit(Use.INSERTS_EVENT, made.index)
        else:
            self._held(opener, verb, receiver)

    def _event(self, opener: int, verb: str, receiver: About) -> None:
        if verb in verbs.INSERTS or (verb == "save" and receiver.action == "new"):
            self._hit(Use.INSERTS_EVENT, receiver.index)
        elif verb in verbs.DELETES and not (receiver.bare and self._at(opener + 1) != "{"):
            self._hit(Use.DELETES_EVENT, receiver.index)

    def _function(self, opener: int, callee: int, verb: str, *, member: bool) -> None:
        """A function of the database called by name: ``.rpc('name')``, ``callproc("name")``, ``func.name()``."""
        functions = self._names.functions
        if verb in ("rpc", "callproc"):
            for index in range(opener + 1, min(opener + 9, len(self._tokens))):
                if self._at(index) in (",", "("):
                    break
                name = self._tokens[index].text.rsplit(".", 1)[-1]
                if self._kind(index) == "text" and name in functions:
                    self._hit(Use.CALLS, index, name)
        elif member and self._at(callee) in functions and self._at(callee - 2) == "func":
            self._hit(Use.CALLS, callee, self._at(callee))
