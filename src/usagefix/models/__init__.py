"""What the verbs take and return: frozen values, no behaviour beyond what follows from their own fields."""

from usagefix.models.correction import BATCH_SIZE, BackfillProgress, BackfillReport, FiredTrigger
from usagefix.models.diagnosis import DoctorReport, Finding, Severity, SourceRead
from usagefix.models.guarding import GuardMode, GuardReport, RefusedWrite
from usagefix.models.migration import (
    ApplyReport,
    DailyLimit,
    ExportReport,
    MigrationState,
    PlannedStatement,
    RollbackPlan,
    RollbackReport,
    State,
    StatusReport,
)
from usagefix.models.outcome import Outcome
from usagefix.models.probe import Post, PostOutcome, Probed, ProbeReport
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport, SmokeStep
from usagefix.models.target import Target
from usagefix.models.verification import Check, Counts, Event, PresetCount, PresetReport, Status, VerifyReport

__all__ = [
    "BATCH_SIZE",
    "ApplyReport",
    "BackfillProgress",
    "BackfillReport",
    "Check",
    "Counts",
    "DailyLimit",
    "DoctorReport",
    "Event",
    "ExportReport",
    "Finding",
    "FiredTrigger",
    "GuardMode",
    "GuardReport",
    "MigrationState",
    "Outcome",
    "PlannedStatement",
    "Post",
    "PostOutcome",
    "PresetCount",
    "PresetReport",
    "ProbeReport",
    "Probed",
    "RefusedWrite",
    "Report",
    "RollbackPlan",
    "RollbackReport",
    "Severity",
    "SmokeReport",
    "SmokeStep",
    "SourceRead",
    "State",
    "Status",
    "StatusReport",
    "Target",
    "VerifyReport",
]
