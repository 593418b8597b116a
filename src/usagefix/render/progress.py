"""The progress bar of a backfill, on stderr; only there, and only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from usagefix.models import BackfillProgress


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[BackfillProgress], None]]:
    """A function to call with each progress; the bar appears at its first call and goes when the block ends."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _progress: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("correcting presets"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", visible=False, total=None)

        def show(progress: BackfillProgress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, visible=progress.total > 0)

        yield show
