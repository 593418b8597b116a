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
        known = f"{', '.join(commands[:-1])} and {commands[-1]} have" if len(commands) > 1 else f"{commands[0]} has"
        raise typer.BadParameter(f"only {known} the format {value}")
    if value is not None and _is_pointless(value, context.info_name):
        raise typer.BadParameter(
            f"{context.info_name} has no format {value}, because nothing that it shows is right or wrong;"
            f" take table, json{', markdown or csv' if context.info_name in LISTS else ' or markdown'}"
        )
    return value


ToVersion = Annotated[
    str | None,
    option("--to", "Go no further than this version.", metavar="VERSION", show_default=False, autocompletion=versions),
]
BackTo = Annotated[
    str | None,
    option(
        "--to",
        "Keep this version and those before it. Without it, all versions go.",
        metavar="VERSION",
        envvar="USAGEFIX_BACK_TO",  # one that is set for apply must not stop a rollback half-way
        show_default=False,
        autocompletion=versions,
    ),
]
DryRun = Annotated[bool, option("--dry-run", "Show what usagefix would do; change nothing.")]
BatchSize = Annotated[
    int,
    option("--batch-size", "Correct at most N rows in one transaction.", metavar="N", min=1, max=100_000),
]
Pause = Annotated[
    float, option("--pause", "Rest this long between two of these transactions.", metavar="SECONDS", min=0, max=60)
]
ShowQueries = Annotated[
    bool, option("--show-queries", "Also print the query of a session that is in the way. It may hold data.")
]
FireTriggers = Annotated[
    bool, option("--fire-triggers", "Let the application's triggers on the counter's table fire for each correction.")
]
TrustIn = Annotated[
    Trust | None,
    option(
        "--trust",
        "Which side is true where counters show more than their events. events: counters fall to them. counters: they"
        " keep what they show, and count on from there. Without it, usagefix stops where counters would fall by much.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    option(
        "--only",
        "Run only this check. Repeat it for more.",
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
        "Pass while all counters together are off by at most N, and at most N times of last events are behind.",
        metavar="N",
        min=0,
    ),
]
Watch = Annotated[
    float | None,
    option(
        "--watch",
        "Verify again after so many seconds, until Ctrl-C. In a pipe, print one line of JSON a round.",
        metavar="SECONDS",
        min=0.1,
        max=86_400,
        show_default=False,
    ),
]
Recent = Annotated[int, option("--recent", "Also show the newest N events of the row.", metavar="N", min=0, max=1000)]
Write = Annotated[
    Path | None,
    option(
        "--write",
        "Declare in this file, such as usagefix.toml, what discover finds. What it declares already stays.",
        metavar="FILE",
        show_default=False,
    ),
]
Seconds = Annotated[
    float,
    option("--seconds", "Stop after about this long, and say what is left.", metavar="SECONDS", min=0.1, max=86_400),
]
Source = Annotated[
    Path | None,
    option(
        "--source",
        "Also read the application's source code in this folder.",
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
        "The role that records events. Default: authenticated on Supabase, elsewhere the session's own; a superuser"
        " acts as the events' owner.",
        metavar="ROLE",
        show_default=False,
    ),
]
UsePreset = Annotated[
    str | None,
    option(
        "--preset",
        "Try this preset (or row of the counter's table), by id or exact name. Without it, usagefix picks one.",
        metavar="ID",
        show_default=False,
    ),
]
UseKind = Annotated[
    str | None,
    option("--usage-type", "The kind of use. Default: that of the newest event.", metavar="TYPE", show_default=False),
]
ApiUrl = Annotated[
    str,
    option("--url", "The application, http or https. usagefix adds /api/presets/ID/usage.", metavar="URL"),
]
Token = Annotated[
    str,
    option(
        "--token",
        "A user's access token. USAGEFIX_TOKEN is safer: others on this machine can see a command line.",
        metavar="TOKEN",
    ),
]
Preset = Annotated[
    str, option("--preset", "The preset's id or exact name. Take one that nobody else uses.", metavar="ID")
]
UsageType = Annotated[str, option("--usage-type", "The kind of use to post.", metavar="TYPE")]
Uses = Annotated[int, option("--count", "How many uses to post, all at once.", metavar="N", min=1, max=100)]
Timeout = Annotated[float, option("--timeout", "How long each post may take.", metavar="SECONDS", min=0.1, max=600)]
Yes = Annotated[bool, option("--yes", "Do not ask.", "-y")]
Adapt = Annotated[
    bool, option("--adapt", "Look at the database, and write SQL for the columns that its two tables have.")
]
ForTool = Annotated[
    MigrationTool | None,
    option(
        "--for",
        "The migration tool. Default: the one that the folder belongs to, else supabase.",
        metavar="TOOL",
        show_default=False,
    ),
]
Purge = Annotated[bool, option("--purge", "Also drop the ledger (schema usagefix) with its history.")]
Limit = Annotated[
    DailyLimit,
    option(
        "--daily-limit",
        "restore: build the daily index again. skip: leave it off, and keep the repaired track_preset_usage().",
    ),
]
CountersOption = Annotated[
    Counters,
    option(
        "--counters",
        "keep: they stay right. restore: each shows again what it showed before apply, plus what it counted since.",
    ),
]
NotificationsTable = Annotated[
    str, option("--table", "The table of notifications; SCHEMA.TABLE where it is in another schema.", metavar="TABLE")
]
Window = Annotated[
    str,
    option("--window", "Join only with an unread notification that is at most this old: 30m, 12h, 2d.", metavar="TIME"),
]


def _column(name: str, what: str) -> Any:
    return option(
        name, f"The column that says {what}. Default: found by name and type.", metavar="COLUMN", show_default=False
    )


Recipient = Annotated[str | None, _column("--recipient", "whom a notification is for")]
PresetColumn = Annotated[str | None, _column("--preset-column", "which preset it is about")]
TypeColumn = Annotated[str | None, _column("--type-column", "of what type it is")]
OnlyType = Annotated[
    list[str] | None,
    option(
        "--only-type",
        "Join only notifications of this type. Repeat it for more. Without it, each type is joined by itself.",
        metavar="TYPE",
        show_default=False,
    ),
]
ReadColumn = Annotated[str | None, _column("--read-column", "whether or when it was read")]
DataColumn = Annotated[str | None, _column("--data-column", "more of it, in jsonb, and takes the count")]
TimeColumn = Annotated[str | None, _column("--time-column", "when it was made")]
Actor = Annotated[
    str | None,
    option(
        "--actor",
        "The column, or the key of the data, that says who did it. Default: found by name.",
        metavar="NAME",
        show_default=False,
    ),
]
