"""The bundled SQL keeps its measure: files and lines that are read, tables only in the ledger, no code that runs code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import LEDGER, SQL

from usagefix import catalog, preparing
from usagefix.tokens import Kind, tokens

LONGEST_FILE = 250  # lines
LONGEST_LINE = 120  # characters
FILES = sorted(path for path in SQL.rglob("*.sql") if path.parent.name != "sample")


def code_of(text: str) -> list[str]:
    """The words of a script in lower case, those of dollar-quoted code too, without comments and literals."""
    words: list[str] = []
    for token in tokens(text):
        if token.kind is Kind.WORD:
            words.append(token.text.lower())
        elif token.kind is Kind.DOLLAR:
            words += code_of(token.content)
    return words


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SQL)))
def test_a_file_is_short_plain_and_ascii(path: Path) -> None:
    data = path.read_bytes()
    assert data.isascii(), "a database in another encoding refuses the whole file"
    assert data.endswith(b"\n")
    lines = data.decode().splitlines()
    assert len(lines) <= LONGEST_FILE
    assert [line for line in lines if len(line) > LONGEST_LINE] == []
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == []


def test_the_ledger_is_tables_only() -> None:
    words = code_of(LEDGER.read_text())
    made = {words[index + 1] for index, word in enumerate(words[:-1]) if word in ("create", "replace")}
    assert made == {"schema", "table", "sequence"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SQL)))
def test_what_stays_in_a_database_runs_no_dynamic_sql(path: Path) -> None:
    bodies = [
        token.content
        for token in tokens(path.read_text())
        if token.kind is Kind.DOLLAR and token.tag == "$function$"
    ]  # fmt: skip
    assert len(bodies) == len(re.findall(r"^AS \$function\$$", path.read_text(), re.MULTILINE)), "else none was read"
    for body in bodies:
        # But for one statement, on a partition that is truncated: its name is not known before.
        static = [line for line in body.splitlines() if not line.endswith("--? partitions")]
        assert "execute" not in code_of("\n".join(static))
        assert code_of(body).count("execute") == body.count("OPEN changes FOR EXECUTE pg_catalog.format(") <= 1


def test_every_function_that_stays_is_bounded_here() -> None:
    """The tests above would pass over one that is written in another way."""
    for migration in catalog.migrations():
        for file in migration.folder.glob("*.sql"):
            words = " ".join(code_of(file.read_text()))
            made = len(re.findall(r"\bcreate (?:or replace )?(?:function|procedure)\b", words))
            assert made == file.read_text().count("AS $function$\n")


@pytest.mark.parametrize("anchor", preparing.ANCHORS)
def test_what_functions_do_first_has_its_place(anchor: str) -> None:
    """Where a comment is missing, functions would not lock, or not make rows, and nothing else would say so."""
    assert sum(path.read_text().count(anchor) for path in FILES) in (1, 2), "of the statement, and of the row"
