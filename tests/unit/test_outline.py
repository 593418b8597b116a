"""One outline, two drawings: whatever a terminal shows of a report, a page shows, too. No server is needed."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator

import pytest
from reports import REPORTS
from rich.console import Console

from usagefix.models.nouns import USUAL
from usagefix.models.outcome import NONE, Given, Outcome
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport, SmokeStep
from usagefix.models.verification import Check, Status, VerifyReport
from usagefix.render.markdown import markdown
from usagefix.render.outline import of_report
from usagefix.render.page.sections import band
from usagefix.render.pieces import Change, Facts, Notes, Remark, Result, Results, Section, Table
from usagefix.render.table import show
from usagefix.render.words import again


def texts(section: Section) -> Iterator[str]:
    """Whatever people are to read of a section. A page begins with all results, without a title of their own."""
    if not isinstance(section, Results) or section.extra:
        yield section.title
    match section:
        case Results():
            for result in section.results:
                yield from _told(result, section)
        case Table():
            yield from (column.heading for column in section.columns)
            yield from (cell.text for row in section.rows for cell in row)
        case Facts():
            yield from (text for name, cell in section.facts for text in (name, cell.text))
        case Notes():
            yield from section.lines
        case Remark():
            yield str(section)
        case Change():
            yield section.code


def _told(result: Result, section: Results) -> tuple[str, ...]:
    if section.fields:
        return tuple(str(getattr(result, name)) for _, name in section.fields)
    return result.word, result.title, result.object, result.detail, result.hint


def terminal(report: Report, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, emoji=False, markup=False)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(text: str) -> str:
    return " ".join(text.replace("\u200b", "").split())


def page(report: Report) -> str:
    """A page as its reader sees it, nearly."""
    written = markdown(Outcome("a command", report=report)).replace("<br>", " ").replace("**", "")
    return words(html.unescape(written.replace("\\", "")))


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_and_a_terminal_show_the_same(name: str) -> None:
    report = REPORTS[name]
    sections = of_report(report).sections
    assert any(text for section in sections for text in texts(section))
    wide, narrow, shown = words(terminal(report, 400)), terminal(report, 20), page(report)
    for text in (line for section in sections for told in texts(section) for line in told.splitlines()):
        assert words(text) in wide, text
        assert words(text) in shown, text
    assert all(len(line) <= 20 or re.search(r"usagefix [a-z]", line) for line in narrow.splitlines()), narrow
    verdict = of_report(report).verdict
    assert words(str(verdict)) in wide
    assert verdict.rest in shown
    assert not re.search(
        r"usagefix [^;,]*\b(COMMAND|DIR|FILE|ID|MODE|NAME|VERSION)\b", f"{verdict.rest}, {verdict.next}"
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("ok", "right: the check passes"),
        ("ok ok", "right: both checks pass"),
        ("ok ok ok", "right: all 3 checks pass"),
        ("ok skipped", "right: 1 check passes, 1 does not apply"),
        ("ok ok skipped skipped", "right: 2 checks pass, 2 do not apply"),
        ("skipped", "cannot tell: the check does not apply"),
        ("missing", "not right: the check fails"),
        ("failed outdated ok skipped", "not right: 2 checks fail, 1 passes, 1 does not apply"),
        ("", "cannot tell: there is no check"),
    ],
)
def test_a_check_that_is_skipped_is_not_one_that_passes(found: str, said: str) -> None:
    report = VerifyReport(tuple(Check("", "", Status(one), "", "", "") for one in found.split()), None, ())
    assert str(of_report(report).verdict) == said
    assert band(report, USUAL).rest == said.partition(": ")[2]


def test_a_step_that_is_skipped_is_not_one_that_passes() -> None:
    steps = [SmokeStep(f"{number}", "", status, "") for number, status in enumerate((Status.OK, Status.SKIPPED))]
    right = str(of_report(SmokeReport("", "", False, tuple(steps))).verdict)
    assert right.endswith("; all of it is undone (1 step passes, 1 was not tried)")
    wrong = SmokeReport("", "", False, (SmokeStep("", "", Status.FAILED, ""), *steps))
    said = "1 step fails, 1 passes, 1 was not tried"
    assert str(of_report(wrong).verdict) == f"not right: {said}; all of it is undone"


@pytest.mark.parametrize("name", REPORTS)
def test_what_a_program_reads_is_never_empty(name: str) -> None:
    """No results would be taken for a pass."""
    assert of_report(REPORTS[name]).results


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("usagefix apply, then in CI usagefix verify", "usagefix P C apply, then in CI usagefix P C verify"),
        ("usagefix log, or usagefix discover", "usagefix P log, or usagefix P discover"),
        (
            "usagefix rollback --counter x; then usagefix apply",
            "usagefix P rollback --counter x; then usagefix P C apply",
        ),
        ("usagefix top --help, usagefix changes nothing", "usagefix top --help, usagefix changes nothing"),
    ],
)
def test_a_command_that_is_named_is_about_the_same(said: str, printed: str) -> None:
    assert again(said, Given("P", "C")) == printed
    assert again(said, NONE) == said
