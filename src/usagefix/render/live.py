"""A report that is drawn again and again in the same place, while somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.control import Control
from rich.text import Text

from usagefix.models.figures import duration
from usagefix.models.outcome import Outcome
from usagefix.models.verification import VerifyReport
from usagefix.render.brief import brief
from usagefix.render.layout import conclude, line, stdout_console, text
from usagefix.render.outline import chapters, overall
from usagefix.render.table import draw, draw_chapter


@contextmanager
def screen(command: str, seconds: float) -> Iterator[Callable[[Outcome], bool]]:
    """A function that draws an outcome over the last one, on a screen of its own that goes when the block ends."""
    console = stdout_console()

    def drawn(outcome: Outcome) -> bool:
        with console.capture() as captured:
            now = datetime.now(UTC).strftime("%H:%M:%S UTC")
            console.print(Text(f"usagefix {command} every {duration(seconds)}, {now}; Ctrl-C ends", style="dim"))
            console.print(text(str(outcome.target or "")))
            console.print()
            _draw(outcome, console)
        console.control(Control.home())
        alternate.update(Text.from_ansi(captured.get()))
        return True

    with console.screen() as alternate:
        yield drawn


def _draw(outcome: Outcome, console: Console) -> None:
    for about, error in outcome.failures:
        line("error", f"{about}: {error.message}" if about else error.message, "red", console)
    if not any(isinstance(part.report, VerifyReport) for part in outcome.parts):
        return
    # The verdict first: what does not fit on the screen is cut off at the end.
    told = chapters(outcome, whole=outcome.whole)
    conclude(overall(told), console)
    console.print()
    if outcome.brief:
        draw((brief(outcome),), console)
        return
    for chapter, part in zip(told, outcome.parts, strict=False):
        if isinstance(part.report, VerifyReport):
            draw_chapter(chapter.shown.sections, chapter, console)
