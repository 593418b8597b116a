"""Outlines of what stands in a database: the versions that are applied, and the guard."""

from __future__ import annotations

from usagefix.models.correction import Baselines
from usagefix.models.figures import plural
from usagefix.models.guarding import GuardReport
from usagefix.models.migration import MigrationState, State, StatusReport
from usagefix.models.nouns import Nouns
from usagefix.render import counts, notifying
from usagefix.render.ending import FAINT
from usagefix.render.phrases import SECONDS, moment
from usagefix.render.pieces import Cell, Column, Mark, Notes, Outline, Remark, Result, Results, Table
from usagefix.render.verdict import verdict

_STATE = {State.APPLIED: Mark.OK, State.PENDING: Mark.NOTE, State.OUTDATED: Mark.FAILED, State.FOREIGN: Mark.FAILED}
_GUARD_WIDTH = 110  # from here on the names of roles, applications and functions fit into a table


def status(report: StatusReport, nouns: Nouns) -> Outline:
    """Which versions are applied, and what else is in force."""
    if report.reads is not None:
        reads = Result("truth", Mark.OK, "only verified", "Its truth", nouns.column, ", ".join(report.reads))
        return Outline((reads,), verdict(report), (Results("", (reads,), (("state", "word"), ("reads", "detail"))),))
    results = tuple(_state(migration, str(report.next or "")) for migration in report.migrations)
    states = Results("", results, (("state", "word"), ("version", "object"), ("name", "title"), ("applied", "detail")))
    newest = moment(report.newest_event_at, f"{SECONDS} UTC") if report.newest_event_at else "none yet"
    pushed = [m for m in report.migrations if m.pushed_as]
    remarks = (
        *(Remark("pushed", f"{m.version} by {m.pushed_by}, as {m.pushed_as}") for m in pushed),
        *((Remark("newest event", newest),) if report.dated else ()),
        *((Remark("baselines", _based(report.baselines, nouns)),) if report.baselines.rows else ()),
        *(Remark("notifications", notifying.in_a_line(throttle)) for throttle in report.throttles),
    )
    return Outline(results, verdict(report), (states, *remarks))


def _based(baselines: Baselines, nouns: Nouns) -> str:
    has = f"{nouns.of(baselines.rows)} {'has a baseline' if baselines.rows == 1 else 'have baselines'}"
    return f"{has} of {nouns.total(baselines.total)} in all, to which events are added"


def _state(migration: MigrationState, hint: str) -> Result:
    applied = f"{moment(migration.applied_at)} by {migration.applied_by}" if migration.applied_at else ""
    if migration.rolled_back_at:
        applied = f"rolled back at {moment(migration.rolled_back_at)} by {migration.rolled_back_by}"
    mark = _STATE[migration.state]
    hint = "" if mark is Mark.OK else hint
    return Result(migration.version, mark, migration.state, migration.name, migration.version, applied, hint)


def guard(report: GuardReport, nouns: Nouns) -> Outline:
    """The mode of the guard, and who else tried to write the counter."""
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
        *((Table("Who else tried to write the counter", columns, rows, _GUARD_WIDTH),) if rows else ()),
        *((Notes("", notes),) if notes else ()),
    )
    result = Result("guard", Mark.OK, report.mode, "The guard's mode", nouns.column, str(verdict(report)))
    return Outline((result,), verdict(report), sections)
