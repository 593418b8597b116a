"""Names as SQL writes them: ``posts.likes_count``, ``"My Schema"."Posts".n``, ``votes.(type_id, object_id)``."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.counter import LONGEST_NAME
from usagefix.tokens import Kind, Token, tokens

_MOST = 3  # schema, table, column


class Unreadable(Exception):
    """What is written is no such name; the message says why."""


def column_of(text: str) -> tuple[str | None, str, tuple[str, ...]]:
    """``[schema.]table.column``, or several columns in brackets: the schema, the table and its columns.

    Raises Unreadable.
    """
    read = _Reading(text)
    names, columns = read.path()
    read.end()
    names, columns = (names, columns) if columns else (names[:-1], names[-1:])
    if not 1 <= len(names) < _MOST:
        raise Unreadable("is not table.column or schema.table.column")
    return (names[0] if len(names) == _MOST - 1 else None), names[-1], columns


def columns(text: str) -> tuple[str, ...]:
    """One column, or several in brackets. Raises Unreadable."""
    read = _Reading(text)
    names, several = read.path()
    read.end()
    if (several and names) or len(names) > 1:
        raise Unreadable("is a column, or several in brackets, without the table")
    return several or names


def table_of(text: str) -> tuple[str | None, str]:
    """``[schema.]table``: the schema, where one is written, and the table. Raises Unreadable."""
    read = _Reading(text)
    names, several = read.path()
    read.end()
    if several or not 1 <= len(names) < _MOST:
        raise Unreadable("is not table or schema.table")
    return (names[0] if len(names) > 1 else None), names[-1]


def function_of(text: str) -> str:
    """The name of a function; it is in the counter's schema. Raises Unreadable."""
    read = _Reading(text)
    names, several = read.path()
    read.end()
    if several or len(names) != 1:
        raise Unreadable("is the name of a function in the counter's schema, without brackets")
    return names[0]


class _Reading:
    """A text from its first token to its last."""

    def __init__(self, text: str) -> None:
        self._tokens: list[Token] = [token for token in tokens(text) if token.kind is not Kind.SPACE]
        self._at = 0

    def path(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names with dots between them, and those in brackets behind the last dot."""
        names: list[str] = []
        while not self._next("("):
            names.append(self._name())
            if not self._next("."):
                return tuple(names), ()
        return tuple(names), tuple(self._list())

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise Unreadable(f"cannot be read from {self._tokens[self._at].text!r} on")

    def _list(self) -> Iterator[str]:
        yield self._name()
        while not self._next(")"):
            if not self._next(","):
                raise Unreadable("lacks a comma or a closing bracket")
            yield self._name()

    def _next(self, mark: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at].text == mark
        self._at += found
        return found

    def _name(self) -> str:
        if self._at == len(self._tokens):
            raise Unreadable("ends where a name should be")
        token = self._tokens[self._at]
        self._at += 1
        if token.kind is Kind.QUOTED and (token.text[0] != '"' or len(token.text) == 1 or token.text[-1] != '"'):
            raise Unreadable("has a quoted name that never ends, or one with U&")
        if not token.name:
            raise Unreadable(f"has {token.text!r} where a name should be; odd names go in double quotes")
        if len(token.name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
            raise Unreadable(f"has a name longer than {LONGEST_NAME} bytes")
        if "\0" in token.name:
            raise Unreadable("has a zero byte in a name")
        return token.name
