"""What the arguments of a function that records events are, so that it can be called as the application calls it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from usagefix.quoting import quoted
from usagefix.reading.inserts import Insert, inserts
from usagefix.reading.pieces import Piece, closing, listed, pieces, until, word
from usagefix.reading.routine import Argument, Routine
from usagefix.reading.subject import USUAL, Subject
from usagefix.tokens import Kind

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_AROUND = {"a", "arg", "id", "in", "input", "p", "param", "parameter", "the", "uid", "uuid", "v", "value"}  # no meaning
_JSON = ("json", "jsonb")
_AS_IT_IS = frozenset({"(", ")", ".", ",", "::", "$"})
_ENDS = frozenset({"from", "where", "on", "returning", ";"})


def arguments_of(
    routine: Routine, key_type: str, subject: Subject = USUAL, columns: Collection[str] = ()
) -> dict[str, int] | None:
    """Which argument gives which column of an event, from 1 on; None if it needs more than is known. ``key_type``: of
    the parent's key, without a length; ``columns``: those of the events.

    The INSERT in the function tells; else the argument's name, else its type. What has a default may be left out.
    """
    given, unknown = _resolved(routine, key_type, subject, columns)
    return given if subject.foreign_key in given and not unknown else None


def unknown_arguments(
    routine: Routine, key_type: str, subject: Subject = USUAL, columns: Collection[str] = ()
) -> tuple[str, ...]:
    """The arguments that a call must give and of which nothing is known, each with its type."""
    return _resolved(routine, key_type, subject, columns)[1]


def in_call(arguments: Sequence[Argument], given: Mapping[str, int], values: Mapping[str, str]) -> str:
    """The arguments of a call. ``values``: an expression for each column that is given.

    By name, as PostgREST calls it: with several functions of the name, it says which one is meant.
    """
    cast = {place: f"{values[column]}::{arguments[place - 1].type}" for column, place in sorted(given.items())}
    if all(argument.name for argument in arguments):
        return ", ".join(f"{quoted(arguments[place - 1].name)} => {cast[place]}" for place in sorted(cast))
    return ", ".join(cast[place] for place in sorted(cast))


def _resolved(
    routine: Routine, key_type: str, subject: Subject, columns: Collection[str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    arguments = routine.arguments
    given: dict[str, int] = {}
    known = set(columns or (subject.foreign_key, subject.user, subject.kind, subject.data)) - {subject.event_id}
    for column, place in (*_inserted(routine, subject), *_named(arguments, subject, known)):
        if column in known and place not in given.values() and _fits(arguments[place - 1], column, subject):
            given.setdefault(column, place)
    unknown = []
    for place, argument in enumerate(arguments, 1):
        if place in given.values():
            continue
        column = _by_type(argument, key_type, subject)
        if column and column not in given:
            given[column] = place
        elif argument.required:
            unknown.append(f"{argument.name} {argument.type}".strip())
        elif not all(each.name for each in arguments):
            given = {column: at for column, at in given.items() if at < place}
            break  # this one and those after it have defaults
    return given, tuple(unknown)


def _fits(argument: Argument, column: str, subject: Subject) -> bool:
    """Whether it can be one value of such a column: a document or a row is no key, and no kind."""
    plain = argument.type not in _JSON and argument.category not in ("A", "C", "P")
    return plain or column not in (subject.foreign_key, subject.user, subject.kind)


def _by_type(argument: Argument, key_type: str, subject: Subject) -> str:
    lowered = argument.name.lower()
    if argument.type == key_type and "type" not in lowered and "kind" not in lowered:
        return subject.foreign_key
    if argument.type in _JSON:
        return subject.data
    return subject.kind if argument.category in ("S", "E") else ""


def _named(arguments: Sequence[Argument], subject: Subject, columns: Collection[str]) -> Iterator[tuple[str, int]]:
    """By its name: that of a column, but for words around it."""
    wanted = {_bare(column): column for column in sorted(columns)}
    for place, argument in enumerate(arguments, 1):
        bare = _bare(argument.name)
        if bare in wanted:
            yield wanted[bare], place
        elif "user" in bare.split("_") and subject.user in columns:
            yield subject.user, place


def _bare(name: str) -> str:
    said = _HUMP.sub("_", name).lower().split("_")
    return "_".join(each for each in said if each not in _AROUND and each) or name


def _inserted(routine: Routine, subject: Subject) -> Iterator[tuple[str, int]]:
    """By the column into which the function inserts it."""
    body = routine.body
    found = pieces(body)
    places = {argument.name: place for place, argument in enumerate(routine.arguments, 1) if argument.name}
    places |= {f"${place}": place for place in range(1, len(routine.arguments) + 1)}
    for insert in inserts(found, subject):
        for (first, end), value in zip(insert.columns(found), _values(found, insert), strict=False):
            at = {places[name] for name in _names(body, found[slice(*value)]) if name in places}
            if end == first + 1 and found[first].is_name and len(at) == 1:
                yield found[first].text, at.pop()


def _values(found: list[Piece], insert: Insert) -> Iterator[tuple[int, int]]:
    """The items of VALUES, or of a SELECT."""
    start = closing(found, insert.after) + 1
    if word(found, start) == "values" and word(found, start + 1) == "(":
        yield from listed(found, start + 2, closing(found, start + 1))
    elif word(found, start) == "select":
        yield from listed(found, start + 1, until(found, start, _ENDS))


def _names(body: str, item: Sequence[Piece]) -> Iterator[str]:
    """The names and the numbered parameters in an expression; none of one that looks something up, or works it out."""
    if any(piece.text == "select" or (piece.kind is Kind.MARK and piece.text not in _AS_IT_IS) for piece in item):
        return
    for place, piece in enumerate(item):
        if piece.is_name:
            yield piece.text
        elif piece.text == "$" and place + 1 < len(item):
            yield "$" + body[item[place + 1].offset : item[place + 1].end]
