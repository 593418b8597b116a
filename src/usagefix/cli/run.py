"""What every command goes through: connect, name the target, call one verb, print its report; and the one catch."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from usagefix.cli import printing
from usagefix.cli.options import Format
from usagefix.counter import Counter
from usagefix.errors import Busy, InternalError, Interrupted, UsagefixError
from usagefix.models.outcome import Outcome
from usagefix.render import words

# psycopg and rich take longer to import than a help page to print: imported where they are needed.
if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report

    Work = Callable[[Database], Report]

T = TypeVar("T")
ATTEMPTS = 3  # of what only reads, on a standby


@dataclass(frozen=True, slots=True)
class Globals:
    """The options before the command."""

    database_url: str | None
    env_file: Path | None
    schema: str | None
    wait: float


def execute(
    context: typer.Context,
    command: str,
    output: Format | None,
    work: Work,
    *,
    first: Callable[[], object] | None = None,
    of_a_counter: bool = True,
) -> NoReturn:
    """Run a command on the database and end the process with its exit code.

    ``first``: what may fail before there is a connection; ``of_a_counter``: whether it is about one that is known.
    """
    outcome = Outcome(command)
    with timed(outcome):
        on_database(context, outcome, work, first=first, of_a_counter=of_a_counter)
    end(outcome, output)


def execute_offline(command: str, output: Format | None, work: Callable[[], Report]) -> NoReturn:
    """The same for a command that needs no database."""
    outcome = Outcome(command, changes=words.outcome(()))
    with timed(outcome), _caught(outcome):
        outcome.report = work()
    end(outcome, output)


def on_database(
    context: typer.Context,
    outcome: Outcome,
    work: Work,
    *,
    first: Callable[[], object] | None = None,
    say: Callable[[str], None] = words.say,
    of_a_counter: bool = True,
) -> None:
    """Connect, work, close; what comes of it is in the outcome.

    ``first`` is what may fail before there is a connection; ``say`` takes the words on the way.
    """
    db: Database | None = None
    with _caught(outcome):
        if first is not None:
            first()
        db = _open(context.obj, say)
        outcome.target = db.target
        if of_a_counter:
            db.counter = _look(db)
        outcome.report = again_on_a_standby(work, db, say)
    outcome.changes = words.outcome(db.changes if db else ())
    if db is not None:
        db.close()


def again_on_a_standby(work: Callable[[Database], T], db: Database, say: Callable[[str], None]) -> T:
    """What comes of the work, which a standby may cancel for the sake of changes from the primary.

    Raises Busy where it does so each time, or ends the session.
    """
    for attempt in range(2, ATTEMPTS + 1):
        try:
            return work(db)
        except Busy as busy:
            if not db.can_read_again(busy):
                raise
            say(f"{busy.message}; attempt {attempt} of {ATTEMPTS}")
    return work(db)


@contextmanager
def timed(outcome: Outcome) -> Iterator[None]:
    """Notes how long the block took."""
    started = time.monotonic()
    yield
    outcome.duration_ms = round((time.monotonic() - started) * 1000)


@contextmanager
def _caught(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except UsagefixError as failure:
        outcome.error = failure
    except KeyboardInterrupt:
        outcome.error = interrupted()
    except Exception as defect:
        outcome.error = internal(defect)


def end(outcome: Outcome, output: Format | None) -> NoReturn:
    """Say what went wrong, print the result, and end the process with its exit code."""
    if outcome.error is not None:
        words.fail(outcome.error, outcome.changes)
    printing.show(outcome, output)
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


def _open(options: Globals, say: Callable[[str], None] = words.say) -> Database:
    from usagefix.database import connect
    from usagefix.target import locate, resolve

    address = resolve(options.database_url, options.env_file, os.environ, Path())
    location = locate(address.conninfo, address.source)
    for note in (*address.notes, *location.notes):
        say(note)
    schema = options.schema or location.schema or "public"
    db = connect(location, wait=options.wait, on_wait=say)
    db.counter = Counter(schema=schema)
    say(f"target: {db.target}" + (f", schema {schema}" if schema != "public" else ""))
    db.on_retry = say
    return db


def usual_counter(context: typer.Context) -> Counter:
    """The counter that SQL is written for without a look at a database, in the schema given."""
    return Counter(schema=context.obj.schema or "public")


def look(context: typer.Context, read: Callable[[Database], T]) -> T:
    """What is read of the database, for a command that prints text."""
    db = _open(context.obj)
    try:
        db.counter = _look(db)
        return read(db)
    finally:
        db.close()


def _look(db: Database) -> Counter:
    from usagefix import ledger, picture

    return ledger.settled(db, picture.counter(db, db.counter.schema))
