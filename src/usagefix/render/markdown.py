"""Reports as Markdown, for a pull request, a wiki, or the summary of a step of GitHub Actions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from usagefix.models.figures import grouped
from usagefix.models.outcome import Outcome
from usagefix.render.outline import Chapter, chapters, headed, overall
from usagefix.render.pieces import (
    Bars,
    Cell,
    Change,
    Column,
    Facts,
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
)
from usagefix.render.verdict import verdict as of_whole
from usagefix.render.words import harmless

# What Markdown or HTML would read as its own; a name in a database may hold any of it. Where a text begins, also what
# makes a list, a line under a heading, or a command of the runner of GitHub Actions of it.
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#+!|~&$]|^[-=:]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", ":": "&#58;"}
# What a page would make a link, a mention, a reference or a picture of, however it is escaped: it looks at the text as
# shown. A space without width in the midst of it is not seen, and keeps it from that.
_TAKEN_UP = re.compile(
    r"(?<=@)|(?<=#)(?=\d)|(?<=/)(?=/)|(?<=www)(?=\.)|(?<=mailto)(?=:)|(?<=\bgh)(?=-\d)"
    r"|(?<=:)(?=(?:[\w+-]*[a-z][\w+-]*|[+-]1|100|1234):)",
    re.IGNORECASE,
)
_WIDTHLESS = "\u200b"
_INDENT = re.compile("(?<=^.) +", re.MULTILINE)  # of a line of a diff; a page shows no more than one blank


def markdown(outcome: Outcome) -> str:
    """The whole result, headed by its verdict."""
    return "\n".join(_lines(outcome)).rstrip()


def _lines(outcome: Outcome) -> Iterator[str]:
    told = chapters(outcome)
    verdict = overall(told)
    heading, rest = headed(outcome.command, verdict)
    yield f"## {_text(heading)}"
    yield ""
    yield _text(rest)
    if outcome.target is not None:
        yield ""
        yield f"Target: {_text(str(outcome.target))}"
    if outcome.parts and outcome.report is not None:
        yield ""
        yield _text(f"{of_whole(outcome.report)}.")
    yield ""
    for chapter in told:
        yield from _chapter(chapter, several=len(told) > 1)
    if verdict.next:
        yield f"Next: {_text(verdict.next)}"


def _chapter(chapter: Chapter, *, several: bool) -> Iterator[str]:
    if chapter.named:
        yield f"### {_text(chapter.nouns.heading)}"
        yield ""
    if several:
        yield _text(str(chapter.shown.verdict))
        yield ""
    if chapter.shown.results and not chapter.shown.listed:
        yield from _results(chapter.shown.results)
    for section in chapter.shown.sections:
        yield from _section(section)


def _results(results: Sequence[Result]) -> Iterator[str]:
    hints = any(result.hint for result in results)
    headings = ("status", "what", "where", "found", *(("do",) if hints else ()))
    rows = tuple(
        (
            f"**{_text(result.word)}**" if result.mark in (Mark.FAILED, Mark.WARNING) else _text(result.word),
            f"[{_text(result.title)}]({result.link})" if result.link else _text(result.title),
            _text(result.object),
            _text(result.detail),
            *((_text(result.hint),) if hints else ()),
        )
        for result in results
    )
    yield from _rows(headings, rows, frozenset())


def _section(section: Section) -> Iterator[str]:
    if isinstance(section, Results) and not section.extra:
        return  # the page begins with them
    if section.title:
        yield f"### {_text(section.title)}"
        yield ""
    match section:
        case Results():
            yield from _results(section.results)
        case Table():
            yield from _table(section.columns, section.rows)
        case Bars():
            yield from _table(section.columns, section.rows)
        case Lines():
            totals = tuple((_text(name), _text(cell.text)) for name, _, cell in section.lines)
            yield from _rows(["", "in all"], totals, frozenset({1}))
        case Heat():
            numbers = frozenset(range(1, len(section.columns) + 1))
            named = zip(section.rows, section.numbers, strict=True)
            grid = tuple((_text(name), *(grouped(number) for number in row)) for name, row in named)
            yield from _rows(["", *section.columns], grid, numbers)
        case Facts():
            numbers = frozenset(range(len(section.facts)) if section.numbers else ())
            names, cells = zip(*section.facts, strict=True)
            yield from _rows(names, (tuple(_text(cell.text) for cell in cells),), numbers)
        case Notes():
            yield from (f"- {_text(line.strip())}" for line in section.lines)
            yield ""
        case Remark():
            yield f"- {_text(str(section))}"
            yield ""
        case Change(code=code) | Script(code=code):
            yield _code(_INDENT.sub(lambda match: "\u00a0" * len(match[0]), code))
            yield ""
        case _:
            assert_never(section)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    numbers = frozenset(place for place, column in enumerate(columns) if column.number)
    texts = tuple(tuple(_text(cell.text) for cell in row) for row in rows)
    yield from _rows([column.heading for column in columns], texts, numbers)


def _rows(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"| {' | '.join('---:' if place in numbers else '---' for place in range(len(headings)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _text(value: str) -> str:
    """Text that stays as it is: no markup, no link, no mention, and no line that ends a table."""
    return _SPECIAL.sub(_escaped, _TAKEN_UP.sub(_WIDTHLESS, harmless(value)))


def _code(value: str) -> str:
    """Text of several lines."""
    return "<br>".join(map(_text, value.expandtabs(4).splitlines()))


def _escaped(match: re.Match[str]) -> str:
    return _HTML.get(match[0], f"\\{match[0]}")
