"""Many counters, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from usagefix.models.outcome import Outcome, Part
from usagefix.models.verification import VerifyReport
from usagefix.render import counts
from usagefix.render.ending import PLAIN
from usagefix.render.outline import Chapter, chapters
from usagefix.render.phrases import tally
from usagefix.render.pieces import Cell, Column, Table

_MOST_NAMED = 2  # of checks
_WIDTH = 60  # columns of a terminal below which a line becomes a few


def brief(outcome: Outcome) -> Table:
    """What came of each counter."""
    told = chapters(outcome)
    counted = any(isinstance(part.report, VerifyReport) for part in outcome.parts)
    numbers = ("rows", "wrong", "drift") if counted else ()
    columns = (
        Column("status", whole=True),
        Column("counter"),
        *(Column(heading, number=True, extra=heading == "rows") for heading in numbers),
        Column("found"),
        Column("counts", extra=True),
    )
    parts: Sequence[Part | None] = (*outcome.parts, *(None for _ in told[len(outcome.parts) :]))
    rows = tuple(tuple(_row(chapter, part, counted=counted)) for chapter, part in zip(told, parts, strict=True))
    return Table("", columns, rows, _WIDTH)


def _row(chapter: Chapter, part: Part | None, *, counted: bool) -> Iterator[Cell]:
    verdict = chapter.shown.verdict
    yield Cell(verdict.word, verdict.colour)
    yield Cell(chapter.nouns.counter if part is not None else "")
    report = part.report if part is not None else None
    if isinstance(report, VerifyReport):
        totals = report.counts
        if totals is None:
            yield from (Cell(""),) * 3
        else:
            yield counts.number(totals.rows)
            yield counts.number(totals.inaccurate, wrong=totals.inaccurate > 0)
            yield counts.drift((totals.drift_total,), wrong=totals.drift_total != 0)
        failing = [check.check_id for check in report.checks if check.failed]
        told = tally(check.status for check in report.checks)
        yield Cell(", ".join(failing) if len(failing) <= _MOST_NAMED else told)
    else:
        yield from (Cell("", PLAIN),) * (3 if counted else 0)
        yield Cell(verdict.rest)
    yield Cell(chapter.nouns.counted if part is not None else "")
