"""The progress of a backfill or a search, on stderr: a bar if a person watches, else a plain line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from usagefix.models.correction import BackfillProgress
from usagefix.models.figures import grouped, out_of, plural
from usagefix.models.nouns import USUAL, Nouns
from usagefix.render import words

FIRST, THEN = 5.0, 30.0  # seconds until the first line of a log, and between two
_TICK = 0.25  # seconds between two looks at what a person sees


@contextmanager
def progress_shown(
    nouns: Nouns = USUAL, *, first: float = FIRST, then: float = THEN
) -> Iterator[Callable[[BackfillProgress], None]]:
    """A function to call with each progress; the bar appears at its first call and goes when the block ends."""
    with _shown(f"correcting {nouns.rows}", "corrected", nouns.row, first, then) as show:
        yield lambda progress: show(progress.done, progress.total)


@contextmanager
def looking_shown(*, first: float = FIRST, then: float = THEN) -> Iterator[Callable[[int, int], None]]:
    """The same for how many of all tables of events discover has looked at."""
    with _shown("looking at events", "looked at", "pair of tables", first, then) as show:
        yield show


@contextmanager
def reading_shown(*, first: float = 2.0) -> Iterator[Callable[[int, int], None]]:
    """The same for which of some questions about events is asked. One alone may take long, so a clock tells of it."""
    asked, done = [0, 1], threading.Event()
    watcher = threading.Thread(target=_reading, args=(asked, done, first), daemon=True)
    watcher.start()

    def show(number: int, total: int) -> None:
        asked[:] = number, total

    try:
        yield show
    finally:
        done.set()
        watcher.join()


def _reading(asked: Sequence[int], done: threading.Event, first: float) -> None:
    def said() -> str:
        return f"reading the events, question {asked[0] + 1} of about {asked[1]}"

    if done.wait(first) or words.hushed():
        return
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(said()) as status:
            while not done.wait(_TICK):
                status.update(said())
        return
    words.say(said())
    while not done.wait(THEN):
        words.say(said())


@contextmanager
def _shown(doing: str, done: str, what: str, first: float, then: float) -> Iterator[Callable[[int, int], None]]:
    if sys.stderr is None or not sys.stderr.isatty() or words.hushed():
        yield _Log(done, what, time.monotonic() + first, then)
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", visible=False, total=None, said="")

        def show(so_far: int, total: int) -> None:
            bar.update(task, completed=so_far, total=total, visible=total > 0, said=out_of(so_far, total))

        yield show


@dataclass(slots=True)
class _Log:
    """A line where it is time for one, but none for what is done: the report tells that."""

    done: str
    what: str
    due: float
    apart: float

    def __call__(self, so_far: int, total: int) -> None:
        now = time.monotonic()
        if now >= self.due and so_far < total:
            words.say(f"{self.done} {grouped(so_far)} of {plural(total, self.what)}")
            self.due = now + self.apart
