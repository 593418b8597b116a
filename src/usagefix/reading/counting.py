"""Finds the functions that count, and their statements that only count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from usagefix.reading.findings import Hit, Use
from usagefix.reading.pieces import Piece, at, closing, listed, name, pieces, until, word, words
from usagefix.reading.routine import Routine
from usagefix.reading.sql import hits
from usagefix.reading.subject import USUAL, Subject

_BEFORE_STATEMENT = {";", "begin", "then", "else", "loop"}


@dataclass(frozen=True, slots=True)
class Known:
    """The functions of a database that count, by name. ``only``: those that do nothing else."""

    only: frozenset[str]
    counting: frozenset[str]


def known(functions: Iterable[Routine], subject: Subject = USUAL) -> Known:
    """What the functions of a database do: those that set the counter, and, at any depth, those that call them."""
    routines = [routine for routine in functions if routine.is_read]
    names = frozenset(routine.name for routine in routines)
    does = {routine: hits(routine.body, names, subject, new_row=False) for routine in routines}
    counting = {routine.name for routine in routines if _writes(does[routine])} | {subject.incrementer} - names - {""}
    while more := {
        routine.name for routine in routines if routine.name not in counting and _called(does[routine]) & counting
    }:
        counting |= more
    # What the function of that name does besides is not asked: it was made to count.
    found = Known(frozenset({subject.incrementer} & counting), frozenset(counting))
    pure = {routine: only_counts(routine, subject, found) for routine in routines}
    only = {routine.name for routine in routines if pure[routine]} - {each.name for each in routines if not pure[each]}
    return Known(found.only | only, found.counting)


def usual(subject: Subject = USUAL) -> Known:
    """What is known where no function has been looked at."""
    return known((), subject)


def _writes(found: Iterable[Hit]) -> bool:
    return any(hit.use is Use.WRITES_COUNTER for hit in found)


def _called(found: Iterable[Hit]) -> set[str]:
    return {hit.name for hit in found if hit.use is Use.CALLS}


def counts(routine: Routine, subject: Subject = USUAL, functions: Known | None = None) -> bool:
    """Whether a function counts: it sets the counter, or calls, at any depth, one that does."""
    names = (functions or usual(subject)).counting - {routine.name}
    return routine.is_read and bool(counting_hits(routine.body, subject, names))


def counting_hits(text: str, subject: Subject, names: Collection[str]) -> list[Hit]:
    """What in a text sets the counter, or calls one of the functions that do; in dynamic SQL too."""
    found = hits(text, names, subject, new_row=False)
    return sorted(hit for hit in found if hit.use in (Use.WRITES_COUNTER, Use.CALLS))


def counting_statements(found: list[Piece], subject: Subject, only: Collection[str]) -> Iterator[tuple[int, int]]:
    """The statements that can be taken out as a whole, by the index of their first piece and of their semicolon: all
    they do is to set the counter and the time of the last use, or to call a function that does nothing else."""
    for start in range(len(found)):
        if word(found, start) not in ("update", "perform", "insert") or not starts_statement(found, start):
            continue
        end = until(found, start, {";"})
        if end == len(found):
            continue
        if word(found, start) == "update":
            is_counting = _only_sets_counter(found, start, end, subject)
        elif word(found, start) == "insert":
            is_counting = subject.creates and _only_makes_row(found, start, end, subject)
        else:
            called, after = name(found, start + 1)
            is_counting = (
                any(subject.is_ours(called, function) for function in only)
                and word(found, after) == "("
                and closing(found, after) + 1 == end
            )
        if is_counting:
            yield start, end


def starts_statement(found: list[Piece], index: int) -> bool:
    """Whether a statement of PL/pgSQL or SQL may start here."""
    if index == 0 or words(found, index - 2, ">", ">"):  # after a label
        return True
    return word(found, index - 1) in _BEFORE_STATEMENT


def _only_sets_counter(found: list[Piece], start: int, end: int, subject: Subject) -> bool:
    update = counting_update(found, start, end, subject)
    return update is not None and update.returns == end and update.columns <= {subject.counter, *subject.alongside}


def _only_makes_row(found: list[Piece], start: int, end: int, subject: Subject) -> bool:
    """Whether it inserts a row of the parent, its key and its counter, or else only sets the counter."""
    table, after = name(found, start + 2)
    if word(found, start + 1) != "into" or not subject.is_parent(table):
        return False
    after += 2 if word(found, after) == "as" else 0
    items = [found[first] for first, last in listed(found, after + 1, closing(found, after)) if last == first + 1]
    counts = {subject.counter, *subject.alongside}
    does = until(found, after, {"do", ";"})
    if word(found, after) != "(" or not {item.text for item in items} <= {subject.key, *counts} or does >= end:
        return False
    if not words(found, does, "do", "update", "set"):
        return False
    rest = _outside(found, does + 3, end, {"where", "returning"})
    sets = list(listed(found, does + 3, rest))
    plain = all(found[first].is_name and word(found, first + 1) == "=" for first, _ in sets)
    return plain and rest == end and {found[first].text for first, _ in sets} <= counts


@dataclass(frozen=True, slots=True)
class Update:
    """An UPDATE of the parent that sets the counter, by the indexes of its pieces. ``table``: the first piece of its
    name; ``set``, ``rest``: SET, and what follows its assignments; ``returns``: RETURNING, or the end."""

    table: int
    set: int
    rest: int
    returns: int
    items: tuple[tuple[int, int], ...]
    columns: frozenset[str]


def counting_update(found: list[Piece], start: int, end: int, subject: Subject) -> Update | None:
    """The UPDATE that starts here; None if it does not set the counter, or not by a plain assignment to each."""
    table = start + 1
    names, after = name(found, table + (word(found, table) == "only"))
    if word(found, after) == "as":
        after += 2
    elif word(found, after) != "set":
        after += 1
    if not subject.is_parent(names) or word(found, after) != "set":
        return None
    rest = _outside(found, after, end, {"from", "where", "returning"})
    items = tuple(listed(found, after + 1, rest))
    if any(not at(found, first).is_name or word(found, first + 1) != "=" for first, _ in items):
        return None
    columns = frozenset(found[first].text for first, _ in items)
    if subject.counter not in columns:
        return None
    return Update(table, after, rest, _outside(found, rest, end, {"returning"}), items, columns)


def _outside(found: list[Piece], start: int, end: int, ends: Collection[str]) -> int:
    """The index of the first of these words outside of parentheses; ``end`` where none is."""
    depth = 0
    for index in range(start, end):
        text = word(found, index)
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if depth == 0 and text in ends and not (text == "from" and word(found, index - 1) == "distinct"):
            return index
    return end


def only_counts(routine: Routine, subject: Subject = USUAL, functions: Known | None = None) -> bool:
    """Whether nothing is left of a function without its counting, and without what any trigger function has."""
    functions = functions or usual(subject)
    found = pieces(routine.body + "\n;") if routine.is_read else []
    counts = dict(counting_statements(found, subject, functions.only))
    index = 0
    while index < len(found):
        if index in counts:
            index = counts[index] + 1
        elif after := _after_boilerplate(found, index):
            index = after
        else:
            return False
    return bool(counts)


def _after_boilerplate(found: list[Piece], index: int) -> int:
    """The index after what any trigger function has; 0 if that does not stand here."""
    text = word(found, index)
    if text in ("if", "elsif", "elseif"):
        opened = word(found, index + 1) == "("
        index += 1 + opened
        if words(found, index, "tg_op", "=") and at(found, index + 2).is_literal:
            index += 3
            index += opened and word(found, index) == ")"
            return index + 1 if word(found, index) == "then" else 0
        return 0
    if text == "end" and word(found, index + 1) == "if":
        return index + 2
    if text == "return":
        for result in (("new",), ("old",), ("null",), ("coalesce", "(", "new", ",", "old", ")"), ()):
            if words(found, index + 1, *result, ";"):
                return index + 1 + len(result)
        return 0
    return index + 1 if text in ("declare", "begin", "end", "else", "null", ";") else 0
