"""Finds what SQL and PL/pgSQL do to the counter, token by token: a pattern over text mistakes comments for code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from usagefix.source.findings import EVENTS, PRESETS, Found, Hit, Lines, Use, joined

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|[()[\]{}]{65,})
    |(?P<psql>^\\(?!copy\b)[^\n]*)
    |(?P<comment>/\*)
    |(?P<escaped>[eE]'(?:[^'\\]+|\\.|'')*'?)
    |(?P<literal>(?:[bBxXnN]|[uU]&)?'[^']*(?:''[^']*)*'?)
    |(?P<dollar>\$(?:[^\W\d]\w*)?\$)
    |(?P<quoted>"[^"]*(?:""[^"]*)*"?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\d\w*(?:\.\d\w*)?)
    |(?P<mark>:=|::|<=|>=|<>|!=|=>|\|\||.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_EDGE = re.compile(
    r"""
    (?P<end>;[;\s]*)
    |--[^\n]*
    |^\\(?!copy\b)[^\n]*
    |(?P<comment>/\*)
    |(?<![\w$])[eE]'(?:[^'\\]+|\\.|'')*'?
    |'[^']*(?:''[^']*)*'?
    |(?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$)
    |"[^"]*(?:""[^"]*)*"?
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE | re.ASCII,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ROWS_FOLLOW = re.compile(r"\bfrom\s+stdin\b[^;]*;\Z", re.IGNORECASE)
_EXECUTES = re.compile(r"\bexecute\b", re.IGNORECASE)
_FILLED = re.compile(r"%(?:(\d+)\$)?-?\d*[IsL]")
_STARTS = re.compile(
    r"(?:\s|--[^\n]*(?:\n|\Z)|\()*(?:select|insert|update|delete|with|call|merge|truncate|do|begin|create|explain|copy|values)\b",
    re.IGNORECASE,
)
_DEEPEST = 4  # code in a literal in code: a function that makes functions is at 3

_VERBS = {"update", "insert", "merge", "delete", "truncate", "copy", "new"}
_AFTER_INSERT = {"(", "{", "?", "$", "%", ":", "values", "select", "default", "as", "with", "table", "overriding"}
_AFTER_DELETE = {"", ";", ")", "*", "where", "using", "returning"}
_STATEMENT_BEFORE = {"", ";", "begin", "then", "else", "loop"}
_ENDS_ASSIGNMENTS = {"where", "returning", "update", "insert", "delete", "merge"}
_ROUTINES = {"function", "procedure", "routine"}
_TAKES_TEXT = {"format", "schedule", "schedule_in_database", "dblink", "dblink_exec"}
_RUNS_TEXT = _TAKES_TEXT - {"format"} | {"execute"}


class _Token(NamedTuple):
    kind: str  # word, quoted, literal or mark
    text: str  # words in lower case, literals without quotes
    offset: int


_END = _Token("mark", "", 0)


def in_sql(code: str, *, functions: Collection[str] = (), counter: str = "usage_count") -> list[Found]:
    """The uses in SQL or PL/pgSQL text, such as a migration or the body of a function, by line.

    Comments never count. A literal counts where it is run: the body of a function or DO block, EXECUTE, format(),
    text assigned for an EXECUTE, pg_cron and dblink. ``functions`` are the names, without schema, that are calls.
    """
    return Lines(code).found(hits(code, functions, counter))


def is_statement(text: str) -> bool:
    """Whether a text starts the way SQL does; prose about a table does not."""
    return _STARTS.match(text) is not None


def hits(code: str, functions: Collection[str], counter: str = "usage_count", depth: int = 0) -> set[Hit]:
    """The uses in SQL text and in the code in its literals."""
    lines, executes = Lines(code), _EXECUTES.search(code) is not None
    names = {name.lower(): name for name in functions}
    matter = re.compile("|".join(re.escape(name) for name in (counter, EVENTS, *functions)), re.IGNORECASE).search
    found: set[Hit] = set()
    for start, end in _statements(code) if matter(code) else ():
        if not matter(code, start, end):  # most of a large file: not worth its tokens
            continue
        tokens = _tokens(code, start, end)
        found |= {Hit(lines.at(offset), use) for use, offset in _writes(tokens, counter)}
        found |= {Hit(lines.at(offset), Use.CALLS, name) for name, offset in _calls(tokens, names)}
        for line, text in _run(tokens, lines, executes=executes) if depth < _DEEPEST else ():
            found |= {hit._replace(line=hit.line + line) for hit in hits(text, functions, counter, depth + 1)}
    return found


def _statements(code: str) -> Iterator[tuple[int, int]]:
    """Start and end of every statement, by the semicolons outside comments and literals."""
    start = at = 0
    while edge := _EDGE.search(code, at):
        at = edge.end()
        if edge["end"]:
            yield start, edge.start() + 1
            if _ROWS_FOLLOW.search(code, max(start, edge.start() - 200), edge.start() + 1):
                end = code.find("\n\\.", at - 1)
                at = len(code) if end < 0 else end + 3
            start = at
        elif edge["comment"]:
            at = _after_comment(code, at)
        elif edge["dollar"]:
            end = code.find(edge["dollar"], at)
            at = len(code) if end < 0 else end + len(edge["dollar"])
    yield start, len(code)


def _tokens(code: str, at: int, stop: int) -> list[_Token]:
    found: list[_Token] = []
    add, match_at = found.append, _TOKEN.match
    while match := match_at(code, at, stop):
        kind, text, offset, at = match.lastgroup, match[0], at, match.end()
        if kind == "word":
            add(_Token("word", text.lower(), offset))
        elif kind == "mark":
            add(_Token("mark", text, offset))
        elif kind == "comment":
            at = _after_comment(code, at)
        elif kind == "dollar":
            end = code.find(text, at, stop)
            add(_Token("literal", code[at : end if end >= 0 else stop], at))
            at = end + len(text) if end >= 0 else stop
        elif kind == "quoted":
            add(_Token("quoted", text[1:].removesuffix('"').replace('""', '"'), offset))
        elif kind in ("literal", "escaped"):
            content = text[text.index("'") + 1 :].removesuffix("'").replace("''", "'")
            add(_Token("literal", content.replace("\\n", "  ").replace("\\'", " '"), offset))
        elif kind == "number":
            add(_Token("mark", "0", offset))
    return found


def _after_comment(code: str, at: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(code, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(code)


def _at(tokens: list[_Token], index: int) -> _Token:
    return tokens[index] if 0 <= index < len(tokens) else _END


def _text(tokens: list[_Token], index: int) -> str:
    """The text of a word or mark, empty for anything else and outside the tokens."""
    token = _at(tokens, index)
    return token.text if token.kind in ("word", "mark") else ""


def _name(tokens: list[_Token], index: int) -> tuple[_Token, int]:
    """The last part of a name with or without a schema, and the index after it."""
    while _at(tokens, index + 1).text == "." and _at(tokens, index + 2).kind in ("word", "quoted"):
        index += 2
    token = _at(tokens, index)
    return (token if token.kind in ("word", "quoted") else _END), index + 1


def _starts(tokens: list[_Token], words: Collection[str]) -> list[int]:
    return [index for index, token in enumerate(tokens) if token.text in words and token.kind != "literal"]


def _writes(tokens: list[_Token], counter: str) -> Iterator[tuple[Use, int]]:
    """What a statement or an assignment of a trigger does, with the offset of the name that says so."""
    target = _END  # of the INSERT or MERGE that a later UPDATE SET belongs to
    index = 0
    for start in _starts(tokens, _VERBS):
        if start < index:
            continue
        word, index = _text(tokens, start), start + 1
        if word == "update":
            index, counters = _updated(tokens, index, target, counter)
            yield from ((Use.WRITES_COUNTER, offset) for offset in counters)
        elif word in ("insert", "merge") and _text(tokens, index) == "into":
            target, index = _name(tokens, index + (2 if _text(tokens, index + 1) == "only" else 1))
            if word == "insert" and target.text == EVENTS and _text(tokens, index) in _AFTER_INSERT:
                yield Use.INSERTS_EVENT, target.offset
        elif word in ("insert", "delete") and target.text == EVENTS and _text(tokens, start - 1) == "then":
            yield Use.INSERTS_EVENT if word == "insert" else Use.DELETES_EVENT, target.offset
        elif word in ("delete", "truncate", "copy"):
            index, use, offset = _emptied_or_copied(tokens, index, word)
            if use:
                yield use, offset
        elif word == "new" and _assigned_in_trigger(tokens, index, counter):
            yield Use.WRITES_COUNTER, tokens[index + 1].offset


def _updated(tokens: list[_Token], index: int, target: _Token, counter: str) -> tuple[int, list[int]]:
    """Reads on after UPDATE: the index to go on from, and the offsets of the counter where it is set."""
    table, after = target, index
    if _text(tokens, index) != "set":
        table, after = _name(tokens, index + (_text(tokens, index) == "only"))
        after += _text(tokens, after) == "*"
        after += _text(tokens, after) == "as"
        after += _text(tokens, after) != "set"
    if table.text == PRESETS and _text(tokens, after) == "set":
        return _assignments(tokens, after + 1, counter)
    return index, []


def _assignments(tokens: list[_Token], index: int, counter: str) -> tuple[int, list[int]]:
    found: list[int] = []
    depth, expects_column = 0, True
    while index < len(tokens):
        text = _text(tokens, index)
        if text == ";" or depth < 0 or (depth == 0 and text in _ENDS_ASSIGNMENTS):
            break
        if expects_column:
            columns, after = _columns(tokens, index)
            if _text(tokens, after) == "=":
                found += [column.offset for column in columns if column.text == counter]
                index = after
            expects_column = False
        elif depth == 0 and text == "from" and _text(tokens, index - 1) != "distinct":
            break
        else:
            depth += (text in ("(", "[")) - (text in (")", "]"))
            expects_column = depth == 0 and text == ","
        index += 1
    return index, found


def _columns(tokens: list[_Token], index: int) -> tuple[list[_Token], int]:
    """The column or, in parentheses, the columns that stand left of an assignment, and the index after them."""
    if _text(tokens, index) != "(":
        column, index = _name(tokens, index)
        return [column], index
    columns: list[_Token] = []
    separator = "("
    while separator in ("(", ","):
        column, index = _name(tokens, index + 1)
        columns.append(column)
        separator = _text(tokens, index)
    return columns, index + 1


def _emptied_or_copied(tokens: list[_Token], index: int, word: str) -> tuple[int, Use | None, int]:
    """Reads on after DELETE, TRUNCATE or COPY: the index to go on from, and the use with its offset, if any."""
    if word == "delete" and _text(tokens, index) != "from":
        return index, None, 0
    after = index + (word == "delete" or _text(tokens, index) == "table")
    table, after = _name(tokens, after + (_text(tokens, after) == "only"))
    while word == "truncate" and table.text != EVENTS and _text(tokens, after) == ",":
        table, after = _name(tokens, after + 1)
    if table.text != EVENTS:
        return max(index, after - 1), None, 0
    if word == "copy":
        after = _closing(tokens, after) + 1 if _text(tokens, after) == "(" else after
        return after, Use.INSERTS_EVENT if _text(tokens, after) == "from" else None, table.offset
    emptied = word == "truncate" or _is_end_of_delete(tokens, after)
    return after, Use.DELETES_EVENT if emptied else None, table.offset


def _is_end_of_delete(tokens: list[_Token], index: int) -> bool:
    """Whether DELETE FROM and a table go on as SQL does, unlike a message: "delete from preset_usage failed"."""
    after, later = _text(tokens, index), _text(tokens, index + 1)
    return after == "as" or after in _AFTER_DELETE or (later in _AFTER_DELETE and later not in ("", ")"))


def _assigned_in_trigger(tokens: list[_Token], index: int, counter: str) -> bool:
    """Whether NEW, before ``index``, goes on as ``.usage_count :=``; ``=`` assigns only where a statement starts."""
    if _text(tokens, index) != "." or _at(tokens, index + 1).text != counter:
        return False
    before, after = _text(tokens, index - 2), _text(tokens, index + 2)
    return after == ":=" or before == "into" or (after == "=" and before in _STATEMENT_BEFORE)


def _calls(tokens: list[_Token], names: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """The functions called, with offsets; a statement about a function is no call of it."""
    index = 0
    for start in _starts(tokens, {*names, *_ROUTINES}):
        word, before = _text(tokens, start), _text(tokens, start - 1)
        if start < index:
            continue
        if word in _ROUTINES and before in ("create", "replace"):
            _, index = _name(tokens, start + 1)
        elif word in _ROUTINES and before in ("drop", "alter", "on", "add"):
            index = _until(tokens, start, {";"})
        elif tokens[start].text in names and _text(tokens, start + 1) == "(":
            yield names[tokens[start].text], tokens[start].offset


def _run(tokens: list[_Token], lines: Lines, *, executes: bool) -> Iterator[tuple[int, str]]:
    """The literals that are code, each with the line it starts on."""
    index = 0
    for start, token in enumerate(tokens):
        if start < index:
            continue
        word, following = token.text, start + 1
        if token.kind == "literal":
            if _is_body(tokens, start):
                yield lines.at(token.offset), word
        elif word == "execute" and _text(tokens, following) not in {*_ROUTINES, "on", ","}:
            index = _until(tokens, following, {";", "using", "into", "loop"})
        elif word == ":=" and executes:
            index = _until(tokens, following, {";"})
        elif word in _TAKES_TEXT and _text(tokens, following) == "(":
            index = _closing(tokens, following)
        if index > start and (pieces := _pieces(tokens[start:index], lines)):
            text = joined(pieces)
            if word in _RUNS_TEXT or is_statement(text):
                yield pieces[0][0], text


def _is_body(tokens: list[_Token], index: int) -> bool:
    before = _text(tokens, index - 1)
    return before in ("as", "do") or (_text(tokens, index - 2), _text(tokens, index - 3)) == ("language", "do")


def _until(tokens: list[_Token], start: int, ends: Collection[str]) -> int:
    for index in range(start, len(tokens)):
        if tokens[index].text in ends and tokens[index].kind != "literal":
            return index
    return len(tokens)


def _closing(tokens: list[_Token], start: int) -> int:
    """The index of the parenthesis that closes the one at ``start``."""
    depth = 0
    for index in range(start, len(tokens)):
        kind, text, _ = tokens[index]
        if kind == "mark" and text in "()":
            depth += 1 if text == "(" else -1
            if depth == 0:
                return index
    return len(tokens)


def _pieces(tokens: list[_Token], lines: Lines) -> list[tuple[int, str]]:
    """The literals among the tokens, each with its line; those of format() filled in where its arguments are known."""
    found: list[tuple[int, str]] = []
    index = 0
    while index < len(tokens):
        if _text(tokens, index) == "format" and _text(tokens, index + 1) == "(":
            end = _closing(tokens, index + 1)
            found += _formatted(tokens[index + 2 : end], lines)
            index = end
        elif tokens[index].kind == "literal":
            found.append((lines.at(tokens[index].offset), tokens[index].text))
        index += 1
    return found


def _formatted(arguments: list[_Token], lines: Lines) -> list[tuple[int, str]]:
    """The pattern of a format(), with the literals among its arguments in their places."""
    commas: list[int] = []
    depth = 0
    for index in range(len(arguments)):
        mark = _text(arguments, index)
        depth += (mark == "(") - (mark == ")")
        if depth == 0 and mark == ",":
            commas.append(index)
    following = [_at(arguments, comma + 1) for comma in commas]
    values = [token.text if token.kind == "literal" else "x" for token in following]
    in_turn = iter(values)

    def fill(match: re.Match[str]) -> str:
        if not match[1]:
            return next(in_turn, "x")
        position = int(match[1][:3]) - 1
        return values[position] if 0 <= position < len(values) else "x"

    pattern = [token for token in arguments[: commas[0] if commas else None] if token.kind == "literal"]
    return [(lines.at(token.offset), _FILLED.sub(fill, token.text)) for token in pattern]
