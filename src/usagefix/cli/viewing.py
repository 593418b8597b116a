"""Options of the commands that show when things are used, and by whom."""

from __future__ import annotations

from typing import Annotated, Any

from usagefix.cli.options import option
from usagefix.models.insight import Step

Since = Annotated[
    str,
    option(
        "--since",
        "Begin so long ago (24h, 90d, 12w, 6mo, 1y), this hour or day included, or at a time (2026-01-31).",
        metavar="SPAN",
    ),
]
Until = Annotated[
    str | None, option("--until", "End before this time. Default: now.", metavar="TIME", show_default=False)
]
Zone = Annotated[
    str | None,
    option(
        "--tz",
        "The time zone of days and hours, such as Europe/Berlin. Default: that of this machine.",
        metavar="ZONE",
        show_default=False,
    ),
]
By = Annotated[Step, option("--by", "The length of a period.")]
OnlyRow = Annotated[
    str | None,
    option(
        "--preset",
        "Show only uses of this preset or row, by id or exact name.",
        metavar="ID",
        show_default=False,
    ),
]
OnlyKind = Annotated[str | None, option("--kind", "Show only uses of this kind.", metavar="KIND", show_default=False)]
Most = Annotated[int, option("--limit", "How many to list.", metavar="N", min=1, max=1000)]
UserLabel = Annotated[
    str | None,
    option(
        "--user-label",
        "Show this column of the users' table beside their key. usagefix shows no e-mail address.",
        metavar="[TABLE.]COLUMN",
        show_default=False,
    ),
]


def _column_of(what: str, tells: str) -> Any:
    return option(
        f"--{what}-column",
        f"The column of an event that says {tells}. Default: found by name.",
        metavar="COLUMN",
        show_default=False,
    )


TimeColumn = Annotated[str | None, _column_of("time", "when it was")]
UserColumn = Annotated[str | None, _column_of("user", "who it was")]
KindColumn = Annotated[str | None, _column_of("kind", "of what kind it is")]
