"""Options and arguments that commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from usagefix.models import DailyLimit


class Format(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"


DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="The database. Else DATABASE_URL, else SUPABASE_DB_URL, else .env, else libpq's PG* variables.",
        show_default=False,
    ),
]
EnvFile = Annotated[
    Path | None, typer.Option("--env-file", metavar="FILE", help="Read this instead of .env.", show_default=False)
]
Schema = Annotated[
    str,
    typer.Option(
        "--schema",
        metavar="NAME",
        envvar="USAGEFIX_SCHEMA",
        show_envvar=False,
        help="The schema of presets and preset_usage. Else USAGEFIX_SCHEMA.",
    ),
]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait this long for a server that is starting.")
]
OutputFormat = Annotated[
    Format, typer.Option("--format", help="table for people, json for programs: exactly one object on stdout.")
]
ToVersion = Annotated[
    str | None, typer.Option("--to", metavar="VERSION", help="Stop at this version.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", metavar="N", min=1, max=100_000, help="Presets corrected in one transaction.")
]
Pause = Annotated[
    float, typer.Option("--pause", metavar="SECONDS", min=0, max=60, help="Rest between two such transactions.")
]
ShowQueries = Annotated[
    bool, typer.Option("--show-queries", help="Also tell what a session in the way runs; it may hold data.")
]
FireTriggers = Annotated[
    bool, typer.Option("--fire-triggers", help="Let the application's triggers on presets fire for the correction.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ID", help="Run this check only; may be given again.", show_default=False),
]
Top = Annotated[int, typer.Option("--top", metavar="N", min=0, max=1000, help="How many presets to list.")]
Recent = Annotated[
    int, typer.Option("--recent", metavar="N", min=0, max=1000, help="Add the newest N events of the preset.")
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Also read the application's source below this folder.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Adapt = Annotated[
    bool, typer.Option("--adapt", help="Look at the database, and write for the columns that its two tables have.")
]
Purge = Annotated[bool, typer.Option("--purge", help="Also drop the ledger, schema usagefix, with its history.")]
Limit = Annotated[
    DailyLimit,
    typer.Option(
        "--daily-limit",
        help="restore builds the daily index again; skip leaves it off and keeps the fixed track_preset_usage().",
    ),
]
