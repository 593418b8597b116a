"""The lines of code that a finding is about, with the place in them to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from usagefix.doctor.words import shown
from usagefix.errors import without_urls
from usagefix.models.diagnosis import Excerpt
from usagefix.picture.objects import Function
from usagefix.reading import Found, Use

if TYPE_CHECKING:
    from usagefix.doctor.case import Case
    from usagefix.reading import Place

_AROUND = 1  # lines above and below
_LONGEST = 200  # characters of these
_OF_COUNTER = (Use.WRITES_COUNTER, Use.INSERTS_COUNTER)


def of_function(case: Case, function: Function, *uses: Use) -> Excerpt | None:
    """The first line of a function that does one of these; None where none does."""
    found = next((found for found in case.uses.get(function.oid, ()) if found.use in uses), None)
    if found is None:
        return None
    return _excerpt(function.body.split("\n"), found.line, _names(case, found), function=function.signature)


def of_names(function: Function, names: Iterable[str]) -> Excerpt | None:
    """The first line of a function that has one of these names."""
    lines = function.body.split("\n")
    wanted = tuple(names)
    line = next((at for at, text in enumerate(lines, start=1) if any(_written(n).search(text) for n in wanted)), None)
    return None if line is None else _excerpt(lines, line, wanted, function=function.signature)


def of_place(case: Case, place: Place) -> Excerpt | None:
    """A place in the source; None where the file can no longer be read."""
    if case.folder is None:
        return None
    try:
        text = (case.folder / place.path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return None
    return _excerpt(text.split("\n"), place.found.line, _names(case, place.found), file=shown(place))


def first(*excerpts: Excerpt | None) -> Excerpt | None:
    """The first that there is."""
    return next((excerpt for excerpt in excerpts if excerpt is not None), None)


def _names(case: Case, found: Found) -> tuple[str, ...]:
    """What stands in a line for what it does."""
    counter = case.counter
    if found.use is Use.CALLS:
        return (found.name,)
    if found.use in _OF_COUNTER:
        return (counter.column,)
    return (counter.child, counter.child.rstrip("s"))


@cache
def _written(name: str) -> re.Pattern[str]:
    """A name in any spelling: ``usage_count``, ``usageCount``, ``UsageCount``."""
    letters = (re.escape(letter) for letter in name if letter not in "_- ")
    return re.compile(r"(?<![^\W_])" + r"[_\- ]?".join(letters) + r"(?![^\W_])", re.IGNORECASE)


def _excerpt(
    lines: Sequence[str], line: int, names: Iterable[str], *, file: str | None = None, function: str | None = None
) -> Excerpt | None:
    """Around a line, counted from 1; a connection string in it may hold a password."""
    if not 0 < line <= len(lines):
        return None
    clean = {at: without_urls(lines[at - 1]).rstrip() for at in range(line - _AROUND, line + _AROUND + 1)
             if 0 < at <= len(lines)}  # fmt: skip
    near = [at for at, text in clean.items() if at == line or text.strip()]
    text = clean[line]
    matches = (found for name in names for found in [_written(name).search(text)] if found)
    match = next(matches, None) or re.search(r"\S.*", text)
    start, length = (match.start(), len(match[0])) if match else (0, 1)
    shown_lines = tuple(clean[at] if at == line else clean[at][:_LONGEST] for at in range(near[0], near[-1] + 1))
    return Excerpt(file, function, line, start + 1, length, near[0], shown_lines)
