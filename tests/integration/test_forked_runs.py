"""What most tests run is a fork; to the letter it says and does what a process of its own does."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import FORKS, VERSION, App, Result, environment, process, run


def timeless(result: Result) -> Result:
    stdout = re.sub(r'"(?:\w+_)?ms": \d+|^took: .*\n(?:  .*\n)*', "", result.stdout, flags=re.MULTILINE)
    return Result(result.code, stdout, result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("--version",), ("apply", "--help"), ("nonsense",), ("verify", "--format", "json", "--nonsense"), ("sql", VERSION),
        ("verify",), ("verify", "--format", "json"), ("status",), ("status", "--format", "json"),
        ("check-preset", "Neon city", "--recent", "2"), ("check-preset", "nothing of that name"), ("verify", "--only", "nonsense"),
        ("apply",), ("apply", "--format", "json"), ("apply", "--dry-run"), ("backfill", "--dry-run"), ("rollback",),
        ("--database-url", "nonsense", "verify"), ("--env-file", "absent.env", "verify"),
    ],
)  # fmt: skip
def test_the_same_as_a_process(fixed: App, arguments: tuple[str, ...]) -> None:
    url = fixed.url()
    assert FORKS.suits(arguments, environment(DATABASE_URL=url))
    assert timeless(run(*arguments, DATABASE_URL=url)) == timeless(process(*arguments, DATABASE_URL=url))


@pytest.mark.parametrize("form", ["table", "json"])
def test_the_same_as_a_process_that_writes(app: App, form: str) -> None:
    def story(how: Callable[..., Result]) -> list[Result]:
        told = []
        for command in (
            ("apply", "--trust", "events"),
            ("backfill", "--trust", "events", "--batch-size", "3"),
            (
                "rollback",
                "--yes",
                "--purge",
            ),  # or the next story would tell of the writes that were refused in this one
        ):
            app.sql("UPDATE presets SET usage_count = 7")
            told.append(timeless(how(*command, "--format", form, DATABASE_URL=app.url())))
        return told

    assert [result.code for result in story(run)] == [0, 0, 0]
    assert story(run) == story(process)


def test_what_python_looks_up_as_it_starts_needs_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FORKS.suits(("verify",), environment(DATABASE_URL="x", COLUMNS="20", PGHOST="x"))
    assert not FORKS.suits(("demo",), environment())
    for name in ("PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONPATH", "LC_ALL", "PATH", "TMPDIR"):
        assert not FORKS.suits(("verify",), environment(**{name: "x"}))
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    assert not FORKS.suits(("verify",), environment())


def test_a_run_inherits_nothing_from_the_one_before(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=nonsense\n")
    malformed = run("verify", cwd=tmp_path)
    assert "malformed" in malformed.stderr
    assert "no database is named" in run("verify").stderr
    assert run("verify", cwd=tmp_path) == malformed


def test_runs_at_the_same_time(tmp_path: Path) -> None:
    verify = ("--database-url", f"postgresql:///x?host={tmp_path}", "verify")
    with socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor() as threads:
        server.bind(f"{tmp_path}/.s.PGSQL.5432")
        server.listen()
        running = [threads.submit(run, *verify) for _ in range(3)]
        for line in [server.accept()[0] for _ in running]:  # it answers none before all are there
            line.close()
        assert {one.result().code for one in running} == {3}
    assert len(FORKS.idle) >= 3


def test_a_run_that_does_not_end_is_ended(tmp_path: Path) -> None:
    waiting = ("--wait", "60", "--database-url", f"postgresql:///x?host={tmp_path}", "verify")
    with pytest.raises(subprocess.TimeoutExpired):
        FORKS.run(waiting, environment(), tmp_path, seconds=1)
    assert run("--version").code == 0
