"""What was checked and counted, as tables: the report of verify, and the parts of it that apply shows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Check, Counts, Status, VerifyReport
from usagefix.render.layout import NARROW, WIDE, Column, count, grid, moment, text
from usagefix.render.phrases import signed
from usagefix.render.words import harmless

_STATUS_STYLE = {
    Status.OK: "green",
    Status.SKIPPED: "dim",
    Status.OUTDATED: "yellow",
    Status.UNEXPECTED: "yellow",
    Status.MISSING: "red",
    Status.FAILED: "red",
}


def show_verification(report: VerifyReport, console: Console) -> None:
    """The whole report of verify."""
    show_checks(report.checks, console)
    _show_accuracy(report, console)


def show_digest(report: VerifyReport, console: Console) -> None:
    """What is wrong, and how far."""
    failed = [check for check in report.checks if not check.passed]
    if failed:
        show_checks(failed, console)
    _show_accuracy(report, console)


def _show_accuracy(report: VerifyReport, console: Console) -> None:
    if report.counts is not None:
        show_counts(report.counts, console)
    if report.presets:
        drifted = any(not preset.accurate for preset in report.presets)
        _presets("Presets with the largest drift" if drifted else "Most used presets", report, console)


def show_checks(checks: Sequence[Check], console: Console) -> None:
    """A line for each check."""
    grid(
        (Column("status", whole=True), Column("check"), Column("found")),
        [(Text(c.status, style=_STATUS_STYLE[c.status]), Text(c.title), text(c.detail)) for c in checks],
        console,
    )


def show_steps(steps: Sequence[SmokeStep], console: Console) -> None:
    """A line for each step of a smoke test."""
    grid(
        (Column("status", whole=True), Column("step"), Column("seen")),
        [(Text(s.status, style=_STATUS_STYLE[s.status]), Text(s.title), text(s.detail)) for s in steps],
        console,
    )


def show_counts(counts: Counts, console: Console) -> None:
    """The accuracy summary, in two or four columns, or a line each."""
    console.print(Text("Accuracy", style="bold"))
    facts = (
        ("presets", counts.presets),
        ("accurate", counts.accurate),
        ("inaccurate", counts.inaccurate),
        ("sum of counters", counts.displayed_total),
        ("events", counts.actual_total),
        ("drift", counts.drift_total),
        ("presets with usage", counts.presets_with_usage),
        ("presets really used", counts.presets_really_used),
    )
    if console.width < NARROW:
        for name, value in facts:
            console.print(Text(f"{name}: {value:,}"))
        console.print()
        return
    across = 2 if console.width < WIDE else 4
    down = -(-len(facts) // across)
    table = Table(box=None, show_header=False, padding=(0, 3, 0, 0), pad_edge=False)
    for _ in range(across):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    for row in range(down):
        cells: list[Text] = []
        for name, value in facts[row::down]:
            style = "red" if name in ("inaccurate", "drift") and value else ""
            cells += [Text(name), Text(signed(value) if name == "drift" else f"{value:,}", style=style)]
        table.add_row(*cells)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _presets(title: str, report: VerifyReport, console: Console) -> None:
    console.print(Text(title, style="bold"))
    named = any(preset.name for preset in report.presets)
    with_ids = named and console.width >= WIDE
    columns = (
        Column("name" if named else "id"),
        Column("displayed", number=True),
        Column("actual", number=True),
        Column("drift", number=True),
        *((Column("last use", whole=True),) if report.dated else ()),
        *((Column("id", whole=True),) if with_ids else ()),
    )
    rows = [
        (
            text(preset.name if named else preset.id),
            count(preset.displayed_count),
            Text(f"{preset.actual_records:,}"),
            Text(signed(preset.drift), style="" if preset.accurate else "red"),
            *((moment(preset.last_used_at),) if report.dated else ()),
            *((Text(harmless(preset.id), style="dim"),) if with_ids else ()),
        )
        for preset in report.presets
    ]
    grid(columns, rows, console)
