"""The findings of ``doctor``: a table where there is width for four columns of prose, else a paragraph each."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from usagefix.models.diagnosis import DoctorReport, Finding, Severity
from usagefix.render.layout import NARROW, WIDE, Column, grid, item, line, text
from usagefix.render.phrases import plural
from usagefix.render.words import harmless

_STYLE = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
_MOST_SKIPPED = 10


def findings(report: DoctorReport, console: Console) -> None:
    """Print what doctor found."""
    show_findings(report.findings, console)
    _source(report, console)


def show_findings(found: tuple[Finding, ...], console: Console) -> None:
    """Findings of any report."""
    if found and console.width >= WIDE:
        _table(found, console)
    elif found:
        _paragraphs(found, console)


def _table(found: tuple[Finding, ...], console: Console) -> None:
    columns = (Column("severity", whole=True), Column("what"), Column("evidence"), Column("remedy"))
    rows = [
        (_severity(f), Text.assemble(text(_title(f)), "\n", _object(f)), text(f.evidence), text(f.remedy))
        for f in found
    ]
    grid(columns, rows, console)


def _paragraphs(found: tuple[Finding, ...], console: Console) -> None:
    rows = []
    for f in found:
        lines = (text(_title(f)), _object(f), text(f.evidence), Text.assemble(("do: ", "dim"), text(f.remedy)))
        what = Text("\n").join(lines)
        if console.width >= NARROW and f is not found[-1]:
            what.append("\n")  # a blank line between two rows of a table
        rows.append((_severity(f), what))
    grid((Column("severity", whole=True), Column("what")), rows, console)


def _severity(finding: Finding) -> Text:
    return Text(finding.severity, style=_STYLE[finding.severity])


def _title(finding: Finding) -> str:
    return f"{finding.title} (root cause {finding.cause})" if finding.cause else finding.title


def _object(finding: Finding) -> Text:
    return Text(harmless(finding.object), style="dim")


def _source(report: DoctorReport, console: Console) -> None:
    if report.source is None:
        line("source", "not read; --source DIR looks for competing writers there", "", console)
        return
    skipped = report.source.skipped
    line("source", f"{plural(report.source.files_read, 'file')} read, {len(skipped):,} passed over", "", console)
    for passed in skipped[:_MOST_SKIPPED]:
        item(passed, console)
