"""The pieces of a report, for every format: results, tables, facts, notes, a change of code. Needs no rich."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import ClassVar, Literal, TypeVar

from usagefix.models.amount import Amount
from usagefix.render.ending import PLAIN, Verdict

_IN_CODE = re.compile(r"([\n\t])")
NARROW = 60  # columns of a terminal below which a row becomes a few lines


class Mark(StrEnum):
    """What a result means for whoever waits for it."""

    OK = "ok"
    NOTE = "note"  # good to know
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Code:
    """A few lines of code: those ``above`` and ``below`` the one with the number ``line``, of which ``marked`` is
    meant. ``place`` says whose they are; ``told``: the line without blanks around it."""

    place: str
    line: int
    above: tuple[str, ...]
    before: str
    marked: str
    after: str
    below: tuple[str, ...]

    @property
    def last(self) -> int:
        """The largest number."""
        return self.line + len(self.below)

    @property
    def told(self) -> str:
        return f"{self.before}{self.marked}{self.after}".strip()


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at. ``word``: its status in the report's words; ``path``, ``line`` and ``column``: of
    source; ``link``: to where it is explained."""

    id: str
    mark: Mark
    word: str
    title: str
    object: str = ""
    detail: str = ""
    hint: str = ""
    path: str | None = None
    line: int | None = None
    column: int | None = None
    code: Code | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """Text from anywhere, never markup; the colour only repeats what it says. ``id`` tells it from others that look
    alike; it is shown where they do."""

    text: str
    colour: str = PLAIN
    id: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading. Numbers go to the right and never wrap, nor do short words; ``extra``: a narrow terminal has no room
    for it."""

    heading: str
    number: bool = False
    whole: bool = False
    extra: bool = False


def told_apart(cells: Sequence[Cell], shown: Sequence[str]) -> list[str]:
    """What is to stand behind each of some cells as they are shown: its id, where another one looks the same."""
    often = Counter(shown)
    return [f" ({cell.id})" if cell.id and often[text] > 1 else "" for cell, text in zip(cells, shown, strict=True)]


Field = Literal["word", "title", "object", "detail"]


@dataclass(frozen=True, slots=True)
class Results:
    """Some results under three or four headings: the status, then the ``fields`` of a result by their headings.

    Without ``fields`` all of each is shown, as prose. ``extra``: they are not among the results of the outline.
    """

    title: str
    results: tuple[Result, ...]
    fields: tuple[tuple[str, Field], ...] = ()
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings. A terminal with fewer columns than ``width`` shows a few lines for each row.
    ``of_results``: they are the results of the outline."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    width: int = NARROW
    of_results: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows under headings, each with a bar of a length between 0 and 1 behind it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Names, each with a line of numbers in the order of time, and what they come to."""

    title: str
    lines: tuple[tuple[str, tuple[float, ...], Cell], ...]


@dataclass(frozen=True, slots=True)
class Heat:
    """Numbers in a grid, the larger the darker: the names of its rows and columns, and the numbers by row."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    numbers: tuple[tuple[Amount, ...], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names, and what each is; ``numbers``: all of them are."""

    title: str
    facts: tuple[tuple[str, Cell], ...]
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    """A sentence a line; what belongs to the one before it is indented."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """``word: rest``, beside what the report is about."""

    title: ClassVar[str] = ""
    word: str
    rest: str

    def __str__(self) -> str:
        return f"{self.word}: {self.rest}"


@dataclass(frozen=True, slots=True)
class Change:
    """How a text of the database changes, as a unified diff."""

    title: str
    code: str


@dataclass(frozen=True, slots=True)
class Script:
    """SQL to read, or to copy: no line of it is broken."""

    title: str
    code: str


Section = Results | Table | Bars | Lines | Heat | Facts | Notes | Remark | Change | Script


T = TypeVar("T")


def each_text(piece: T, change: Callable[[str], str]) -> T:
    """The same piece with each text in it changed, line by line where it is code."""
    if type(piece) is str:
        return change(piece)  # type: ignore[arg-type, return-value]
    if isinstance(piece, tuple):
        return tuple(each_text(each, change) for each in piece)  # type: ignore[return-value]
    if isinstance(piece, Change | Script):
        code = (part if part in "\n\t" else change(part) for part in _IN_CODE.split(piece.code))
        return replace(piece, title=change(piece.title), code="".join(code))
    if is_dataclass(piece) and not isinstance(piece, type):
        held = {field.name: each_text(getattr(piece, field.name), change) for field in fields(piece)}
        return replace(piece, **held)
    return piece


@dataclass(frozen=True, slots=True)
class Outline:
    """A report, in pieces. ``results`` are for programs and pages: at least one, so that no reader takes nothing for a
    pass. ``sections`` are what people read, in order."""

    results: tuple[Result, ...]
    verdict: Verdict
    sections: tuple[Section, ...] = ()

    @property
    def listed(self) -> bool:
        """Whether its sections list the results, so that a page need not do it twice."""
        return any(isinstance(section, Table) and section.of_results for section in self.sections)

    @property
    def notes(self) -> tuple[str, ...]:
        """Every line of prose, of all sections."""
        notes: list[str] = []
        for section in self.sections:
            if isinstance(section, Notes):
                notes += section.lines
            elif isinstance(section, Remark):
                notes.append(str(section))
        return tuple(notes)
