"""The pieces about checks, counters and rows, which several reports share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from usagefix.models.amount import Amount, is_number
from usagefix.models.figures import aligned, counted, grouped, plural, signed
from usagefix.models.nouns import Nouns
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Check, Counts, RowCount, RowReport, Status, VerifyReport
from usagefix.render import phrases
from usagefix.render.ending import BAD, FAINT, PLAIN
from usagefix.render.phrases import MINUTES, SECONDS
from usagefix.render.pieces import Cell, Column, Facts, Mark, Outline, Remark, Result, Results, Section, Table
from usagefix.render.verdict import verdict

_SHORT, _LENGTHS = 12, (8, 13, 18, 23)  # of an id that is shown whole, and the places where one of a uuid may end
_STATUS = {Status.OK: Mark.OK, Status.SKIPPED: Mark.SKIPPED}  # all others are what the report makes of them


def checked(title: str, results: tuple[Result, ...], *, extra: bool = False) -> Results:
    """A line for each check."""
    return Results(title, results, (("status", "word"), ("check", "title"), ("found", "detail")), extra)


def of_checks(checks: Sequence[Check], *, failed: Mark = Mark.FAILED) -> tuple[Result, ...]:
    """The checks as results."""
    return tuple(
        Result(
            c.check_id, _STATUS.get(c.status, failed), c.status, c.title, c.object, c.detail, c.hint if c.failed else ""
        )
        for c in checks
    )


def of_steps(steps: Sequence[SmokeStep]) -> tuple[Result, ...]:
    """The steps of a smoke test as results."""
    return tuple(
        Result(s.step_id, _STATUS.get(s.status, Mark.FAILED), s.status, s.title, "", s.detail, s.hint) for s in steps
    )


def verified(report: VerifyReport, nouns: Nouns, *, whole: bool) -> Outline:
    """The report of verify; ``whole``: people read what is right, too."""
    return Outline(of_checks(report.checks), verdict(report, nouns), told(report, nouns, whole=whole))


def told(report: VerifyReport, nouns: Nouns, title: str = "", *, whole: bool = False) -> tuple[Section, ...]:
    """The checks that fail, the totals, and the rows that are wrong; ``whole``: all checks, and rows that are right."""
    checks = of_checks([check for check in report.checks if whole or check.failed])
    listed = _rows([row for row in report.rows if whole or not row.accurate], nouns, dated=report.dated)
    return (*((checked(title, checks),) if checks else ()), *accuracy(report.counts, nouns), *listed)


def accuracy(counts: Counts | None, nouns: Nouns) -> Iterator[Facts | Remark]:
    """The totals, where they were counted."""
    if counts is None:
        return
    totals = (counts.displayed_total, counts.actual_total, counts.baseline_total)
    displayed, actual, baseline = map(Cell, aligned((*totals, counts.drift_total))[:3])
    facts = (
        (nouns.rows, number(counts.rows)),
        ("accurate", number(counts.accurate)),
        ("inaccurate", number(counts.inaccurate, wrong=counts.inaccurate > 0)),
        ("sum of counters", displayed),
        ("sum of events" if nouns.weighed else "events", actual),
        *((("baselines", baseline),) if counts.baseline_total else ()),
        ("drift", drift((counts.drift_total, *totals), wrong=counts.drift_total != 0)),
        (nouns.with_count, number(counts.rows_with_count)),
        (nouns.with_events, number(counts.rows_with_events)),
        *((("with a baseline", number(counts.rows_with_baseline)),) if counts.baseline_total else ()),
    )
    yield Facts("Accuracy", facts, numbers=True)
    if counts.orphans:
        those = f"{'is' if counts.orphans == 1 else 'are'} {plural(counts.orphans, 'event')}"
        yield Remark("orphans", f"there {those} of {nouns.rows} that are not there")


def _rows(rows: Sequence[RowCount], nouns: Nouns, *, dated: bool) -> Iterator[Table]:
    if not rows:
        return
    drifted = any(not row.accurate for row in rows)
    named = any(row.label for row in rows)
    based = any(row.baseline for row in rows)
    columns = (
        Column("name" if named else "id"),
        Column("displayed", number=True),
        Column("actual", number=True),
        *((Column("baseline", number=True),) if based else ()),
        Column("drift", number=True),
        *((Column(f"{nouns.last_event} (UTC)", whole=True),) if dated else ()),
        *((Column("id", whole=True, extra=True),) if named else ()),
    )
    drifts = [row.drift for row in rows]
    cells = zip(
        names_of([(row.label, row.id) for row in rows]),
        (Cell(said, BAD if said == "null" else PLAIN) for said in aligned([row.displayed_count for row in rows])),
        map(Cell, aligned([row.actual_records for row in rows])),
        *((map(Cell, aligned([row.baseline for row in rows])),) if based else ()),
        (drift((row.drift, *drifts), wrong=not row.accurate) for row in rows),
        *(([moment(row.last_event_at) for row in rows],) if dated else ()),
        *(([Cell(row.id, FAINT) for row in rows],) if named else ()),
        strict=True,
    )
    title = f"{nouns.rows.capitalize()} with the largest drift" if drifted else nouns.most
    yield Table(title, columns, tuple(cells))


def row(report: RowReport, nouns: Nouns) -> Outline:
    """One row, and its newest events."""
    one = report.row
    result = Result(
        "counter_accurate",
        Mark.OK if report.ok else Mark.FAILED,
        Status.OK if report.ok else Status.FAILED,
        f"{one.called}: the counter equals {'baseline and events' if one.baseline else 'the events'}",
        one.id,
        f"displayed {counted(one.displayed_count)}, actual {grouped(one.actual_records)}, "
        f"{f'baseline {grouped(one.baseline)}, ' if one.baseline else ''}"
        f"drift {signed(one.drift)}",
        str(report.next or ""),
    )
    sections: list[Section] = [_facts(one, nouns, dated=report.dated)]
    if report.recent is not None:
        columns = (Column("when (UTC)", whole=True), Column("type"), Column("user"))
        events = [
            (moment(event.created_at, SECONDS), Cell(event.usage_type), Cell(event.user_id)) for event in report.recent
        ]
        told = [any(event.created_at for event in report.recent), *(any(e[n].text for e in events) for n in (1, 2))]
        shown = [n for n in range(len(columns)) if nouns.usual or told[n]]
        if shown:
            rows = tuple(tuple(event[n] for n in shown) for event in events)
            sections.append(Table("Newest events", tuple(columns[n] for n in shown), rows))
    return Outline((result,), verdict(report, nouns), tuple(sections))


def _facts(one: RowCount, nouns: Nouns, *, dated: bool) -> Facts:
    facts = (
        *((("name", Cell(one.label)),) if one.label else ()),
        ("id", Cell(one.id)),
        ("displayed count", counter(one.displayed_count)),
        ("actual records", number(one.actual_records)),
        *((("baseline", number(one.baseline)),) if one.baseline else ()),
        ("drift", drift((one.drift,), wrong=not one.accurate)),
        *(((nouns.last_event, moment(one.last_event_at, f"{SECONDS} UTC")),) if dated else ()),
    )
    return Facts("", facts)


def names_of(rows: Sequence[tuple[str, str]]) -> list[Cell]:
    """The names of some rows, each with its id: as much of it as tells it from the others. Without a name, that."""
    ids = [of for _, of in rows]
    lengths = (*_LENGTHS, max(map(len, ids), default=0))
    length = next(length for length in lengths if len({of[:length] for of in ids}) == len(set(ids)))
    short = [of if len(of) <= _SHORT else of[:length] for of in ids]
    shorter = any(label for label, _ in rows)
    return [
        Cell(label or (f"{cut}…" if shorter and cut != of else of), id="" if of == label else cut)
        for (label, of), cut in zip(rows, short, strict=True)
    ]


def number(value: Amount, *, wrong: bool = False) -> Cell:
    """How many."""
    return Cell(grouped(value), BAD if wrong else PLAIN)


def counter(value: Amount | None) -> Cell:
    """A counter, which may be null."""
    return Cell(counted(value), BAD if value is None else PLAIN)


def drift(values: Sequence[Amount], *, wrong: bool) -> Cell:
    """How far a counter is off: the first, with as many digits behind the point as any of them."""
    sign = "+" if is_number(values[0]) and values[0] > 0 else ""
    return Cell(f"{sign}{aligned(values)[0]}" if values[0] else "0", BAD if wrong else PLAIN)


def moment(value: datetime | None, form: str = MINUTES) -> Cell:
    """A time in UTC."""
    return Cell(phrases.moment(value, form), PLAIN if value else FAINT)
