"""The command line: parse, call one verb, render, exit."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from usagefix import __version__
from usagefix.cli import commands, printing
from usagefix.cli.inheriting import Group
from usagefix.cli.misuse import misuse
from usagefix.cli.run import internal, interrupted
from usagefix.cli.shared import Shared, takes_them
from usagefix.errors import ConfigurationError, Interrupted, UsagefixError
from usagefix.models.outcome import Outcome
from usagefix.render import words

app = typer.Typer(
    name="usagefix",
    add_completion=True,
    invoke_without_command=True,
    rich_markup_mode=None,  # importing rich for the help page doubles its time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
commands.register(app)


# The base of all usage errors, which typer does not export.
_Misuse: type[Exception] = typer.BadParameter.__mro__[2]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"usagefix {__version__}")
        raise typer.Exit


@app.callback(cls=Group)
@takes_them
def usagefix(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    **given: Any,
) -> None:
    """Make the usage counts of a live PostgreSQL database right, keep them right, and prove it.

    Start with `usagefix verify` (reads only), then `usagefix apply --dry-run`, then `usagefix apply`.

    Exit codes: 0 fine, 1 a finding, 2 wrong usage or configuration, 3 no connection, 4 busy, 5 the database refused,
    70 a defect of usagefix, 130 interrupted.
    """
    if context.parent is None and context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        nothing = ConfigurationError("no command is given", hint="usagefix --help")
        printing.show(Outcome("usagefix", error=nothing), *printing.wanted(sys.argv, os.environ))
        raise typer.Exit(2)
    context.obj = Shared(**given)


@cache
def parser() -> Any:
    """What reads the command line: typer makes it of the signatures of all commands, which takes a while."""
    return typer.main.get_command(app)


def main() -> NoReturn:
    """Parse, run, exit. Every way out is an exit code of the contract, and none a traceback."""
    try:
        code = parser()(prog_name="usagefix", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort, Interrupted):
        interrupted_at_once()
    except UsagefixError as error:
        code = _failed(error)
    except _Misuse as error:
        code = _misused(error)
    except OSError as error:  # a help page on a full disk; commands print through cli.printing
        code = 0 if isinstance(error, BrokenPipeError) else _unwritable(error)
    except Exception as defect:
        code = _failed(internal(defect))
    _leave(code if isinstance(code, int) else 0)


def _failed(error: UsagefixError, command: str = "") -> int:
    """A failure before, or outside of, any command: the result is printed all the same."""
    outcome = Outcome(command or "usagefix", error=error, changes=words.outcome(()))
    words.fail(error, outcome.changes)
    try:
        printing.show(outcome, *printing.wanted(sys.argv, os.environ))
    except typer.Exit as unwritable:  # neither stdout nor the file can be written, and the error is printed already
        return unwritable.exit_code
    return error.exit_code


def _unwritable(error: OSError) -> int:
    printing.abandon_stdout()
    words.fail(printing.unwritable(error), words.outcome(()))
    return ConfigurationError.exit_code


def interrupted_at_once() -> NoReturn:
    """The way out for Ctrl-C before a command has begun."""
    _leave(_failed(interrupted(), _as_typed(sys.argv).removeprefix("usagefix").strip()))


def _leave(code: int) -> NoReturn:
    """End the process. Python would end by the signal, and not with the code, where Ctrl-C fell into an exec()."""
    if code != Interrupted.exit_code:
        sys.exit(code)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _as_typed(arguments: Sequence[str]) -> str:
    """``usagefix COMMAND`` where a command line that could not be parsed names one."""
    named = next((word for word in arguments[1:] if word in commands.NAMES), "")
    return f"usagefix {named}".strip()


def _misused(error: Exception) -> int:
    command, told = misuse(error, _as_typed(sys.argv))
    return _failed(told, command)
