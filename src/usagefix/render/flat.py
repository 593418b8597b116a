"""Views as flat tables: CSV, which spreadsheets read, too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime

from usagefix.models.insight import HeatmapReport, TopReport, TrendsReport
from usagefix.models.outcome import Outcome
from usagefix.render.insights import NO_KIND
from usagefix.render.words import harmless_lines

# What a spreadsheet would compute, or run, where a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEADINGS = {
    TrendsReport: ("start", "kind", "uses", "users", "presets"),
    HeatmapReport: ("weekday", "hour", "uses"),
    TopReport: ("rank", "id", "label", "uses", "share", "first_at", "last_at"),
}


def flat(outcome: Outcome) -> tuple[str, ...]:
    """The lines of one table, headed; of several counters each is named in front. None if nothing came of it."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    parts = [part for part in outcome.parts if part.report is not None]
    for number, part in enumerate(parts):
        about = [_text(part.nouns.counter)] if outcome.many else []
        if number == 0:
            table.writerow([*(["counter"] if outcome.many else []), *_HEADINGS[type(part.report)]])
        table.writerows([*about, *row] for row in _rows(part.report))
    text = written.getvalue()
    return (text.removesuffix("\n"),) if text else ()


def _rows(report: object) -> Iterator[Sequence[object]]:
    match report:
        case TrendsReport():
            for period in report.periods:
                yield _time(period.start), "", period.uses, period.users, period.presets
                yield from (
                    (_time(period.start), _text(kind or NO_KIND), uses, None, None)
                    for kind, uses in period.by_kind.items()
                )
        case HeatmapReport():
            yield from ((cell.weekday, cell.hour, cell.uses) for cell in report.cells)
        case TopReport():
            for rank, row in enumerate(report.rows, start=1):
                times = _time(row.first_at), _time(row.last_at)
                yield rank, _text(row.id), _text(row.label), row.uses, row.share, *times


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _text(value: str) -> str:
    """Text from a database: a spreadsheet takes it for text, behind an apostrophe where it would take it for more."""
    shown = harmless_lines(value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown
