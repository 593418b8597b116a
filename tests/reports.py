"""A report of each command, for tests of how they look."""

from __future__ import annotations

from datetime import UTC, datetime

from usagefix.models.choices import DailyLimit, GuardMode, Throttling
from usagefix.models.correction import BackfillReport, FiredTrigger
from usagefix.models.diagnosis import DoctorReport, Finding, Severity, SourceRead
from usagefix.models.discovery import (
    DiscoverReport,
    FoundCounter,
    NeverMaintained,
    PassedOver,
    Undecided,
    Written,
)
from usagefix.models.guarding import GuardReport, RefusedWrite
from usagefix.models.insight import Of, Period, Step, TopReport, TopRow, TrendsReport, Window
from usagefix.models.migration import (
    ApplyReport,
    MigrationState,
    PlannedStatement,
    RollbackReport,
    State,
    StatusReport,
)
from usagefix.models.notifying import Collapsed, Mode, NotificationsReport, Returning, Roles, Throttle
from usagefix.models.probe import Post, Probed, ProbeReport
from usagefix.models.probe import PostOutcome as Answer
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport, SmokeStep
from usagefix.models.verification import Check, Counts, Event, RowCount, RowReport, Status, VerifyReport

NOON = datetime(2025, 10, 1, 12, 0, tzinfo=UTC)
WINDOW = Window(NOON, NOON, "UTC", "a", "b")
PRESET = RowCount("7f3", "Neon [b]city[/b] | *x*", None, 1_234, 1_234, NOON)
COUNTS = Counts(40, 11, 29, 3_648, 7_956, 4_308, 4_582, 32, 34)
CHECKS = (
    Check("one", "New uses are counted", Status.OK, "a_trigger", "after each INSERT", ""),
    Check("two", "No daily limit", Status.UNEXPECTED, "an_index", "refuses the second use", "usagefix apply"),
    Check("three", "Partitions are counted", Status.SKIPPED, "preset_usage", "not partitioned", ""),
)
FINDING = Finding("daily_limit", Severity.ERROR, "A daily limit", "public.idx", "CREATE UNIQUE INDEX", "apply", 3)
VERIFIED = VerifyReport(CHECKS, COUNTS, (PRESET,))
BACKFILL = BackfillReport(35, 4_308, 4_582, 2, 1, (FiredTrigger("touch", True, 35, True),), 2)
PLAN = (
    PlannedStatement(
        "1", "Create the trigger", "CREATE TRIGGER", ("preset_usage: ShareRowExclusiveLock", "presets: X")
    ),
    PlannedStatement("1", "Create the function", "CREATE FUNCTION", ()),
)
DIFF = "--- now\n+++ after\n@@ -1,2 +1 @@\n     - a\n-    ::b <c>\n+  ```"
REFUSED = Post(Answer.FORBIDDEN, 403, 0.25, "the body says no", "log in")
REPORTS: dict[str, Report] = {
    "verify": VERIFIED,
    "verify, no names or times": VerifyReport(CHECKS, COUNTS, (RowCount("7", "", 1, 1, 0, None),), dated=False),
    "verify --only": VerifyReport(CHECKS[:1], None, ()),
    "discover": DiscoverReport(
        (
            FoundCounter(
                "posts.likes", "l.p", "kind = '[b]'", "n", None, None, None, "post_likes", 0.75, 0.125, "x", 8, 2, -3, True,
                ("y where a | b",),
            ),
        ),
        (NeverMaintained("posts.views", ("views.post_id",), 7),),
        (Undecided("posts.score", "votes.post_id", None, None, 0.3, 10, 0.2, "votes.p where up", "rival"),),
        (PassedOver("public.t", "role r may not read it"),),
        3, 4, 5, Written("usagefix.toml", ("posts.likes",), ()),
    ),
    "discover, nothing": DiscoverReport((), (), (), (), 3, 4, 5),
    "apply": ApplyReport(VERIFIED, ("1_fix",), BACKFILL, VerifyReport(CHECKS[:1], COUNTS, ()), remarks=("a remark",)),
    "apply --dry-run": ApplyReport(VERIFIED, ("1_fix",), BACKFILL, None, PLAN, DIFF, ("a remark",)),
    "apply, nothing to do": ApplyReport(VerifyReport((), None, ()), (), BACKFILL, None),
    "backfill": BACKFILL,
    "rollback": RollbackReport(("1_fix",), None, DailyLimit.RESTORE, COUNTS, purged=True),
    "status": StatusReport(
        (
            MigrationState("1", "fix", State.APPLIED, NOON, "postgres", "2026"),
            MigrationState("2", "guard", State.PENDING, None, None),
        ),
        NOON,
    ),
    "check-preset": RowReport(PRESET, (Event("e", NOON, "playground", "a user"),)),
    "doctor": DoctorReport((FINDING,), SourceRead("src", 3, ("big.js: too big",))),
    "doctor, nothing found": DoctorReport((), None),
    "guard": GuardReport(
        GuardMode.WARN, None, (RefusedWrite("warn", "app", "web", "", 3, NOON, NOON),), 2
    ),
    "guard, nothing refused": GuardReport(GuardMode.IGNORE, GuardMode.WARN, (), 0),
    "notifications": NotificationsReport(
        (Throttle("app.n", Mode.COLLAPSE, "1 day", Roles("a", "b", "c"), "trg", "fn", True, (), 60_000, 1,
                  (Collapsed("7", "a", 60_000, 1),)),),
        Throttling.COLLAPSE, "app.n", dry_run=True, plan=("CREATE TABLE a (\n    b int\n)",),
        returning=(Returning("a.py:1", "insert"),), remarks=("a remark",),
    ),
    "top": TopReport(WINDOW, Of.PRESETS, (TopRow("7", "a", 60_000, 0.5, NOON, NOON),), 60_000, 0.5, 1),
    "trends": TrendsReport(
        WINDOW, Step.DAY, (Period(NOON, 60_000, 1, 1, {"a": 30_000, "": 30_000}),) * 2, 120_000, 1, 0.5, 1, 1
    ),
    "smoke": SmokeReport("authenticated", "7", False, (SmokeStep("use", "A use", Status.FAILED, "48 → 48", "verify"),)),
    "probe-api": ProbeReport(
        PRESET, "http://localhost:3000/api", "playground", (REFUSED, Post(Answer.ACCEPTED, 200, 0.1, "")), 2, 1, 1, 1,
        Probed.REFUSED, (FINDING,), "the guard ignores it", ("e1",),
    ),
}  # fmt: skip
