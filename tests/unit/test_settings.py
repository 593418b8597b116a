"""Where the database is, by precedence; and that the password never shows."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from rich.cells import cell_len

from usagefix.errors import ConfigurationError
from usagefix.render.folding import fold
from usagefix.target import locate, origin, resolve


def test_precedence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=five\nSUPABASE_DB_URL=six\n")
    (tmp_path / "named.env").write_text("SUPABASE_DB_URL=four\n")
    env = {"DATABASE_URL": "two", "SUPABASE_DB_URL": "three", "PGHOST": "seven"}
    named = tmp_path / "named.env"
    assert resolve("one", named, env, tmp_path).conninfo == "one"
    assert resolve(None, named, env, tmp_path).conninfo == "two"
    del env["DATABASE_URL"]
    assert resolve(None, named, env, tmp_path).conninfo == "three"
    del env["SUPABASE_DB_URL"]
    assert resolve(None, named, env, tmp_path).conninfo == "four"
    assert resolve(None, None, env, tmp_path).conninfo == "five"
    (tmp_path / ".env").unlink()
    assert resolve(None, None, env, tmp_path).conninfo == ""
    with pytest.raises(ConfigurationError):
        resolve(None, None, {}, tmp_path)


def test_empty_values_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=\nSUPABASE_DB_URL='  x '\n")
    assert resolve(None, None, {"DATABASE_URL": " "}, tmp_path).conninfo == "x"


def test_dollars_in_a_password_are_not_expanded(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://u:a${HOME}b@h/d\n")
    assert resolve(None, None, {}, tmp_path).conninfo == "postgresql://u:a${HOME}b@h/d"


def test_the_password_does_not_show(tmp_path: Path) -> None:
    assert "secret" not in repr(resolve("postgresql://u:secret@h/d", None, {}, tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "export DATABASE_URL=postgresql://u:p@h/d\n",
        "DATABASE_URL='postgresql://u:p@h/d'\r\nOTHER=1\r\n",
        '\ufeffDATABASE_URL="postgresql://u:p@h/d"',
        "# the database\n\nDATABASE_URL = postgresql://u:p@h/d # of the shop\n",
        "DATABASE_URL=first\nDATABASE_URL=postgresql://u:p@h/d\n",
    ],
)
def test_how_a_line_may_be_written(text: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    address = resolve(None, None, {}, tmp_path)
    assert (address.conninfo, address.notes) == ("postgresql://u:p@h/d", ())


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("DATABASE_URL='postgresql://u:secret@h/d\n", "line 1"),
        ("A=1\n\n\nB='secret\nC=3\n", "line 4"),
        ("A=1\nsecret secret\n\n'DATABASE_URL=secret\n", "lines 2, 4"),
        ("# DATABASE_URL\nDATABASE_URL: postgresql://u:secret@h/d\n", "line 2"),
        ("A=1\nDATABASE_URL\n", "line 2"),
    ],
)
def test_lines_that_cannot_be_read_are_named_and_not_quoted(text: str, which: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        resolve(None, None, {}, tmp_path)
    assert f"no database is named; {which} of .env cannot be read" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
    for address in (
        resolve(None, None, {"PGHOST": "h"}, tmp_path),
        resolve(None, _file(tmp_path / "other.env", f"SUPABASE_DB_URL=x\n{text}"), {"PGHOST": "h"}, tmp_path),
    ):
        assert "cannot be read" in address.notes[0]
        assert "secret" not in address.notes[0]


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_that_is_not_needed_is_not_spoken_of(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("'\n")
    assert resolve(None, None, {"DATABASE_URL": "x"}, tmp_path).notes == ()


def test_a_line_that_is_a_name_only_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PATH\nDATABASE_URL=x\n")
    assert resolve(None, None, {}, tmp_path).notes == ()


@pytest.mark.parametrize(
    ("url", "environment", "named_by"),
    [
        ("postgresql://u@h:1/d", {"PGPASSWORD": "x"}, "--database-url"),
        ("postgresql:///d", {"PGHOST": "h", "PGPORT": "1", "PGDATABASE": "e"}, "--database-url, PGHOST, PGPORT"),
        (None, {"PGHOST": "h", "PGDATABASE": "e"}, "PGHOST, PGDATABASE"),
        (None, {"DATABASE_URL": "host=h", "PGUSER": "u"}, "DATABASE_URL, PGUSER"),
        (None, {"PGSERVICE": "shop", "PGHOST": "h", "PGSERVICEFILE": "services"}, "service shop in services"),
        (None, {"PGSERVICE": "other", "PGSERVICEFILE": "services"}, "service other"),
        ("service=shop", {"PGSERVICE": "other", "PGSERVICEFILE": "absent"}, "--database-url, service shop"),
    ],
)
def test_who_names_the_database(
    url: str | None, environment: dict[str, str], named_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(_file(tmp_path / "services", "[shop]\nhost=h\n").parent)
    address = resolve(url, None, environment, tmp_path)
    assert origin(address, locate(address.conninfo, address.source), environment) == named_by


@pytest.mark.parametrize("width", range(20, 130, 7))
def test_a_target_is_folded_between_words(width: int) -> None:
    host = "aws-0-eu-central-1.pooler.supabase.com:6543"
    line = f"target: postgres.abcdefghijkl@{host}/postgres, PostgreSQL 15.18, through a pooler (from .env)"
    lines = fold(line, width)
    assert max(map(len, lines)) <= max(width, len("  postgres.abcdefghijkl@"))
    assert "".join(lines).replace(" ", "") == line.replace(" ", "")
    assert all(
        re.search(r"[-@/.:,\s]$", before) or " " + after.strip().split()[0] in line for before, after in pairwise(lines)
    )


@pytest.mark.parametrize(
    "pasted",
    [
        ("usagefix apply --trust events,", "usagefix rollback --daily-limit skip --yes;"),
        ("usagefix --counter posts.likes --name 'my likes' guard reject;", "pip install 'usagefix[demo]';"),
        ("GRANT SELECT ON presets TO reader;", 'ALTER TABLE "this or that" REPLICA IDENTITY FULL,'),
        ("CREATE INDEX CONCURRENTLY ON likes (post_id, at) WHERE NOT undone;", "GRANT owners TO reader,"),
    ],
)
@pytest.mark.parametrize("width", [12, 20, 40, 60])
def test_what_is_pasted_is_in_one_line(pasted: tuple[str, str], width: int) -> None:
    first, then = pasted
    lines = fold(f"hint: {first} {then} or ask who owns it; DELETE, or UPDATE of some columns, 事件 are not", width, 6)
    assert [line for line in lines if first in line], lines
    assert [line for line in lines if then in line], lines
    assert all(cell_len(line) <= width for line in lines if first not in line and then not in line), lines
    assert [line[:6].strip() for line in lines] == ["hint:", *[""] * (len(lines) - 1)]
