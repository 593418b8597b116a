"""Reports as tables for people, from 40 columns to as wide as it gets. A status is a word; colour only repeats it.

Text from the database goes into ``rich.text.Text``: it is never read as markup.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from usagefix.models import (
    ApplyReport,
    BackfillReport,
    Check,
    Counts,
    DailyLimit,
    PresetCount,
    PresetReport,
    RollbackReport,
    State,
    Status,
    StatusReport,
    VerifyReport,
)
from usagefix.render.document import Report
from usagefix.render.words import harmless

NARROW = 60  # below, a row becomes a few lines
WIDE = 120  # from here on ids are shown
PIPE_WIDTH = 160

_STATUS_STYLE = {
    Status.OK: "green",
    Status.SKIPPED: "dim",
    Status.OUTDATED: "yellow",
    Status.UNEXPECTED: "yellow",
    Status.MISSING: "red",
    Status.FAILED: "red",
}
_STATE_STYLE = {State.APPLIED: "green", State.PENDING: "yellow", State.OUTDATED: "red", State.FOREIGN: "red"}


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; numbers go to the right and never wrap, nor do short words."""

    heading: str
    number: bool = False
    whole: bool = False


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: rich would end the process, and lose the exit code of the work that was done."""
        raise BrokenPipeError


def stdout_console() -> Console:
    """The console for data: the terminal's width, or a width that wraps nothing much in a pipe."""
    columns = os.environ.get("COLUMNS", "")
    told = int(columns) if columns.isascii() and columns.isdigit() else 0
    fixed = told or (None if sys.stdout.isatty() else PIPE_WIDTH)
    return _Stdout(file=sys.stdout, width=fixed, highlight=False, emoji=False, markup=False, soft_wrap=False)


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
        case _:
            assert_never(report)


def heading(title: str, command: str, console: Console) -> None:
    """A chapter of the demo."""
    console.print()
    console.print(Rule(Text(title, style="bold"), style="dim", align="left"))
    console.print(Text(f"$ {command}", style="dim"))
    console.print()


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
        _line("right", f"all {len(report.checks)} checks pass{accuracy}", "green", console)
        return
    hints = dict.fromkeys(check.hint for check in failed)
    # apply does everything that backfill does.
    remedies = [hint for hint in hints if hint != "usagefix backfill" or "usagefix apply" not in hints]
    _line("not right", f"{len(failed)} of {len(report.checks)} checks fail{accuracy}", "red", console)
    _line("next", "; ".join(remedies), "", console)


def _checks(checks: Sequence[Check], console: Console) -> None:
    _grid(
        (Column("status", whole=True), Column("check"), Column("found")),
        [(Text(c.status, style=_STATUS_STYLE[c.status]), Text(c.title), _text(c.detail)) for c in checks],
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
            cells += [Text(name), Text(_signed(value) if name == "drift" else f"{value:,}", style=style)]
        table.add_row(*cells)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _presets(title: str, presets: Sequence[PresetCount], console: Console) -> None:
    console.print(Text(title, style="bold"))
    with_ids = console.width >= WIDE
    columns = (
        Column("name"),
        Column("displayed", number=True),
        Column("actual", number=True),
        Column("drift", number=True),
        Column("last use", whole=True),
        *((Column("id", whole=True),) if with_ids else ()),
    )
    rows = []
    for preset in presets:
        cells = [
            _text(preset.name),
            _count(preset.displayed_count),
            Text(f"{preset.actual_records:,}"),
            Text(_signed(preset.drift), style="" if preset.accurate else "red"),
            _moment(preset.last_used_at),
        ]
        rows.append((*cells, Text(harmless(preset.id), style="dim")) if with_ids else tuple(cells))
    _grid(columns, rows, console)


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
        _item(f"{version} applied", console)
    if not report.migrations:
        _item("no migration was pending", console)
    _corrections(report.backfill, console)
    console.print()
    console.print(Text("What is there now", style="bold"))
    _checks(report.after.checks, console)
    if report.after.counts is not None:
        _counts(report.after.counts, console)
    _conclude(report.after, console)


def _plan(report: ApplyReport, console: Console) -> None:
    console.print(Text("What apply would do (tried in a transaction that was rolled back)", style="bold"))
    _grid(
        (Column("step"), Column("table locks it takes")),
        [
            (Text(step.purpose), Text("\n".join(step.locks) or "none", style="" if step.locks else "dim"))
            for step in report.plan
        ],
        console,
    )
    if report.tracker_diff:
        console.print(Text("track_preset_usage()", style="bold"))
        for line in report.tracker_diff.splitlines():
            console.print(Text(harmless(f"  {line}"), style={"+": "green", "-": "red"}.get(line[0], "dim")))
        console.print()
    _corrections(report.backfill, console)
    _line("dry run", "nothing was changed; the SQL: usagefix sql VERSION", "", console)


def _corrections(report: BackfillReport, console: Console) -> None:
    verb = "would be corrected" if report.dry_run else "corrected"
    if report.presets_changed:
        _item(
            f"{_plural(report.presets_changed, 'preset')} {verb}: drift {_signed(report.drift_removed)} "
            f"({report.magnitude:,} in absolute numbers)",
            console,
        )
    else:
        _item("every counter was right: no drift to remove", console)
    if report.resumed:
        _item(f"{_plural(report.resumed, 'preset')} had been corrected by a run that was interrupted", console)
    if report.presets_changed and report.triggers:
        what = "held off meanwhile" if report.triggers[0].held_off else "fired"
        _item(f"triggers on presets {what}: {', '.join(trigger.name for trigger in report.triggers)}", console)


def _backfill(report: BackfillReport, console: Console) -> None:
    _corrections(report, console)
    if report.dry_run:
        _line("dry run", "nothing was changed", "", console)
    else:
        _line("done", "the drift is removed; usagefix verify proves it", "green", console)


def _rollback(report: RollbackReport, console: Console) -> None:
    if not report.migrations:
        _line("nothing to do", "no migration is applied here", "", console)
        return
    for version in report.migrations:
        _item(f"{version} rolled back", console)
    match report.daily_limit:
        case DailyLimit.RESTORE:
            _item("the daily limit is back, and track_preset_usage() as it was", console)
        case DailyLimit.SKIP:
            _item(
                "the daily limit stays off, and track_preset_usage() as apply made it (the old one needs it)", console
            )
        case None:
            pass
    if report.counts is not None:
        _item(f"the counters keep their values: {report.counts.accurate} of {report.counts.presets} accurate", console)
    _line("rolled back", "new uses are no longer counted by usagefix", "yellow", console)


def _status(report: StatusReport, console: Console) -> None:
    _grid(
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
                _moment(m.applied_at),
                _text(m.applied_by or ""),
            )
            for m in report.migrations
        ],
        console,
    )
    newest = report.newest_event_at
    _line("newest event", f"{newest.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if newest else "none yet", "", console)
    states = {migration.state for migration in report.migrations}
    if states <= {State.APPLIED}:
        _line("applied", "every migration; usagefix verify proves the counters", "green", console)
    elif State.OUTDATED in states or State.FOREIGN in states:
        _line("not as released", "usagefix verify names what differs; usagefix apply puts it right", "red", console)
    else:
        _line("next", "usagefix apply", "", console)


def _preset(report: PresetReport, console: Console) -> None:
    preset = report.preset
    facts = (
        ("name", _text(preset.name)),
        ("id", _text(preset.id)),
        ("displayed count", _count(preset.displayed_count)),
        ("actual records", Text(f"{preset.actual_records:,}")),
        ("drift", Text(_signed(preset.drift), style="" if preset.accurate else "red")),
        ("last use", _moment(preset.last_used_at, "%Y-%m-%d %H:%M:%S UTC")),
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
    if report.recent is not None:
        console.print(Text("Newest events", style="bold"))
        _grid(
            (Column("when (UTC)", whole=True), Column("type"), Column("user")),
            [
                (_moment(e.created_at, "%Y-%m-%d %H:%M:%S"), _text(e.usage_type), _text(e.user_id))
                for e in report.recent
            ],
            console,
        )
    if preset.accurate:
        _line("right", "the counter equals the number of events", "green", console)
    else:
        _line("not right", "the counter and the events differ", "red", console)
        _line("next", "usagefix apply", "", console)


def _grid(columns: Sequence[Column], rows: Sequence[Sequence[Text]], console: Console) -> None:
    """A table; where the terminal is too narrow for one, a few lines for each row."""
    if console.width < NARROW:
        for row in rows:
            for column, cell in zip(columns, row, strict=True):
                console.print(Text.assemble((f"{column.heading}: ", "dim"), cell), overflow="fold")
            console.print()
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.number else "left",
            no_wrap=column.number or column.whole,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _line(word: str, rest: str, style: str, console: Console) -> None:
    console.print(Text.assemble((word, f"bold {style}".strip()), f": {rest}"), overflow="fold")


def _item(text: str, console: Console) -> None:
    console.print(Padding(_text(text), (0, 0, 0, 2), expand=False))


def _text(value: str) -> Text:
    """Text from the database: no markup, and nothing that a terminal obeys."""
    return Text(harmless(value))


def _count(value: int | None) -> Text:
    return Text("null", style="red") if value is None else Text(f"{value:,}")


def _signed(value: int) -> str:
    return f"{value:+,}" if value else "0"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _moment(value: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Text:
    if value is None:
        return Text("never", style="dim")
    return Text(value.astimezone(UTC).strftime(form))
