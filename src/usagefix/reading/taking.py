"""Removes the counting from a function, because the trigger counts. It keeps every other character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from usagefix.reading.counting import (
    Known,
    counting_hits,
    counting_statements,
    counting_update,
    only_counts,
    starts_statement,
    usual,
)
from usagefix.reading.pieces import Piece, pieces, until, word, words
from usagefix.reading.routine import Routine, Span, Uneditable, blanked, line_of, replaced
from usagefix.reading.subject import USUAL, Subject
from usagefix.tokens import Kind

_COUNTED = "/* counted by the trigger */"


def taken_out(
    body: str, language: str, whose: str, subject: Subject = USUAL, functions: Known | None = None
) -> list[tuple[Span, str]]:
    """The edits that take the counting out of a body: a statement that does nothing else, or the one assignment of an
    UPDATE that does more. Raises Uneditable for what cannot be taken out safely."""
    functions = functions or usual(subject)
    found = pieces(body)
    if language == "sql" and found and word(found, len(found) - 1) != ";":
        found.append(Piece(Kind.MARK, ";", len(body), len(body)))
    edits: list[tuple[Span, str]] = []
    whole = dict(counting_statements(found, subject, functions.only))
    for start, end in whole.items():
        edits.append(
            ((found[start].offset, found[end].end), _in_place(body, found, (start, end), language, whose, subject))
        )
    for start in range(len(found)):
        if word(found, start) == "update" and start not in whole and starts_statement(found, start):
            edits += _without_assignment(body, found, start, subject)
    # Another recorder is edited, too.
    blank = blanked(body, [span for span, _ in edits])
    left = counting_hits(blank, subject, functions.counting - {subject.recorder})
    if left:
        raise Uneditable(
            f"{whose} counts by itself in a way that usagefix cannot take out",
            hint=f"Remove from it what changes {subject.counter} (the trigger counts), then run this again.",
            line=left[0].line + 1,
        )
    return edits


def _in_place(body: str, found: list[Piece], statement: Span, language: str, whose: str, subject: Subject) -> str:
    """What stands where a counting statement stood: nothing, or where FOUND or ROW_COUNT may be read afterwards, one
    that sets these alike."""
    start, end = statement
    if language == "sql":
        return _COUNTED
    reads = [index for index in range(len(found)) if word(found, index) in ("found", "diagnostics")]
    loops = any(word(found, index) == "loop" for index in range(len(found)))
    if not reads or (reads[-1] < end and not loops):
        return f"NULL; {_COUNTED}"
    update = counting_update(found, start, end, subject)
    if update is None:
        return f"PERFORM 1; {_COUNTED}"  # as a call of a function does
    of_table = body[found[update.table].offset : found[update.set - 1].end]
    where = body[found[update.rest].offset : found[end - 1].end] if update.rest < end else ""
    if word(found, update.rest) == "from" or words(found, update.rest, "where", "current", "of"):
        raise Uneditable(
            f"{whose} counts by itself, and what follows depends on that",
            hint=f"Remove from it what changes {subject.counter} (the trigger counts), then run this again.",
            line=line_of(body, found[start].offset),
        )
    return f"PERFORM FROM {of_table}{' ' if where else ''}{where}; {_COUNTED}"


def _without_assignment(body: str, found: list[Piece], start: int, subject: Subject) -> Iterator[tuple[Span, str]]:
    """The edit that leaves the other assignments of an UPDATE; none if these, or what follows, read the counter."""
    update = counting_update(found, start, until(found, start, {";"}), subject)
    if update is None or word(found, update.returns) == "returning":
        return
    kept = [(first, end) for first, end in update.items if found[first].text != subject.counter]
    read = [*(index for item in kept for index in range(*item)), *range(update.rest, update.returns)]
    if kept and not any(found[index].is_name and found[index].text == subject.counter for index in read):
        texts = [body[found[first].offset : found[end - 1].end] for first, end in kept]
        yield (found[update.set + 1].offset, found[update.rest - 1].end), ", ".join(texts)


def without_counting(
    body: str, language: str, whose: str, subject: Subject = USUAL, functions: Known | None = None
) -> str:
    """A body without its counting. Raises Uneditable for what cannot be taken out safely."""
    return replaced(body, taken_out(body, language, whose, subject, functions))


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
