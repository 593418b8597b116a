"""Databases and surroundings that are a little off: read right, or refused well; never a traceback, never a hang."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import VERSION, App, environment, run

READING = (("verify",), ("status",), ("check-preset", "Neon city", "--recent", "2"))


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
@pytest.mark.parametrize(
    "oddity",
    [
        "UPDATE presets SET last_used_at = 'infinity'",
        "UPDATE presets SET last_used_at = '0044-03-15 BC'",
        "UPDATE preset_usage SET created_at = 'infinity' WHERE id = (SELECT id FROM preset_usage LIMIT 1)",
        "ALTER TABLE presets ALTER COLUMN name DROP NOT NULL; UPDATE presets SET name = NULL WHERE name <> 'Neon city'",
        "ALTER DATABASE \"{name}\" SET datestyle = 'German'",
        'ALTER DATABASE "{name}" SET standard_conforming_strings = off',
    ],
)
def test_values_and_settings_that_python_or_sql_stumble_over(fixed: App, command: tuple[str, ...], oddity: str) -> None:
    for statement in oddity.replace("{name}", fixed.name).split("; "):
        fixed.sql(statement)
    for form in ("table", "json"):
        result = fixed.usagefix(*command, "--format", form)
        assert result.code in (0, 1), result.stderr  # 1: last_used_at is behind, and rightly said so
        assert "error:" not in result.stderr


def test_what_a_terminal_would_obey_is_written_out(app: App) -> None:
    app.sql(
        "UPDATE presets SET name = E'clear \\x1b[2J \\u009b31m \\u202e', usage_count = 99999 WHERE name = 'Neon city'"
    )
    result = app.usagefix("verify", COLUMNS="160")
    assert "clear \\x1b[2J \\x9b31m \\u202e" in result.stdout
    assert not {"\x1b", "\x9b", "\u202e"} & set(result.stdout)


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_terminal_without_the_letters(app: App, form: str) -> None:
    app.sql("UPDATE presets SET name = '日本', usage_count = 99999 WHERE name = 'Neon city'")
    result = app.usagefix("verify", "--format", form, PYTHONIOENCODING="ascii")
    assert result.code == 1, result.stderr
    assert "\\u65e5\\u672c" in result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_full_disk(app: App, form: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "usagefix", "status", "--format", form], env=environment(DATABASE_URL=app.url()),
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["table", "json", "markdown", "github", "junit"])
def test_a_full_disk_does_not_hide_what_was_changed(fixed: App, form: str) -> None:
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 1 WHERE id = %s", fixed.preset())
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "usagefix", "backfill", "--format", form], env=environment(DATABASE_URL=fixed.url()),
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert fixed.drift() == (0, 0)
    assert done.returncode == 2
    assert "kept: 1 of 1 wrong presets corrected" in done.stderr
    assert "nothing in the database was changed" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("--help",), ("verify", "--help"), ("--version",), ("schema", "verify"), ("sql", VERSION)]
)
def test_a_full_disk_is_no_defect(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "usagefix", *arguments], env=environment(), stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("command", [("verify",), ("apply", "--format", "json"), ("status",)])
def test_a_table_that_somebody_locked_is_not_waited_for_without_end(app: App, command: tuple[str, ...]) -> None:
    with app.connect(autocommit=False) as blocker:
        blocker.execute("SET application_name = 'migration-gone-wrong'")
        blocker.execute("LOCK TABLE preset_usage")
        started = time.monotonic()
        result = app.usagefix(*command)
    assert result.code == 4, result.stderr
    assert "migration-gone-wrong" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert time.monotonic() - started < 120


def test_a_dry_run_that_meets_a_writer_names_it(app: App) -> None:
    with app.connect(autocommit=False) as blocker:
        blocker.execute("SET application_name = 'forgotten-console'")
        blocker.execute("LOCK TABLE preset_usage IN ROW EXCLUSIVE MODE")
        result = app.usagefix("apply", "--dry-run")
    assert result.code == 4
    assert "forgotten-console" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("{url}", "verify"), ("verify", "{url}"), ("--env-file", "{url}", "verify"), ("sql", "{url}"),
        ("apply", "--to", "{url}"), ("verify", "--only", "{url}"), ("check-preset", "{url}"), ("verify", "--format", "{url}"),
    ],
)  # fmt: skip
def test_a_url_in_the_wrong_place_is_not_repeated(app: App, arguments: tuple[str, ...]) -> None:
    url = "postgresql://u:S3cretWord@db.example/x"
    for more in ((), ("--format", "json")):
        if "sql" in arguments and more:
            continue
        result = app.usagefix(*(argument.replace("{url}", url) for argument in arguments), *more)
        assert result.code in (1, 2), result.stderr
        assert "S3cretWord" not in result.stdout + result.stderr


def test_the_demo_is_deaf_to_settings_of_another_server(tmp_path: Path) -> None:
    result = run("demo", PGHOSTADDR="127.0.0.1", PGPORT="1", PGDATESTYLE="German", PGSERVICE="none", TMPDIR="/tmp")
    assert result.code == 0, result.stderr
