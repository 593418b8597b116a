"""The pieces about checks, counters and presets, which several reports share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from usagefix.models.amount import Amount
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Check, Counts, RowCount, RowReport, Status, VerifyReport
from usagefix.render import phrases
from usagefix.render.pieces import Cell, Column, Facts, Mark, Outline, Result, Results, Section, Table
from usagefix.render.verdict import BAD, FAINT, PLAIN, verdict

_STATUS = {Status.OK: Mark.OK, Status.SKIPPED: Mark.SKIPPED}  # all others are what the report makes of them


def checked(title: str, results: tuple[Result, ...], *, extra: bool = False) -> Results:
    """A line for each check."""
    return Results(title, results, (("status", "word"), ("check", "title"), ("found", "detail")), extra)


def of_checks(checks: Sequence[Check], *, failed: Mark = Mark.FAILED) -> tuple[Result, ...]:
    """The checks as results."""
    return tuple(
        Result(
            c.check_id, _STATUS.get(c.status, failed), c.status, c.title, c.object, c.detail, "" if c.passed else c.hint
        )
        for c in checks
    )


def of_steps(steps: Sequence[SmokeStep]) -> tuple[Result, ...]:
    """The steps of a smoke test as results."""
    return tuple(
        Result(s.step_id, _STATUS.get(s.status, Mark.FAILED), s.status, s.title, "", s.detail, s.hint) for s in steps
    )


def verified(report: VerifyReport) -> Outline:
    """The whole report of verify."""
    results = of_checks(report.checks)
    return Outline(results, verdict(report), (checked("", results), *accuracy(report.counts), *_presets(report)))


def digest(report: VerifyReport) -> tuple[Section, ...]:
    """What is wrong, and how far."""
    wrong = of_checks([check for check in report.checks if not check.passed])
    return (*((checked("", wrong),) if wrong else ()), *accuracy(report.counts), *_presets(report))


def accuracy(counts: Counts | None) -> Iterator[Facts]:
    """The totals, where they were counted."""
    if counts is None:
        return
    facts = (
        ("presets", number(counts.rows)),
        ("accurate", number(counts.accurate)),
        ("inaccurate", number(counts.inaccurate, wrong=counts.inaccurate > 0)),
        ("sum of counters", number(counts.displayed_total)),
        ("events", number(counts.actual_total)),
        *((("baselines", number(counts.baseline_total)),) if counts.baseline_total else ()),
        ("drift", drift(counts.drift_total, wrong=counts.drift_total != 0)),
        ("presets with usage", number(counts.rows_with_count)),
        ("presets really used", number(counts.rows_with_events)),
        *((("with a baseline", number(counts.rows_with_baseline)),) if counts.baseline_total else ()),
    )
    yield Facts("Accuracy", facts, numbers=True)


def _presets(report: VerifyReport) -> Iterator[Table]:
    if not report.rows:
        return
    drifted = any(not row.accurate for row in report.rows)
    named = any(row.label for row in report.rows)
    based = any(row.baseline for row in report.rows)
    columns = (
        Column("name" if named else "id"),
        Column("displayed", number=True),
        Column("actual", number=True),
        *((Column("baseline", number=True),) if based else ()),
        Column("drift", number=True),
        *((Column("last use (UTC)", whole=True),) if report.dated else ()),
        *((Column("id", whole=True, extra=True),) if named else ()),
    )
    rows = tuple(
        (
            Cell(row.label if named else row.id),
            counter(row.displayed_count),
            number(row.actual_records),
            *((number(row.baseline),) if based else ()),
            drift(row.drift, wrong=not row.accurate),
            *((moment(row.last_event_at),) if report.dated else ()),
            *((Cell(row.id, FAINT),) if named else ()),
        )
        for row in report.rows
    )
    yield Table("Presets with the largest drift" if drifted else "Most used presets", columns, rows)


def preset(report: RowReport) -> Outline:
    """One preset, and its newest events."""
    one = report.row
    result = Result(
        "counter_accurate",
        Mark.OK if report.ok else Mark.FAILED,
        Status.OK if report.ok else Status.FAILED,
        f"{one.called}: the counter equals {'baseline and events' if one.baseline else 'the events'}",
        one.id,
        f"displayed {phrases.counted(one.displayed_count)}, actual {one.actual_records:,}, "
        f"{f'baseline {one.baseline:,}, ' if one.baseline else ''}"
        f"drift {phrases.signed(one.drift)}",
        str(report.next or ""),
    )
    sections: list[Section] = [_facts(one, dated=report.dated)]
    if report.recent is not None:
        columns = (Column("when (UTC)", whole=True), Column("type"), Column("user"))
        events = tuple(
            (moment(event.created_at, "%Y-%m-%d %H:%M:%S"), Cell(event.usage_type), Cell(event.user_id))
            for event in report.recent
        )
        sections.append(Table("Newest events", columns, events))
    return Outline((result,), verdict(report), tuple(sections))


def _facts(one: RowCount, *, dated: bool) -> Facts:
    facts = (
        *((("name", Cell(one.label)),) if one.label else ()),
        ("id", Cell(one.id)),
        ("displayed count", counter(one.displayed_count)),
        ("actual records", number(one.actual_records)),
        *((("baseline", number(one.baseline)),) if one.baseline else ()),
        ("drift", drift(one.drift, wrong=not one.accurate)),
        *((("last use", moment(one.last_event_at, "%Y-%m-%d %H:%M:%S UTC")),) if dated else ()),
    )
    return Facts("", facts)


def number(value: Amount, *, wrong: bool = False) -> Cell:
    """How many."""
    return Cell(f"{value:,}", BAD if wrong else PLAIN)


def counter(value: Amount | None) -> Cell:
    """A counter, which may be null."""
    return Cell(phrases.counted(value), BAD if value is None else PLAIN)


def drift(value: Amount, *, wrong: bool) -> Cell:
    """How far a counter is off."""
    return Cell(phrases.signed(value), BAD if wrong else PLAIN)


def moment(value: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Cell:
    """A time in UTC."""
    return Cell(phrases.moment(value, form), PLAIN if value else FAINT)
