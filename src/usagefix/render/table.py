"""Reports as tables for people, from 40 columns to as wide as it gets. A status is a word; colour only repeats it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import assert_never

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from usagefix.models import (
    ApplyReport,
    BackfillReport,
    Check,
    Counts,
    DailyLimit,
    DoctorReport,
    ExportReport,
    GuardReport,
    PresetCount,
    PresetReport,
    RollbackReport,
    State,
    Status,
    StatusReport,
    VerifyReport,
)
from usagefix.render.document import Report
from usagefix.render.findings import findings
from usagefix.render.guard import show_guard
from usagefix.render.layout import NARROW, WIDE, Column, count, grid, item, line, moment, plural, signed, text
from usagefix.render.words import harmless

_STATUS_STYLE = {
    Status.OK: "green",
    Status.SKIPPED: "dim",
    Status.OUTDATED: "yellow",
    Status.UNEXPECTED: "yellow",
    Status.MISSING: "red",
    Status.FAILED: "red",
}
# What becomes of the application's triggers: held off or not, in a dry run or not.
_FATE = {
    (True, True): "would be held off; otherwise they would fire",
    (True, False): "were held off; otherwise they had fired",
    (False, True): "would fire",
    (False, False): "fired",
}
_STATE_STYLE = {State.APPLIED: "green", State.PENDING: "yellow", State.OUTDATED: "red", State.FOREIGN: "red"}


def show(report: Report, console: Console) -> None:
    """Print one report."""
    match report:
        case VerifyReport():
            _verify(report, console)
        case ApplyReport():
            _apply(report, console)
        case BackfillReport():
            _backfill(report, console)
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
        case _:
            assert_never(report)


def _verify(report: VerifyReport, console: Console) -> None:
    _checks(report.checks, console)
    if report.counts is not None:
        _counts(report.counts, console)
    if report.presets:
        drifted = any(not preset.accurate for preset in report.presets)
        _presets("Presets with the largest drift" if drifted else "Most used presets", report.presets, console)
    _conclude(report, console)


def _conclude(report: VerifyReport, console: Console) -> None:
    failed = [check for check in report.checks if not check.passed]
    counts = report.counts
    accuracy = f", {counts.accurate} of {counts.presets} presets accurate" if counts else ""
    if not failed:
        line("right", f"all {len(report.checks)} checks pass{accuracy}", "green", console)
        return
    hints = dict.fromkeys(check.hint for check in failed)
    # apply does everything that backfill does.
    remedies = [hint for hint in hints if hint != "usagefix backfill" or "usagefix apply" not in hints]
    line("not right", f"{len(failed)} of {len(report.checks)} checks fail{accuracy}", "red", console)
    line("next", "; ".join(remedies), "", console)


def _checks(checks: Sequence[Check], console: Console) -> None:
    grid(
        (Column("status", whole=True), Column("check"), Column("found")),
        [(Text(c.status, style=_STATUS_STYLE[c.status]), Text(c.title), text(c.detail)) for c in checks],
        console,
    )


def _counts(counts: Counts, console: Console) -> None:
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


def _presets(title: str, presets: Sequence[PresetCount], console: Console) -> None:
    console.print(Text(title, style="bold"))
    named = any(preset.name for preset in presets)
    with_ids = named and console.width >= WIDE
    columns = (
        Column("name" if named else "id"),
        Column("displayed", number=True),
        Column("actual", number=True),
        Column("drift", number=True),
        Column("last use", whole=True),
        *((Column("id", whole=True),) if with_ids else ()),
    )
    rows = []
    for preset in presets:
        cells = [
            text(preset.name if named else preset.id),
            count(preset.displayed_count),
            Text(f"{preset.actual_records:,}"),
            Text(signed(preset.drift), style="" if preset.accurate else "red"),
            moment(preset.last_used_at),
        ]
        rows.append((*cells, Text(harmless(preset.id), style="dim")) if with_ids else tuple(cells))
    grid(columns, rows, console)


def _apply(report: ApplyReport, console: Console) -> None:
    found = [check for check in report.before.checks if not check.passed]
    if found:
        console.print(Text("What was wrong" if not report.dry_run else "What is wrong", style="bold"))
        _checks(found, console)
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
    _checks(report.after.checks, console)
    if report.after.counts is not None:
        _counts(report.after.counts, console)
    _conclude(report.after, console)


def _plan(report: ApplyReport, console: Console) -> None:
    console.print(Text("What apply would do (tried in a transaction that was rolled back)", style="bold"))
    grid(
        (Column("step"), Column("table locks it takes")),
        [
            (Text(step.purpose), Text("\n".join(step.locks) or "none", style="" if step.locks else "dim"))
            for step in report.plan
        ],
        console,
    )
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
    line("dry run", "nothing was changed; the SQL: usagefix sql VERSION", "", console)


def _corrections(report: BackfillReport, console: Console) -> None:
    verb = "would be corrected" if report.dry_run else "corrected"
    if report.presets_changed:
        item(
            f"{plural(report.presets_changed, 'preset')} {verb}: drift {signed(report.drift_removed)} "
            f"({report.magnitude:,} in absolute numbers)",
            console,
        )
    else:
        item("every counter was right: no drift to remove", console)
    if report.resumed:
        item(f"{plural(report.resumed, 'preset')} had been corrected by a run that was interrupted", console)
    if report.rounds > 1:
        item(f"counted {report.rounds} times, since events were deleted or truncated meanwhile", console)
    if report.presets_changed and report.triggers:
        item(f"your triggers on presets {_FATE[report.triggers[0].held_off, report.dry_run]}:", console)
        for trigger in report.triggers:
            times = f"{'at most ' if trigger.at_most else ''}{plural(trigger.fires, 'time')}"
            item(f"  {trigger.name}: {times}", console)


def _backfill(report: BackfillReport, console: Console) -> None:
    _corrections(report, console)
    if report.dry_run:
        line("dry run", "nothing was changed", "", console)
    else:
        line("done", "the drift is removed; usagefix verify proves it", "green", console)


def _rollback(report: RollbackReport, console: Console) -> None:
    if not report.migrations and report.purged:
        line("purged", "schema usagefix is gone", "yellow", console)
        return
    if not report.migrations:
        line(
            "nothing to do",
            "no later version is applied" if report.remains else "no migration is applied here",
            "",
            console,
        )
        return
    for version in report.migrations:
        item(f"{version} rolled back", console)
    match report.daily_limit:
        case DailyLimit.RESTORE:
            item("the daily limit is back, and track_preset_usage() as it was", console)
        case DailyLimit.SKIP:
            item("the daily limit stays off, and track_preset_usage() as apply made it (the old one needs it)", console)
        case None:
            pass
    if report.counts is not None:
        item(f"the counters keep their values: {report.counts.accurate} of {report.counts.presets} accurate", console)
    if report.purged:
        item("schema usagefix is gone, with its history", console)
    left = f"to {report.remains}" if report.remains else "new uses are no longer counted by usagefix"
    line("rolled back", left, "yellow", console)


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
    states = {migration.state for migration in report.migrations}
    if states <= {State.APPLIED}:
        line("applied", "every migration; usagefix verify proves the counters", "green", console)
    elif State.OUTDATED in states or State.FOREIGN in states:
        line("not as released", "usagefix verify names what differs; usagefix apply puts it right", "red", console)
    else:
        line("next", "usagefix apply", "", console)


def _preset(report: PresetReport, console: Console) -> None:
    preset = report.preset
    facts = (
        *((("name", text(preset.name)),) if preset.name else ()),
        ("id", text(preset.id)),
        ("displayed count", count(preset.displayed_count)),
        ("actual records", Text(f"{preset.actual_records:,}")),
        ("drift", Text(signed(preset.drift), style="" if preset.accurate else "red")),
        ("last use", moment(preset.last_used_at, "%Y-%m-%d %H:%M:%S UTC")),
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
    if report.recent is not None:
        console.print(Text("Newest events", style="bold"))
        grid(
            (Column("when (UTC)", whole=True), Column("type"), Column("user")),
            [(moment(e.created_at, "%Y-%m-%d %H:%M:%S"), text(e.usage_type), text(e.user_id)) for e in report.recent],
            console,
        )
    if preset.accurate:
        line("right", "the counter equals the number of events", "green", console)
    else:
        line("not right", "the counter and the events differ", "red", console)
        line("next", "usagefix apply", "", console)
