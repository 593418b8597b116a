"""The bundled SQL keeps its measure: files and lines that are read, tables only in the ledger, no code that runs code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from declared import COUNTERS
from support import LEDGER, SQL

from usagefix import catalog, doubting, preparing
from usagefix.counter import STANDARD, Counter
from usagefix.nouns import commented
from usagefix.quoting import shown
from usagefix.sentinels import render
from usagefix.tokens import Kind, tokens

LONGEST_FILE = 250  # lines
LONGEST_LINE = 120  # characters
ABOUT_PRESETS = re.compile(r"\b(?:presets?|preset_usage|usage_count|uses?)\b", re.IGNORECASE)
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


@pytest.mark.parametrize("anchor", doubting.ANCHORS)
def test_the_rule_of_doubt_has_its_place(anchor: str) -> None:
    """Where it is missing, scripts for other counters would doubt as those for presets do."""
    assert sum(path.read_text().count(anchor) for path in FILES) == 1


@pytest.mark.parametrize("anchor", preparing.ANCHORS)
def test_what_functions_do_first_has_its_place(anchor: str) -> None:
    """Where a comment is missing, functions would not lock, or not make rows, and nothing else would say so."""
    assert sum(path.read_text().count(anchor) for path in FILES) in (1, 2), "of the statement, and of the row"


def comments_of(text: str) -> list[str]:
    """The comments of a script, those within code that stays, too."""
    found: list[str] = []
    for token in tokens(text):
        if token.kind is Kind.COMMENT:
            found.append(token.text)
        elif token.kind is Kind.DOLLAR and token.tag in ("$function$", "$do$"):
            found += comments_of(token.content)
    return found


def code_in(text: str) -> list[str]:
    """All that is no comment and no space, within dollar quotes, too."""
    return [
        word
        for token in tokens(text)
        if token.kind not in (Kind.COMMENT, Kind.SPACE)
        for word in (code_in(token.content) if token.kind is Kind.DOLLAR else [token.text])
    ]


@pytest.mark.parametrize("counter", [one for of in COUNTERS.values() for one in of], ids=lambda one: one.slug)
def test_what_reaches_another_database_speaks_its_words(counter: Counter) -> None:
    """Comments do, and nothing but comments is another by that."""
    texts = [catalog.ledger(counter)]
    for migration in catalog.migrations():
        texts += [migration.read(face, counter) for face in catalog.Face]
        if (migration.folder / "partitions.sql").exists():
            texts += [part.text for part in migration.partitions(counter)]
    for text in texts:
        said = [comment for comment in comments_of(text) if ABOUT_PRESETS.search(comment) or "--?" in comment]
        assert said == []
        assert [line for line in text.splitlines() if line != line.rstrip()] == []
    raw = (SQL / "20250930000001_fix_usage_tracking" / "apply.sql").read_text()
    rendered = render(counter, raw)
    assert code_in(commented(rendered, counter)) == code_in(rendered)
    assert commented(raw, STANDARD) == raw


@pytest.mark.parametrize(
    ("name", "written"),
    [("posts", "posts"), ("order", '"order"'), ("left", '"left"'), ("time", "time"), ("Posts", '"Posts"'), ('a"b', '"a""b"'),
     ("", '""'), ("1st", '"1st"')],
)  # fmt: skip
def test_a_name_is_quoted_where_it_must_be(name: str, written: str) -> None:
    assert shown(name) == written
