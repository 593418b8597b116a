"""The only lexer of SQL: PostgreSQL's tokens, as its own ``scan.l`` cuts them with ``standard_conforming_strings`` on.

Lossless: the texts of the tokens, joined, give the original text. A literal or comment that never ends reaches to the
end of the text. Code in a dollar-quoted literal is one token; to read it as code, cut it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Kind(StrEnum):
    """What a token is."""

    SPACE = "space"
    COMMENT = "comment"
    WORD = "word"  # an identifier or a keyword
    QUOTED = "quoted"  # an identifier in double quotes
    LITERAL = "literal"  # in single quotes, whatever letter is before them
    DOLLAR = "dollar"  # a literal between $tag$ and $tag$
    NUMBER = "number"
    MARK = "mark"  # an operator, a bracket, a comma, a parameter


CODE = frozenset({Kind.WORD, Kind.QUOTED, Kind.LITERAL, Kind.DOLLAR, Kind.NUMBER, Kind.MARK})

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    |(?P<comment>--[^\n]*)
    |(?P<nested>/\*)
    |(?P<escaped>[eE]'(?:[^'\\]+|\\.|'')*'?)
    |(?P<literal>(?:[bBxXnN]|[uU]&)?'[^']*(?:''[^']*)*'?)
    |(?P<dollar>\$(?:[^\W\d]\w*)?\$)
    |(?P<quoted>(?:[uU]&)?"[^"]*(?:""[^"]*)*"?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\.?\d[\w.]*)
    |(?P<mark>:=|::|<=|>=|<>|!=|=>|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRETCH = re.compile(rf"(?:(?!--|/\*|\$(?:[^\W\d]\w*)?\$)(?:{_TOKEN.pattern}))+", _TOKEN.flags)  # of whole tokens
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_KINDS: dict[str | None, Kind] = {
    **{kind.value: kind for kind in Kind},
    "nested": Kind.COMMENT,
    "escaped": Kind.LITERAL,
}


class Token(NamedTuple):
    """A token, its exact text, and where it starts."""

    kind: Kind
    text: str
    offset: int

    @property
    def end(self) -> int:
        return self.offset + len(self.text)

    @property
    def name(self) -> str:
        """The identifier or keyword as the server reads it; empty for what is neither."""
        if self.kind is Kind.WORD:
            return self.text.lower()
        if self.kind is Kind.QUOTED:
            return self.text[1:].removesuffix('"').replace('""', '"')
        return ""

    @property
    def content(self) -> str:
        """What a literal holds; empty for what is none. Escapes of E'' stay as they are written."""
        if self.kind is Kind.DOLLAR:
            tag = self.tag
            return self.text[len(tag) :].removesuffix(tag)
        if self.kind is Kind.LITERAL:
            return self.text[self.text.index("'") + 1 :].removesuffix("'").replace("''", "'")
        return ""

    @property
    def tag(self) -> str:
        """``$tag$`` of a dollar-quoted literal; empty for what is none."""
        return self.text[: self.text.index("$", 1) + 1] if self.kind is Kind.DOLLAR else ""


def tokens(text: str, start: int = 0, stop: int | None = None) -> Iterator[Token]:
    """Every token from ``start`` to ``stop``, blanks and comments too."""
    at, stop = start, len(text) if stop is None else stop
    while match := _TOKEN.match(text, at, stop):
        kind, offset, at = match.lastgroup, at, match.end()
        if kind == "nested":
            at = min(after_comment(text, at), stop)
        elif kind == "dollar":
            end = text.find(match[0], at, stop)
            at = stop if end < 0 else end + len(match[0])
        yield Token(_KINDS[kind], text[offset:at], offset)


@lru_cache(maxsize=1024)
def lexed(text: str) -> tuple[Token, ...]:
    """Every token of a text that is read again and again."""
    return tuple(tokens(text))


def stretches(text: str) -> Iterator[Token]:
    """The comments and the dollar-quoted literals, and all that is between two of them as one: MARK, whatever it is."""
    at = 0
    while at < len(text):
        between = _STRETCH.match(text, at)
        token = Token(Kind.MARK, between[0], at) if between else next(tokens(text, at))
        yield token
        at = token.end


def code(text: str, start: int = 0, stop: int | None = None) -> list[Token]:
    """The tokens that mean something: no blanks, no comments."""
    return [token for token in tokens(text, start, stop) if token.kind in CODE]


def after_comment(text: str, at: int) -> int:
    """Where a ``/* … */`` ends, from just after its opening on; such comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def split(script: str) -> list[str]:
    """A script's statements, each with the comments before it; what only comments is left out."""
    statements, begins, said = [], 0, False
    for token in tokens(script):
        said = said or token.kind in CODE
        if token.text == ";":
            statements.append(script[begins : token.end].strip())
            begins, said = token.end, False
    return [*statements, script[begins:].strip()] if said else statements
