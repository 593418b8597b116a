"""What every command goes through: connect, name the target, call one verb, print its report; and the one catch."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from usagefix.cli.options import Format
from usagefix.errors import ConfigurationError, InternalError, Interrupted, UsagefixError
from usagefix.names import Names
from usagefix.render import words
from usagefix.settings import resolve

# psycopg and rich take longer to import than a help page to print: imported where they are needed.
if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models import Target
    from usagefix.render.document import Report

    Work = Callable[[Database], Report]


@dataclass(frozen=True, slots=True)
class Globals:
    """The options before the command."""

    database_url: str | None
    env_file: Path | None
    schema: str
    wait: float


@dataclass
class _Outcome:
    """What there is to show when a command ends."""

    command: str
    started: float
    target: Target | None = None
    report: Report | None = None
    error: UsagefixError | None = None
    changes: str = ""

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.report is not None and self.report.ok else 1


def execute(context: typer.Context, command: str, output: Format, work: Work) -> NoReturn:
    """Run a command on the database and end the process with its exit code."""
    outcome = _Outcome(command, time.monotonic())
    db: Database | None = None
    with _caught(outcome):
        db = _open(context.obj)
        outcome.target = db.target
        db.names = _look(db, context.obj.schema)
        outcome.report = work(db)
    outcome.changes = words.outcome(db.changes if db else ())
    if db is not None:
        db.close()
    _end(outcome, output)


def execute_offline(command: str, output: Format, work: Callable[[], Report]) -> NoReturn:
    """The same for a command that needs no database."""
    outcome = _Outcome(command, time.monotonic(), changes=words.outcome(()))
    with _caught(outcome):
        outcome.report = work()
    _end(outcome, output)


@contextmanager
def _caught(outcome: _Outcome) -> Iterator[None]:
    try:
        yield
    except UsagefixError as failure:
        outcome.error = failure
    except KeyboardInterrupt:
        outcome.error = interrupted()
    except Exception as defect:
        outcome.error = internal(defect)


def _end(outcome: _Outcome, output: Format) -> NoReturn:
    if outcome.error is not None:
        words.fail(outcome.error, outcome.changes)
    _print(outcome, output)
    raise typer.Exit(outcome.exit_code)


def interrupted() -> Interrupted:
    """What Ctrl-C and SIGTERM mean: the statement is cancelled, its transaction rolled back."""
    return Interrupted("interrupted", hint="run the command again: it goes on from where things stand")


def internal(defect: Exception) -> InternalError:
    """What a defect of usagefix says: where it is, but not the message, which may quote data."""
    last = traceback.extract_tb(defect.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return InternalError(
        f"usagefix failed: {type(defect).__name__} at {where}",
        hint="this is a defect of usagefix; please report it with this line. usagefix status shows where things stand",
    )


def _open(options: Globals) -> Database:
    from usagefix.database import connect

    address = resolve(options.database_url, options.env_file, os.environ, Path())
    db = connect(address.conninfo, address.source, wait=options.wait)
    words.say(f"target: {db.target}" + (f", schema {options.schema}" if options.schema != "public" else ""))
    db.on_retry = words.say
    return db


def names(context: typer.Context, *, adapt: bool) -> Names:
    """The names to write SQL with: those of the database with ``adapt``, else the usual ones in the schema given."""
    if not adapt:
        return Names(context.obj.schema)
    db = _open(context.obj)
    try:
        return _look(db, context.obj.schema)
    finally:
        db.close()


def _look(db: Database, schema: str) -> Names:
    from usagefix import picture

    return picture.names(db, schema)


def _print(outcome: _Outcome, output: Format) -> None:
    report = outcome.report
    if output is Format.JSON:
        from usagefix.render.document import document

        text = document(
            outcome.command,
            target=outcome.target,
            exit_code=outcome.exit_code,
            duration_ms=round((time.monotonic() - outcome.started) * 1000),
            report=report,
            error=outcome.error,
            changes=outcome.changes,
        )
        to_stdout(lambda: print(text))
    elif report is not None:
        from usagefix.render.layout import stdout_console
        from usagefix.render.table import show

        to_stdout(lambda: show(report, stdout_console()))


def to_stdout(write: Callable[[], None]) -> None:
    """Write data. Where the reader has gone (a closed pipe) the rest is dropped; the work is done all the same.

    Ends the process with exit code 2 where the data cannot be written (a full disk).
    """
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        # Python flushes stdout once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            failure = ConfigurationError(
                f"the result cannot be written: {error.strerror}", hint="the command itself has ended; see stderr above"
            )
            words.fail(failure, None)
            raise typer.Exit(failure.exit_code) from None
