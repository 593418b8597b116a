"""Options of commands, each with its environment variable: ``--batch-size`` is also USAGEFIX_BATCH_SIZE."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from usagefix import catalog
from usagefix.models.choices import CHECKS, Counters, DailyLimit, MigrationTool, Trust


class Format(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"
    JUNIT = "junit"
    CSV = "csv"
    OPENMETRICS = "openmetrics"


LISTS = ("trends", "heatmap", "top")
VIEWS = (*LISTS, "dashboard")  # commands that end well whatever they find
# Formats that only some commands have.
_OF_SOME = {Format.CSV: LISTS, Format.OPENMETRICS: ("verify",)}
_OF_FINDINGS = (Format.GITHUB, Format.JUNIT)


def formats(command: str | None) -> str:
    """Those that a command has, in a line; None is any command."""
    some = [form for form in Format if command in (None, *_OF_SOME.get(form, (command,)))]
    known = [form for form in some if not _is_pointless(form, command)]
    return f"{', '.join(known[:-1])} or {known[-1]}."


def _is_pointless(form: Format, command: str | None) -> bool:
    return form in _OF_FINDINGS and command in VIEWS


def versions() -> list[str]:
    """What a shell offers for a version."""
    return [migration.version for migration in catalog.migrations()]


def checks() -> list[str]:
    """What a shell offers for a check."""
    return list(CHECKS)


def option(name: str, help_text: str, *more: str, **settings: Any) -> Any:
    """An option, its other spellings, and the variable that sets it."""
    settings.setdefault("envvar", f"USAGEFIX_{name.removeprefix('--').upper().replace('-', '_')}")
    if "min" in settings:
        settings["callback"] = _within
    return typer.Option(name, *more, help=help_text, **settings)


def _within(value: float | None) -> float | None:
    if value is not None and math.isnan(value):  # which is neither below nor above a bound
        raise typer.BadParameter("nan is not a number")
    return value


def offered(context: typer.Context, value: Format | None) -> Format | None:
    """The format, where the command has it."""
    commands = _OF_SOME.get(value) if value else None
    if commands and context.info_name not in commands:
        has = "has" if len(commands) == 1 else "have"
        raise typer.BadParameter(f"only {', '.join(commands)} {has} the format {value}")
    if value is not None and _is_pointless(value, context.info_name):
        raise typer.BadParameter(
            f"{value} tells what is wrong, and {context.info_name} ends well whatever it finds;"
            f" take table, json{', markdown or csv' if context.info_name in LISTS else ' or markdown'}"
        )
    return value


ToVersion = Annotated[
    str | None,
    option("--to", "Stop at this version.", metavar="VERSION", show_default=False, autocompletion=versions),
]
BackTo = Annotated[
    str | None,
    option(
        "--to",
        "Go back to just after this version; else to before the first.",
        metavar="VERSION",
        envvar="USAGEFIX_BACK_TO",  # one that is set for apply must not stop a rollback half-way
        show_default=False,
        autocompletion=versions,
    ),
]
DryRun = Annotated[bool, option("--dry-run", "Show what would be done; change nothing.")]
BatchSize = Annotated[
    int,
    option("--batch-size", "At most so many rows are corrected in one transaction.", metavar="N", min=1, max=100_000),
]
Pause = Annotated[float, option("--pause", "Rest between two such transactions.", metavar="SECONDS", min=0, max=60)]
ShowQueries = Annotated[bool, option("--show-queries", "Also tell what a session in the way runs; it may hold data.")]
FireTriggers = Annotated[
    bool, option("--fire-triggers", "Let the application's triggers on the counter's table fire for the correction.")
]
TrustIn = Annotated[
    Trust | None,
    option(
        "--trust",
        "Where counters show more than their events: events lets them fall, counters keeps what they show as baselines"
        " that events are added to. Else it asks where much would fall.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    option(
        "--only",
        "Run this check only; may be given again.",
        metavar="CHECK",
        show_default=False,
        autocompletion=checks,
    ),
]
All = Annotated[bool, option("--all", "Print what is right, too: every check of every counter, and its first rows.")]
Top = Annotated[
    int,
    option("--top", "How many rows to list, where counters are wrong or with --all.", metavar="N", min=0, max=1000),
]
FailOver = Annotated[
    int,
    option(
        "--fail-over",
        "Pass while the counters are off by no more than N in all, and no more than N times of last events are behind.",
        metavar="N",
        min=0,
    ),
]
Watch = Annotated[
    float | None,
    option(
        "--watch",
        "Verify again and again, so many seconds apart, until Ctrl-C; in a pipe, one line of JSON a round.",
        metavar="SECONDS",
        min=0.1,
        max=86_400,
        show_default=False,
    ),
]
Recent = Annotated[int, option("--recent", "Add the newest N events of the row.", metavar="N", min=0, max=1000)]
Write = Annotated[
    Path | None,
    option(
        "--write",
        "Declare what is found in this file, usagefix.toml; what the file declares already stays as it is.",
        metavar="FILE",
        show_default=False,
    ),
]
Seconds = Annotated[
    float,
    option("--seconds", "End after about so long; says what was not looked at.", metavar="N", min=0.1, max=86_400),
]
Source = Annotated[
    Path | None,
    option(
        "--source",
        "Also read the application's source below this folder.",
        metavar="DIR",
        exists=True,
        file_okay=False,
        show_default=False,
    ),
]
AsRole = Annotated[
    str | None,
    option(
        "--as",
        "The role that records the events: on Supabase authenticated, elsewhere the session's own.",
        metavar="ROLE",
        show_default=False,
    ),
]
UsePreset = Annotated[
    str | None,
    option(
        "--preset",
        "Try this preset, or row of the counter's table, by id or exact name; else usagefix picks one.",
        metavar="ID",
        show_default=False,
    ),
]
UseKind = Annotated[
    str | None,
    option("--usage-type", "The kind of use; else that of the newest event.", metavar="TYPE", show_default=False),
]
ApiUrl = Annotated[
    str,
    option("--url", "The application, http or https: /api/presets/ID/usage is added.", metavar="URL"),
]
Token = Annotated[
    str,
    option(
        "--token",
        "A user's access token. The variable is safer: a command line is seen by others on the machine.",
        metavar="TOKEN",
    ),
]
Preset = Annotated[
    str, option("--preset", "The preset's id, or its exact name; best one that nobody else uses.", metavar="ID")
]
UsageType = Annotated[str, option("--usage-type", "The kind of use that is posted.", metavar="TYPE")]
Uses = Annotated[int, option("--count", "How many uses are posted, all at once.", metavar="N", min=1, max=100)]
Timeout = Annotated[float, option("--timeout", "How long each post may take.", metavar="SECONDS", min=0.1, max=600)]
Yes = Annotated[bool, option("--yes", "Do not ask.", "-y")]
Adapt = Annotated[bool, option("--adapt", "Look at the database, and write for the columns that its two tables have.")]
ForTool = Annotated[
    MigrationTool | None,
    option(
        "--for",
        "The migration tool; else the one that the folder is of, and supabase where nothing tells.",
        metavar="TOOL",
        show_default=False,
    ),
]
Purge = Annotated[bool, option("--purge", "Also drop the ledger, schema usagefix, with its history.")]
Limit = Annotated[
    DailyLimit,
    option(
        "--daily-limit",
        "restore builds the daily index again; skip leaves it off and keeps the fixed track_preset_usage().",
    ),
]
CountersOption = Annotated[
    Counters,
    option(
        "--counters",
        "keep leaves them right; restore gives back what each showed before apply, plus what was counted since.",
    ),
]
NotificationsTable = Annotated[
    str, option("--table", "The table of notifications, in another schema as schema.table.", metavar="TABLE")
]
Window = Annotated[
    str, option("--window", "Add to an unread notification that is at most this old: 30m, 12h, 2d.", metavar="TIME")
]


def _column(name: str, what: str) -> Any:
    return option(
        name, f"The column that says {what}; else by its name and type.", metavar="COLUMN", show_default=False
    )


Recipient = Annotated[str | None, _column("--recipient", "whom a notification is for")]
PresetColumn = Annotated[str | None, _column("--preset-column", "which preset it is about")]
TypeColumn = Annotated[str | None, _column("--type-column", "of what type it is")]
OnlyType = Annotated[
    list[str] | None,
    option(
        "--only-type",
        "Only notifications of this type; may be given again. Else those of each type become one.",
        metavar="TYPE",
        show_default=False,
    ),
]
ReadColumn = Annotated[str | None, _column("--read-column", "whether, or when, it was read")]
DataColumn = Annotated[str | None, _column("--data-column", "more of it, in jsonb: the count goes there")]
TimeColumn = Annotated[str | None, _column("--time-column", "when it was made")]
Actor = Annotated[
    str | None,
    option(
        "--actor",
        "The column, or the key of the data, that says who did it; else by its name.",
        metavar="NAME",
        show_default=False,
    ),
]
