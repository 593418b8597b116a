"""One outline of each report, from which usagefix draws the terminal, the page and the CI report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from usagefix.errors import UsagefixError
from usagefix.models.correction import BackfillReport
from usagefix.models.diagnosis import DoctorReport
from usagefix.models.discovery import DiscoverReport
from usagefix.models.figures import grouped, parts, plural
from usagefix.models.guarding import GuardReport
from usagefix.models.history import LogReport
from usagefix.models.insight import DashboardReport, HeatmapReport, TopReport, TrendsReport, WrittenPage
from usagefix.models.migration import (
    ApplyReport,
    ExportReport,
    PlannedStatement,
    RollbackReport,
    StatusReport,
)
from usagefix.models.notifying import NotificationsReport
from usagefix.models.nouns import USUAL, Nouns
from usagefix.models.outcome import Given, Outcome, Part
from usagefix.models.probe import ProbeReport
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport
from usagefix.models.verification import RowReport, VerifyReport
from usagefix.render import counts, discovery, findings, history, insights, notifying, standing
from usagefix.render.ending import Verdict
from usagefix.render.phrases import corrections, took, undone
from usagefix.render.pieces import (
    Cell,
    Change,
    Column,
    Mark,
    Notes,
    Outline,
    Remark,
    Result,
    Results,
    Section,
    Table,
    each_text,
)
from usagefix.render.verdict import verdict
from usagefix.render.words import again, harmless

_MOST_NAMES = 3  # of counters, in a verdict
_SEEN = dict.fromkeys(("trend", "heatmap", "top", "log"), "shown")  # what a verdict calls one, in words for several


@dataclass(frozen=True, slots=True)
class Chapter:
    """What came of a command for one counter; ``named``: people are told which."""

    nouns: Nouns
    named: bool
    failed: bool
    exit_code: int
    shown: Outline


def chapters(outcome: Outcome, *, whole: bool = True) -> tuple[Chapter, ...]:
    """The pieces of a command's result, for each counter; an error is a result, too.

    ``whole``: the sections tell of what is right, too.
    """
    told = [_chapter(outcome, part, whole=whole) for part in outcome.parts]
    stopped = outcome.error is not None and all(part.error is not outcome.error for part in outcome.parts)
    if stopped or not told:
        told.append(_chapter(outcome, Part(USUAL, outcome.report, outcome.error), whole=whole))
    return tuple(told)


def _chapter(outcome: Outcome, part: Part, *, whole: bool) -> Chapter:
    named, nouns = outcome.many or not part.nouns.usual, each_text(part.nouns, harmless)
    if part.error is None and part.report is not None:
        shown = _again(of_report(part.report, part.nouns, whole=whole), outcome.given)
        return Chapter(nouns, named, False, part.exit_code, shown)
    failed = each_text(_failed(part.error, outcome.changes), harmless)
    return Chapter(nouns, named, True, part.exit_code, _again(failed, outcome.given))


def _again(shown: Outline, given: Given) -> Outline:
    """The same with commands that are about what the options say."""

    def of(results: tuple[Result, ...]) -> tuple[Result, ...]:
        return tuple(replace(result, hint=again(result.hint, given)) for result in results)

    sections = (
        replace(each, results=of(each.results)) if isinstance(each, Results) else each for each in shown.sections
    )
    ended = replace(shown.verdict, rest=again(shown.verdict.rest, given), next=again(shown.verdict.next, given))
    return Outline(of(shown.results), ended, tuple(sections))


def _failed(error: UsagefixError | None, changes: str) -> Outline:
    message, hint = (error.message, error.hint) if error is not None else ("no result", "")
    message, hint = (text.replace("\n", "; ") if error and error.in_lines else text for text in (message, hint))
    found = "; ".join(filter(None, (message, changes)))
    failed = Result("error", Mark.FAILED, "error", "The command failed", detail=found, hint=hint)
    return Outline((failed,), Verdict("error", message, "red", hint))


def overall(told: Sequence[Chapter]) -> Verdict:
    """The verdict of a whole command: that of its one chapter, or of the worst, and how many end so. Of those that end
    alike, one with something to do, and then that of most."""
    words = [chapter.shown.verdict.word for chapter in told]
    worst = max(
        told,
        key=lambda chapter: (
            chapter.exit_code, bool(chapter.shown.verdict.next), words.count(chapter.shown.verdict.word)
        ),
    )  # fmt: skip
    verdict = worst.shown.verdict
    if len(told) == 1:
        return verdict
    alike = [chapter.nouns.counter for chapter in told if chapter.shown.verdict.word == verdict.word]
    if len(alike) == len(told):
        rest = "both counters" if len(told) == 2 else f"all {plural(len(told), 'counter')}"  # noqa: PLR2004
    else:
        more = f" and {grouped(len(alike) - _MOST_NAMES)} more" if len(alike) > _MOST_NAMES else ""
        others = ", ".join(
            f"{grouped(words.count(word))} {_SEEN.get(word, word)}"
            for word in dict.fromkeys(words)
            if word != verdict.word
        )
        rest = f"{', '.join(alike[:_MOST_NAMES])}{more} ({parts(len(alike), len(told), 'counter')}; {others})"
    steps = dict.fromkeys(chapter.shown.verdict.next for chapter in told if chapter.shown.verdict.next)
    return replace(verdict, rest=rest, next=verdict.next if len(steps) > 1 else "".join(steps))


def headed(command: str, verdict: Verdict) -> tuple[str, str]:
    """The heading of a command's result, and what stands below it. A word that repeats the command is left out."""
    return f"usagefix {command}" + ("" if verdict.word in _SEEN else f": {verdict.word}"), verdict.rest


def results(told: Sequence[Chapter]) -> tuple[Result, ...]:
    """The results of all chapters, each with the name of its counter where people are told."""
    return tuple(
        replace(result, title=f"{chapter.nouns.counter}: {result.title}") if chapter.named else result
        for chapter in told
        for result in chapter.shown.results
    )


def of_report(report: Report, nouns: Nouns = USUAL, *, whole: bool = True) -> Outline:
    """The pieces of a report, in the words for its counter; ``whole``: people read what is right, too.

    No text in them has what a terminal would obey.
    """
    return each_text(_of_report(report, nouns, whole=whole), harmless)


def _of_report(report: Report, nouns: Nouns, *, whole: bool) -> Outline:
    match report:
        case VerifyReport():
            return counts.verified(report, nouns, whole=whole)
        case ApplyReport():
            return _planned(report, nouns) if report.after is None else _applied(report, report.after, nouns)
        case BackfillReport():
            notes = Notes("", tuple(corrections(report, nouns)))
            durations = (Remark("took", line) for line in took(report))
            return Outline((_backfill(report, nouns),), verdict(report, nouns), (notes, *durations))
        case RollbackReport():
            result = Result("rolled_back", Mark.OK, "ok", "Rolled back", detail=str(verdict(report, nouns)))
            done = (Notes("", tuple(undone(report, nouns))),) if report.migrations else ()
            planned = tuple(_plan("rollback", report.plan)) if report.dry_run and report.migrations else ()
            return Outline((result,), verdict(report, nouns), (*planned, *done))
        case StatusReport():
            return standing.status(report, nouns)
        case RowReport():
            return counts.row(report, nouns)
        case DoctorReport():
            return findings.diagnosis(report)
        case ExportReport():
            files = tuple(Result("exported", Mark.OK, "written", path) for path in report.files)
            there = tuple(Result("exported", Mark.OK, "there", path) for path in report.there)
            return Outline((*files, *there), verdict(report))
        case GuardReport():
            return standing.guard(report, nouns)
        case SmokeReport():
            results = counts.of_steps(report.steps)
            steps = Results("", results, (("status", "word"), ("step", "title"), ("seen", "detail")))
            return Outline(results, verdict(report, nouns), (steps,))
        case DashboardReport() | WrittenPage():
            return Outline((), verdict(report, nouns))
        case TrendsReport():
            return insights.trend(report, nouns)
        case HeatmapReport():
            return insights.heatmap(report, nouns)
        case TopReport():
            return insights.top(report, nouns)
        case DiscoverReport():
            return discovery.discovered(report)
        case LogReport():
            return history.logged(report)
        case NotificationsReport():
            return notifying.notified(report)
        case ProbeReport():
            return findings.probe(report)
        case _:
            assert_never(report)


def _applied(report: ApplyReport, after: VerifyReport, nouns: Nouns) -> Outline:
    wrong = counts.of_checks([check for check in report.before.checks if check.failed])
    done = [f"{version} applied" for version in report.migrations] or ["no migration was pending"]
    sections = (
        *((counts.checked("What was wrong", wrong, extra=True),) if wrong else ()),
        Notes("What was done", (*done, *report.remarks, *corrections(report.backfill, nouns))),
        *counts.told(after, nouns, "What is still wrong"),
        *(Remark("took", line) for line in took(report.backfill, report.durations)),
    )
    migrations = (Result("migration", Mark.OK, "applied", version) for version in report.migrations)
    now = counts.of_checks(after.checks)
    return Outline((*migrations, _backfill(report.backfill, nouns), *now), verdict(report, nouns), sections)


def _planned(report: ApplyReport, nouns: Nouns) -> Outline:
    wrong = counts.of_checks([check for check in report.before.checks if check.failed])
    sections = (
        *((counts.checked("What is wrong", wrong),) if wrong else ()),
        *_plan("apply", report.plan),
        *((Notes("", report.remarks),) if report.remarks else ()),
        *((Change(nouns.recorder, report.tracker_diff),) if report.tracker_diff else ()),
        Notes("", tuple(corrections(report.backfill, nouns))),
    )
    migrations = (Result("migration", Mark.OK, "would be applied", version) for version in report.migrations)
    found = counts.of_checks(report.before.checks, failed=Mark.NOTE)
    return Outline((*migrations, _backfill(report.backfill, nouns), *found), verdict(report, nouns), sections)


def _plan(command: str, plan: tuple[PlannedStatement, ...]) -> Iterator[Section]:
    title = f"What {command} would do (tried in a transaction that was rolled back)"
    locking = [step for step in plan if step.locks]
    if locking:
        rows = tuple(
            (Cell("" if place else step.purpose), Cell(lock))
            for step in locking
            for place, lock in enumerate(step.locks)
        )
        yield Table(title, (Column("step"), Column("table locks it takes")), rows)
    others = plural(len(plan) - len(locking), "further step")
    said = f"{others} on functions and the ledger, which lock no table of the application"
    yield Notes("" if locking else title, (said if plan else "no migration is pending",))


def _backfill(report: BackfillReport, nouns: Nouns) -> Result:
    word = "dry run" if report.dry_run else "done"
    return Result("backfill", Mark.OK, word, "Drift removed", nouns.column, next(corrections(report, nouns)))
