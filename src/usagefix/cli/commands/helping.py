"""The command that shows a page of help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from usagefix.cli import printing
from usagefix.cli.misuse import unknown


def page(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]", help="The command; without, all of them.")
    ] = None,
) -> None:
    """Show how a command is used.

    Example: usagefix help verify
    """
    group = context.parent
    assert group is not None  # noqa: S101
    about: Any = group
    if words:
        name, *values = words
        commands: dict[str, Any] = group.command.commands  # type: ignore[attr-defined]
        if name not in commands:
            raise unknown("command", name, list(commands), "usagefix help")
        about = typer.Context(commands[name], parent=group, info_name=name)
        _require_known(about, values)
    text = about.get_help()
    printing.to_stdout(lambda: print(text))


def _require_known(about: Any, values: list[str]) -> None:
    """Raise ConfigurationError for what the command's arguments cannot be."""
    arguments = [param for param in about.command.params if param.param_type_name == "argument"]
    for number, value in enumerate(values):
        argument = arguments[number] if number < len(arguments) else None
        known = list(map(str, getattr(argument.type, "choices", (value,)))) if argument else []
        if value not in known:
            raise unknown(f"usagefix {about.info_name}", value, known, f"usagefix help {about.info_name}")
