"""SQL as pieces: the tokens that mean something, folded as the server folds them, and how to go over them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from usagefix.tokens import Kind, Token, tokens


class Piece(NamedTuple):
    """A token as it is compared: a word in lower case, a quoted name or a literal without its quotes."""

    kind: Kind
    text: str
    offset: int
    end: int

    @property
    def is_name(self) -> bool:
        return self.kind in (Kind.WORD, Kind.QUOTED)

    @property
    def is_literal(self) -> bool:
        return self.kind in (Kind.LITERAL, Kind.DOLLAR)


_UNQUOTED = frozenset({Kind.WORD, Kind.MARK, Kind.NUMBER})
NOTHING = Piece(Kind.MARK, "", 0, 0)


def pieces(text: str, start: int = 0, stop: int | None = None) -> list[Piece]:
    """The pieces of a text, without blanks and comments."""
    return list(_pieces(text, start, stop))


@lru_cache(maxsize=256)
def _pieces(text: str, start: int, stop: int | None) -> tuple[Piece, ...]:
    """The same: a body is read once, and asked about many times."""
    return tuple(
        Piece(token.kind, _COMPARED[token.kind](token), token.offset, token.offset + len(token.text))
        for token in tokens(text, start, stop)
        if token.kind in _COMPARED
    )


# Escapes in a literal: as many characters as before, so that lines in it stay.
_COMPARED: dict[Kind, Callable[[Token], str]] = {
    Kind.WORD: lambda token: token.text.lower(),
    Kind.QUOTED: lambda token: token.name,
    Kind.LITERAL: lambda token: token.content.replace("\\n", "  ").replace("\\'", " '"),
    Kind.DOLLAR: lambda token: token.content,
    Kind.NUMBER: lambda _: "0",
    Kind.MARK: lambda token: token.text,
}


def at(found: Sequence[Piece], index: int) -> Piece:
    """A piece, or an empty one outside of them."""
    return found[index] if 0 <= index < len(found) else NOTHING


def word(found: Sequence[Piece], index: int) -> str:
    """The text of a keyword or mark; empty for a quoted name, a literal, and outside the pieces."""
    if not 0 <= index < len(found):
        return ""
    piece = found[index]
    return piece.text if piece.kind in _UNQUOTED else ""


def words(found: Sequence[Piece], index: int, *wanted: str) -> bool:
    """Whether these keywords and marks stand here, one after the other."""
    return all(word(found, index + n) == text for n, text in enumerate(wanted))


def name(found: Sequence[Piece], index: int) -> tuple[tuple[str, ...], int]:
    """The parts of a name with or without a schema (none if no name stands here), and the index after it."""
    if not at(found, index).is_name:
        return (), index + 1
    parts = [found[index].text]
    while word(found, index + 1) == "." and at(found, index + 2).is_name:
        index += 2
        parts.append(found[index].text)
    return tuple(parts), index + 1


def closing(found: Sequence[Piece], start: int) -> int:
    """The index of the parenthesis that closes the one at ``start``; the end of the pieces where none does."""
    depth = 0
    for index in range(start, len(found)):
        kind, text = found[index].kind, found[index].text
        if kind is Kind.MARK and text in "()":
            depth += 1 if text == "(" else -1
            if depth == 0:
                return index
    return len(found)


def until(found: Sequence[Piece], start: int, ends: Collection[str]) -> int:
    """The index of the first of these keywords and marks from ``start`` on; the end of the pieces where none is."""
    for index in range(start, len(found)):
        if found[index].text in ends and word(found, index) in ends:
            return index
    return len(found)


def listed(found: Sequence[Piece], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The items of a list with commas between ``start`` and ``end``: the index of each, and the one after it."""
    depth, first = 0, start
    for index in range(start, end):
        text = word(found, index)
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if text == "," and depth == 0:
            yield first, index
            first = index + 1
    yield first, end
