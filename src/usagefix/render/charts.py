"""Charts for a terminal: bars, lines of blocks, a grid in colours. If a terminal lacks blocks or colour, in other
characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from usagefix.models.amount import Amount
from usagefix.models.figures import grouped
from usagefix.render.layout import text
from usagefix.render.phrases import drawn
from usagefix.render.pieces import NARROW, Bars, Cell, Heat, Lines, told_apart

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS, _PLAIN_HEIGHTS = "▁▂▃▄▅▆▇█", "_.-=+*%#"
_SHADES, _PLAIN_SHADES = " ░▒▓█", " .+*#"
_BLUES = ("#22324a", "#2a4a73", "#2f659f", "#3d82c8", "#5aa2e6", "#8cc4ff")  # from few to many
_LONGEST, _SHORTEST = 60, 6
_ROOM = 120  # columns from which on everything is shown
_INDENT = "  "


def draw_bars(bars: Bars, console: Console) -> None:
    """Rows with a bar each, as long as there is room for."""
    shown = [place for place, column in enumerate(bars.columns) if console.width >= _room(column.extra, bars)]
    columns = [bars.columns[place] for place in shown]
    plain = console.options.ascii_only
    widths = [max(cell_len(bars.columns[place].heading), _widest([row[place] for row in bars.rows])) for place in shown]
    spare = console.width - len(_INDENT) - sum(widths) - 2 * len(widths)
    # Names give way to the bar; what should stay whole, only where there is no room for the numbers.
    for needed, giving in ((_SHORTEST, (False,)), (0, (False, True))):
        for at, column in enumerate(columns):
            if spare < needed and not column.number and column.whole in giving:
                cut = min(needed - spare, max(widths[at] - _SHORTEST, 0))
                widths[at], spare = widths[at] - cut, spare + cut
    headings = [text(column.heading, "dim") for column in columns]
    numbers = [column.number for column in columns]
    console.print(_line(headings, widths, numbers, plain=plain), no_wrap=True, crop=True, overflow="crop")
    told = [
        _names([row[place] for row in bars.rows], width, plain=plain)
        for place, width in zip(shown, widths, strict=True)
    ]
    for row, length in zip(zip(*told, strict=True), bars.lengths, strict=True):
        line = _line(row, widths, numbers, plain=plain)
        if spare >= _SHORTEST:
            line.append(_bar(length, min(spare, _LONGEST), plain=plain), "blue")
        console.print(line, no_wrap=True, overflow="crop")
    console.print()


def _widest(column: Sequence[Cell]) -> int:
    alike = told_apart(column, [cell.text for cell in column])
    return max((cell_len(cell.text + behind) for cell, behind in zip(column, alike, strict=True)), default=0)


def _names(column: Sequence[Cell], width: int, *, plain: bool) -> list[Text]:
    """The cells of a column in a width; behind those that look alike, or do once they are cut, an id that is whole."""
    alike = told_apart(column, [cell.text for cell in column])
    cut = told_apart(column, [_cut(text(cell.text), width, plain=plain).plain for cell in column])
    found = []
    for cell, behind in zip(column, (first or second for first, second in zip(alike, cut, strict=True)), strict=True):
        room = width - len(behind)
        name = _cut(text(cell.text, cell.colour), room, plain=plain)
        found.append(name + Text(behind, "dim") if room > 1 else Text(cell.id, "dim"))
    return found


def _cut(said: Text, width: int, *, plain: bool) -> Text:
    """Text of no more columns than that."""
    cut = said.copy()
    cut.truncate(max(width, 0), overflow="crop" if plain or width < 2 else "ellipsis")  # noqa: PLR2004
    return cut


def draw_lines(lines: Lines, console: Console) -> None:
    """Lines of blocks, all to the same scale."""
    plain = console.options.ascii_only
    heights = _PLAIN_HEIGHTS if plain else _HEIGHTS
    names = [text(name) for name, _, _ in lines.lines]
    widest = min(max(name.cell_len for name in names), max(console.width // 2, 8))
    totals = max(len(cell.text) for _, _, cell in lines.lines)
    room = max(console.width - len(_INDENT) - widest - totals - 4, 1)
    squeezed = [_squeezed(values, room) for _, values, _ in lines.lines]
    most = max((max(values, default=0.0) for values in squeezed), default=0.0)
    for name, values, (_, _, cell) in zip(names, squeezed, lines.lines, strict=True):
        blocks = "".join(heights[_step(value, most, len(heights))] for value in values)
        cells, widths = [name, Text(cell.text), Text(blocks, "blue")], [widest, totals, len(blocks)]
        line = _line(cells, widths, [False, True, False], plain=plain)
        console.print(line, no_wrap=True, overflow="crop")
    console.print()


def draw_heat(heat: Heat, console: Console) -> None:
    """A grid; its cells have a background alone, or characters where there is no colour."""
    colours = console.color_system is not None and not console.no_color
    margin = max(map(len, heat.rows)) + 1
    wide = max(min((console.width - margin - len(_INDENT)) // len(heat.columns), 4), 1)
    shades = _PLAIN_SHADES if console.options.ascii_only else _SHADES
    darkest = max((number for row in heat.numbers for number in row), key=drawn)
    most = drawn(darkest)
    every = 1 if wide > 2 else 3 if wide > 1 else 6  # noqa: PLR2004 - names that do not run into each other
    head = "".join(name.ljust(wide * every) for name in heat.columns[::every])
    console.print(Text(f"{_INDENT}{' ' * margin}{head}", "dim"), no_wrap=True, overflow="crop")
    for name, numbers in zip(heat.rows, heat.numbers, strict=True):
        line = Text.assemble((f"{_INDENT}{name.ljust(margin)}", "dim"))
        for number in map(drawn, numbers):
            if colours:
                line.append(" " * wide, f"on {_BLUES[_step(number, most, len(_BLUES))]}" if number > 0 else "on grey11")
            else:
                line.append(shades[0 if number <= 0 else 1 + _step(number, most, len(shades) - 1)] * wide)
        console.print(line, no_wrap=True, overflow="crop")
    console.print(_legend(darkest, wide, shades, colours=colours), no_wrap=True, overflow="crop")
    console.print()


def _legend(most: Amount, wide: int, shades: str, *, colours: bool) -> Text:
    line = Text.assemble((f"{_INDENT}none ", "dim"))
    if colours:
        for colour in ("grey11", *_BLUES):
            line.append(" " * max(wide, 2), f"on {colour}")
    else:
        line.append("".join(shade * wide for shade in shades))
    return line.append(f" {grouped(most)}", "dim")


def _room(extra: bool, bars: Bars) -> int:
    """How wide a terminal has to be for a column."""
    return (_ROOM if len(bars.columns) > 4 else NARROW) if extra else 0  # noqa: PLR2004


def _line(cells: Sequence[Text], widths: Sequence[int], numbers: Sequence[bool], *, plain: bool) -> Text:
    line = Text(_INDENT)
    for cell, width, number in zip(cells, widths, numbers, strict=True):
        fitted = _cut(cell, width, plain=plain)
        gap = " " * (width - fitted.cell_len)
        line.append_text(Text(gap) + fitted if number else fitted + Text(gap))
        line.append("  ")
    return line


def _bar(length: float, room: int, *, plain: bool) -> str:
    if plain:
        return "#" * round(length * room)
    eighths = round(length * room * 8)
    return (_EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _squeezed(values: Sequence[float], room: int) -> list[float]:
    """No more numbers than there is room for: the means of neighbours."""
    if len(values) <= room:
        return list(values)
    edges = [round(at * len(values) / room) for at in range(room + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def _step(value: float, most: float, steps: int) -> int:
    """Which of some steps a number is on."""
    return min(int(max(value, 0.0) / most * steps), steps - 1) if most > 0 else 0
