"""The command lines in README and docs, and what they are said to print.

A comment before a block says where it runs: ``<!-- test: drifted, exit 1, columns 100 -->``. The database is ``drifted`` (the sample as
it was), ``fixed`` (after apply), ``locked`` (drifted, and somebody holds the table), ``plain`` (drifted, without a daily limit and
without a function that records uses), ``api`` (fixed, and the application listens); without a comment it is fixed.
``elsewhere`` is for what other tests run: installing, a project of the Supabase CLI, CI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

PAGES = (ROOT / "README.md", ROOT / "sql" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(
    r"(?:<!-- test: (?P<test>[^>]*) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_INLINE = re.compile(r"`(usagefix(?: [^`]*)?)`")


@dataclass(frozen=True)
class Block:
    """One block: a script (``sh``), or commands with their output (``console``)."""

    page: Path
    line: int
    language: str
    text: str
    where: str = "fixed"
    code: int = 0
    columns: int = 80

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command line, and the lines that it is said to print."""
        if self.language == "sh":
            return [(self.text, [])]
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
        return found


def blocks() -> Iterator[Block]:
    """Every block that is meant to be typed."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match["language"] not in ("sh", "console", "bash"):
                continue
            words = [word.strip() for word in (match["test"] or "fixed").split(",")]
            numbers = {word.split()[0]: int(word.split()[1]) for word in words if " " in word}
            where = next(word for word in words if " " not in word)
            line = text.count("\n", 0, match.start("text")) + 1
            code, columns = numbers.get("exit", 0), numbers.get("columns", 80)
            yield Block(page, line, match["language"], match["text"], where, code, columns)


def mentions() -> Iterator[tuple[str, str]]:
    """Every command line within a sentence, with its page."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in _INLINE.finditer(text):
            yield page.name, " ".join(match[1].split())


def plain(line: str) -> str:
    """A line as far as it is the same in every run: times, durations, ids and widths are not."""
    line = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line)
    line = re.sub(r"\d{4}-\d\d-\d\d[ \d:]*", "DATE ", line)
    line = re.sub(r"2026\d{10}|(?<=pid )\d+|(?<=transaction )\d+", "N", line)
    line = re.sub(r"\d[\d.,]* (?:ms|s|min \d+ s|h \d+ min)\b", "N s", line)
    return " ".join(re.sub(r"─+", "─", line).split())


def missing(expected: list[str], *streams: str) -> list[str]:
    """The lines that are said to be printed and are not, in this order within one of the streams."""
    left = [[plain(line) for line in stream.splitlines()] for stream in streams]
    absent = []
    for line in expected:
        if not line.strip() or line.strip() == "…":
            continue
        place = next((n for n, lines in enumerate(left) if plain(line) in lines), None)
        if place is None:
            absent.append(line)
        else:
            left[place] = left[place][left[place].index(plain(line)) + 1 :]
    return absent
