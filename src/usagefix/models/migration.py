"""The state of the migrations, and what apply, rollback and export do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from usagefix.models.advice import Step
from usagefix.models.choices import Counters, DailyLimit, MigrationTool
from usagefix.models.correction import NO_BASELINES, BackfillReport, Baselines
from usagefix.models.keyed import Keyed
from usagefix.models.notifying import Throttle
from usagefix.models.verification import Counts, VerifyReport


class State(StrEnum):
    """The state of a migration in one database."""

    PENDING = "pending"  # not applied, nothing of it is there
    APPLIED = "applied"  # recorded, and every object is as released
    OUTDATED = "outdated"  # recorded or begun, but an object differs from the released one
    FOREIGN = "foreign"  # objects of its names are there, but usagefix did not record them


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One line of ``status``. ``pushed_by``: the migration tool that applied it, if one did; ``pushed_as``: the file
    in that tool's list; ``rolled_back_at``: set if it was applied once, and is not now."""

    version: str
    name: str
    state: State
    applied_at: datetime | None
    applied_by: str | None
    pushed_by: str | None = None
    pushed_as: str | None = None
    rolled_back_at: datetime | None = None
    rolled_back_by: str | None = None


@dataclass(frozen=True, slots=True)
class StatusReport(Keyed):
    """Every migration, oldest first, and when the application last recorded a use. ``dated``: whether events have a
    time. ``baselines``: what counters hold in addition to their events. ``next``: what to do if a migration is not
    applied as released. ``reads``: for a counter that is only verified, the tables that its truth reads; None for
    any other. ``throttles``: of notifications, which belong to no counter; the first counter's report has them."""

    migrations: tuple[MigrationState, ...]
    newest_event_at: datetime | None
    dated: bool = True
    baselines: Baselines = NO_BASELINES
    next: Step | None = None
    reads: tuple[str, ...] | None = None
    throttles: tuple[Throttle, ...] = ()

    @property
    def ok(self) -> bool:
        return all(m.state in (State.PENDING, State.APPLIED) for m in self.migrations)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What apply is going to do, before anybody agreed to it. ``counting``: the triggers that count are made;
    ``counts``: what it found, None where nothing is wrong; ``corrected``: what becomes of the counters where a person
    has said which side is true; ``functions``: of the application, which change; ``remarks``: what else of
    it does, such as a trigger that is disabled; ``limit``: the daily limit, which goes."""

    versions: tuple[str, ...]
    counting: bool
    counts: Counts | None
    corrected: BackfillReport | None
    functions: tuple[str, ...]
    remarks: tuple[str, ...]
    limit: str | None


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One statement of a dry run: what it is for, its first line, and the table locks it takes."""

    version: str
    purpose: str
    statement: str
    locks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the steps of apply took, in milliseconds; the backfill has those of counting and correcting.

    ``waited_ms``: for older transactions to end; ``dropped_ms``: to drop the daily limit, None where there was none.
    """

    looked_ms: int
    changed_ms: int
    waited_ms: int
    dropped_ms: int | None
    verified_ms: int


@dataclass(frozen=True, slots=True)
class ApplyReport(Keyed):
    """What apply found, did and proved. ``after`` and ``durations`` are None in a dry run, which changes nothing.
    ``remarks``: what apply had to say of this database, such as a trigger that it disabled; ``smoke_as``: the role that
    this session has to name for smoke, None if smoke needs none; it is not in the JSON."""

    before: VerifyReport
    migrations: tuple[str, ...]
    backfill: BackfillReport
    after: VerifyReport | None
    plan: tuple[PlannedStatement, ...] = ()
    tracker_diff: str = ""
    remarks: tuple[str, ...] = ()
    durations: Durations | None = None
    smoke_as: str | None = None

    @property
    def dry_run(self) -> bool:
        return self.after is None

    @property
    def ok(self) -> bool:
        return self.after is None or self.after.ok

    def keys(self) -> dict[str, Any]:
        keys = {
            "dry_run": self.dry_run,
            "migrations": self.migrations,
            "before": asdict(self.before),
            "backfill": asdict(self.backfill),
            "plan": [asdict(step) for step in self.plan],
            "tracker_diff": self.tracker_diff,
            "remarks": self.remarks,
            "durations": asdict(self.durations) if self.durations else None,
        }
        return keys | (asdict(self.after) if self.after else {})


@dataclass(frozen=True, slots=True)
class ExportReport(Keyed):
    """The files that an export wrote, in the order in which they run, and those that were ``there`` already.
    ``tool``: the migration tool, ``certain`` if a person or the folder says so; ``runs``: its command that runs them.
    ``edited`` and ``older`` are files of earlier exports, before the new ones: changed by somebody, or from another
    usagefix. All are paths."""

    tool: MigrationTool
    runs: str
    certain: bool
    files: tuple[str, ...]
    there: tuple[str, ...]
    edited: tuple[str, ...]
    older: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What a rollback would undo, newest first, before a person agrees. ``had_limit``: apply dropped a daily limit;
    ``purge``: drop the ledger, too; ``counting``: drop the triggers that count."""

    versions: tuple[str, ...]
    daily_limit: DailyLimit
    had_limit: bool
    purge: bool = False
    counters: Counters = Counters.KEEP
    counting: bool = False


@dataclass(frozen=True, slots=True)
class RollbackReport(Keyed):
    """What a rollback undid, newest first; in a dry run, what it would undo. ``remains``: the newest version still
    applied, None if there is none; ``daily_limit``: None if there was none to restore; ``counters_restored``: how
    many counters show again what they showed before apply, None if they keep their values; ``purged``: the ledger
    was dropped, too; ``remarks``: what changed after apply and stays; ``plan``: the statements of a dry run, each
    with the table locks that it took."""

    migrations: tuple[str, ...]
    remains: str | None
    daily_limit: DailyLimit | None
    counts: Counts | None
    purged: bool = False
    remarks: tuple[str, ...] = ()
    counters_restored: int | None = None
    dry_run: bool = False
    plan: tuple[PlannedStatement, ...] = ()

    @property
    def ok(self) -> bool:
        return True
