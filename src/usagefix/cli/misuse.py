"""What a command line that cannot be parsed means, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from usagefix.errors import ConfigurationError

_UNASKED = re.compile(r"(?<=unexpected extra argument).*", re.DOTALL)
_INVALID = re.compile(r"Invalid value for '(?:-\w, )?(?:-\w / )?([^']+)'(?: \(env var: '(\w+)'\))?: ")
_PLAIN = (
    (r"^Missing (argument|option) '([^']+)'.*", r"the \1 \2 is missing"),
    (r"^Option '([^']+)' requires an argument", r"\1 needs a value"),
    (r"^Got unexpected extra argument(?:s|\(s\))? \((.*)\)", r"too many arguments: \1"),
    (r"^Got unexpected extra argument.*", "too many arguments"),
    (r"is not a valid int(eger)?( range)?", "is no whole number"),
    (r"is not a valid float( range)?", "is no number"),
    (r"is not in the range (\S+)<=x<=(\S+)", r"is not between \1 and \2"),
    (r"is not in the range x>=(\S+)", r"is less than \1"),
)


def unknown(what: str, name: str, known: Sequence[str], page: str) -> ConfigurationError:
    """The error for a name that nothing has, with those that are near."""
    if "://" in name:
        return ConfigurationError(f"a URL is no {what}", hint=f"--database-url URL names the database; {page}")
    return ConfigurationError(
        f"there is no {what} {name!r}", hint=f"{_meant(difflib.get_close_matches(name.lower(), known))}{page}"
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
    elif found := _INVALID.match(message):
        message = f"{_where(error, *found.groups())}{message[found.end() :]}"
    if variable := re.match(r"Missing option .*\(env var: '(\w+)'\)", message):
        hint = f"set {variable[1]}, or give it; {hint}"
    message = _plain(message)
    begin = message[:1].lower() if message[1:2].islower() else message[:1]
    told = ConfigurationError(begin + message[1:].rstrip("."), hint=hint)
    return command.removeprefix("usagefix").strip(), told


def _where(error: Any, option: str, variable: str | None) -> str:
    """Where a value that cannot be read stands."""
    source = error.ctx.get_parameter_source(error.param.name) if error.ctx is not None and error.param else None
    place = variable if variable and source is not None and source.name == "ENVIRONMENT" else option.strip("[]{}")
    return f"{place}: " if "|" not in place else ""


def _plain(text: str) -> str:
    said, one_of, known = text.partition(" is not one of ")
    text = said + one_of + known.replace("'", "")
    for jargon, words in _PLAIN:
        text = re.sub(jargon, words, text)
    return text


def _elsewhere(context: Any, name: str, near: Sequence[str] | None) -> str:
    """Where an option is known, or which one is meant."""
    commands = context.find_root().command.commands if context is not None else {}
    having = [key for key, command in commands.items() if any(name in param.opts for param in command.params)]
    if having and context.parent is None:
        return f"{name} goes after the command: usagefix {having[0]} {name}; "
    return f"{name} is an option of {', '.join(having)}; " if having else _meant(sorted(near or ()))


def _meant(near: Sequence[str]) -> str:
    return f"did you mean {' or '.join(near)}? " if near else ""
