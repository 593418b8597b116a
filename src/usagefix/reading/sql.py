"""Finds what SQL and PL/pgSQL do to the counter, token by token: a pattern over text mistakes comments for code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from usagefix.reading.carried import carried
from usagefix.reading.findings import Found, Hit, Lines, Use
from usagefix.reading.pieces import Piece, at, closing, name, until, word
from usagefix.reading.running import ROUTINES, of_statement, run_texts, statements
from usagefix.reading.subject import USUAL, Subject

_EXECUTES = re.compile(r"\bexecute\b", re.IGNORECASE)
_DEEPEST = 4  # code in a literal in code: a function that makes functions is at 3

_VERBS = {"update", "insert", "merge", "delete", "truncate", "copy", "new"}
_AFTER_INSERT = {"(", "{", "?", "$", "%", ":", "values", "select", "default", "as", "with", "table", "overriding"}
_AFTER_DELETE = {"", ";", ")", "*", "where", "using", "returning"}
_STATEMENT_BEFORE = {"", ";", "begin", "then", "else", "loop"}
_ENDS_ASSIGNMENTS = {"where", "returning", "update", "insert", "delete", "merge"}

Name = tuple[str, ...]


def in_sql(code: str, *, functions: Collection[str] = (), subject: Subject = USUAL) -> list[Found]:
    """The uses in SQL or PL/pgSQL text, such as a migration or the body of a function, by line.

    Comments never count. A literal counts where it is run: the body of a function or DO block, EXECUTE, format(),
    text assigned for an EXECUTE, pg_cron and dblink. ``functions`` are the names, without schema, that are calls.
    """
    return Lines(code).found(hits(code, functions, subject))


def hits(
    code: str, functions: Collection[str], subject: Subject = USUAL, *, new_row: bool = True, depth: int = 0
) -> set[Hit]:
    """The uses in SQL text and in the code in its literals. ``new_row``: NEW may be a row of the parent."""
    lines, executes = Lines(code), _EXECUTES.search(code) is not None
    matter = re.compile("|".join(map(_written, (subject.counter, subject.child, *functions))), re.IGNORECASE).search
    found: set[Hit] = set()
    for parts in statements(code) if matter(code) else ():
        if not any(matter(code, start, end) for start, end in parts):
            continue
        tokens = of_statement(code, parts)
        for use, offset in _writes(tokens, subject, new_row=new_row):
            found.add(Hit(lines.at(offset), use))
        found |= {Hit(lines.at(offset), Use.INSERTS_COUNTER) for offset in carried(code, tokens, subject)}
        found |= {Hit(lines.at(offset), Use.CALLS, called) for called, offset in _calls(tokens, functions)}
        for line, text in run_texts(tokens, lines, executes=executes) if depth < _DEEPEST else ():
            within = hits(text, functions, subject, new_row=new_row, depth=depth + 1)
            found |= {hit._replace(line=hit.line + line) for hit in within}
    return found


def _written(text: str) -> str:
    """A pattern for a name however deep in literals it is written: its quotes may be doubled."""
    return re.sub(r"(['\"])", r"\1+", re.escape(text))


def _starts(tokens: list[Piece], words: Collection[str]) -> list[int]:
    return [index for index, token in enumerate(tokens) if token.text in words and not token.is_literal]


def _writes(tokens: list[Piece], subject: Subject, *, new_row: bool) -> Iterator[tuple[Use, int]]:
    """What a statement or an assignment of a trigger does, with the offset of the name that says so."""
    target: Name = ()  # of the INSERT or MERGE that a later UPDATE SET belongs to
    target_offset = index = 0
    for start in _starts(tokens, _VERBS):
        if start < index:
            continue
        verb, index = word(tokens, start), start + 1
        if verb == "update":
            index, counters = _updated(tokens, index, target, subject)
            yield from ((Use.WRITES_COUNTER, offset) for offset in counters)
        elif verb in ("insert", "merge") and word(tokens, index) == "into":
            target, index = name(tokens, index + (2 if word(tokens, index + 1) == "only" else 1))
            target_offset = at(tokens, index - 1).offset
            if verb == "insert" and subject.is_child(target) and word(tokens, index) in _AFTER_INSERT:
                yield Use.INSERTS_EVENT, target_offset
        elif verb in ("insert", "delete") and subject.is_child(target) and word(tokens, start - 1) == "then":
            yield Use.INSERTS_EVENT if verb == "insert" else Use.DELETES_EVENT, target_offset
        elif verb in ("delete", "truncate", "copy"):
            index, use, offset = _emptied_or_copied(tokens, index, verb, subject)
            if use:
                yield use, offset
        elif verb == "new" and new_row and _assigned_in_trigger(tokens, index, subject.counter):
            yield Use.WRITES_COUNTER, tokens[index + 1].offset


def _updated(tokens: list[Piece], index: int, target: Name, subject: Subject) -> tuple[int, list[int]]:
    """Reads on after UPDATE: the index to go on from, and the offsets of the counter where it is set."""
    table, after = target, index
    if word(tokens, index) != "set":
        table, after = name(tokens, index + (word(tokens, index) == "only"))
        after += word(tokens, after) == "*"
        after += word(tokens, after) == "as"
        after += word(tokens, after) != "set"
    if subject.is_parent(table) and word(tokens, after) == "set":
        return _assignments(tokens, after + 1, subject.counter)
    return index, []


def _assignments(tokens: list[Piece], index: int, counter: str) -> tuple[int, list[int]]:
    found: list[int] = []
    depth, expects_column = 0, True
    while index < len(tokens):
        text = word(tokens, index)
        if text == ";" or depth < 0 or (depth == 0 and text in _ENDS_ASSIGNMENTS):
            break
        if expects_column:
            columns, after = _columns(tokens, index)
            if word(tokens, after) == "=":
                found += [column.offset for column in columns if column.text == counter]
                index = after
            expects_column = False
        elif depth == 0 and text == "from" and word(tokens, index - 1) != "distinct":
            break
        else:
            depth += (text in ("(", "[")) - (text in (")", "]"))
            expects_column = depth == 0 and text == ","
        index += 1
    return index, found


def _columns(tokens: list[Piece], index: int) -> tuple[list[Piece], int]:
    """The column or, in parentheses, the columns that stand left of an assignment, and the index after them."""
    if word(tokens, index) != "(":
        _, index = name(tokens, index)
        return [at(tokens, index - 1)], index
    columns: list[Piece] = []
    separator = "("
    while separator in ("(", ","):
        _, index = name(tokens, index + 1)
        columns.append(at(tokens, index - 1))
        separator = word(tokens, index)
    return columns, index + 1


def _emptied_or_copied(tokens: list[Piece], index: int, verb: str, subject: Subject) -> tuple[int, Use | None, int]:
    """Reads on after DELETE, TRUNCATE or COPY: the index to go on from, and the use with its offset, if any."""
    if verb == "delete" and word(tokens, index) != "from":
        return index, None, 0
    after = index + (verb == "delete" or word(tokens, index) == "table")
    table, after = name(tokens, after + (word(tokens, after) == "only"))
    while verb == "truncate" and not subject.is_child(table) and word(tokens, after) == ",":
        table, after = name(tokens, after + 1)
    if not subject.is_child(table):
        return max(index, after - 1), None, 0
    offset = tokens[after - 1].offset
    if verb == "copy":
        after = closing(tokens, after) + 1 if word(tokens, after) == "(" else after
        return after, Use.INSERTS_EVENT if word(tokens, after) == "from" else None, offset
    emptied = verb == "truncate" or _is_end_of_delete(tokens, after)
    return after, Use.DELETES_EVENT if emptied else None, offset


def _is_end_of_delete(tokens: list[Piece], index: int) -> bool:
    """Whether DELETE FROM and a table go on as SQL does, unlike a message: "delete from preset_usage failed"."""
    after, later = word(tokens, index), word(tokens, index + 1)
    return after == "as" or after in _AFTER_DELETE or (later in _AFTER_DELETE and later not in ("", ")"))


def _assigned_in_trigger(tokens: list[Piece], index: int, counter: str) -> bool:
    """Whether NEW, before ``index``, goes on as ``.usage_count :=``; ``=`` assigns only where a statement starts."""
    if word(tokens, index) != "." or at(tokens, index + 1).text != counter:
        return False
    before, after = word(tokens, index - 2), word(tokens, index + 2)
    return after == ":=" or before == "into" or (after == "=" and before in _STATEMENT_BEFORE)


def _calls(tokens: list[Piece], names: Collection[str]) -> Iterator[tuple[str, int]]:
    """The functions called, with offsets; a statement about a function is no call of it."""
    index = 0
    for start in _starts(tokens, {*names, *ROUTINES}):
        text, before = word(tokens, start), word(tokens, start - 1)
        if start < index:
            continue
        if text in ROUTINES and before in ("create", "replace"):
            _, index = name(tokens, start + 1)
        elif text in ROUTINES and before in ("drop", "alter", "on", "add"):
            index = until(tokens, start, {";"})
        elif tokens[start].text in names and word(tokens, start + 1) == "(":
            yield tokens[start].text, tokens[start].offset
