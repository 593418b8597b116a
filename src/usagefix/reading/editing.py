"""Edits a function that records uses, so that it only inserts the event, with the daily limit or without."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from usagefix.reading.counting import Known
from usagefix.reading.inserts import STAND_IN, Insert, clause, inserts, needs_limit, span
from usagefix.reading.pieces import Piece, closing, listed, pieces, word
from usagefix.reading.routine import Routine, Span, Uneditable, line_of, replaced
from usagefix.reading.subject import USUAL, Subject
from usagefix.reading.taking import taken_out

_QUOTE = re.compile(r"(\$[^$]*\$)\Z")


def edited_body(
    routine: Routine,
    *,
    limit_stays: bool,
    subject: Subject = USUAL,
    limit_columns: Collection[str] = (),
    functions: Known | None = None,
) -> str | None:
    """The body of a recorder without the clause that needs the daily limit, and without any counting of its own;
    everything else in it stays. While the limit stays, the clause gives way to one that works with it and without.

    None if there is no text to edit. Raises Uneditable for what cannot be taken out safely.
    """
    if not routine.is_editable:
        return None
    body, whose = routine.body, f"{subject.recorder}()"
    found = pieces(body)
    edits: list[tuple[Span, str]] = []
    for insert in inserts(found, subject):
        cut = clause(body, found, insert, subject, limit_columns)
        if cut and (cut.stand_in or (cut.needs_limit and cut.does_nothing)):
            start, end, ends_line = span(body, found, cut)
            edits.append(((start, end), ("\n" if ends_line else "") + (STAND_IN if limit_stays else "")))
        elif cut and cut.needs_limit:
            raise Uneditable(
                f"{whose} uses the daily limit in a way that usagefix cannot take out",
                hint="Remove its ON CONFLICT clause by hand (the insert is all it needs), then run this again.",
                line=line_of(body, found[cut.start].offset),
            )
    edits += taken_out(body, routine.language, whose, subject, functions)
    return replaced(body, edits)


def repaired_body(
    routine: Routine,
    columns: Collection[str],
    *,
    limit_stays: bool,
    subject: Subject = USUAL,
    limit_columns: Collection[str] = (),
    functions: Known | None = None,
) -> str | None:
    """The edited body without the columns that the events lack, each with its value; all else stays. ``columns``: those
    that they have. None if an insert is not a plain one. Raises Uneditable as the editor does."""
    body = edited_body(
        routine, limit_stays=limit_stays, subject=subject, limit_columns=limit_columns, functions=functions
    )
    if body is None:
        return None
    found = pieces(body)
    edits: list[tuple[Span, str]] = []
    for insert in inserts(found, subject):
        names = insert.columns(found)
        kept = [
            n
            for n, (first, end) in enumerate(names)
            if end != first + 1 or not found[first].is_name or found[first].text in columns
        ]
        if len(kept) == len(names):
            continue
        rows = _rows(found, insert, len(names))
        if not kept or not rows:
            return None
        edits += [_only(body, found, items, kept) for items in (names, *rows)]
    return replaced(body, edits)


def _rows(found: list[Piece], insert: Insert, width: int) -> list[list[tuple[int, int]]]:
    """The items of each row of VALUES; none if they are no rows of this width."""
    index = closing(found, insert.after) + 1
    rows: list[list[tuple[int, int]]] = []
    if word(found, index) != "values":
        return []
    while word(found, index) in ("values", ","):
        if word(found, index + 1) != "(":
            return []
        end = closing(found, index + 1)
        if end == len(found):
            return []
        rows.append(list(listed(found, index + 2, end)))
        index = end + 1
    return rows if all(len(row) == width for row in rows) else []


def _only(body: str, found: list[Piece], items: list[tuple[int, int]], kept: list[int]) -> tuple[Span, str]:
    """The edit that leaves these items of a list in parentheses."""
    edges = [found[items[0][0] - 1].end, *(found[end].offset for _, end in items)]
    texts = [body[edges[0] : edges[1]], *(body[edges[n] + 1 : edges[n + 1]] for n in range(1, len(items)))]
    return (edges[0], edges[-1]), ",".join(texts[n] for n in kept).strip(" ")


def needing_limit(
    functions: Iterable[Routine],
    subject: Subject = USUAL,
    limit_columns: Collection[str] = (),
    known: Known | None = None,
) -> tuple[Routine, ...]:
    """The functions that would fail without the daily limit. Out of a recorder the clause is taken, so it counts as it
    will be. Raises Uneditable as the editor does."""
    return tuple(
        routine
        for routine in functions
        if needs_limit(_without_limit(routine, subject, limit_columns, known), subject, limit_columns)
    )


def _without_limit(
    routine: Routine, subject: Subject, limit_columns: Collection[str], functions: Known | None
) -> Routine:
    is_recorder = (routine.schema, routine.name) == (subject.schema, subject.recorder)
    if not is_recorder or not needs_limit(routine, subject, limit_columns):
        return routine
    body = edited_body(routine, limit_stays=False, subject=subject, limit_columns=limit_columns, functions=functions)
    return routine if body is None else replace(routine, body=body)


def with_body(routine: Routine, body: str) -> str:
    """The statement that puts a body into a function, in dollar quotes; every other character of its definition stays.
    Raises Uneditable for a definition that cannot be read."""
    definition = routine.definition.rstrip("\n")
    found = _QUOTE.search(definition)
    tag = found[1] if found else ""
    header = definition.removesuffix(f"{tag}{routine.body}{tag}")
    if not tag or not header.endswith("AS ") or header == definition:
        raise Uneditable(
            f"the definition of {routine.signature} cannot be read", hint="Write it anew by hand, then run this again."
        )
    while (body + tag).index(tag) < len(body):
        tag = f"{tag[:-1]}x$"
    return f"{header}{tag}{body}{tag}{routine.definition[len(definition) :]}"
