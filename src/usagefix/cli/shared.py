"""The options that commands share. Each is declared once, here, and works before the command and after it."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from usagefix.cli.options import Format, offered, option
from usagefix.cli.writing import require_writable
from usagefix.counter import checked_schema
from usagefix.declaring import Flags, declared
from usagefix.errors import ConfigurationError, UsagefixError
from usagefix.render import words

COUNTERS, EVERY = "Counters", "Every command"
_RESULT = frozenset({"output", "file"})
_TARGET = frozenset({"database_url", "env_file", "schema", "wait", "quiet"})
_DECLARING = frozenset(field.name for field in fields(Flags))


def names(context: typer.Context) -> list[str]:
    """What a shell offers for a counter."""
    try:
        return [found.name for found in declared(Flags(context.params.get("config")), Path()).counters]
    except UsagefixError:
        return []


def _writable(context: typer.Context, value: Path | None) -> Path | None:
    """End before anything is asked of the database where the file cannot be written. Then nothing is on stdout."""
    if value is None or context.resilient_parsing:
        return value
    try:
        if str(value) == "-":
            raise ConfigurationError("- is no file", hint="leave --output out: then the report goes to stdout")
        require_writable(value)
    except ConfigurationError as error:
        words.fail(error, words.outcome(()))
        raise typer.Exit(error.exit_code) from None
    return value


def _schema(context: typer.Context, value: str | None) -> str | None:
    return checked_schema(value) if value and not context.resilient_parsing else None


def _hush(context: typer.Context, value: bool) -> bool:
    if value and not context.resilient_parsing:
        words.hush()
    return value


def _of_every(name: str, help_text: str, *more: str, **settings: Any) -> Any:
    settings.setdefault("show_default", False)
    return option(name, help_text, *more, rich_help_panel=EVERY, **settings)


def _declares(name: str, help_text: str, metavar: str, **settings: Any) -> Any:
    return option(name, help_text, metavar=metavar, show_default=False, rich_help_panel=COUNTERS, **settings)


@dataclass(frozen=True, slots=True)
class Shared:
    """What was given for them. A field is an option; its type says all about it."""

    database_url: Annotated[
        str | None,
        _of_every(
            "--database-url",
            "The database. Default: DATABASE_URL, SUPABASE_DB_URL, either of them in .env, libpq's PG* variables.",
            metavar="URL",
            envvar=None,  # one of several places, which usagefix.target knows
        ),
    ] = None
    env_file: Annotated[Path | None, _of_every("--env-file", "Read this file instead of .env.", metavar="FILE")] = None
    schema: Annotated[
        str | None,
        _of_every(
            "--schema",
            "The schema of tables that are named without one. Default: the one that the URL names, else public.",
            metavar="NAME",
            callback=_schema,
        ),
    ] = None
    wait: Annotated[
        float,
        _of_every(
            "--wait",
            "Wait up to this long for a server that is starting.",
            metavar="SECONDS",
            min=0,
            max=86_400,
        ),
    ] = 0.0
    quiet: Annotated[
        bool,
        _of_every(
            "--quiet",
            "Print nothing but errors; the exit code says the rest. --output still writes its file.",
            "-q",
            callback=_hush,
        ),
    ] = False
    output: Annotated[
        Format | None,
        _of_every(
            "--format",
            "table is for people, json (exactly one object) for programs, github for annotations and a step summary. "
            "trends, heatmap and top also have csv, verify has openmetrics. Default: table, with github's annotations "
            "where GITHUB_ACTIONS is true.",
            metavar="FORMAT",
            callback=offered,
        ),
    ] = None
    file: Annotated[
        Path | None,
        _of_every(
            "--output",
            "Write the report to this file instead of stdout, whole or not at all. A failure is a report, too.",
            "-o",
            metavar="FILE",
            callback=_writable,
        ),
    ] = None
    config: Annotated[
        Path | None,
        _declares("--config", "Read counters from this file. Default: usagefix.toml, else pyproject.toml.", "FILE"),
    ] = None
    counter: Annotated[
        list[str] | None,
        _declares(
            "--counter",
            "Only this counter, by name or as table.column. Repeat it for more. With --events: the column to declare.",
            "NAME",
            autocompletion=names,
        ),
    ] = None
    events: Annotated[
        str | None, _declares("--events", "Declare a counter: the column of the events that names the row.", "COLUMN")
    ] = None
    where: Annotated[str | None, _declares("--where", "Count only events for which this is true.", "SQL")] = None
    sum: Annotated[str | None, _declares("--sum", "Add this up. Without it, each event counts 1.", "SQL")] = None
    last: Annotated[
        str | None,
        _declares(
            "--last",
            "Keep the time of the last event in this column. FROM: the column it comes from (created_at).",
            "COLUMN[=FROM]",
        ),
    ] = None
    key: Annotated[
        str | None, _declares("--key", "The column that events refer to. Default: found by the foreign key.", "COLUMN")
    ] = None
    missing: Annotated[
        str | None, _declares("--missing", "ignore an event whose row is not there yet, or create the row.", "HOW")
    ] = None
    only_rows: Annotated[str | None, _declares("--only-rows", "Keep only rows for which this is true.", "SQL")] = None
    label: Annotated[str | None, _declares("--label", "Show this column beside the key.", "COLUMN")] = None
    name: Annotated[str | None, _declares("--name", "The counter's name.", "NAME")] = None
    recorder: Annotated[str | None, _declares("--recorder", "The function that records an event.", "FUNCTION")] = None
    truth: Annotated[
        str | None, _declares("--truth", "Only verify the counter, against this query of keys and values.", "SQL")
    ] = None

    @property
    def place(self) -> str:
        """The options that say where, as a command line has them; a URL is never printed."""
        given = {"--database-url": self.database_url and "URL", "--env-file": self.env_file, "--schema": self.schema}
        return shlex.join(word for name, value in given.items() if value for word in (name, str(value)))

    @property
    def flags(self) -> Flags:
        """Those that declare a counter, or select some."""
        given = {name: getattr(self, name) for name in _DECLARING}
        return Flags(**given | {"counter": tuple(self.counter or ())})


# A command lacks the options that it cannot use; all others have all.
LACKING = {
    "discover": _DECLARING,
    "notifications": _DECLARING,
    "log": _DECLARING - {"counter"},
    "sql": _RESULT,
    "schema": _TARGET | _RESULT | _DECLARING,
    "demo": _TARGET | _RESULT | _DECLARING,
    "help": _TARGET | _RESULT | _DECLARING,
}


def shared(context: typer.Context) -> Shared:
    """What was given for them, wherever it stands."""
    assert isinstance(context.obj, Shared)  # noqa: S101
    return context.obj


def takes_them(function: Callable[..., None]) -> Callable[..., None]:
    """The same function, as typer reads it: an option for each field, in the place of ``given``."""
    hints = get_type_hints(Shared, include_extras=True)
    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
    more = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Shared)
    ]
    function.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *more)}
    return function
