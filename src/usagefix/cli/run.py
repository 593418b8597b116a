"""What every command does: connect, print the target, call one verb, print its report. It has the only ``except``
that ends a command."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from usagefix.cli import printing
from usagefix.cli.asking import Question, ask
from usagefix.cli.options import VIEWS, Format
from usagefix.cli.shared import Shared, shared
from usagefix.cli.subjects import keep_uses, kept_by_sql, leave_out, look_up
from usagefix.cli.turns import READ, Way, in_turn
from usagefix.counter import Counter
from usagefix.declaring import Declared, chosen, declared, unseen
from usagefix.errors import Busy, InternalError, Interrupted, UsagefixError
from usagefix.models.outcome import Given, Outcome
from usagefix.render import words

# psycopg and rich take longer to import than a help page to print: imported where they are needed.
if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.migration import ExportReport
    from usagefix.models.reports import Report
    from usagefix.target import Location

    Work = Callable[[Database], Report]

T = TypeVar("T")
PROVING = ("verify", "check", "check-preset", "status", "doctor")  # commands for a counter that is only verified
VETTING = ("apply", "backfill", "smoke")  # commands that create a counter, or try one
ATTEMPTS = 3  # attempts of a command that only reads, on a standby


def execute(
    context: typer.Context,
    command: str,
    work: Work,
    way: Way = READ,
    *,
    first: Callable[[], object] | None = None,
    of_declared: bool = True,
    asks: Question | None = None,
) -> NoReturn:
    """Run a command on the database and end the process with its exit code. ``way``: how it goes over its counters;
    ``first``: what may fail before there is a connection; ``of_declared``: whether it works on declared counters;
    ``asks``: a person, before it changes anything."""
    outcome = Outcome(command)
    with timed(outcome):
        on_database(context, outcome, work, way, first=first, of_declared=of_declared, asks=asks)
    end(outcome, shared(context).output, shared(context).file)


def execute_offline(
    context: typer.Context,
    command: str,
    work: Callable[[], ExportReport],
    beside: Callable[[ExportReport], Iterable[str]],
) -> NoReturn:
    """The same for a command that needs no database; ``beside``: what it says after its report."""
    lines: Iterable[str] = ()
    outcome = Outcome(command, changes=words.outcome(()))
    with timed(outcome), caught(outcome):
        outcome.report = report = work()
        lines = beside(report)
    end(outcome, shared(context).output, shared(context).file, lines)


def on_database(
    context: typer.Context,
    outcome: Outcome,
    work: Work,
    way: Way = READ,
    *,
    first: Callable[[], object] | None = None,
    say: Callable[[str], None] = words.say,
    of_declared: bool = True,
    asks: Question | None = None,
) -> None:
    """Connect, work, close. The outcome has the result. ``way``: how it goes over its counters; ``first``: what may
    fail before there is a connection; ``say`` gets the words for stderr; ``asks``: a person, before it changes
    anything."""
    db: Database | None = None
    outcome.given = Given(shared(context).place, shared(context).flags.as_typed if of_declared else "")
    with caught(outcome):
        if first is not None:
            first()
        wanted = wanted_counters(context, say) if of_declared else None
        where = _located(shared(context), say)
        outcome.place = where[0].place
        db = _open(shared(context), *where, say)
        outcome.target, outcome.place = db.target, db.target.place
        if wanted is not None:
            command = outcome.command
            missing = look_up(
                db, wanted, vetting=command in VETTING, making=command == "apply", recalling=command == "rollback"
            )
            if missing and command == "status":
                say(f"applied here, but not declared: {', '.join(of.slug for of in missing)}")
            if command in VIEWS:
                leave_out(db, "there are no events to show")
            elif command not in PROVING:
                leave_out(db)
            if command == "probe-api":
                keep_uses(db)
        if asks is not None:
            ask(db, outcome, asks, way, as_error)
        again_on_a_standby(partial(about, outcome, work, way), db, say)
    with caught(outcome):
        outcome.changes = words.outcome(db.changes if db else (), outcome.left)
        if db is not None:
            db.close()


def about(outcome: Outcome, work: Work, way: Way, db: Database) -> None:
    """The work, for each counter where the command is about counters."""
    if outcome.about_counters:
        in_turn(db, outcome, work, way, as_error)
    else:
        outcome.report = work(db)


def again_on_a_standby(work: Callable[[Database], T], db: Database, say: Callable[[str], None]) -> T:
    """The result of the work. A standby may cancel it because of changes from the primary; then it runs again.
    Raises Busy if the standby cancels it each time, or ends the session."""
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
    """Record how long the block took."""
    started = time.monotonic()
    yield
    outcome.duration_ms = round((time.monotonic() - started) * 1000)


@contextmanager
def caught(outcome: Outcome) -> Iterator[None]:
    """Record the exception that ended the block."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as failure:
        outcome.error = as_error(failure)


def as_error(failure: BaseException) -> UsagefixError:
    """Any exception as an error for a person."""
    if isinstance(failure, UsagefixError):
        return failure
    return interrupted() if isinstance(failure, KeyboardInterrupt) else internal(failure)


def end(outcome: Outcome, output: Format | None, to: Path | None = None, lines: Iterable[str] = ()) -> NoReturn:
    """Say what went wrong, print the result or write it to a file, say ``lines``, and end the process with its exit
    code."""
    try:
        tell(outcome)
        printing.show(outcome, output, to)
        if to is not None:
            words.say(f"{to} is written")
        for line in lines:
            words.say(line)
    except KeyboardInterrupt:
        words.fail(interrupted(), outcome.changes)
        raise typer.Exit(Interrupted.exit_code) from None
    raise typer.Exit(outcome.exit_code)


def tell(outcome: Outcome) -> None:
    """Print each error, and at the end what stays in the database."""
    failures = list(outcome.failures)
    for number, (about, error) in enumerate(failures, start=1):
        words.fail(error, outcome.changes if number == len(failures) else "", about, outcome.given)


def step_of(db: Database) -> Callable[[str], None]:
    """Print a step; with several counters, also the counter."""
    return lambda step: words.say(f"{db.nouns.counter}: {step}" if len(db.counters) > 1 else step)


def interrupted() -> Interrupted:
    """The error for Ctrl-C and SIGTERM: the server cancels the statement and rolls its transaction back."""
    return Interrupted("interrupted", hint="run the command again: it continues")


def internal(defect: BaseException) -> InternalError:
    """The error for a defect of usagefix: where it is, but not its message, which may quote data."""
    last = traceback.extract_tb(defect.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return InternalError(
        f"usagefix failed: {type(defect).__name__} at {where}",
        hint=("this is a defect of usagefix; please report it with this line. usagefix status shows the present state"),
    )


def _located(options: Shared, say: Callable[[str], None]) -> tuple[Location, str, str]:
    """Where the database is, who says so, and the schema of tables that are named without one."""
    from usagefix.target import locate, origin, resolve

    address = resolve(options.database_url, options.env_file, os.environ, Path())
    location = locate(address.conninfo, address.source)
    for note in (*address.notes, *location.notes):
        say(note)
    return location, origin(address, location, os.environ), options.schema or location.schema or "public"


def _open(options: Shared, location: Location, named_by: str, schema: str, say: Callable[[str], None]) -> Database:
    from usagefix.database import connect

    db = connect(location, wait=options.wait, on_wait=say)
    db.counter = Counter(schema=schema)
    among = f", schema {schema}" if schema != "public" else ""
    say(f"target: {db.target}{among} (from {named_by})")
    db.on_retry = say
    return db


def wanted_counters(context: typer.Context, say: Callable[[str], None] = words.say) -> Declared:
    """What the options and the file in the working directory declare. Raises ConfigurationError."""
    found = declared(shared(context).flags, Path())
    for note in found.notes:
        say(note)
    return found


def counters_unseen(context: typer.Context) -> tuple[Counter, ...]:
    """The counters that SQL is written for without a look at a database, in the schema given."""
    wanted = wanted_counters(context)
    schema = shared(context).schema or "public"
    asked = chosen(wanted.selected, wanted.counters, wanted.by)
    return tuple(unseen(one, schema) for one in kept_by_sql(asked))


def look(context: typer.Context, read: Callable[[Database], T], *, making: bool) -> T:
    """What is read of the database, for a command that prints text; ``making``: which makes triggers."""
    wanted = wanted_counters(context)
    db = _open(shared(context), *_located(shared(context), words.say), words.say)
    try:
        look_up(db, wanted, vetting=True, making=making)
        leave_out(db)
        return read(db)
    finally:
        db.close()
