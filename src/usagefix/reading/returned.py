"""Statements that insert into a table and read the row that this returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from usagefix.reading.inserts import inserts
from usagefix.reading.pieces import Piece, pieces, word, words
from usagefix.reading.subject import USUAL

_DEEPEST = 4  # code in a literal in code


def returned(text: str, schema: str, table: str, depth: int = 0) -> Iterator[tuple[str, bool]]:
    """Each as ``RETURNING …``, and whether it fails without a row (INTO STRICT). In code that is run from literals,
    too."""
    found = pieces(text)
    for insert in inserts(found, replace(USUAL, schema=schema, child=table)):
        start = _returning(found, insert.after)
        if start is not None:
            end = _end(found, start)
            yield " ".join(text[found[start].offset : found[end - 1].end].split()), _is_strict(found, start, end)
    for piece in found if depth < _DEEPEST else ():
        if piece.is_literal and table in piece.text.lower():
            yield from returned(piece.text, schema, table, depth + 1)


def _returning(found: list[Piece], start: int) -> int | None:
    """Where RETURNING of the INSERT stands."""
    depth = 0
    for index in range(start, len(found)):
        mark = word(found, index)
        depth += (mark == "(") - (mark == ")")
        if depth < 0 or mark == ";":
            return None
        if depth == 0 and mark == "returning":
            return index
    return None


def _end(found: list[Piece], start: int) -> int:
    """Where the statement ends, or the brackets that it is in."""
    depth = 0
    for index in range(start, len(found)):
        mark = word(found, index)
        depth += (mark == "(") - (mark == ")")
        if depth < 0 or (depth == 0 and mark == ";"):
            return index
    return len(found)


def _is_strict(found: list[Piece], start: int, end: int) -> bool:
    return any(words(found, index, "into", "strict") for index in range(start, end))
