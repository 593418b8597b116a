"""What a command line that cannot be parsed means, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from usagefix.errors import ConfigurationError

_UNASKED = re.compile(r"(?<=unexpected extra argument).*", re.DOTALL)


def unknown(what: str, name: str, known: Sequence[str], page: str) -> ConfigurationError:
    """The error for a name that nothing has, with those that are near."""
    if "://" in name:
        return ConfigurationError(f"a URL is no {what}", hint=f"--database-url URL names the database; {page}")
    return ConfigurationError(
        f"there is no {what} {name!r}", hint=f"{_meant(difflib.get_close_matches(name, known))}{page}"
    )


def misuse(error: Any, typed: str) -> tuple[str, ConfigurationError]:
    """The command, and the error to show, of one that typer raises; ``typed``: the command that the line names."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else typed
    hint = f"{command} --help"
    if name := getattr(error, "option_name", None) if hasattr(error, "possibilities") else None:
        message, hint = f"there is no option {name}", f"{_elsewhere(context, name, error.possibilities)}{hint}"
    elif "unexpected extra argument" in message and "://" in message:
        message, hint = "a URL is no argument", f"--database-url URL names the database; {hint}"
    elif command == "usagefix probe-api":
        message = _UNASKED.sub("", message)  # the rest of a token that was not quoted
    if variable := re.match(r"missing option .*\(env var: '(\w+)'\)", message, re.IGNORECASE):
        hint = f"set {variable[1]}, or give it; {hint}"
    told = ConfigurationError(message[:1].lower() + message[1:].rstrip("."), hint=hint)
    return command.removeprefix("usagefix").strip(), told


def _elsewhere(context: Any, name: str, near: Sequence[str] | None) -> str:
    """Where an option is known, or which one is meant."""
    commands = context.find_root().command.commands if context is not None else {}
    having = [key for key, command in commands.items() if any(name in param.opts for param in command.params)]
    if having and context.parent is None:
        return f"{name} goes after the command: usagefix {having[0]} {name}; "
    return f"{name} is an option of {', '.join(having)}; " if having else _meant(sorted(near or ()))


def _meant(near: Sequence[str]) -> str:
    return f"did you mean {' or '.join(near)}? " if near else ""
