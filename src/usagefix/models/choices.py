"""The choices of the command line. Cheap to import, because it is read before there is a command."""

from enum import StrEnum

USAGE_TYPE = "playground_generation"  # the kind of use of the original application
POST_SECONDS = 10.0  # how long a post of probe-api may take
BATCH_SIZE = 1_000  # rows corrected in one transaction


class DailyLimit(StrEnum):
    """What rollback does about the daily limit."""

    RESTORE = "restore"
    SKIP = "skip"


class Trust(StrEnum):
    """Which side is right if a counter shows more than its events."""

    EVENTS = "events"  # the counter falls
    COUNTERS = "counters"  # what it shows too much becomes its baseline


class Counters(StrEnum):
    """What rollback does about the corrected counters."""

    KEEP = "keep"
    RESTORE = "restore"


class GuardMode(StrEnum):
    """What the guard does with a write of the counter that is no count."""

    IGNORE = "ignore"  # the counter stays, the rest of the statement goes through
    WARN = "warn"  # the same, with a warning
    REJECT = "reject"  # the statement fails


class Throttling(StrEnum):
    """What ``notifications`` does about a table of notifications."""

    COLLAPSE = "collapse"  # a new one is added to the unread one that is there
    OFF = "off"


# The checks of verify, in the order of its report.
CHECKS = (
    "events_complete",
    "trigger_enabled", "changes_counted", "function_current", "adjusting_function_current", "function_secure",
    "adjusting_function_secure", "partitions_counted", "partition_changes_counted", "partition_functions_current",
    "partition_functions_secure", "counted_once", "daily_limit_gone", "tracker_inserts_only", "guard_enabled",
    "guard_function_current", "guard_function_secure", "uses_accepted", "counters_accurate", "last_used_current",
)  # fmt: skip


class MigrationTool(StrEnum):
    """The tool that runs the files of an export."""

    SUPABASE = "supabase"
    DBMATE = "dbmate"
    SQITCH = "sqitch"
    FLYWAY = "flyway"
    GOLANG_MIGRATE = "golang-migrate"
    PRISMA = "prisma"
    ALEMBIC = "alembic"
