"""The tokens of a file, and which brackets belong together."""

from __future__ import annotations

from usagefix.reading.code import Token
from usagefix.reading.findings import Hit, Lines, Use
from usagefix.reading.languages import Language
from usagefix.reading.names import Names

MEMBER = {".", "?."}
_MARGIN = 64  # looked at before and after the tokens
_WIDEST = 40  # tokens of <generic, types>


class Stream:
    """One stream of tokens."""

    def __init__(self, code: str, lines: Lines, tokens: list[Token], names: Names, language: Language) -> None:
        self._code, self._lines, self._tokens = code, lines, tokens
        self._names, self._language = names, language
        texts = [token.text if token.kind in ("name", "mark") else "" for token in tokens]
        self._at = [*texts, *[""] * _MARGIN].__getitem__  # of names and marks; empty for texts and just outside
        self._kind = [*(token.kind for token in tokens), *[""] * _MARGIN].__getitem__
        self._found: set[Hit] = set()
        self._around: list[int] = []  # of every token, the bracket that it is in, else -1
        self._opener: dict[int, int] = {}
        self._closer: dict[int, int] = {}
        self._pair()

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

    def _hit(self, use: Use, index: int, name: str = "") -> None:
        self._found.add(Hit(self._lines.at(self._tokens[index].offset), use, name))

    def _starts_line(self, index: int) -> bool:
        """Whether a token is the first on its line."""
        return index > 0 and "\n" in self._code[self._tokens[index - 1].end : self._tokens[index].offset]

    def _is_counter(self, index: int) -> bool:
        return self._kind(index) in ("name", "text") and self._names.is_counter(self._tokens[index].text)

    def _callee(self, opener: int) -> int:
        """The index of the name that is called, past <generic types>; -1 where the parenthesis only groups."""
        if self._kind(opener - 1) == "name":
            return opener - 1
        if self._at(opener - 1) == "!" and self._kind(opener - 2) == "name":  # a macro
            return opener - 2
        if self._at(opener - 1) != ">" or self._language.python:
            return -1
        depth = 0
        for index in range(opener - 1, max(opener - _WIDEST, 0), -1):
            depth += (self._at(index) == ">") - (self._at(index) == "<")
            if depth == 0:
                return index - 1 if self._kind(index - 1) == "name" else -1
            if self._at(index) in (";", "=>", ")"):
                break
        return -1

    def _start(self, opener: int) -> int:
        """The first token of the call or literal that a bracket opens."""
        start = self._callee(opener) if self._at(opener) == "(" else opener
        start = opener if start < 0 else start
        for _ in range(4):
            if self._at(opener) != "(" or self._at(start - 1) not in MEMBER or self._kind(start - 2) != "name":
                break
            start -= 2
        return start

    def _end_of_value(self, index: int) -> int:
        """The index of the comma or bracket that ends the expression which begins here; not far off."""
        last = min(index + _WIDEST, len(self._tokens))
        while index < last:
            text = self._at(index)
            if index in self._closer:
                index = self._closer[index]
            elif text in (",", ")", "]", "}", ";"):
                break
            index += 1
        return min(index, last)
