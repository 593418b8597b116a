"""The guard's report for people: the mode, and a line for each writer that was refused."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from usagefix.models import GuardMode, GuardReport
from usagefix.render.layout import Column, grid, item, line, moment, plural, text

_MEANS = {
    GuardMode.IGNORE: "the counter stays as it is, the rest of a statement goes through",
    GuardMode.WARN: "the counter stays as it is, the rest of a statement goes through, with a warning",
    GuardMode.REJECT: "a statement that writes the counter fails",
}

TABLE = 110  # columns from which on the names of roles, applications and functions fit into a table


def show_guard(report: GuardReport, console: Console) -> None:
    """Print it."""
    if report.refused:
        console.print(Text("Refused writes of the counter", style="bold"))
        grid(
            (
                Column("role"),
                Column("application"),
                Column("through"),
                Column("writes", number=True),
                Column("first", whole=True),
                Column("last", whole=True),
                Column("mode", whole=True),
            ),
            [
                (
                    text(write.role),
                    text(write.application),
                    text(write.via) if write.via else Text("a statement", style="dim"),
                    Text(f"{write.writes:,}"),
                    moment(write.first_at),
                    moment(write.last_at),
                    text(write.mode),
                )
                for write in report.refused
            ],
            console,
            narrow=TABLE,
        )
    else:
        item("nothing else has tried to write the counter", console)
    if report.rejected:
        item(f"{plural(report.rejected, 'write')} rejected; nothing else is known of them, they are undone", console)
    if report.was is not None:
        was = "as before" if report.was is report.mode else f"was {report.was}"
        line(f"mode {report.mode}", f"{_MEANS[report.mode]} ({was})", "green", console)
    else:
        line(f"mode {report.mode}", _MEANS[report.mode], "", console)
