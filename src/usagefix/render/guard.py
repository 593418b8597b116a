"""The guard's report for people: the mode, and a line for each writer that was refused."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from usagefix.models.guarding import GuardReport
from usagefix.render.layout import Column, grid, item, moment, text
from usagefix.render.phrases import plural

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
