"""The command line: parse, call one verb, render, exit."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from usagefix import __version__
from usagefix.cli import commands, options
from usagefix.cli.run import Globals, interrupted
from usagefix.errors import ConfigurationError
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
_Misuse: type[Exception] = typer.BadParameter.__mro__[2]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"usagefix {__version__}")
        raise typer.Exit


@app.callback()
def usagefix(
    context: typer.Context,
    database_url: options.DatabaseUrl = None,
    env_file: options.EnvFile = None,
    wait: options.Wait = 0.0,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make the usage counts of a live PostgreSQL database right, keep them right, and prove it.

    Start with `usagefix verify` (reads only), then `usagefix apply --dry-run`, then `usagefix apply`.

    Exit codes: 0 fine, 1 a finding, 2 usage or configuration, 3 cannot connect, 4 busy, 5 refused by the database,
    130 interrupted.
    """
    if context.invoked_subcommand is None:
        words.say(context.get_help())
        raise typer.Exit(2)
    context.obj = Globals(database_url, env_file, wait)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """The console script. Every way out is an exit code of the contract, and none a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(prog_name="usagefix", standalone_mode=False)
    except KeyboardInterrupt:
        code = _aborted()
    except typer.Abort:
        code = _aborted()
    except _Misuse as error:
        code = _misused(error)
    sys.exit(code if isinstance(code, int) else 0)


def _aborted() -> int:
    error = interrupted()
    words.fail(error, None)
    return error.exit_code


def _misused(error: BaseException) -> int:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "usagefix"
    misuse = ConfigurationError(message[:1].lower() + message[1:].rstrip("."), hint=f"{command} --help")
    words.fail(misuse, None)
    if "json" in sys.argv or "--format=json" in sys.argv:
        from usagefix.render.document import document

        name = command.removeprefix("usagefix").strip() or "usagefix"
        print(document(name, target=None, exit_code=2, duration_ms=0, error=misuse))
    return misuse.exit_code
