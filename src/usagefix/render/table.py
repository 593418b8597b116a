"""Reports for people, from 40 columns to as wide as it gets. A status is a word; colour only repeats it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import indent
from typing import assert_never

from rich.console import Console
from rich.text import Text

from usagefix.models.migration import ExportReport
from usagefix.models.outcome import Outcome
from usagefix.models.reports import Report
from usagefix.render.blocks import draw_blocks
from usagefix.render.brief import brief
from usagefix.render.charts import draw_bars, draw_heat, draw_lines
from usagefix.render.ending import BAD, FAINT, GOOD, MIND, PLAIN
from usagefix.render.folding import fold
from usagefix.render.layout import conclude, grid, hanging, in_characters_of, item, line, numbers, pairs, text
from usagefix.render.outline import Chapter, chapters, of_report, overall
from usagefix.render.pieces import (
    Bars,
    Cell,
    Change,
    Column,
    Facts,
    Field,
    Heat,
    Lines,
    Mark,
    Notes,
    Remark,
    Result,
    Results,
    Script,
    Section,
    Table,
    told_apart,
)

_VERDICT = re.compile(r"^\w[\w -]*: ", re.MULTILINE)
WIDE = 120  # columns that four of prose fit into
_COLOUR = {Mark.OK: GOOD, Mark.NOTE: PLAIN, Mark.WARNING: MIND, Mark.FAILED: BAD, Mark.SKIPPED: FAINT}


def show(report: Report, console: Console, *, whole: bool = True) -> None:
    """Print one report; ``whole``: what is right, too."""
    if isinstance(report, ExportReport):  # its files are all there is on stdout
        for path in report.files:
            console.print(text(path), soft_wrap=True)
        return
    shown = of_report(report, whole=whole)
    draw(shown.sections, console)
    conclude(shown.verdict, console)


def show_all(outcome: Outcome, console: Console) -> None:
    """Print what came of a command: of each counter, and of all of them. An error of a single one is on stderr."""
    if outcome.report is not None:
        show(outcome.report, console)
    if not outcome.parts:
        return
    told = chapters(outcome, whole=outcome.whole)
    several = len(told) > 1
    if outcome.brief:
        draw((brief(outcome),), console)
    else:
        for chapter in told:
            if several or not chapter.failed:
                draw_chapter(chapter.shown.sections, chapter, console)
                conclude(chapter.shown.verdict, console)
            if several:
                console.print()
    if several:
        conclude(overall(told), console)


def draw_chapter(sections: Sequence[Section], chapter: Chapter, console: Console) -> None:
    """Print some pieces about one counter, headed by what it is where people are told."""
    if chapter.named:
        hanging(text(in_characters_of(console, chapter.nouns.heading), "bold"), console)
        console.print()
    draw(sections, console)


def draw(sections: Sequence[Section], console: Console) -> None:
    """Print some pieces, with a blank line after each; after notes only where something follows."""
    sections = in_characters_of(console, tuple(sections))
    for section in sections:
        if section.title:
            hanging(Text(section.title, style="bold"), console)
        match section:
            case Results():
                _results(section, console)
            case Table():
                _table(section, console)
            case Bars():
                draw_bars(section, console)
            case Lines():
                draw_lines(section, console)
            case Heat():
                draw_heat(section, console)
            case Facts():
                _facts(section, console)
            case Notes():
                for note in section.lines:
                    item(note, console)
                if section is not sections[-1]:
                    console.print()
            case Remark():
                line(section.word, section.rest, PLAIN, console)
            case Change():
                _change(section, console)
            case Script():
                # Not where a line of it, in a name or a literal, would look like a verdict of ours.
                set_in = "  " if _VERDICT.search(section.code) else ""
                console.print(Text(indent(section.code, set_in)), soft_wrap=True)
            case _:
                assert_never(section)


def _results(section: Results, console: Console) -> None:
    if section.fields:
        columns = [Column(heading, whole=name in ("word", "object")) for heading, name in section.fields]
        grid(columns, [[_field(result, name) for _, name in section.fields] for result in section.results], console)
    else:
        draw_blocks(section.results, [_COLOUR[result.mark] for result in section.results], console)


def _field(result: Result, name: Field) -> Text:
    return _word(result) if name == "word" else text(str(getattr(result, name)))


def _word(result: Result) -> Text:
    return text(result.word, _COLOUR[result.mark])


def _table(table: Table, console: Console) -> None:
    shown = [place for place, column in enumerate(table.columns) if console.width >= WIDE or not column.extra]
    rows = [[_cell(row[place]) for place in shown] for row in table.rows]
    for at, place in enumerate(shown if len(shown) < len(table.columns) else ()):
        column = [row[place] for row in table.rows]
        for row, behind in zip(rows, told_apart(column, [cell.text for cell in column]), strict=True):
            row[at].append(behind, FAINT)
    grid([table.columns[place] for place in shown], rows, console, width=table.width)


def _facts(facts: Facts, console: Console) -> None:
    named = [(name, _cell(cell)) for name, cell in facts.facts]
    if facts.numbers:
        numbers(named, console, across=2 if console.width < WIDE else 4)
    else:
        pairs(named, console)


def _cell(cell: Cell) -> Text:
    return text(cell.text, cell.colour)


def _change(section: Change, console: Console) -> None:
    for changed in section.code.expandtabs(4).splitlines():
        sign, colour = changed[:1], {"+": GOOD, "-": BAD}.get(changed[:1], FAINT)
        lead = len(changed[1:]) - len(changed[1:].lstrip())
        for part in fold(changed[1:], console.width - 3, hang=2 if lead else 0):
            console.print(text(f"  {sign}{part}", colour), soft_wrap=True)
    console.print()
