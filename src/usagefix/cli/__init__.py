"""The command line: parse, call one verb, render, exit."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from usagefix import __version__
from usagefix.cli import commands, options, printing
from usagefix.cli.declaring import Group, declares
from usagefix.cli.run import Globals, internal, interrupted
from usagefix.counter import checked_schema
from usagefix.errors import ConfigurationError, UsagefixError
from usagefix.models.outcome import Outcome
from usagefix.render import words

app = typer.Typer(
    name="usagefix",
    add_completion=True,
    invoke_without_command=True,
    rich_markup_mode=None,  # importing rich for the help page doubles its time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.register(app)


# The base of all usage errors, which typer does not export.
_BEFORE_THE_COMMAND = ("--database-url", "--env-file", "--schema", "--wait")
_UNASKED = re.compile(r"(?<=unexpected extra argument).*", re.DOTALL)
_Misuse: type[Exception] = typer.BadParameter.__mro__[2]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"usagefix {__version__}")
        raise typer.Exit


@app.callback(cls=Group)
@declares
def usagefix(
    context: typer.Context,
    database_url: options.DatabaseUrl = None,
    env_file: options.EnvFile = None,
    schema: options.Schema = None,
    wait: options.Wait = 0.0,
    _quiet: options.Quiet = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make the usage counts of a live PostgreSQL database right, keep them right, and prove it.

    Start with `usagefix verify` (reads only), then `usagefix apply --dry-run`, then `usagefix apply`.

    Exit codes: 0 fine, 1 a finding, 2 usage or configuration, 3 cannot connect, 4 busy, 5 refused by the database,
    70 a defect of usagefix, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        words.say(context.get_help())
        nothing = ConfigurationError("no command is given", hint="usagefix --help")
        printing.show(Outcome("usagefix", error=nothing), *printing.wanted(sys.argv, os.environ))
        raise typer.Exit(2)
    context.obj = Globals(database_url, env_file, checked_schema(schema) if schema else None, wait)


def main() -> NoReturn:
    """Parse, run, exit. Every way out is an exit code of the contract, and none a traceback."""
    try:
        code = app(prog_name="usagefix", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = _failed(interrupted())
    except UsagefixError as error:
        code = _failed(error)
    except _Misuse as error:
        code = _misused(error)
    except OSError as error:  # a help page on a full disk; commands print through cli.printing
        code = 0 if isinstance(error, BrokenPipeError) else _unwritable(error)
    except Exception as defect:
        code = _failed(internal(defect))
    sys.exit(code if isinstance(code, int) else 0)


def _failed(error: UsagefixError, command: str = "") -> int:
    """A failure before, or outside of, any command: the result is printed all the same."""
    outcome = Outcome(command or "usagefix", error=error, changes=words.outcome(()))
    words.fail(error, outcome.changes)
    try:
        printing.show(outcome, *printing.wanted(sys.argv, os.environ))
    except typer.Exit as unwritable:  # neither stdout nor the file can be written, which was said
        return unwritable.exit_code
    return error.exit_code


def _unwritable(error: OSError) -> int:
    printing.abandon_stdout()
    words.fail(printing.unwritable(error), words.outcome(()))
    return ConfigurationError.exit_code


def interrupted_at_once() -> NoReturn:
    """The way out for Ctrl-C before there was a command line to read."""
    sys.exit(_failed(interrupted(), _as_typed(sys.argv).removeprefix("usagefix").strip()))


def _as_typed(arguments: Sequence[str]) -> str:
    """``usagefix COMMAND`` where a command line that could not be parsed names one."""
    named = next((word for word in arguments[1:] if word in commands.NAMES), "")
    return f"usagefix {named}".strip()


def _misused(error: Exception) -> int:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else _as_typed(sys.argv)
    if command == "usagefix probe-api":
        message = _UNASKED.sub("", message)  # the rest of a token that was not quoted
    hint = f"{command} --help"
    if variable := re.match(r"missing option .*\(env var: '(\w+)'\)", message, re.IGNORECASE):
        hint = f"set {variable[1]}, or give it; {hint}"
    before = next((name for name in _BEFORE_THE_COMMAND if f": {name}" in message), None)
    if before is not None and command != "usagefix":
        hint = f"{before} goes before the command: usagefix {before} … {command.removeprefix('usagefix ')}"
    if "://" in message:
        hint = f"the URL goes before the command: usagefix --database-url URL COMMAND; {hint}"
    misuse = ConfigurationError(message[:1].lower() + message[1:].rstrip("."), hint=hint)
    return _failed(misuse, command.removeprefix("usagefix").strip())
