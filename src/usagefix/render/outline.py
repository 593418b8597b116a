"""One outline of each report: what is drawn for a terminal, a page and a CI server is drawn from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from usagefix.models.correction import BackfillReport, Baselines
from usagefix.models.diagnosis import DoctorReport
from usagefix.models.discovery import DiscoverReport
from usagefix.models.guarding import GuardReport
from usagefix.models.migration import (
    ApplyReport,
    ExportReport,
    MigrationState,
    PlannedStatement,
    RollbackReport,
    State,
    StatusReport,
)
from usagefix.models.outcome import Outcome
from usagefix.models.probe import ProbeReport
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport
from usagefix.models.verification import RowReport, VerifyReport
from usagefix.render import counts, discovery, findings
from usagefix.render.phrases import corrections, moment, plural, undone
from usagefix.render.pieces import Cell, Change, Column, Mark, Notes, Outline, Remark, Result, Results, Section, Table
from usagefix.render.verdict import FAINT, Verdict, verdict

_STATE = {State.APPLIED: Mark.OK, State.PENDING: Mark.NOTE, State.OUTDATED: Mark.FAILED, State.FOREIGN: Mark.FAILED}
_GUARD_WIDTH = 110  # from here on the names of roles, applications and functions fit into a table


def outline(outcome: Outcome) -> Outline:
    """The pieces of a command's result; an error is a result, too."""
    if outcome.error is None and outcome.report is not None:
        return of_report(outcome.report)
    error = outcome.error
    message, hint = (error.message, error.hint) if error is not None else ("no result", "")
    found = "; ".join(filter(None, (message, outcome.changes)))
    failed = Result("error", Mark.FAILED, "error", "The command failed", detail=found, hint=hint)
    return Outline((failed,), Verdict("error", message, "red", hint))


def of_report(report: Report) -> Outline:
    """The pieces of a report."""
    match report:
        case VerifyReport():
            return counts.verified(report)
        case ApplyReport():
            return _planned(report) if report.after is None else _applied(report, report.after)
        case BackfillReport():
            return Outline((_backfill(report),), verdict(report), (Notes("", tuple(corrections(report))),))
        case RollbackReport():
            result = Result("rolled_back", Mark.OK, "ok", "Rolled back", detail=str(verdict(report)))
            done = (Notes("", tuple(undone(report))),) if report.migrations else ()
            planned = tuple(_plan("rollback", report.plan)) if report.dry_run and report.migrations else ()
            return Outline((result,), verdict(report), (*planned, *done))
        case StatusReport():
            return _status(report)
        case RowReport():
            return counts.preset(report)
        case DoctorReport():
            return findings.diagnosis(report)
        case ExportReport():
            files = tuple(Result("exported", Mark.OK, "written", path) for path in report.files)
            there = tuple(Result("exported", Mark.OK, "there", path) for path in report.there)
            return Outline((*files, *there), verdict(report))
        case GuardReport():
            return _guard(report)
        case SmokeReport():
            results = counts.of_steps(report.steps)
            steps = Results("", results, (("status", "word"), ("step", "title"), ("seen", "detail")))
            return Outline(results, verdict(report), (steps,))
        case DiscoverReport():
            return discovery.discovered(report)
        case ProbeReport():
            return findings.probe(report)
        case _:
            assert_never(report)


def _applied(report: ApplyReport, after: VerifyReport) -> Outline:
    wrong = counts.of_checks([check for check in report.before.checks if not check.passed])
    now = counts.of_checks(after.checks)
    done = [f"{version} applied" for version in report.migrations] or ["no migration was pending"]
    sections = (
        *((counts.checked("What was wrong", wrong, extra=True),) if wrong else ()),
        Notes("What was done", (*done, *report.remarks, *corrections(report.backfill))),
        counts.checked("What is there now", now),
        *counts.accuracy(after.counts),
    )
    migrations = (Result("migration", Mark.OK, "applied", version) for version in report.migrations)
    return Outline((*migrations, _backfill(report.backfill), *now), verdict(report), sections)


def _planned(report: ApplyReport) -> Outline:
    wrong = counts.of_checks([check for check in report.before.checks if not check.passed])
    sections = (
        *((counts.checked("What is wrong", wrong),) if wrong else ()),
        *_plan("apply", report.plan),
        *((Notes("", report.remarks),) if report.remarks else ()),
        *((Change("track_preset_usage()", report.tracker_diff),) if report.tracker_diff else ()),
        Notes("", tuple(corrections(report.backfill))),
    )
    migrations = (Result("migration", Mark.OK, "would be applied", version) for version in report.migrations)
    found = counts.of_checks(report.before.checks, failed=Mark.NOTE)
    return Outline((*migrations, _backfill(report.backfill), *found), verdict(report), sections)


def _plan(command: str, plan: tuple[PlannedStatement, ...]) -> Iterator[Section]:
    title = f"What {command} would do (tried in a transaction that was rolled back)"
    locking = [step for step in plan if step.locks]
    if locking:
        rows = tuple((Cell(step.purpose), Cell("\n".join(step.locks))) for step in locking)
        yield Table(title, (Column("step"), Column("table locks it takes")), rows)
    others = plural(len(plan) - len(locking), "further step")
    said = f"{others} on functions and the ledger, which lock no table of the application"
    yield Notes("" if locking else title, (said if plan else "no migration is pending",))


def _backfill(report: BackfillReport) -> Result:
    word = "dry run" if report.dry_run else "done"
    return Result("backfill", Mark.OK, word, "Drift removed", "presets.usage_count", next(corrections(report)))


def _status(report: StatusReport) -> Outline:
    results = tuple(_state(migration, str(report.next or "")) for migration in report.migrations)
    states = Results("", results, (("state", "word"), ("version", "object"), ("name", "title"), ("applied", "detail")))
    newest = moment(report.newest_event_at, "%Y-%m-%d %H:%M:%S UTC") if report.newest_event_at else "none yet"
    pushed = [m for m in report.migrations if m.pushed_as]
    remarks = (
        *(Remark("pushed", f"{m.version} by supabase db push, as {m.pushed_as}") for m in pushed),
        *((Remark("newest event", newest),) if report.dated else ()),
        *((Remark("baselines", _based(report.baselines)),) if report.baselines.rows else ()),
    )
    return Outline(results, verdict(report), (states, *remarks))


def _based(baselines: Baselines) -> str:
    has = "1 preset has" if baselines.rows == 1 else f"{baselines.rows:,} presets have"
    return f"{has} a baseline of {plural(baselines.total, 'use')}, to which events are added"


def _state(migration: MigrationState, hint: str) -> Result:
    applied = f"{moment(migration.applied_at)} by {migration.applied_by}" if migration.applied_at else ""
    if migration.rolled_back_at:
        applied = f"rolled back at {moment(migration.rolled_back_at)} by {migration.rolled_back_by}"
    mark = _STATE[migration.state]
    hint = "" if mark is Mark.OK else hint
    return Result(migration.version, mark, migration.state, migration.name, migration.version, applied, hint)


def _guard(report: GuardReport) -> Outline:
    columns = (
        *(Column(heading) for heading in ("role", "application", "through")),
        Column("writes", number=True),
        *(Column(heading, whole=True) for heading in ("first", "last", "mode")),
    )
    rows = tuple(
        (
            Cell(write.role),
            Cell(write.application),
            Cell(write.via) if write.via else Cell("a statement", FAINT),
            counts.number(write.writes),
            counts.moment(write.first_at),
            counts.moment(write.last_at),
            Cell(write.mode),
        )
        for write in report.refused
    )
    rejected = f"{plural(report.rejected, 'write')} rejected; nothing else is known of them, they are undone"
    nothing = () if rows else ("nothing else has tried to write the counter",)
    notes = (*nothing, *((rejected,) if report.rejected else ()))
    sections = (
        *((Table("Refused writes of the counter", columns, rows, _GUARD_WIDTH),) if rows else ()),
        *((Notes("", notes),) if notes else ()),
    )
    result = Result("guard", Mark.OK, report.mode, "The guard's mode", "presets.usage_count", str(verdict(report)))
    return Outline((result,), verdict(report), sections)
