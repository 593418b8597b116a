"""What can be seen of SQL in a declaration without asking a server: that it is one expression, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from usagefix.tokens import Kind, Token, tokens

_SUBQUERIES = frozenset(("select", "values", "table"))
_MOVING = frozenset(
    (
        *("current_timestamp", "current_date", "current_time", "localtime", "localtimestamp", "user"),
        *("current_user", "session_user", "current_role", "current_catalog", "current_schema"),
    )
)
_MOVING_CALLS = frozenset(
    (
        *("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday", "random"),
        *("gen_random_uuid", "current_setting", "set_config", "nextval", "currval", "lastval", "pg_sleep"),
    )
)
_LOCKING = frozenset(("update", "share", "no", "key"))
_PAIRS = {")": "(", "]": "["}
_LONGEST = 10_000  # characters


def mistakes(text: str) -> Iterator[str]:
    """What is wrong with an expression, in words that follow its key; nothing if all is well."""
    if not text.strip():
        yield "is empty"
        return
    if len(text) > _LONGEST:
        yield f"is longer than {_LONGEST} characters"
        return
    found = [token for token in tokens(text) if token.kind is not Kind.SPACE]
    yield from dict.fromkeys(_of_tokens(found))
    yield from _of_brackets(found)


def truth_mistakes(text: str) -> Iterator[str]:
    """The same for the query of a verify-only counter, which may be any query of one statement."""
    if not text.strip():
        yield "is empty"
        return
    found = [token for token in tokens(text) if token.kind is not Kind.SPACE]
    first = found[0].name if found else ""
    if first not in ("select", "with", "("):
        yield "is not a query: it begins with neither SELECT nor WITH"
    words = [token.name for token in found if token.kind is Kind.WORD]
    if any(word == "for" and after in _LOCKING for word, after in pairwise(words)):
        yield "locks rows, and nothing that verifies does"
    yield from dict.fromkeys(_of_tokens(found, query=True))
    yield from _of_brackets(found)


def constants(text: str) -> tuple[tuple[str, str], ...] | None:
    """The columns and constants of ``column = constant [AND …]``; None if the expression has another form."""
    code = [token for token in tokens(text) if token.kind is not Kind.SPACE]
    while len(code) > 1 and code[0].text == "(" and _closes(code) == len(code) - 1:
        code = code[1:-1]
    found: list[tuple[str, str]] = []
    at = 0
    while True:
        pair, at = _equals(code, at)
        if pair is None:
            return None
        found.append(pair)
        if at == len(code):
            return tuple(found) if len({column for column, _ in found}) == len(found) else None
        if code[at].name != "and" or code[at].kind is not Kind.WORD:
            return None
        at += 1


def _equals(code: list[Token], at: int) -> tuple[tuple[str, str] | None, int]:
    """One ``column = constant``, where it begins at ``at``; and where it ends."""
    left, sign = code[at : at + 1], code[at + 1 : at + 2]
    if not left or not left[0].name or not sign or sign[0].text != "=":
        return None, at
    at += 2
    minus = at < len(code) and code[at].text == "-"
    at += minus
    if at == len(code):
        return None, at
    value = code[at]
    plain = value.kind is Kind.LITERAL and value.text[0] == "'" and not minus
    logical = value.kind is Kind.WORD and value.name in ("true", "false") and not minus
    if not (plain or logical or value.kind is Kind.NUMBER):
        return None, at
    return (left[0].name, "-" * minus + value.text), at + 1


def _closes(code: list[Token]) -> int:
    depth = 0
    for place, token in enumerate(code):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            return place
    return -1


def _of_tokens(found: list[Token], *, query: bool = False) -> Iterator[str]:
    for place, token in enumerate(found):
        kind, text = token.kind, token.text
        if kind is Kind.COMMENT:
            yield "has a comment; usagefix does not keep any"
        elif kind is Kind.DOLLAR or (kind is Kind.MARK and text == "$"):
            yield "has a dollar quote or a parameter; write literals in single quotes"
        elif kind is Kind.LITERAL and not _ends(token):
            yield "has a literal that never ends"
        elif kind is Kind.QUOTED and (len(text) == 1 or not text.endswith('"')):
            yield "has a quoted name that never ends"
        elif kind is Kind.MARK and text in (";", "\\", ":", "\0"):
            yield f"has {text!r} in it, which is no part of an expression"
        elif "\0" in text:
            yield "has a zero byte"
        elif kind is Kind.WORD and not query:
            around = [found[at].text for at in range(max(0, place - 2), place)]
            yield from _of_word(token.name, around, found[place + 1 : place + 2])


def _of_word(word: str, before: list[str], after: list[Token]) -> Iterator[str]:
    called = bool(after) and after[0].text == "("
    if before[-1:] == ["."]:
        if not called or before[0].lower() != "pg_catalog" or word not in _MOVING_CALLS:
            return
    elif word in _SUBQUERIES:
        yield "has a subquery; a counter is kept from the event alone (a counter with truth may have any query)"
        return
    if word in _MOVING or (called and word in _MOVING_CALLS):
        yield f"depends on more than the event: {word} gives another value each time, and nothing counts when it does"


def _ends(token: Token) -> bool:
    """Whether a literal has its closing quote."""
    body = token.text[token.text.index("'") + 1 :]
    if token.text[0] in "eE":
        at = 0
        while at < len(body):
            if body[at] == "\\" or body[at : at + 2] == "''":
                at += 2
            elif body[at] == "'":
                return at == len(body) - 1
            else:
                at += 1
        return False
    return (len(body) - len(body.rstrip("'"))) % 2 == 1


def _of_brackets(found: list[Token]) -> Iterator[str]:
    open_ones: list[str] = []
    for token in found:
        if token.kind is not Kind.MARK:
            continue
        if token.text in "([":
            open_ones.append(token.text)
        elif token.text in _PAIRS and (not open_ones or open_ones.pop() != _PAIRS[token.text]):
            yield f"has a {token.text!r} that closes nothing"
            return
    if open_ones:
        yield f"has a {open_ones[-1]!r} that is never closed"
