"""The pages read easily: no sentence over 40 words, and no "for" where "because" is meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT

MOST = 40
GENERATED = {"commands.md"}
PAGES = sorted(
    page
    for page in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "sql/README.md",
        ROOT / "benchmarks/README.md",
    ]
    if page.name not in GENERATED | {"CHANGELOG.md"}
)
_BLOCK = re.compile(r"^ *```.*?^ *```$|<!-- table: begin -->.*?<!-- table: end -->", re.MULTILINE | re.DOTALL)
_END = re.compile(r"(?<=[.?!:])[)*]*\s+(?=[A-Z`*(\[①②③])")
_BECAUSE = re.compile(r", for (?:it|they|there|he|she|this|that|nobody|nothing|somebody|what) ")


def sentences(text: str) -> list[str]:
    """The sentences of a page's prose; a code span is one word, a row of a table and an item of a list stand alone."""
    text = re.sub(r"`[^`]*`", "`x`", _BLOCK.sub("", text))
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. |\|))|\|", text)
    return [found for paragraph in paragraphs for found in _END.split(" ".join(paragraph.split())) if found]


def unclear(text: str) -> list[str]:
    """Sentences that need a second reading."""
    return [said for said in sentences(text) if len(said.split()) > MOST or _BECAUSE.search(said)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_reads_easily(page: Path) -> None:
    assert unclear(page.read_text(encoding="utf-8")) == []


def test_what_is_not_easy_is_found() -> None:
    long = " ".join(["Word"] * (MOST + 1))
    assert unclear(f"Short. {long}.\n\n- An item, for it has a reason.\n") == [
        f"{long}.",
        "- An item, for it has a reason.",
    ]
    assert unclear(f"{long[:100]}. `{long}`\n```\n{long}\n```\n") == []
