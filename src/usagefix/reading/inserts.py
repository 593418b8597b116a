"""The statements that insert events: their columns, and their ON CONFLICT clauses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from usagefix.reading.pieces import Piece, at, closing, listed, name, pieces, until, word, words
from usagefix.reading.routine import Routine
from usagefix.reading.subject import USUAL, Subject
from usagefix.tokens import Kind, tokens

_COMMENT = "/* usagefix: until the daily limit is gone */"
STAND_IN = f" ON CONFLICT DO NOTHING {_COMMENT}"  # works with the daily limit, and without
_DEEPEST = 4  # code in a literal in code
_QUOTES = str.maketrans("'\"`", "   ")


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT of events, by the indexes of its pieces: where it starts, and what follows the table and its alias."""

    start: int
    after: int

    def columns(self, found: list[Piece]) -> list[tuple[int, int]]:
        """The items of its list of columns; none if it has none."""
        if word(found, self.after) != "(" or word(found, self.after + 1) in ("select", "with", "values", "table"):
            return []
        end = closing(found, self.after)
        return list(listed(found, self.after + 1, end)) if end < len(found) else []


@dataclass(frozen=True, slots=True)
class Clause:
    """An ON CONFLICT of an INSERT of events: from its first piece to its last, DO and what it does included.

    ``needs_limit``: without the daily limit it fails. ``stand_in``: it is the one of usagefix.
    """

    start: int
    end: int
    does_nothing: bool
    needs_limit: bool
    stand_in: bool


def inserts(found: list[Piece], subject: Subject = USUAL) -> Iterator[Insert]:
    """Every INSERT of events."""
    for start in range(len(found)):
        if words(found, start, "insert", "into"):
            table, after = name(found, start + 2)
            if subject.is_child(table):
                yield Insert(start, after + 2 if word(found, after) == "as" else after)


def clause(
    text: str, found: list[Piece], insert: Insert, subject: Subject = USUAL, limit_columns: Collection[str] = ()
) -> Clause | None:
    """The ON CONFLICT clause of an INSERT; None if it has none."""
    depth, start = 0, insert.after
    while not (depth == 0 and words(found, start, "on", "conflict")):
        mark = word(found, start)
        depth += (mark == "(") - (mark == ")")
        if start >= len(found) or depth < 0 or mark in (";", "insert"):
            return None
        start += 1
    target = after = start + 2
    if words(found, target, "on", "constraint"):
        named, after = name(found, target + 2)
        needs_limit = named[-1:] == (subject.daily,)
        does = after
    else:
        after = closing(found, target) + 1 if word(found, target) == "(" else target
        does = until(found, after, {"do", ";"})
        names = {found[index].text for index in range(target, min(does, len(found))) if found[index].is_name}
        needs_limit = bool(names & set(subject.times)) or (bool(limit_columns) and names >= set(limit_columns))
    does_nothing = words(found, does, "do", "nothing") and (does == after or word(found, after) == "where")
    end = does + 1
    stand_in = does_nothing and does == target and text.startswith(_COMMENT, at(found, end).end + 1)
    return Clause(start, end, does_nothing, needs_limit and bool(subject.daily), stand_in)


def span(text: str, found: list[Piece], cut: Clause) -> tuple[int, int, bool]:
    """What goes with a clause: from the end of what is before it, and whether that is a comment to the end of its
    line."""
    first = found[cut.start].offset
    before = [token for token in tokens(text, 0, first) if token.kind is not Kind.SPACE][-1]
    end = found[cut.end].end + (len(_COMMENT) + 1 if cut.stand_in else 0)
    return before.end, end, before.text.startswith("--")


def unknown_columns(body: str, columns: Collection[str], subject: Subject = USUAL) -> tuple[str, ...]:
    """The columns that a function gives the events, and that are not among these: then it cannot have worked."""
    found = pieces(body)
    return tuple(
        sorted(
            {
                found[first].text
                for insert in inserts(found, subject)
                for first, end in insert.columns(found)
                if end == first + 1 and found[first].is_name
            }
            - set(columns)
        )
    )


def needs_limit(routine: Routine, subject: Subject = USUAL, limit_columns: Collection[str] = ()) -> bool:
    """Whether a function would fail without the daily limit: it has an ON CONFLICT over its columns, in whatever
    language, in dynamic SQL too."""
    text = routine.body if routine.is_read else routine.body.translate(_QUOTES)  # whose are not those of SQL
    return _needs_limit(text, subject, limit_columns)


def _needs_limit(text: str, subject: Subject, limit_columns: Collection[str], depth: int = 0) -> bool:
    found = pieces(text)
    for insert in inserts(found, subject):
        cut = clause(text, found, insert, subject, limit_columns)
        if cut and cut.needs_limit:
            return True
    literals = [piece.text for piece in found if piece.is_literal] if depth < _DEEPEST else []
    together = [" ".join(literals)] if len(literals) > 1 else []
    return any(_needs_limit(each, subject, limit_columns, depth + 1) for each in literals + together)
