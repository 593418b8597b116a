"""Finds statements that insert rows of the parent with a count for which there are no events."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.reading.pieces import Piece, at, closing, listed, name, until, word
from usagefix.reading.subject import Subject

_NOTHING = {"0", "null", "default"}


def carried(code: str, tokens: list[Piece], subject: Subject) -> Iterator[int]:
    """The offsets of the counter in such a statement, where it may get another value than a new row has anyway."""
    for start in range(len(tokens)):
        if word(tokens, start) == "insert" and word(tokens, start + 1) == "into":
            table, index = name(tokens, start + 2)
            index += 2 if word(tokens, index) == "as" else 0
            if subject.is_parent(table) and word(tokens, index) == "(":
                yield from _of_columns(code, tokens, index, subject.counter)


def _of_columns(code: str, tokens: list[Piece], opener: int, counter: str) -> Iterator[int]:
    end = closing(tokens, opener)
    columns = [at(tokens, first) for first, _ in listed(tokens, opener + 1, end)]
    place = next((place for place, column in enumerate(columns) if column.is_name and column.text == counter), None)
    if place is None:
        return
    after = end + 1
    if word(tokens, after) == "overriding":
        after += 3
    if any(value not in _NOTHING for value in _values(code, tokens, after, place)):
        yield columns[place].offset


def _values(code: str, tokens: list[Piece], index: int, place: int) -> Iterator[str]:
    """What stands for a column in each row; a question mark where that cannot be told."""
    if word(tokens, index) == "select":
        yield _item(code, tokens, index + 1, until(tokens, index, {"from", ";"}), place)
    elif word(tokens, index) != "values" or word(tokens, index + 1) != "(":
        yield "?"
    else:
        index += 1
        while word(tokens, index) == "(":
            end = closing(tokens, index)
            yield _item(code, tokens, index + 1, end, place)
            index = end + 2


def _item(code: str, tokens: list[Piece], start: int, end: int, place: int) -> str:
    items = list(listed(tokens, start, end))
    if place >= len(items) or items[place][0] >= items[place][1]:
        return "?"
    first, last = tokens[items[place][0]], tokens[items[place][1] - 1]
    return code[first.offset : last.end].lower()
