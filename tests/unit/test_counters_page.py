"""The page about declaring counters: usagefix reads each file that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT

from usagefix.declaring import Flags, declared

_PAGE = (ROOT / "docs" / "counters.md").read_text(encoding="utf-8")
FILES = re.findall(r"^```toml\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", FILES)
def test_each_file_of_the_page_declares_counters(text: str, tmp_path: Path) -> None:
    (tmp_path / "usagefix.toml").write_text(text, encoding="utf-8")
    assert len(declared(Flags(), tmp_path).counters) == text.count("[[counter]]") > 0


def test_the_page_shows_files() -> None:
    assert len(FILES) == _PAGE.count("```toml") > 0
