"""Where the database is, by precedence; and that the password never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from usagefix.errors import ConfigurationError
from usagefix.settings import resolve


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
