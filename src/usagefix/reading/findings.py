"""What a search of source text finds, and the names that it looks for."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

PRESETS = "presets"
EVENTS = "preset_usage"
REQUESTED = "request"
LONGEST_TEXT = 160  # characters of a line shown


class Use(StrEnum):
    """What a place in the source does to the counter or its events."""

    WRITES_COUNTER = "writes the counter"  # sets presets.usage_count
    INSERTS_EVENT = "inserts an event"  # adds a row to preset_usage
    DELETES_EVENT = "deletes events"  # deletes rows of preset_usage, or truncates it
    CALLS = "calls"  # calls one of the functions asked for
    INSERTS_COUNTER = "inserts a counter"  # adds a row to presets with a count in it


@dataclass(frozen=True, slots=True)
class Found:
    """One use on one line: the line that names the counter, the events' table or the function.

    ``line`` counts from 1. ``text`` is that line, stripped, at most 160 characters. ``name`` is the function of a
    call as it was asked for; "request" where the counter's value comes from there; else empty.
    """

    use: Use
    line: int
    text: str
    name: str = ""


class Hit(NamedTuple):
    """A use before its text is looked up. ``line`` counts from 0, within the text that was read."""

    line: int
    use: Use
    name: str = ""


class Lines:
    """The lines of a text, by offset of character."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._ends: list[int] = []
        end = -1
        for line in self._lines:
            end += len(line) + 1
            self._ends.append(end)

    def at(self, offset: int) -> int:
        """The line of an offset, counted from 0."""
        return bisect_left(self._ends, offset)

    def end(self, offset: int) -> int:
        """The offset of the end of the line that an offset is on."""
        line = self.at(offset)
        return self._ends[line] if line < len(self._ends) else offset

    def found(self, hits: set[Hit]) -> list[Found]:
        """The hits with the text of their lines, in order."""
        return [
            Found(hit.use, hit.line + 1, self._lines[hit.line].strip()[:LONGEST_TEXT], hit.name) for hit in sorted(hits)
        ]


def joined(pieces: list[tuple[int, str]]) -> str:
    """Texts that are one at run time, each given with the line it starts on: spread over the same lines."""
    whole: list[str] = []
    now = pieces[0][0] if pieces else 0
    for line, text in pieces:
        whole.append("\n" * (line - now) or " ")
        whole.append(text)
        now = max(now, line) + text.count("\n")
    return "".join(whole).removeprefix(" ")
