"""The demo, as people read it: how a chapter begins, what it has to show, and what to remember of it all."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from usagefix.models.amount import minus
from usagefix.models.figures import counted, grouped, parts
from usagefix.models.reports import Report
from usagefix.models.verification import RowCount, VerifyReport
from usagefix.render.layout import conclude
from usagefix.render.outline import of_report
from usagefix.render.pieces import Cell, Facts, Notes, Remark, Results, Section
from usagefix.render.table import draw, show

_RULE = 4  # columns, without which a rule is none
Uses = tuple[RowCount, RowCount]  # a row before and after


@dataclass(frozen=True, slots=True)
class Telling:
    """What draws the story on a console; ``full``: every check, and all totals."""

    console: Console
    full: bool = False

    def begin(self, title: str, command: str) -> None:
        """How a chapter begins: nothing of it is done yet."""
        named, room = Text(title, style="bold"), self.console.width - _RULE
        self.console.print(Rule(named, style="dim", align="left") if named.cell_len <= room else named)
        self.console.print(Text(f"$ {command}", style="dim"))

    def show(self, report: Report) -> None:
        """What came of it; in short without totals, and without what an earlier chapter has shown."""
        if self.full:
            show(report, self.console)
        else:
            shown = of_report(report, whole=False)
            told = [section for section in shown.sections if not _in_full_only(section)]
            draw(told, self.console)
            if isinstance(told[-1], Notes):
                self.console.print()
            conclude(shown.verdict, self.console)
        self.console.print()

    def end(self, before: VerifyReport, after: VerifyReport, tried: Uses, used: Uses, program: str) -> None:
        """The numbers before and after, the second use on a day, and what to do on one's own database."""
        was, now = (counted(use.displayed_count) for use in used)
        facts = (
            ("before", f"{_right(before)}; {_recorded(tried)}"),
            ("after", f"{_right(after)}; {_recorded(used)}"),
            ("second use", f"counts on the same day, too: {used[1].called} went from {was} to {now}"),
            ("next", f"run {program} verify with your own DATABASE_URL; it only reads"),
        )
        draw([Facts("", tuple((name, Cell(said)) for name, said in facts))], self.console)


def _in_full_only(section: Section) -> bool:
    """Totals, what is beside the story, and what an earlier chapter has shown."""
    return isinstance(section, Facts | Remark) or (isinstance(section, Results) and section.extra)


def _right(report: VerifyReport) -> str:
    counts = report.counts
    return f"{parts(counts.accurate, counts.rows, 'preset')} right" if counts else "nothing was counted"


def _recorded(uses: Uses) -> str:
    """What became of two uses by one person on one day."""
    events = minus(uses[1].actual_records, uses[0].actual_records)
    count = minus(uses[1].displayed_count or 0, uses[0].displayed_count or 0)
    return f"2 uses on one day: {grouped(events)} recorded, {grouped(count)} counted"
