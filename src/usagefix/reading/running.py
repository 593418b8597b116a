"""Splits SQL text into statements, and finds the literals in a statement that are code and run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from usagefix import quoting
from usagefix.reading.findings import Lines, joined
from usagefix.reading.pieces import Piece, at, closing, pieces, until, word
from usagefix.reading.subject import ANYTHING
from usagefix.tokens import after_comment

# Cuts no tokens: most statements of a large file are not worth theirs.
_EDGE = re.compile(
    r"""
    (?P<end>;[;\s]*)
    |--[^\n]*
    |(?P<psql>^\\(?!copy\b)[^\n]*)
    |(?P<comment>/\*)
    |(?<![\w$])[eE]'(?:[^'\\]+|\\.|'')*'?
    |'[^']*(?:''[^']*)*'?
    |(?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$)
    |"[^"]*(?:""[^"]*)*"?
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE | re.ASCII,
)
_ROWS_FOLLOW = re.compile(r"\bfrom\s+stdin\b[^;]*;\Z", re.IGNORECASE)
_FILLED = re.compile(r"%(?:(\d+)\$)?-?\d*([IsL])")
_PLAIN = re.compile(r"[a-z_]\w*")
_STARTS = re.compile(
    r"(?:\s|--[^\n]*(?:\n|\Z)|\()*(?:select|insert|update|delete|with|call|merge|truncate|do|begin|create|explain|copy|values)\b",
    re.IGNORECASE,
)
ROUTINES = {"function", "procedure", "routine"}
_TAKES_TEXT = {"format", "schedule", "schedule_in_database", "dblink", "dblink_exec"}
_RUNS_TEXT = _TAKES_TEXT - {"format"} | {"execute"}

Range = tuple[int, int]


def is_statement(text: str) -> bool:
    """Whether a text starts the way SQL does; prose about a table does not."""
    return _STARTS.match(text) is not None


def statements(code: str) -> Iterator[list[Range]]:
    """Start and end of every statement, by the semicolons outside comments and literals; in parts, where lines for
    psql are between."""
    parts: list[Range] = []
    start = at_ = 0
    while edge := _EDGE.search(code, at_):
        at_ = edge.end()
        if edge["end"]:
            end = edge.start() + 1
            yield [*parts, (start, end)]
            if _ROWS_FOLLOW.search(code, max(start, end - 201), end):
                rows = code.find("\n\\.", at_ - 1)
                at_ = len(code) if rows < 0 else rows + 3
            parts, start = [], at_
        elif edge["psql"]:
            parts.append((start, edge.start()))
            start = at_
        elif edge["comment"]:
            at_ = after_comment(code, at_)
        elif edge["dollar"]:
            close = code.find(edge["dollar"], at_)
            at_ = len(code) if close < 0 else close + len(edge["dollar"])
    yield [*parts, (start, len(code))]


def of_statement(code: str, parts: list[Range]) -> list[Piece]:
    """The pieces of a statement."""
    return [piece for start, stop in parts for piece in pieces(code, start, stop)]


def run_texts(found: list[Piece], lines: Lines, *, executes: bool) -> Iterator[tuple[int, str]]:
    """The literals that are code, each with the line it starts on. ``executes``: the text around has an EXECUTE."""
    index = 0
    for start, piece in enumerate(found):
        if start < index:
            continue
        text, following = piece.text, start + 1
        if piece.is_literal:
            if _is_body(found, start):
                yield lines.at(piece.offset), text
            continue
        if text == "execute" and word(found, following) not in {*ROUTINES, "on", ","}:
            index = until(found, following, {";", "using", "into", "loop"})
        elif text == ":=" and executes:
            index = until(found, following, {";"})
        elif text in _TAKES_TEXT and word(found, following) == "(":
            index = closing(found, following)
        if index > start and (literals := _literals(found[start:index], lines)):
            whole = joined(literals)
            if text in _RUNS_TEXT or is_statement(whole):
                yield literals[0][0], whole


def _is_body(found: list[Piece], index: int) -> bool:
    before = word(found, index - 1)
    return before in ("as", "do") or (word(found, index - 2), word(found, index - 3)) == ("language", "do")


def _literals(found: list[Piece], lines: Lines) -> list[tuple[int, str]]:
    """The literals among the pieces, each with its line; those of format() filled in where its arguments are known."""
    literals: list[tuple[int, str]] = []
    index = 0
    while index < len(found):
        if word(found, index) == "format" and word(found, index + 1) == "(":
            end = closing(found, index + 1)
            literals += _formatted(found[index + 2 : end], lines)
            index = end
        elif found[index].is_literal:
            is_name = word(found, index - 2) == "quote_ident"
            text = _identifier(found[index].text) if is_name else found[index].text
            literals.append((lines.at(found[index].offset), text))
        index += 1
    return literals


def _formatted(arguments: list[Piece], lines: Lines) -> list[tuple[int, str]]:
    """The pattern of a format(), with the literals among its arguments in their places."""
    commas: list[int] = []
    depth = 0
    for index in range(len(arguments)):
        mark = word(arguments, index)
        depth += (mark == "(") - (mark == ")")
        if depth == 0 and mark == ",":
            commas.append(index)
    following = [at(arguments, comma + 1) for comma in commas]
    values = [piece.text if piece.is_literal else ANYTHING for piece in following]
    in_turn = iter(values)

    def fill(match: re.Match[str]) -> str:
        if match[1]:
            position = int(match[1][:3]) - 1
            value = values[position] if 0 <= position < len(values) else ANYTHING
        else:
            value = next(in_turn, ANYTHING)
        return _identifier(value) if match[2] == "I" else value

    pattern = [piece for piece in arguments[: commas[0] if commas else None] if piece.is_literal]
    return [(lines.at(piece.offset), _FILLED.sub(fill, piece.text)) for piece in pattern]


def _identifier(value: str) -> str:
    """A value as ``%I`` and quote_ident() write it."""
    return value if _PLAIN.fullmatch(value) else quoting.quoted(value)
