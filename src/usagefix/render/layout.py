"""The pieces that reports are laid out with: the console, tables, lines, numbers.

Text from the database goes into ``rich.text.Text``: it is never read as markup.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from usagefix.render.ending import Verdict
from usagefix.render.folding import BREAKS, fold, wrapped
from usagefix.render.pieces import NARROW, Column, each_text
from usagefix.render.words import harmless, spelled

PIPE_WIDTH, FILE_WIDTH = 160, 100
_INDENT, _GAP = 2, 2  # columns in front of a table, and between two of its own
_LONG_WORD = 16  # columns: a longer word is broken before a table is given up
# Between blanks, and behind what a long name may be broken after.
_PIECES = re.compile(rf"[^\s{re.escape(BREAKS)}]+[{re.escape(BREAKS)}]?|[{re.escape(BREAKS)}]")
# Blanks at a line's end, and what switches a terminal's colours between them; that of a background colour shows.
_BLANKS = re.compile(r"(?: |\x1b\[[\d;]*m)* (?:\x1b\[[\d;]*m)*$", re.MULTILINE)
_COLOURED = re.compile(r"[\[;](?:4[0-8]|10[0-7])[;m]")
# A rule below the headings, in characters that every terminal has, as wide as the one that most have.
_PLAIN = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


T = TypeVar("T")


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: rich would end the process, and lose the exit code of the work that was done."""
        raise BrokenPipeError


def stdout_console() -> Console:
    """The console for data: the terminal's width, or a width that wraps nothing much in a pipe."""
    fixed = _told() or (None if sys.stdout.isatty() else PIPE_WIDTH)
    return _Stdout(file=sys.stdout, width=fixed, highlight=False, emoji=False, markup=False, soft_wrap=False)


def file_console() -> Console:
    """The console for what is written to a file: plain text."""
    return Console(
        file=io.StringIO(), width=_told() or FILE_WIDTH, force_terminal=False, color_system=None, highlight=False,
        emoji=False, markup=False, soft_wrap=False,
    )  # fmt: skip


def _told() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() else 0


def drawn(console: Console, draw: Callable[[], None]) -> str:
    """What is drawn there, without blanks at the ends of lines: rich fills up what it lays out."""
    with console.capture() as laid_out:  # it flushes what it writes to when it ends
        draw()
    return _BLANKS.sub(
        lambda found: found[0] if _COLOURED.search(found[0]) else found[0].replace(" ", ""), laid_out.get()
    )


def in_characters_of(console: Console, piece: T) -> T:
    """The same piece in characters that the console has: what it lacks is written out before it is measured."""
    return each_text(piece, partial(spelled, encoding=console.encoding))


def grid(columns: Sequence[Column], rows: Sequence[Sequence[Text]], console: Console, *, width: int = NARROW) -> None:
    """A table, without columns that are empty. Where the terminal is narrower than ``width``, or than the words in it,
    a few lines for each row."""
    filled = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    columns, rows = [columns[place] for place in filled], [[row[place] for place in filled] for row in rows]
    widths = _widths(columns, rows, console.width - _INDENT)
    if console.width < width or widths is None:
        for row in rows:
            for column, cell in ((column, cell) for column, cell in zip(columns, row, strict=True) if cell):
                hanging(Text.assemble((f"{harmless(column.heading)}: ", "dim"), cell), console)
            console.print()
        return
    edges = _PLAIN if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(box=edges, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column, room in zip(columns, widths, strict=True):
        table.add_column(text(column.heading), justify="right" if column.number else "left", no_wrap=True, width=room)
    for row in rows:
        table.add_row(*(_in_lines(cell, room) for cell, room in zip(row, widths, strict=True)))
    console.print(Padding(table, (0, 0, 1, _INDENT), expand=False))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]], room: int) -> list[int] | None:
    """How wide each column is: as its text, or narrower where its words go into lines. None if there is no room for
    the words."""
    cells = [[Text(column.heading), *(row[place] for row in rows)] for place, column in enumerate(columns)]
    widths = [max(cell.cell_len for cell in column) for column in cells]
    least = [
        width if column.number or column.whole else max(min(_longest_word(cell), _LONG_WORD) for cell in own)
        for column, own, width in zip(columns, cells, widths, strict=True)
    ]
    excess = sum(widths) + _GAP * (len(columns) - 1) - room
    while excess > 0:
        widest = max(range(len(columns)), key=lambda place: (widths[place] > least[place], widths[place]))
        if widths[widest] <= least[widest]:
            return None
        widths[widest], excess = widths[widest] - 1, excess - 1
    return widths


def _longest_word(cell: Text) -> int:
    return max((cell_len(piece) for piece in _PIECES.findall(cell.plain)), default=0)


def _in_lines(cell: Text, room: int) -> Text:
    """The cell in lines that are as wide, broken between words, and within a long one behind what divides it."""
    return cell if cell.cell_len <= room else Text("\n".join(wrapped(cell.plain, room)), cell.style)


def pairs(facts: Sequence[tuple[str, Text]], console: Console) -> None:
    """Names, and what each is, one below the other."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def numbers(facts: Sequence[tuple[str, Text]], console: Console, *, across: int) -> None:
    """Names and their numbers, in some columns, or a line each."""
    widest = max(len(name) for name, _ in facts) + max(value.cell_len for _, value in facts) + 6
    across = min(across, (console.width - 2) // widest)
    if console.width < NARROW or not across:
        for name, value in facts:
            hanging(Text.assemble(f"{name}: ", value), console)
        console.print()
        return
    down = -(-len(facts) // across)
    table = Table(box=None, show_header=False, padding=(0, 3, 0, 0), pad_edge=False)
    for _ in range(across):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    for place in range(down):
        table.add_row(*(cell for name, value in facts[place::down] for cell in (Text(name), value)))
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def hanging(said: Text, console: Console, indent: int = 2) -> None:
    """Text whose further lines are set in: none of them can be taken for a verdict, whatever it begins with."""
    for place, part in enumerate(said.wrap(console, max(console.width - indent, 1), overflow="fold")):
        part.rstrip()
        console.print(Text(" " * indent * (place > 0)) + part, no_wrap=True, overflow="crop")


def line(word: str, rest: str, style: str, console: Console) -> None:
    """A verdict: its word, in bold, and the rest. A command in it is never broken, so that it can be pasted."""
    first, *further = fold(f"{word}: {harmless(rest)}", console.width)
    console.print(Text.assemble((first[: len(word)], f"bold {style}".strip()), first[len(word) :]), soft_wrap=True)
    for each in further:
        console.print(Text(each), soft_wrap=True)


def conclude(verdict: Verdict, console: Console) -> None:
    """The verdict, and what to do next."""
    verdict = in_characters_of(console, verdict)
    line(verdict.word, verdict.rest, verdict.colour, console)
    if verdict.next:
        line("next", verdict.next, "", console)


def item(said: str, console: Console) -> None:
    """One indented line."""
    for each in fold(" " * _INDENT + harmless(said), console.width):
        console.print(Text(each), soft_wrap=True)


def text(value: str, colour: str = "") -> Text:
    """Text from the database: no markup, and nothing that a terminal obeys."""
    return Text(harmless(value), style=colour)
