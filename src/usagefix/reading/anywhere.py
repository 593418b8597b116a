"""Finds SQL in text of an unknown language: configuration, templates, shell commands."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from usagefix.reading.findings import Hit, Lines, Use
from usagefix.reading.sql import hits
from usagefix.reading.subject import USUAL, Subject

_LONGEST = 4_000  # characters of a statement
_COMMENT = re.compile(r"^[ \t]*(?:#|//|--|;|\*|<!--|%)[^\n]*|(?<=\s)#\s[^\n]*", re.MULTILINE)
_BLANK = re.compile(r";|\n[ \t]*\n")


@lru_cache(maxsize=20)
def _begins(subject: Subject, functions: frozenset[str]) -> re.Pattern[str]:
    """Where a statement about the tables, or a call of one of the functions, begins."""
    tables = "|".join(re.escape(name) for name in (subject.child, subject.parent))
    named = rf"(?:only\s+)?(?:[\w\"`\\$]{{1,70}}\.)?[\\\"`]*(?:{tables})\b"
    calls = "|".join(map(re.escape, sorted(functions))) or r"(?!)"
    return re.compile(
        rf"\b(?:(?:update|insert\s+into|merge\s+into|delete\s+from|truncate(?:\s+table)?|copy)\s+{named}"
        rf"|(?:select|call|perform)\s+(?:\w{{1,70}}\.)?(?:{calls})\s*\()",
        re.IGNORECASE,
    )


@lru_cache(maxsize=20)
def _mutates(subject: Subject) -> re.Pattern[str]:
    """A mutation of GraphQL, as Hasura has them."""
    return re.compile(
        rf"\bupdate_{re.escape(subject.parent)}(?:_by_pk|_many)?\s*\([^()]{{0,400}}?\b_(?:inc|set)\s*:"
        rf"\s*\{{[^{{}}]{{0,400}}?\b(?P<counter>{re.escape(subject.counter)})\b"
    )


def in_text(code: str, functions: Collection[str] = (), subject: Subject = USUAL) -> set[Hit]:
    """The uses in a text, by statements that begin wherever; comments, as most formats write them, never count."""
    text = _COMMENT.sub(lambda comment: " " * len(comment[0]), code)
    lines, found = Lines(text), set[Hit]()
    read = 0
    for begins in _begins(subject, frozenset(functions)).finditer(text):
        if begins.start() >= read:  # else it was read with the one before
            read = _end(text, begins.start())
            line, statement = lines.at(begins.start()), text[begins.start() : read].replace("\\", " ")
            found |= {hit._replace(line=hit.line + line) for hit in hits(statement, functions, subject)}
    for mutation in _mutates(subject).finditer(text):
        found.add(Hit(lines.at(mutation.start("counter")), Use.WRITES_COUNTER))
    for name in functions:
        found |= {
            Hit(lines.at(call.start()), Use.CALLS, name) for call in re.finditer(rf"\brpc/{re.escape(name)}\b", text)
        }
    return found


def _end(text: str, start: int) -> int:
    """Where a statement ends: at a semicolon, a blank line, the quote that it is in."""
    end = _BLANK.search(text, start, start + _LONGEST)
    stop = end.start() if end else min(start + _LONGEST, len(text))
    quote = text[start - 1] if start and text[start - 1] in "'\"`" else ""
    closing = text.find(quote, start, stop) if quote else -1
    return closing if closing > 0 else stop


def in_command(text: str, functions: Collection[str], subject: Subject) -> set[Hit]:
    """The same in a literal that is a command or holds several lines, such as the argument of a shell's ``-c``."""
    return (
        in_text(text, functions, subject)
        if "\n" in text or " -c " in text or "psql" in text or "update_" in text
        else set()
    )
