"""Reports as Markdown, for a pull request, a wiki, or the summary of a step of GitHub Actions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from usagefix.models.outcome import Outcome
from usagefix.render.outline import Mark, Outline, Result, Table, outline
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


def markdown(outcome: Outcome) -> str:
    """The whole result, headed by its verdict."""
    return "\n".join(_lines(outcome, outline(outcome))).rstrip()


def _lines(outcome: Outcome, shown: Outline) -> Iterator[str]:
    yield f"## usagefix {_text(outcome.command)}: {_text(shown.verdict.word)}"
    yield ""
    yield _text(shown.verdict.rest)
    if outcome.target is not None:
        yield ""
        yield f"Target: {_text(str(outcome.target))}"
    yield ""
    yield from _results(shown.results)
    for note in shown.notes:
        yield f"- {_text(note.strip())}"
    if shown.notes:
        yield ""
    for table in shown.tables:
        yield f"### {_text(table.title)}"
        yield ""
        yield from _table(table)
    if shown.verdict.next:
        yield f"Next: {_text(shown.verdict.next)}"


def _results(results: Sequence[Result]) -> Iterator[str]:
    hints = any(result.hint for result in results)
    headings = ("status", "what", "where", "found", *(("do",) if hints else ()))
    rows = tuple(
        (
            f"**{_text(result.word)}**" if result.mark in (Mark.FAILED, Mark.WARNING) else _text(result.word),
            _text(result.title),
            _text(result.object),
            _text(result.detail),
            *((_text(result.hint),) if hints else ()),
        )
        for result in results
    )
    yield from _rows(headings, rows, frozenset())


def _table(table: Table) -> Iterator[str]:
    rows = tuple(tuple(_text(cell) for cell in row) for row in table.rows)
    yield from _rows(table.headings, rows, table.numbers)


def _rows(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"| {' | '.join('---:' if place in numbers else '---' for place in range(len(headings)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _text(value: str) -> str:
    """Text that stays as it is: no markup, no link, no mention, and no line that ends a table."""
    lines = (_TAKEN_UP.sub(_WIDTHLESS, harmless(line)) for line in value.splitlines())
    return "<br>".join(_SPECIAL.sub(_escaped, line) for line in lines)


def _escaped(match: re.Match[str]) -> str:
    return _HTML.get(match[0], f"\\{match[0]}")
