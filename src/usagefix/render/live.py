"""A report that is drawn again and again in the same place, while somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.control import Control
from rich.text import Text

from usagefix.models.outcome import Outcome
from usagefix.models.verification import VerifyReport
from usagefix.render.counts import digest
from usagefix.render.layout import conclude, line, stdout_console, text
from usagefix.render.table import draw
from usagefix.render.verdict import verdict


@contextmanager
def screen(command: str, seconds: float) -> Iterator[Callable[[Outcome], bool]]:
    """A function that draws an outcome over the last one, on a screen of its own that goes when the block ends."""
    console = stdout_console()

    def drawn(outcome: Outcome) -> bool:
        with console.capture() as captured:
            now = datetime.now(UTC).strftime("%H:%M:%S UTC")
            console.print(Text(f"usagefix {command} every {seconds:g} s, {now}; Ctrl-C ends", style="dim"))
            console.print(text(str(outcome.target or "")))
            console.print()
            _draw(outcome, console)
        console.control(Control.home())
        alternate.update(Text.from_ansi(captured.get()))
        return True

    with console.screen() as alternate:
        yield drawn


def _draw(outcome: Outcome, console: Console) -> None:
    if outcome.error is not None:
        line("error", outcome.error.message, "red", console)
    if isinstance(outcome.report, VerifyReport):
        # The verdict first: what does not fit on the screen is cut off at the end.
        conclude(verdict(outcome.report), console)
        console.print()
        draw(digest(outcome.report), console)
