"""The line of each key of a TOML file, which Python's reader does not tell. The text is valid: that one read it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

Path = tuple[str | int, ...]
"""Keys, and numbers for the elements of an array: ``("counter", 0, "where")``."""

_TOKEN = re.compile(
    r"""
    (?P<skip>[^\S\n]+|\#[^\n]*)
    |(?P<text>\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')
    |(?P<line>\n)
    |(?P<bare>[^\s\[\]{}=,"'\#.]+)
    |(?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
Token = tuple[str, str, int]


def lines(text: str) -> dict[Path, int]:
    """The line of each key, of each table and of each element of an array of tables, from 1 on."""
    found: dict[Path, int] = {}
    for path, line in _Walk(text).statements():
        found.setdefault(path, line)
    return found


class _Walk:
    """The text from token to token."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text.replace("\r\n", "\n")), ("end", "", 0)]
        self._at = 0
        self._last: dict[Path, int] = {}  # of each array of tables the newest element

    def statements(self) -> Iterator[tuple[Path, int]]:
        table: Path = ()
        while self._kind != "end":
            if self._kind == "line":
                self._at += 1
            elif self._text == "[":
                table = yield from self._header()
            else:
                yield from self._pair(table)

    @property
    def _kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _text(self) -> str:
        return self._tokens[self._at][1] if self._kind == "mark" else ""

    def _header(self) -> Generator[tuple[Path, int], None, Path]:
        line = self._tokens[self._at][2]
        self._at += 1
        several = self._text == "["
        self._at += several
        names = self._key()
        self._at += 1 + several
        path = self._within((), names[:-1])
        whole = (*path, names[-1])
        if several:
            self._last[whole] = self._last.get(whole, -1) + 1
            yield whole, line
            whole = (*whole, self._last[whole])
        else:
            whole = self._within(path, names[-1:])
        yield whole, line
        return whole

    def _within(self, path: Path, names: list[str]) -> Path:
        """Names below a path, each array of tables at its newest element."""
        for name in names:
            path = (*path, name)
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _key(self) -> list[str]:
        names = []
        while True:
            names.append(_name(self._tokens[self._at]))
            self._at += 1
            if self._text != ".":
                return names
            self._at += 1

    def _pair(self, table: Path) -> Iterator[tuple[Path, int]]:
        line = self._tokens[self._at][2]
        path = self._within(table, self._key())
        yield path, line
        self._at += 1  # the sign
        yield from self._value(path)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        mark, line = self._text, self._tokens[self._at][2]
        if mark == "[":
            yield from self._array(path)
        elif mark == "{":
            yield path, line
            self._at += 1
            while self._text != "}":
                if self._text == "," or self._kind == "line":
                    self._at += 1
                else:
                    yield from self._pair(path)
            self._at += 1
        else:
            while self._text not in (",", "]", "}") and self._kind not in ("line", "end"):
                self._at += 1

    def _array(self, path: Path) -> Iterator[tuple[Path, int]]:
        self._at += 1
        number = 0
        while self._text != "]":
            if self._text == ",":
                number += 1
                self._at += 1
            elif self._kind == "line":
                self._at += 1
            else:
                yield from self._value((*path, number))
        self._at += 1


def _tokens(text: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield str(match.lastgroup), match[0], line
        line += match[0].count("\n")


def _name(token: Token) -> str:
    kind, text, _ = token
    if kind != "text":
        return text
    return text[1:-1] if text[0] == "'" else _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPES.get(match[3], match[3])
