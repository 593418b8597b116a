"""Which functions count, and which of their statements do nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from usagefix.reading.findings import Hit, Use
from usagefix.reading.pieces import Piece, at, closing, listed, name, pieces, until, word, words
from usagefix.reading.routine import Routine, Span, Uneditable, blanked, line_of, replaced
from usagefix.reading.sql import hits
from usagefix.reading.subject import USUAL, Subject

_BEFORE_STATEMENT = {";", "begin", "then", "else", "loop"}
_IN_PLACE = "NULL; /* counted by the trigger */"


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
    counting = {routine.name for routine in routines if _writes(does[routine])} | {subject.incrementer} - names
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
        if word(found, start) not in ("update", "perform") or not _starts_statement(found, start):
            continue
        end = until(found, start, {";"})
        if end == len(found):
            continue
        if word(found, start) == "update":
            is_counting = _only_sets_counter(found, start, end, subject)
        else:
            called, after = name(found, start + 1)
            is_counting = (
                any(subject.is_ours(called, function) for function in only)
                and word(found, after) == "("
                and closing(found, after) + 1 == end
            )
        if is_counting:
            yield start, end


def _starts_statement(found: list[Piece], index: int) -> bool:
    if index == 0 or words(found, index - 2, ">", ">"):  # after a label
        return True
    return word(found, index - 1) in _BEFORE_STATEMENT


def _only_sets_counter(found: list[Piece], start: int, end: int, subject: Subject) -> bool:
    table, after = name(found, start + (2 if word(found, start + 1) == "only" else 1))
    if word(found, after) == "as":
        after += 2
    elif word(found, after) != "set":
        after += 1
    if not subject.is_parent(table) or word(found, after) != "set" or until(found, start, {"returning"}) < end:
        return False
    columns = {subject.counter, *subject.alongside}
    sets: set[str] = set()
    for first, _ in listed(found, after + 1, end):
        if not at(found, first).is_name or at(found, first).text not in columns or word(found, first + 1) != "=":
            return False
        sets.add(found[first].text)
    return subject.counter in sets


def taken_out(
    body: str, language: str, whose: str, subject: Subject = USUAL, functions: Known | None = None
) -> list[tuple[Span, str]]:
    """The edits that take the counting out of a body. Raises Uneditable for what cannot be taken out safely."""
    functions = functions or usual(subject)
    found = pieces(body)
    spans = [
        (found[start].offset, found[end].end) for start, end in counting_statements(found, subject, functions.only)
    ]
    hint = f"Remove from it what changes {subject.counter} (the trigger counts), then run this again."
    depends = any(word(found, index) in ("found", "diagnostics") for index in range(len(found)))
    if spans and (language == "sql" or depends):
        raise Uneditable(
            f"{whose} counts by itself, and what follows may depend on that", hint=hint, line=line_of(body, spans[0][0])
        )
    # Another recorder is edited, too.
    left = counting_hits(blanked(body, spans), subject, functions.counting - {subject.recorder})
    if left:
        message = f"{whose} counts by itself in a way that usagefix cannot take out"
        raise Uneditable(message, hint=hint, line=left[0].line + 1)
    return [(span, _IN_PLACE) for span in spans]


def without_counting(
    body: str, language: str, whose: str, subject: Subject = USUAL, functions: Known | None = None
) -> str:
    """A body without its counting. Raises Uneditable for what cannot be taken out safely."""
    return replaced(body, taken_out(body, language, whose, subject, functions))


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
    """The index after what any trigger function has; 0 where that does not stand here."""
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


@dataclass(frozen=True, slots=True)
class OnlyCounts:
    """A trigger function that does nothing but count: its triggers can be held off."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A trigger function that does more than count: its body without the counting."""

    body: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A trigger function whose counting cannot be taken out: why, what to do, and the line in its body."""

    reason: str
    hint: str
    line: int


def of_trigger(
    routine: Routine, subject: Subject = USUAL, functions: Known | None = None
) -> OnlyCounts | Edited | Refused:
    """What can be done about a trigger function that counts."""
    if only_counts(routine, subject, functions):
        return OnlyCounts()
    try:
        if not routine.is_editable:
            hint = f"Remove from it what changes {subject.counter} (the trigger counts), then run this again."
            raise Uneditable(f"{routine.signature} counts by itself in a way that usagefix cannot take out", hint=hint)
        return Edited(without_counting(routine.body, routine.language, routine.signature, subject, functions))
    except Uneditable as error:
        return Refused(error.message, error.hint, error.line)
