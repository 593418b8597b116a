"""Reports as tables for people, from 40 columns to as wide as it gets. A status is a word; colour only repeats it."""

from __future__ import annotations

from datetime import UTC
from typing import assert_never

from rich.console import Console
from rich.text import Text

from usagefix.models.correction import BackfillReport
from usagefix.models.diagnosis import DoctorReport
from usagefix.models.guarding import GuardReport
from usagefix.models.migration import ApplyReport, ExportReport, RollbackReport, State, StatusReport
from usagefix.models.probe import ProbeReport
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport
from usagefix.models.verification import PresetReport, VerifyReport
from usagefix.render.findings import findings
from usagefix.render.guard import show_guard
from usagefix.render.layout import Column, conclude, count, grid, item, line, moment, pairs, text
from usagefix.render.phrases import corrections, plural, signed, undone
from usagefix.render.probe import show_probe
from usagefix.render.verdict import verdict
from usagefix.render.verification import show_checks, show_counts, show_steps, show_verification
from usagefix.render.words import harmless

_STATE_STYLE = {State.APPLIED: "green", State.PENDING: "yellow", State.OUTDATED: "red", State.FOREIGN: "red"}


def show(report: Report, console: Console) -> None:
    """Print one report."""
    match report:
        case VerifyReport():
            show_verification(report, console)
        case ApplyReport():
            _apply(report, console)
        case BackfillReport():
            _corrections(report, console)
        case RollbackReport():
            _rollback(report, console)
        case StatusReport():
            _status(report, console)
        case PresetReport():
            _preset(report, console)
        case DoctorReport():
            findings(report, console)
        case ExportReport():
            for path in report.files:
                console.print(text(path), soft_wrap=True)
        case GuardReport():
            show_guard(report, console)
        case SmokeReport():
            show_steps(report.steps, console)
        case ProbeReport():
            show_probe(report, console)
        case _:
            assert_never(report)
    if not isinstance(report, ExportReport):  # its files are all there is on stdout
        conclude(verdict(report), console)


def _apply(report: ApplyReport, console: Console) -> None:
    found = [check for check in report.before.checks if not check.passed]
    if found:
        console.print(Text("What was wrong" if not report.dry_run else "What is wrong", style="bold"))
        show_checks(found, console)
    if report.after is None:
        _plan(report, console)
        return
    console.print(Text("What was done", style="bold"))
    for version in report.migrations:
        item(f"{version} applied", console)
    if not report.migrations:
        item("no migration was pending", console)
    for remark in report.remarks:
        item(remark, console)
    _corrections(report.backfill, console)
    console.print()
    console.print(Text("What is there now", style="bold"))
    show_checks(report.after.checks, console)
    if report.after.counts is not None:
        show_counts(report.after.counts, console)


def _plan(report: ApplyReport, console: Console) -> None:
    console.print(Text("What apply would do (tried in a transaction that was rolled back)", style="bold"))
    locking = [step for step in report.plan if step.locks]
    if locking:
        grid(
            (Column("step"), Column("table locks it takes")),
            [(Text(step.purpose), text("\n".join(step.locks))) for step in locking],
            console,
        )
    if report.plan:
        others = plural(len(report.plan) - len(locking), "further step")
        item(f"{others} on functions and the ledger, which lock no table of the application", console)
    else:
        item("no migration is pending", console)
    console.print()
    for remark in report.remarks:
        item(remark, console)
    if report.remarks:
        console.print()
    if report.tracker_diff:
        console.print(Text("track_preset_usage()", style="bold"))
        for changed in report.tracker_diff.splitlines():
            console.print(Text(harmless(f"  {changed}"), style={"+": "green", "-": "red"}.get(changed[0], "dim")))
        console.print()
    _corrections(report.backfill, console)


def _corrections(report: BackfillReport, console: Console) -> None:
    for said in corrections(report):
        item(said, console)


def _rollback(report: RollbackReport, console: Console) -> None:
    if report.migrations:
        for said in undone(report):
            item(said, console)


def _status(report: StatusReport, console: Console) -> None:
    grid(
        (
            Column("state", whole=True),
            Column("version", whole=True),
            Column("name"),
            Column("applied", whole=True),
            Column("by"),
        ),
        [
            (
                Text(m.state, style=_STATE_STYLE[m.state]),
                Text(m.version),
                Text(m.name),
                moment(m.applied_at),
                text(m.applied_by or ""),
            )
            for m in report.migrations
        ],
        console,
    )
    for migration in report.migrations:
        if migration.pushed_as:
            line("pushed", f"{migration.version} by supabase db push, as {migration.pushed_as}", "", console)
    newest = report.newest_event_at
    if report.dated:
        line("newest event", f"{newest.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if newest else "none yet", "", console)


def _preset(report: PresetReport, console: Console) -> None:
    preset = report.preset
    facts = (
        *((("name", text(preset.name)),) if preset.name else ()),
        ("id", text(preset.id)),
        ("displayed count", count(preset.displayed_count)),
        ("actual records", Text(f"{preset.actual_records:,}")),
        ("drift", Text(signed(preset.drift), style="" if preset.accurate else "red")),
        *((("last use", moment(preset.last_used_at, "%Y-%m-%d %H:%M:%S UTC")),) if report.dated else ()),
    )
    pairs(facts, console)
    if report.recent is not None:
        console.print(Text("Newest events", style="bold"))
        grid(
            (Column("when (UTC)", whole=True), Column("type"), Column("user")),
            [(moment(e.created_at, "%Y-%m-%d %H:%M:%S"), text(e.usage_type), text(e.user_id)) for e in report.recent],
            console,
        )
