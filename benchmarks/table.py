"""The table as Markdown, on stdout and in README.md."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.server import SETTINGS

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
_MET = {True: "yes", False: "**no**", None: ""}


def rendered(rows: list[Row], *, version: str, command: str, seconds: float) -> str:
    """What was measured where, and a line for each row."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    settings = ", ".join(f"{name} = {value}" for name, value in SETTINGS.items())
    number = version.split(maxsplit=1)[0]
    make = f'make bench ARGS="{command}"' if command else "make bench"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, `{make}`, {seconds / 60:.0f} minutes, {cores} cores,"
        f" PostgreSQL {number} with {settings}; fsync, full_page_writes and synchronous_commit off.",
        "",
        "| benchmark | what | how | aim | measured | met |",
        "|---|---|---|---|---|---|",
        *(f"| {r.name} | {r.what} | {r.how} | {r.aim} | {r.measured} | {_MET[r.met]} |" for r in rows),
    ]
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the text between the two marks of README.md."""
    before = README.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    README.write_text(between.sub(lambda _: f"{BEGIN}\n{text}\n{END}", before), encoding="utf-8")
