"""A command again and again: a live table on a terminal, one line of JSON a round in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import typer

from usagefix.cli import printing, run
from usagefix.cli.options import Format
from usagefix.cli.turns import Way
from usagefix.errors import Busy, CannotConnect, ConfigurationError, Interrupted
from usagefix.models.outcome import Outcome
from usagefix.render import words


def watch(
    context: typer.Context, command: str, output: Format | None, seconds: float, work: run.Work, way: Way
) -> NoReturn:
    """Run it every so many ``seconds`` until Ctrl-C; the exit code is that of the last whole round.

    A server that goes away after the first round is waited for: rounds fail until it is back.
    """
    if output not in (None, Format.TABLE, Format.JSON):
        misuse = ConfigurationError(
            f"--watch does not print {output}", hint="it shows a table, or with --format json one line of JSON a round"
        )
        run.end(Outcome(command, error=misuse, changes=words.outcome(())), output)
    live = output is not Format.JSON and sys.stdout.isatty()
    last: Outcome | None = None
    with suppress(KeyboardInterrupt), _shown(command, output, seconds, live=live) as show:
        for outcome in _rounds(context, command, seconds, work, way):
            last = outcome
            if not show(outcome):
                break
    if last is None:
        run.end(Outcome(command, error=run.interrupted(), changes=words.outcome(())), Format.TABLE)
    run.tell(last)
    if live:
        printing.show(last, Format.TABLE)
    raise typer.Exit(last.exit_code)


def _rounds(context: typer.Context, command: str, seconds: float, work: run.Work, way: Way) -> Iterator[Outcome]:
    due, first = time.monotonic(), True
    while True:
        outcome = Outcome(command)
        with run.timed(outcome):
            run.on_database(context, outcome, work, way, say=words.say if first else lambda _line: None)
        if isinstance(outcome.error, Interrupted):
            return
        yield outcome
        passing = not first and isinstance(outcome.failure, CannotConnect | Busy)
        if outcome.failure is not None and not passing:
            return
        first = False
        now = time.monotonic()
        due = max(due + seconds, now)
        time.sleep(due - now)


@contextmanager
def _shown(command: str, output: Format | None, seconds: float, *, live: bool) -> Iterator[Callable[[Outcome], bool]]:
    """What shows a round; it returns whether somebody still looks."""
    if not live:
        yield printing.line if output is not Format.TABLE else printing.table
        return
    from usagefix.render.live import screen

    with screen(command, seconds) as show:
        yield show
