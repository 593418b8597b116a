"""Findings as blocks: what, where with the code, why, what to do, and where to read more. Made of characters that every
terminal has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from usagefix.models.diagnosis import DOCS
from usagefix.render.ending import FAINT
from usagefix.render.folding import fitting, wrapped
from usagefix.render.pieces import Code, Result

_WIDEST = 100  # columns; longer lines of prose are hard to read
_EDGE, _PROSE = 6, 8  # where labels and arrows end, and where text begins
_CUT = "..."


def draw_blocks(results: Sequence[Result], colours: Sequence[str], console: Console) -> None:
    """A block for each result, in the colour of its word, and a blank line behind each."""
    width = min(console.width, _WIDEST)
    for result, colour in zip(results, colours, strict=True):
        for line in _block(result, colour, width):
            line.rstrip()
            console.print(line, no_wrap=True, overflow="crop", crop=True)
        console.print()


def _block(result: Result, colour: str, width: int) -> Iterator[Text]:
    label = f"{result.word}: "
    first, *further = wrapped(result.title, width - len(label)) or [""]
    yield Text.assemble((label, f"bold {colour}".strip()), (first, "bold"))
    yield from (Text.assemble(" " * len(label), (line, "bold")) for line in further)
    code = result.code
    within = code is not None and result.object and code.place.startswith(result.object)
    if result.object:
        yield from _row("-->", code.place if code and within else result.object, width)
    if code is not None:
        if not within:
            yield from _row(":::", code.place, width)
        yield from _drawn(code, colour, width)
    if result.detail and (code is None or result.detail != code.told):
        yield from _row("why", result.detail, width)
    if result.hint:
        yield from _row("do", result.hint, width)
    if result.link:
        yield from _row("see", result.link.replace(DOCS, "docs"), width, Style(link=result.link))


def _row(label: str, said: str, width: int, style: Style | str = "") -> Iterator[Text]:
    """A label, and text beside it; its further lines begin below its first."""
    for place, line in enumerate(wrapped(said, width - _PROSE)):
        beside = "" if place else label
        yield Text.assemble((beside.rjust(_EDGE), FAINT), "  ", (line, style))


def _drawn(code: Code, colour: str, width: int) -> Iterator[Text]:
    """The lines with their numbers, and carets below what is meant."""
    digits = max(len(str(code.last)), _EDGE - 3)
    room = max(width - digits - 4, 1)
    bar = Text(f"{' ' * digits}  |", FAINT)

    def numbered(number: int, line: str) -> Text:
        return Text.assemble((f" {number:>{digits}} |", FAINT), " ", (_cropped(line, room), ""))

    yield bar
    for number, line in enumerate(code.above, start=code.line - len(code.above)):
        yield numbered(number, line)
    before, marked = code.before, code.marked
    wanted = cell_len(marked) + min(cell_len(code.after), room // 4)
    if cell_len(before) + wanted > room:
        before = _CUT + _tail(before, room - len(_CUT) - min(wanted, room * 3 // 4))
    yield numbered(code.line, before + marked + code.after)
    carets = "^" * max(min(cell_len(marked), room - cell_len(before)), 1)
    yield Text.assemble((f"{' ' * digits}  |", FAINT), " ", " " * cell_len(before), (carets, f"bold {colour}".strip()))
    for number, line in enumerate(code.below, start=code.line + 1):
        yield numbered(number, line)
    yield bar


def _cropped(line: str, room: int) -> str:
    return line if cell_len(line) <= room else line[: fitting(line, max(room - len(_CUT), 0))] + _CUT


def _tail(line: str, room: int) -> str:
    """The end of a line."""
    kept = fitting(line[::-1], max(room, 0))
    return line[len(line) - kept :]
