"""What the formats for programs and pages are made of: a report as results, tables, notes and a verdict."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from usagefix.models.correction import BackfillReport
from usagefix.models.diagnosis import DoctorReport, Finding, Severity
from usagefix.models.guarding import GuardReport
from usagefix.models.migration import ApplyReport, ExportReport, MigrationState, RollbackReport, State, StatusReport
from usagefix.models.outcome import Outcome
from usagefix.models.probe import ProbeReport
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport
from usagefix.models.verification import Check, Counts, PresetCount, PresetReport, Status, VerifyReport
from usagefix.render.phrases import answers, corrections, counted, moment, remarks, signed, undone
from usagefix.render.verdict import Verdict, verdict


class Mark(StrEnum):
    """What a result means for whoever waits for it."""

    OK = "ok"
    NOTE = "note"  # good to know
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at. ``word``: its status in the report's words; ``path`` and ``line``: of source."""

    id: str
    mark: Mark
    word: str
    title: str
    object: str = ""
    detail: str = ""
    hint: str = ""
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; ``numbers`` are the columns that go to the right."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Outline:
    """A report, in pieces. Each has at least one result, so that no reader takes nothing for a pass."""

    results: tuple[Result, ...]
    verdict: Verdict
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


_STATUS = {Status.OK: Mark.OK, Status.SKIPPED: Mark.SKIPPED}  # all others are what the report makes of them
_FINDING = {Severity.ERROR: Mark.FAILED, Severity.WARNING: Mark.WARNING, Severity.INFO: Mark.NOTE}
_STATE = {State.APPLIED: Mark.OK, State.PENDING: Mark.NOTE, State.OUTDATED: Mark.FAILED, State.FOREIGN: Mark.FAILED}


def outline(outcome: Outcome) -> Outline:
    """The pieces of a command's result; an error is a result, too."""
    if outcome.error is None and outcome.report is not None:
        return _of_report(outcome.report)
    error = outcome.error
    message, hint = (error.message, error.hint) if error is not None else ("no result", "")
    found = "; ".join(filter(None, (message, outcome.changes)))
    failed = Result("error", Mark.FAILED, "error", "The command failed", detail=found, hint=hint)
    return Outline((failed,), Verdict("error", message, "red", hint))


def _of_report(report: Report) -> Outline:
    match report:
        case VerifyReport():
            tables = _verified(report)
            return Outline(_checks(report.checks), verdict(report), tables=tables)
        case ApplyReport():
            return _apply(report)
        case BackfillReport():
            return Outline((_backfill(report),), verdict(report), tuple(corrections(report)))
        case RollbackReport():
            notes = tuple(undone(report))
            said = str(verdict(report))
            return Outline((Result("rolled_back", Mark.OK, "ok", "Rolled back", detail=said),), verdict(report), notes)
        case StatusReport():
            notes = (f"newest event: {moment(report.newest_event_at)}",) if report.dated else ()
            return Outline(tuple(_state(m) for m in report.migrations), verdict(report), notes)
        case PresetReport():
            return _preset(report)
        case DoctorReport():
            return _diagnosis(report)
        case ExportReport():
            files = tuple(Result("exported", Mark.OK, "written", path) for path in report.files)
            there = tuple(Result("exported", Mark.OK, "there", path) for path in report.there)
            return Outline((*files, *there), verdict(report))
        case GuardReport():
            return _guard(report)
        case SmokeReport():
            results = (
                Result(s.step_id, _STATUS.get(s.status, Mark.FAILED), s.status, s.title, "", s.detail, s.hint)
                for s in report.steps
            )
            return Outline(tuple(results), verdict(report))
        case ProbeReport():
            return _probe(report)
        case _:
            assert_never(report)


def _checks(checks: Sequence[Check], *, failed: Mark = Mark.FAILED) -> tuple[Result, ...]:
    return tuple(
        Result(
            c.check_id, _STATUS.get(c.status, failed), c.status, c.title, c.object, c.detail, "" if c.passed else c.hint
        )
        for c in checks
    )


def _verified(report: VerifyReport) -> tuple[Table, ...]:
    tables = [_accuracy(report.counts)] if report.counts else []
    if report.presets:
        wrong = any(not preset.accurate for preset in report.presets)
        tables.append(_presets("Presets with the largest drift" if wrong else "Most used presets", report.presets))
    return tuple(tables)


def _accuracy(counts: Counts) -> Table:
    rows = (
        ("presets", f"{counts.presets:,}"),
        ("accurate", f"{counts.accurate:,}"),
        ("inaccurate", f"{counts.inaccurate:,}"),
        ("sum of counters", f"{counts.displayed_total:,}"),
        ("events", f"{counts.actual_total:,}"),
        ("drift", signed(counts.drift_total)),
    )
    return Table("Accuracy", ("", "count"), rows, frozenset({1}))


def _presets(title: str, presets: Sequence[PresetCount]) -> Table:
    rows = tuple(
        (p.name, p.id, counted(p.displayed_count), f"{p.actual_records:,}", signed(p.drift), moment(p.last_used_at))
        for p in presets
    )
    return Table(title, ("name", "id", "displayed", "actual", "drift", "last use (UTC)"), rows, frozenset({2, 3, 4}))


def _apply(report: ApplyReport) -> Outline:
    word = "would be applied" if report.dry_run else "applied"
    done = [Result("migration", Mark.OK, word, version) for version in report.migrations]
    notes = (*report.remarks, *corrections(report.backfill))
    if report.after is None:
        locks = tuple((step.purpose, ", ".join(step.locks)) for step in report.plan if step.locks)
        plan = (Table("Table locks it takes", ("step", "locks"), locks),) if locks else ()
        results = (*done, _backfill(report.backfill), *_checks(report.before.checks, failed=Mark.NOTE))
        return Outline(results, verdict(report), notes, plan)
    results = (*done, _backfill(report.backfill), *_checks(report.after.checks))
    return Outline(results, verdict(report), notes, _verified(report.after))


def _backfill(report: BackfillReport) -> Result:
    word = "dry run" if report.dry_run else "done"
    return Result("backfill", Mark.OK, word, "Drift removed", "presets.usage_count", next(corrections(report)))


def _state(migration: MigrationState) -> Result:
    applied = f"{moment(migration.applied_at)} by {migration.applied_by}" if migration.applied_at else ""
    pushed = f"pushed as {migration.pushed_as}" if migration.pushed_as else ""
    mark = _STATE[migration.state]
    hint = {Mark.NOTE: "usagefix apply", Mark.FAILED: "usagefix verify, then usagefix apply"}.get(mark, "")
    detail = ", ".join(filter(None, (applied, pushed)))
    return Result(migration.version, mark, migration.state, migration.name, "", detail, hint)


def _preset(report: PresetReport) -> Outline:
    preset = report.preset
    found = (
        f"displayed {counted(preset.displayed_count)}, actual {preset.actual_records:,}, drift {signed(preset.drift)}"
    )
    title = f"{preset.name or preset.id}: the counter equals the events"
    mark, word = (Mark.OK, Status.OK) if report.ok else (Mark.FAILED, Status.FAILED)
    hint = "" if report.ok else "usagefix verify"
    tables = [_presets("Preset", (preset,))]
    if report.recent is not None:
        events = tuple((moment(e.created_at, "%Y-%m-%d %H:%M:%S"), e.usage_type, e.user_id) for e in report.recent)
        tables.append(Table("Newest events", ("when (UTC)", "type", "user"), events))
    result = Result("counter_accurate", mark, word, title, preset.id, found, hint)
    return Outline((result,), verdict(report), tables=tuple(tables))


def _diagnosis(report: DoctorReport) -> Outline:
    results = [_finding(report, finding) for finding in report.findings]
    if not report.counted:
        unseen = "the counters and the events were not looked at"
        results.append(Result("not_counted", Mark.FAILED, "cannot tell", unseen, hint="connect as the tables' owner"))
    if not results:
        results.append(Result("nothing_found", Mark.OK, "ok", "Nothing found"))
    notes = []
    if report.source is not None:
        notes.append(f"source: {report.source.files_read:,} files read, {len(report.source.skipped):,} passed over")
    return Outline(tuple(results), verdict(report), tuple(notes))


def _finding(report: DoctorReport, finding: Finding) -> Result:
    title = f"{finding.title} (root cause {finding.cause})" if finding.cause else finding.title
    path, line = None, None
    if report.source is not None and finding.finding_id.startswith("source_"):
        place = re.fullmatch(r"(?P<path>.+):(?P<line>\d+)", finding.object)
        if place:
            path, line = os.path.normpath(f"{report.source.folder}/{place['path']}"), int(place["line"])
    mark = _FINDING[finding.severity]
    return Result(
        finding.finding_id, mark, finding.severity, title, finding.object, finding.evidence, finding.remedy, path, line
    )


def _guard(report: GuardReport) -> Outline:
    rows = tuple(
        (w.role, w.application, w.via or "a statement", f"{w.writes:,}", moment(w.first_at), moment(w.last_at), w.mode)
        for w in report.refused
    )
    headings = ("role", "application", "through", "writes", "first", "last", "mode")
    tables = (Table("Refused writes of the counter", headings, rows, frozenset({3})),) if rows else ()
    notes = (f"{report.rejected:,} rejected",) if report.rejected else ()
    result = Result("guard", Mark.OK, report.mode, "The guard's mode", "presets.usage_count", str(verdict(report)))
    return Outline((result,), verdict(report), notes, tables)


def _probe(report: ProbeReport) -> Outline:
    said = verdict(report)
    mark = Mark.OK if report.ok else Mark.FAILED
    title = f"{report.preset.name or report.preset.id}: a use that comes by the API counts once"
    results = [Result("counted_once", mark, said.word, title, report.url, said.rest, said.next)]
    results += [
        Result(alike.post.outcome, Mark.FAILED, alike.word, "The API did not accept a use", detail=alike.post.detail,
               hint=alike.post.hint)
        for alike in answers(report) if not alike.post.accepted
    ]  # fmt: skip
    results += [
        Result(why.finding_id, Mark.NOTE, why.severity, why.title, why.object, why.evidence, why.remedy)
        for why in report.why
    ]
    rows = tuple((alike.word, f"{alike.number:,}", f"{alike.post.seconds:.2f}") for alike in answers(report))
    tables = (
        Table("Answers", ("answer", "posts", "slowest (s)"), rows, frozenset({1, 2})),
        _presets("Preset", (report.preset,)),
    )
    return Outline(tuple(results), said, tuple(remarks(report)), tables)
