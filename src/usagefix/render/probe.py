"""The report of probe-api for people: the numbers, what the API answered, and what explains it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from usagefix.models.probe import ProbeReport
from usagefix.render.findings import show_findings
from usagefix.render.layout import Column, count, grid, item, pairs, text
from usagefix.render.phrases import Answers, answers, remarks, signed


def show_probe(report: ProbeReport, console: Console) -> None:
    """Print it."""
    _facts(report, console)
    refused = [alike for alike in answers(report) if not alike.post.accepted]
    if refused:
        console.print(Text("What the API answered", style="bold"))
        _refused(refused, console)
    if report.why:
        console.print(Text("What the database knows of it", style="bold"))
        show_findings(report.why, console)
    for said in remarks(report):
        item(said, console)


def _refused(refused: list[Answers], console: Console) -> None:
    """A line for each kind of answer; what to do about a single one is said at the end."""
    several = len(refused) > 1
    columns = (Column("answer"), Column("posts", number=True), Column("seen"))
    rows = [
        (
            Text(alike.word, style="red"),
            Text(f"{alike.number:,}"),
            text(alike.post.detail),
            *((text(alike.post.hint),) if several else ()),
        )
        for alike in refused
    ]
    grid((*columns, *((Column("do"),) if several else ())), rows, console)


def _facts(report: ProbeReport, console: Console) -> None:
    preset = report.preset
    numbers = ", ".join(f"{alike.number:,} {alike.word}" for alike in answers(report))
    slowest = max(post.seconds for post in report.posts)
    facts = (
        *((("preset", text(preset.name)),) if preset.name else ()),
        ("id", text(preset.id)),
        ("posted to", text(report.url)),
        ("answers", text(f"{numbers}, within {slowest:.2f} s")),
        ("events", Text(f"{signed(report.recorded)}, now {preset.actual_records:,}")),
        ("counter", Text.assemble(f"{signed(report.counted)}, now ", count(preset.displayed_count))),
    )
    pairs(facts, console)
