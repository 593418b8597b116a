"""What the verbs take and return: frozen values, no behaviour beyond what follows from their own fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

BATCH_SIZE = 1_000  # presets corrected in one transaction


class Status(StrEnum):
    """The outcome of one check."""

    OK = "ok"
    MISSING = "missing"
    OUTDATED = "outdated"
    UNEXPECTED = "unexpected"
    FAILED = "failed"
    SKIPPED = "skipped"


class State(StrEnum):
    """Where a migration stands in one database."""

    PENDING = "pending"  # not applied, nothing of it is there
    APPLIED = "applied"  # recorded, and every object is as released
    OUTDATED = "outdated"  # recorded or begun, but an object differs from the released one
    FOREIGN = "foreign"  # objects of its names are there, but usagefix did not record them


class DailyLimit(StrEnum):
    """What rollback does about the daily limit."""

    RESTORE = "restore"
    SKIP = "skip"


class GuardMode(StrEnum):
    """What becomes of a write of the counter that is no count."""

    IGNORE = "ignore"  # the counter stays, the rest of the statement goes through
    WARN = "warn"  # the same, with a warning
    REJECT = "reject"  # the statement fails


@dataclass(frozen=True, slots=True)
class Target:
    """The database a command acts on. Free of secrets; ``port`` is None where there is none (a Unix socket)."""

    user: str
    host: str
    port: int | None
    database: str
    server_version: str
    pooler: bool

    def __str__(self) -> str:
        where = self.host if self.port is None else f"{self.host}:{self.port}"
        how = "through a pooler" if self.pooler else "direct connection"
        return f"{self.user}@{where}/{self.database}, PostgreSQL {self.server_version}, {how}"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``verify``: the columns of the check statements in ``verify.sql``."""

    check_id: str
    title: str
    status: Status
    object: str
    detail: str
    hint: str

    @property
    def passed(self) -> bool:
        """Skipped checks pass: they had nothing to look at, and say so."""
        return self.status in (Status.OK, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Counts:
    """The accuracy summary. A preset is accurate when its counter equals its number of events; null equals nothing.

    ``drift_total`` is the sum of actual minus displayed, so opposite errors cancel out in it, not in ``inaccurate``.
    ``presets_with_usage`` have a counter above 0, ``presets_really_used`` at least one event.
    """

    presets: int
    accurate: int
    inaccurate: int
    displayed_total: int
    actual_total: int
    drift_total: int
    presets_with_usage: int
    presets_really_used: int


@dataclass(frozen=True, slots=True)
class PresetCount:
    """One preset's counter beside its events. ``displayed_count`` is None where the counter is null."""

    id: str
    name: str
    displayed_count: int | None
    actual_records: int
    drift: int
    last_used_at: datetime | None

    @property
    def accurate(self) -> bool:
        return self.displayed_count == self.actual_records


@dataclass(frozen=True, slots=True)
class Event:
    """One use of a preset."""

    id: str
    created_at: datetime | None
    usage_type: str
    user_id: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Every check, the totals and the presets to look at, all from one snapshot.

    ``counts`` is None and ``presets`` empty when ``--only`` left out every check that counts. ``dated``: whether
    presets keep the time of their last use.
    """

    checks: tuple[Check, ...]
    counts: Counts | None
    presets: tuple[PresetCount, ...]
    dated: bool = True

    @property
    def ok(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class FiredTrigger:
    """A trigger of the application on presets, and what a backfill does about it.

    ``fires``: how often the corrections fire it, or would if it were not held off; ``at_most``: it has a condition of
    its own, so it may be fewer.
    """

    name: str
    held_off: bool
    fires: int
    at_most: bool


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What a backfill changed, or, when ``dry_run``, would change: counters, and times of the last use.

    ``drift_removed`` is the sum of the deltas added to counters (negative where they showed too much);
    ``magnitude`` the sum of their absolute values. ``resumed`` counts presets that an interrupted run had corrected.
    ``rounds`` is above 1 where events were deleted or truncated so that the first count no longer fitted; a preset
    corrected in several rounds counts in each.
    """

    presets_changed: int
    drift_removed: int
    magnitude: int
    resumed: int
    batches: int
    triggers: tuple[FiredTrigger, ...]
    rounds: int = 1
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a running backfill is, in presets."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One line of ``status``. ``pushed_as``: the version under which ``supabase db push`` applied it, if that did."""

    version: str
    name: str
    state: State
    applied_at: datetime | None
    applied_by: str | None
    pushed_as: str | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Every migration, oldest first, and when the application last recorded a use.

    ``dated``: whether events tell when they were.
    """

    migrations: tuple[MigrationState, ...]
    newest_event_at: datetime | None
    dated: bool = True

    @property
    def ok(self) -> bool:
        return all(m.state in (State.PENDING, State.APPLIED) for m in self.migrations)


@dataclass(frozen=True, slots=True)
class PresetReport:
    """One preset, and its newest events if asked for. ``dated``: whether presets keep the time of their last use."""

    preset: PresetCount
    recent: tuple[Event, ...] | None = None
    dated: bool = True

    @property
    def ok(self) -> bool:
        return self.preset.accurate


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """Who tried to write the counter: the columns of ``refused_writes.sql``.

    ``via``: the functions it came through, the nearest first, empty for a statement on its own; ``writes``: rows.
    """

    mode: str
    role: str
    application: str
    via: str
    writes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class GuardReport:
    """The guard's mode and what it has refused, the latest first.

    ``was``: the mode before, None where none was asked for. ``rejected`` counts the writes that failed; they are undone
    with their transactions, so nothing else is known of them.
    """

    mode: GuardMode
    was: GuardMode | None
    refused: tuple[RefusedWrite, ...]
    rejected: int

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One statement of a dry run: what it is for, its first line, and the table locks it takes."""

    version: str
    purpose: str
    statement: str
    locks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What apply found, did and proved. ``after`` is None in a dry run, which changes nothing.

    ``remarks``: what the migrations had to say of this database, such as a trigger that was held off.
    """

    before: VerifyReport
    migrations: tuple[str, ...]
    backfill: BackfillReport
    after: VerifyReport | None
    plan: tuple[PlannedStatement, ...] = ()
    tracker_diff: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def dry_run(self) -> bool:
        return self.after is None

    @property
    def ok(self) -> bool:
        return self.after is None or self.after.ok


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The files that an export wrote, in the order in which they run, and those that were ``there`` as they should be.

    ``edited`` and ``older`` are files of earlier exports that what was written comes after: changed by somebody, or as
    an earlier usagefix wrote them. All are paths.
    """

    files: tuple[str, ...]
    there: tuple[str, ...]
    edited: tuple[str, ...]
    older: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What a rollback would undo, newest first, before anybody agreed to it. ``had_limit``: apply lifted one;
    ``purge``: the ledger goes, too."""

    versions: tuple[str, ...]
    daily_limit: DailyLimit
    had_limit: bool
    purge: bool = False


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What a rollback undid, newest first. ``remains`` is the newest version still there, None where none is;
    ``daily_limit`` is None where there was none to restore; ``purged``: the ledger is gone, too."""

    migrations: tuple[str, ...]
    remains: str | None
    daily_limit: DailyLimit | None
    counts: Counts | None
    purged: bool = False

    @property
    def ok(self) -> bool:
        return True


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # the counter is or will be wrong, or somebody can get in
    WARNING = "warning"  # likely trouble
    INFO = "info"  # good to know


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``doctor``. ``cause`` is 1 to 4 where it is one of the four root causes, see ``usagefix.doctor``."""

    finding_id: str
    severity: Severity
    title: str
    object: str
    evidence: str
    remedy: str
    cause: int | None = None


@dataclass(frozen=True, slots=True)
class SourceRead:
    """How much of the application's source ``doctor`` has read: files, and what it passed over."""

    files_read: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Every finding, the worst first. ``source`` is None where no source was given; ``counted``: whether the role could
    read the counters and the events, without which nothing is known to be right."""

    findings: tuple[Finding, ...]
    source: SourceRead | None
    counted: bool = True

    @property
    def ok(self) -> bool:
        return self.counted and all(finding.severity is not Severity.ERROR for finding in self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings of a severity there are."""
        return sum(finding.severity is severity for finding in self.findings)
