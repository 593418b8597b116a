"""Repeats a command: a live table in a terminal, one line of JSON each time in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import typer

from usagefix.cli import printing, run
from usagefix.cli.options import Format
from usagefix.cli.shared import shared
from usagefix.errors import Busy, CannotConnect, ConfigurationError, Interrupted
from usagefix.models.outcome import Outcome
from usagefix.render import words


def watch(
    context: typer.Context,
    command: str,
    seconds: float,
    once: Callable[..., None],
    flag: str = "--watch",
    told: Callable[[Outcome], bool] | None = None,
) -> NoReturn:
    """Run it every so many ``seconds`` until Ctrl-C; the exit code is that of the last whole round.

    ``once`` is a round: it takes an outcome, and ``say``. ``told`` shows one instead of a table, and returns whether
    somebody still looks. A server that goes away after the first round is waited for: rounds fail until it is back.
    With ``--output`` each round takes the file's place.
    """
    to, output = shared(context).file, shared(context).output
    if to is None and output not in (None, Format.TABLE, Format.JSON):
        misuse = ConfigurationError(
            f"{flag} does not print {output}",
            hint="it shows a table, or with --format json one line of JSON a round; --output FILE takes any format",
        )
        run.end(Outcome(command, error=misuse, changes=words.outcome(())), output)
    live = to is None and told is None and output is not Format.JSON and sys.stdout.isatty() and not words.hushed()
    last: Outcome | None = None
    with suppress(KeyboardInterrupt), _shown(command, output, seconds, to, told, live=live) as show:
        for outcome in _rounds(command, seconds, once):
            last = outcome
            if not show(outcome):
                break
    if last is None:
        early = Outcome(command, error=run.interrupted(), changes=words.outcome(()))
        run.end(early, Format.TABLE if to is None else output, to)
    run.tell(last)
    if live:
        printing.show(last, Format.TABLE)
    raise typer.Exit(last.exit_code)


def _rounds(command: str, seconds: float, once: Callable[..., None]) -> Iterator[Outcome]:
    due, first = time.monotonic(), True
    while True:
        outcome = Outcome(command)
        with run.timed(outcome):
            once(outcome, say=words.say if first else lambda _line: None)
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
def _shown(
    command: str,
    output: Format | None,
    seconds: float,
    to: Path | None,
    told: Callable[[Outcome], bool] | None,
    *,
    live: bool,
) -> Iterator[Callable[[Outcome], bool]]:
    """What shows a round; it returns whether somebody still looks."""
    if to is not None:
        yield _writer(output, to)
        return
    if told is not None and output is not Format.JSON:
        yield told
        return
    if not live:
        yield printing.line if output is not Format.TABLE else printing.table
        return
    from usagefix.render.live import screen

    with screen(command, seconds) as show:
        yield show


def _writer(output: Format | None, to: Path) -> Callable[[Outcome], bool]:
    told: list[bool] = []

    def write(outcome: Outcome) -> bool:
        printing.written(outcome, output, to)
        if not told:
            words.say(f"{to} is written, and again each round")
            told.append(True)
        return True

    return write
