"""The options that say which counters a command is about: before the command, and behind it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from usagefix.cli.adding import adding
from usagefix.cli.options import option
from usagefix.declaring import Flags, declared
from usagefix.errors import UsagefixError

GROUP = "Counters"
_META = "usagefix.flags"


def names(context: typer.Context) -> list[str]:
    """What a shell offers for a counter."""
    try:
        return [found.name for found in declared(Flags(context.params.get("config")), Path()).counters]
    except UsagefixError:
        return []


def _option(name: str, help_text: str, metavar: str, **settings: Any) -> Any:
    return option(name, help_text, metavar=metavar, show_default=False, rich_help_panel=GROUP, **settings)


_OPTIONS: dict[str, Any] = {
    "config": Annotated[
        Path | None, _option("--config", "Read counters from this; else usagefix.toml, else pyproject.toml.", "FILE")
    ],
    "counter": Annotated[
        list[str] | None,
        _option(
            "--counter",
            "Only this one, by its name or as table.column; may be given again. With events: the column to count in.",
            "NAME",
            autocompletion=names,
        ),
    ],
    "events": Annotated[str | None, _option("--events", "What is counted: the column that names the row.", "COLUMN")],
    "where": Annotated[str | None, _option("--where", "Only events for which this is true.", "SQL")],
    "sum": Annotated[str | None, _option("--sum", "Add this up; else each event counts 1.", "SQL")],
    "last": Annotated[
        str | None, _option("--last", "Keep the last event's time in this column, from created_at.", "COLUMN[=FROM]")
    ],
    "key": Annotated[str | None, _option("--key", "What events refer to; else by the foreign key.", "COLUMN")],
    "missing": Annotated[
        str | None, _option("--missing", "A row that is not there yet: ignore, or create it.", "ignore|create")
    ],
    "only_rows": Annotated[str | None, _option("--only-rows", "Only rows for which this is true.", "SQL")],
    "label": Annotated[str | None, _option("--label", "Show this column beside the key.", "COLUMN")],
    "name": Annotated[str | None, _option("--name", "What the counter is called.", "NAME")],
    "recorder": Annotated[str | None, _option("--recorder", "The function that records an event.", "FUNCTION")],
    "truth": Annotated[str | None, _option("--truth", "Only verify: a query of keys and values.", "SQL")],
}


def declares(function: Callable[..., None]) -> Callable[..., None]:
    """A command, or what is before all of them, with these options; :func:`flags` has what was given."""

    def take(context: typer.Context, own: dict[str, Any]) -> None:
        before = flags(context)
        # A variable was read before the command already; what is on the command line wins.
        said = own if context.parent is None else {name: own[name] for name in own if _typed(context, name)}
        if said.get("counter") is not None:
            said["counter"] = tuple(said["counter"])
        context.meta[_META] = replace(before, **{name: value for name, value in said.items() if value is not None})

    return adding(function, _OPTIONS, take)


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def flags(context: typer.Context) -> Flags:
    """What was given, before the command and behind it."""
    found = context.meta.get(_META, Flags())
    assert isinstance(found, Flags)  # noqa: S101
    return found


class Command(TyperCommand):
    """A command whose page has these options under a heading of their own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _in_groups(self, ctx, formatter)


class Group(TyperGroup):
    """The same of what is before all commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _in_groups(self, ctx, formatter, before=lambda: self.format_commands(ctx, formatter))


def _in_groups(command: Any, context: Any, formatter: Any, before: Callable[[], None] = lambda: None) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], GROUP: []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            sections[getattr(parameter, "rich_help_panel", None) or kind].append(record)
    for title, records in sections.items():
        if title == GROUP:
            before()
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
