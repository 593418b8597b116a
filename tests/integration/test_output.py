"""--output FILE: each report in a file, whole or not at all; and verify's metrics, read back."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psycopg
import pytest
import typer
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
from support import LONG, App, Result, environment, free_port, process, role, run, wait_until

from usagefix.cli import app as command_line

# Commands that change nothing, their exit codes on the drifted sample, and a format of each.
READ_ONLY = {
    "verify": (("verify",), 1, ("table", "openmetrics", "markdown")),
    "status": (("status",), 0, ("github",)),
    "check": (("check", "Golden hour"), 1, ("json",)),
    "check-preset": (("check-preset", "Golden hour"), 1, ("junit",)),
    "discover": (("discover",), 1, ("markdown",)),
    "doctor": (("doctor",), 1, ("table",)),
    "trends": (("trends", "--until", "2026-01-01", "--since", "2025-12-01"), 0, ("csv",)),
    "notifications": (("notifications",), 0, ("table",)),
    "guard": (("guard",), 1, ("json",)),
    "smoke": (("smoke",), 1, ("github",)),
    "apply": (("apply", "--dry-run"), 0, ("junit",)),
    "backfill": (("backfill", "--dry-run"), 0, ("json",)),
    "rollback": (("rollback", "--dry-run"), 0, ("",)),
}
NOWHERE = "postgresql://somebody:secret-word@127.0.0.1:{port}/app"


def metrics(text: str) -> dict[str, float]:
    """Name, and what tells it from others but database and server → value."""
    found = {}
    for family in read(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            more = [value for name, value in sample.labels.items() if name not in ("database", "server", "counter")]
            found[" ".join([sample.name, *more])] = float(sample.value)
    return found


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def timeless(text: str) -> str:
    """Without the lines that say when, or how long, or in which transaction."""
    changing = ("duration", "time", "ago", "transaction ")
    return "".join(line for line in text.splitlines(keepends=True) if not any(word in line for word in changing))


@pytest.mark.parametrize("command", READ_ONLY)
def test_what_would_be_on_stdout_is_in_the_file(app: App, command: str, tmp_path: Path) -> None:
    arguments, code, forms = READ_ONLY[command]
    file = tmp_path / "report"
    for form in forms:
        asked = (*arguments, *(("--format", form) if form else ()))
        printed = app.usagefix(*asked)
        written = app.usagefix(*asked, "-o", str(file))
        assert (written.code, written.stdout, printed.code) == (code, "", code), written.stderr
        assert f"{file} is written" in written.stderr.splitlines()
        assert timeless(file.read_text()) == timeless(printed.stdout) != ""
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~_mask(), "who reads metrics is somebody else"
    assert names(tmp_path) == ["report"]


def test_every_command_that_has_a_format_has_it() -> None:
    commands = typer.main.get_command(command_line).commands  # type: ignore[attr-defined]
    options = {
        name: {option for given in command.params for option in given.opts} for name, command in commands.items()
    }
    assert {name for name, given in options.items() if "--format" in given} == {
        name for name, given in options.items() if {"--output", "-o"} <= given
    }


def _mask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_what_changes_the_database_and_what_needs_none(app: App, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    for arguments in (
        ("apply",),
        ("backfill",),
        ("guard", "warn"),
        ("rollback", "--yes"),
        ("export", str(tmp_path / "m")),
    ):
        (tmp_path / "m").mkdir(exist_ok=True)
        done = app.usagefix(*arguments, "--format", "json", f"--output={file}")
        assert (done.code, done.stdout) == (0, ""), done.stderr
        assert Result(0, file.read_text(), "").json["command"] == arguments[0]
    by_variable = app.usagefix("status", USAGEFIX_OUTPUT=str(file), USAGEFIX_FORMAT="json")
    assert (by_variable.stdout, json.loads(file.read_text())["command"]) == ("", "status")


def test_a_table_in_a_file_is_plain_and_of_one_width(app: App, tmp_path: Path) -> None:
    file = tmp_path / "report"
    for columns, widest in (("", 100), ("70", 70)):
        terminal, end = pty.openpty()
        variables = environment(DATABASE_URL=app.url(), COLUMNS=columns, FORCE_COLOR="1", TERM="xterm-256color")
        done = subprocess.run(
            [sys.executable, "-m", "usagefix", "verify", "--all", "-o", str(file)], env=variables, cwd="/", stdin=end, stdout=end,
            stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        os.close(end)
        os.close(terminal)
        assert done.returncode == 1, done.stderr
        text = file.read_text()
        assert "\x1b" not in text
        assert widest - 15 <= max(map(len, text.splitlines())) <= widest


def test_quiet_prints_nothing_but_errors(app: App, tmp_path: Path) -> None:
    file = tmp_path / "report"
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("verify",), 1, ""),
        (("verify", "--format", "json"), 1, ""),
        (("verify", "--output", str(file)), 1, ""),
        (("check-preset", "no such preset"), 1, "error: "),
        (("doctor", "--format", "github"), 1, ""),
        (("apply",), 0, ""),
        (("verify", "--format", "junit"), 0, ""),
        (("smoke",), 0, ""),
        (("export", str(tmp_path)), 0, ""),
        (("rollback", "--yes"), 0, ""),
        (("verify", "--top", "x"), 2, "error: "),
    ]
    for arguments, code, said in cases:
        done = app.usagefix("--quiet", *arguments, GITHUB_ACTIONS="true")
        assert (done.code, done.stdout, done.stderr[: len(said or "x")]) == (code, "", said), arguments
    assert file.read_text().splitlines()[-1] == "next: usagefix apply", "a file is no print"
    by_variable = app.usagefix("verify", USAGEFIX_QUIET="1")
    assert (by_variable.code, by_variable.stdout, by_variable.stderr) == (1, "", "")
    assert app.usagefix("verify", USAGEFIX_QUIET="0").stdout
    assert app.usagefix("-q", "sql", "20250930000001").stdout.startswith("--"), "that is what was asked for"


def test_the_file_tells_a_failure(app: App, tmp_path: Path) -> None:
    file = tmp_path / "report"
    closed = NOWHERE.format(port=free_port())
    failing: list[tuple[tuple[str, ...], str, int]] = [
        (("verify",), closed, 3),
        (("verify",), "", 2),
        (("check-preset", "no such preset"), app.url(), 1),
        (("verify", "--nonsense"), app.url(), 2),
        (("verify", "--top", "x"), app.url(), 2),
    ]
    for form in ("json", "markdown", "github", "junit", "table"):
        for arguments, url, code in failing:
            file.write_text("as it was before")
            done = app.usagefix(*arguments, "--format", form, "--output", str(file), DATABASE_URL=url)
            assert (done.code, done.stdout) == (code, ""), done.stderr
            text = file.read_text()
            assert "secret-word" not in text
            if form == "table":
                assert text == ("as it was before" if arguments[-1] in ("--nonsense", "x") else "")
            elif form == "json":
                assert json.loads(text)["exit_code"] == code
            else:
                assert "error" in text


def test_metrics_of_a_failure(app: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.prom"
    port = free_port()
    for arguments, url, code, database in (
        ((), NOWHERE.format(port=port), 3, "app"),
        ((), "", 2, ""),
        (("--top", "x"), app.url(), 2, ""),
        (("--only", "no_such_check"), app.url(), 2, app.name),
    ):
        file.write_text("usagefix_verify_ok 1\n# EOF\n")
        asked = ("verify", *arguments, "--format", "openmetrics", "-o", str(file))
        assert app.usagefix(*asked, DATABASE_URL=url).code == code
        found = metrics(file.read_text())
        told = [found[f"usagefix_verify_{name}"] for name in ("up", "ok", "exit_code")]
        assert told == [0, 0, code]
        assert "usagefix_drift" not in found
        assert "secret-word" not in file.read_text()
        assert "somebody" not in file.read_text()
        assert (f'database="{database}"' in file.read_text()) == bool(database)
        assert (f'server="127.0.0.1:{port}"' in file.read_text()) == (database == "app")


def test_metrics_tell_what_verify_tells(app: App) -> None:
    def both() -> tuple[dict[str, float], Result]:
        as_json = app.usagefix("verify", "--format", "json")
        as_metrics = app.usagefix("verify", "--format", "openmetrics")
        assert as_json.code == as_metrics.code == metrics(as_metrics.stdout)["usagefix_verify_exit_code"]
        return metrics(as_metrics.stdout), as_json

    before, said = both()
    counts = said.one["counts"]
    assert before["usagefix_drift"] == counts["drift_total"] != 0
    assert before["usagefix_drift_magnitude"] == counts["drift_magnitude"]
    assert before["usagefix_inaccurate_rows"] == counts["inaccurate"] > 0
    assert before["usagefix_rows"] == counts["rows"]
    assert {
        f"usagefix_check_passed {c['check_id']}": float(c["status"] == "ok")
        for c in said.one["checks"]
        if c["status"] != "skipped"
    } == {name: value for name, value in before.items() if name.startswith("usagefix_check_passed")}
    assert "usagefix_refused_writes_total" not in before, "there is no guard yet"
    app.usagefix("apply")
    refused = pytest.raises(psycopg.Error, match="the guard refused")
    modes: dict[str, AbstractContextManager[object]] = {"warn": nullcontext(), "reject": refused}
    for mode, refuses in modes.items():
        app.usagefix("guard", mode)
        for _ in range(2):
            with refuses:
                app.sql("UPDATE presets SET usage_count = usage_count + 1 WHERE id = %s", app.preset())
    after, said = both()
    assert (after["usagefix_verify_ok"], after["usagefix_drift"], after["usagefix_refused_writes_total"]) == (1, 0, 4)
    assert said.one["refused_writes"] == 4


def test_metrics_of_a_role_that_may_not_read_the_ledger(fixed: App) -> None:
    with role(fixed, "watcher", options="LOGIN BYPASSRLS", grants="GRANT SELECT ON presets, preset_usage TO watcher"):
        asked = ("verify", "--format", "openmetrics")
        without = fixed.usagefix(*asked, DATABASE_URL=fixed.url("watcher"))
        assert without.code == 0, without.stderr
        assert "usagefix_refused_writes_total" not in metrics(without.stdout)
        fixed.sql("GRANT USAGE ON SCHEMA usagefix TO watcher")
        assert "refused_writes" not in fixed.usagefix(*asked, DATABASE_URL=fixed.url("watcher")).stdout
        fixed.sql("GRANT SELECT ON usagefix.refused_writes TO watcher")
        assert "refused_writes" not in fixed.usagefix(*asked, DATABASE_URL=fixed.url("watcher")).stdout
        fixed.sql("GRANT SELECT ON ALL SEQUENCES IN SCHEMA usagefix TO watcher")
        with_them = fixed.usagefix(*asked, DATABASE_URL=fixed.url("watcher"))
        assert metrics(with_them.stdout)["usagefix_refused_writes_total"] == 0
        assert fixed.usagefix("apply").code == 0, "what may be read makes the ledger no less trusted"


def test_metrics_are_utf_8_whatever_stdout_is(app: App) -> None:
    result = process("verify", "--format", "openmetrics", DATABASE_URL=app.url(), PYTHONIOENCODING="ascii")
    assert metrics(result.stdout)["usagefix_verify_up"] == 1


@pytest.mark.parametrize("command", ["apply", "status", "doctor", "export", "check"])
def test_only_verify_has_metrics(app: App, command: str, tmp_path: Path) -> None:
    more = (str(tmp_path),) if command in ("export", "check") else ()
    result = app.usagefix(command, *more, "--format", "openmetrics")
    assert (result.code, result.stdout) == (2, "")
    assert "only verify has the format openmetrics" in result.stderr
    assert f"hint: usagefix {command} --help" in result.stderr


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


UNWRITABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (lambda there: _folder(there / "x"), "is a folder"),
    "no folder": (lambda there: there / "none" / "x", "No such file or directory"),
    "below a file": (lambda _: Path(__file__) / "x", "Not a directory"),
    "a link to itself": (lambda there: _loop(there / "x"), "cannot be written"),
    "a long name": (lambda there: there / ("x" * 300), "File name too long"),
    "stdout": (lambda _: "-", "leave --output out"),
    "nothing": (lambda _: "", "is a folder"),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_a_file_that_cannot_be_written_ends_it_before_anything_is_asked(app: App, case: str, tmp_path: Path) -> None:
    make, said = UNWRITABLE[case]
    result = app.usagefix("apply", "--format", "json", "--output", str(make(tmp_path)))
    assert (result.code, result.stdout) == (2, ""), result.stderr
    assert said in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert "target: " not in result.stderr, "it never connected"
    assert result.stderr.count("error: ") == 1, result.stderr
    assert app.one("SELECT to_regnamespace('usagefix') IS NULL")


def test_a_full_disk_says_what_was_done(app: App, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("before")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    done = subprocess.run(
        [sys.executable, "-m", "usagefix", "apply", "-o", str(file)], env=environment(DATABASE_URL=app.url()), cwd="/",
        capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"error: {file} cannot be written: File too large" in done.stderr
    assert "done before that, and kept: " in done.stderr
    assert "is written" not in done.stderr
    assert (file.read_text(), names(tmp_path)) == ("before", ["report"])
    full = app.usagefix("verify", "--output", "/dev/full")
    assert (full.code, "No space left on device" in full.stderr) == (2, True), full.stderr


def test_watch_writes_the_file_anew_each_round(fixed: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.prom"
    watching = fixed.spawn("verify", "--watch", "0.1", "--format", "openmetrics", "--output", str(file))

    def until(name: str, value: float) -> None:
        wait_until(lambda: file.is_file() and metrics(file.read_text())[name] == value, name)

    until("usagefix_verify_ok", 1)
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 3 WHERE id = %s", fixed.preset())
    until("usagefix_verify_ok", 0)
    assert metrics(file.read_text())["usagefix_drift"] == -3
    fixed.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    fixed.usagefix("backfill")
    until("usagefix_verify_ok", 1)
    watching.send_signal(signal.SIGTERM)
    out, said = watching.communicate(timeout=LONG)
    assert (watching.returncode, out) == (0, ""), said
    assert said.count(str(file)) == 1
    assert names(tmp_path) == [file.name]


def test_watch_without_a_file_prints_no_metrics(fixed: App) -> None:
    done = fixed.usagefix("verify", "--watch", "1", "--format", "openmetrics")
    assert done.code == 2
    assert "--output FILE takes any format" in done.stderr


def test_ctrl_c_leaves_a_file_that_tells_it(fixed: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.prom"
    with fixed.connect(autocommit=False) as other:
        other.execute("LOCK TABLE presets IN ACCESS EXCLUSIVE MODE")
        running = fixed.spawn("verify", "--format", "openmetrics", "--output", str(file))
        fixed.wait_for_waiter()
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=LONG)
    assert (running.returncode, out) == (130, ""), said
    found = metrics(file.read_text())
    assert (found["usagefix_verify_up"], found["usagefix_verify_exit_code"]) == (0, 130)


def test_no_command_line_empties_a_file(tmp_path: Path) -> None:
    """One that has no --output: what stands behind it may be anything."""
    file = tmp_path / "mine.sql"
    file.write_text("mine")
    for arguments in (
        ("sql", "20250930000001", "-o", str(file)), ("sql", "20250930000001", f"--output={file}"), ("-o", str(file)),
        ("verify", "--nonsense", f"-o{file}"),
    ):  # fmt: skip
        assert run(*arguments).code == 2
        assert file.read_text() == "mine"
