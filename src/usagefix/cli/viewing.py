"""Options of the commands that show when things are used, and by whom."""

from __future__ import annotations

from typing import Annotated, Any

from usagefix.cli.options import option
from usagefix.models.insight import Step

Since = Annotated[
    str,
    option(
        "--since",
        "From so long ago (24h, 90d, 12w, 6mo, 1y: whole days, or hours, with this one), or from a time (2026-01-31).",
        metavar="SPAN",
    ),
]
Until = Annotated[
    str | None, option("--until", "Until before this time; else until now.", metavar="TIME", show_default=False)
]
Zone = Annotated[
    str | None,
    option(
        "--tz",
        "The time zone of days and hours, as Europe/Berlin; else this machine's.",
        metavar="ZONE",
        show_default=False,
    ),
]
By = Annotated[Step, option("--by", "How long a period is.")]
OnlyRow = Annotated[
    str | None,
    option(
        "--preset",
        "Only uses of this preset, or row, by id or exact name.",
        metavar="ID",
        show_default=False,
    ),
]
OnlyKind = Annotated[str | None, option("--kind", "Only uses of this kind.", metavar="KIND", show_default=False)]
Most = Annotated[int, option("--limit", "How many to list.", metavar="N", min=1, max=1000)]
UserLabel = Annotated[
    str | None,
    option(
        "--user-label",
        "Show this column of the users' table beside their key; never an e-mail address.",
        metavar="[TABLE.]COLUMN",
        show_default=False,
    ),
]


def _column_of(what: str, tells: str) -> Any:
    return option(
        f"--{what}-column", f"The column of an event that tells {tells}.", metavar="COLUMN", show_default=False
    )


TimeColumn = Annotated[str | None, _column_of("time", "when it was; else one that is called after it")]
UserColumn = Annotated[str | None, _column_of("user", "who it was; else one that is called after it")]
KindColumn = Annotated[str | None, _column_of("kind", "its kind; else one that is called after it")]
