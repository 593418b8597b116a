"""How far a backfill is, on stderr: a bar where a person watches, else a plain line now and then, for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from usagefix.models.correction import BackfillProgress
from usagefix.models.nouns import USUAL, Nouns
from usagefix.render import words

FIRST, THEN = 5.0, 30.0  # seconds until the first line of a log, and between two


@contextmanager
def progress_shown(
    nouns: Nouns = USUAL, *, first: float = FIRST, then: float = THEN
) -> Iterator[Callable[[BackfillProgress], None]]:
    """A function to call with each progress; the bar appears at its first call and goes when the block ends."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _Log(nouns, time.monotonic() + first, then)
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(f"correcting {nouns.rows}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", visible=False, total=None)

        def show(progress: BackfillProgress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, visible=progress.total > 0)

        yield show


@dataclass(slots=True)
class _Log:
    """A line where it is time for one, but none for what is done: the report tells that."""

    nouns: Nouns
    due: float
    apart: float

    def __call__(self, progress: BackfillProgress) -> None:
        now = time.monotonic()
        if now >= self.due and progress.done < progress.total:
            words.say(f"corrected {progress.done:,} of {self.nouns.of(progress.total)}")
            self.due = now + self.apart
