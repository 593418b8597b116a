"""Ways to count that hide errors: a counter that stops at zero, and a recount."""

from __future__ import annotations

import re
from enum import StrEnum

from usagefix.reading.pieces import pieces
from usagefix.reading.subject import Subject


class Habit(StrEnum):
    """What code does beside adding and subtracting."""

    STOPS = "stops at zero"
    RECOUNTS = "counts anew"


_STOPS = re.compile(
    r"greatest\s*\(|math\.max\s*\(\s*0|\bmax\s*\(\s*0\s*,|,\s*0\s*\)\.max|\.clamp\b|coerceatleast", re.IGNORECASE
)
_RECOUNTS = re.compile(r"\bcount\s*\(|\.count\b|\.size\b|\.length\b|reset_counters|aggregate\s*\(", re.IGNORECASE)


def of_body(body: str, subject: Subject) -> frozenset[Habit]:
    """What a function that sets the counter does, in SQL."""
    text = " ".join(piece.text.lower() for piece in pieces(body) if not piece.is_literal)
    counter = re.escape(subject.counter.lower())
    found: set[Habit] = set()
    if re.search(rf"greatest \( (?:(?!;|greatest).)*?\b{counter} (?:(?!;|greatest).)*?, 0 \)", text) or re.search(
        rf"greatest \( 0 , [^;]*?\b{counter}\b", text
    ):
        found.add(Habit.STOPS)
    held = re.findall(r"\bselect (?:coalesce \( )?(?:count|sum) \( [^;]*?\binto (\w+)", text)
    recounted = rf"\b{counter} = (?:\( )?(?:\( |coalesce \( )*select (?:coalesce \( )?(?:count|sum) \("
    into = [name for name in held if re.search(rf"\b{counter} = {re.escape(name)}\b", text)]
    if into or re.search(recounted, text):
        found.add(Habit.RECOUNTS)
    return frozenset(found)


def of_line(line: str) -> frozenset[Habit]:
    """What a line of source that sets the counter does, as far as that line tells."""
    found = ((Habit.STOPS, _STOPS), (Habit.RECOUNTS, _RECOUNTS))
    return frozenset(habit for habit, pattern in found if pattern.search(line))
