"""The Action: its steps as the runner of GitHub Actions runs them, against a real database."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import App
from workflow import ACTION, Runner, Step, obeyed

pytestmark = pytest.mark.timeout(400)  # its steps install usagefix from a package index
FIXED = "right: 16 checks pass, 4 do not apply; 40 of 40 presets accurate"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RUNNER_TEMP after the first step: usagefix, from this checkout, in a virtual environment of its own."""
    temp = tmp_path_factory.mktemp("runner temp")
    runner = Runner(tmp_path_factory.mktemp("workspace"), temp, tmp_path_factory.mktemp("files"))
    (step,) = runner.action({"database-url": "unused"}, only=["install"])
    assert step.code == 0, step.printed
    assert step.stdout == ""
    return temp


@pytest.fixture
def runner(installed: Path, tmp_path: Path) -> Runner:
    workspace = tmp_path / "the workspace"
    workspace.mkdir()
    return Runner(workspace, installed, tmp_path / "files")


def run(runner: Runner, app: App, **inputs: str) -> Step:
    values = {"database-url": app.url()} | {name.replace("_", "-"): value for name, value in inputs.items()}
    (step,) = runner.action(values, only=["run"])
    return step


def test_the_file_is_an_action() -> None:
    action: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    assert {"name", "description", "inputs", "outputs", "runs", "branding"} == set(action)
    assert len(action["description"]) <= 125, "the marketplace takes no more"
    for described in action["inputs"].values():
        assert {"description", "required"} <= set(described)
        assert described["required"] != ("default" in described)
    assert action["runs"]["using"] == "composite"
    steps = {step["id"]: step for step in action["runs"]["steps"]}
    for step in steps.values():
        assert set(step) == {"name", "id", "shell", "env", "run"}
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input in a script would be part of it"
    used = set(re.findall(r"inputs\.([\w-]+)", str(steps)))
    assert used == set(action["inputs"])
    for output in action["outputs"].values():
        (step_id,) = re.findall(r"^\$\{\{ steps\.([\w-]+)\.outputs\.[\w-]+ \}\}$", output["value"])
        assert step_id in steps


def test_drift_fails_the_step(runner: Runner, app: App) -> None:
    step = run(runner, app)
    assert (step.code, step.outputs) == (1, {"exit-code": "1"})
    mask, *annotations = obeyed(step.printed)
    assert (mask.name, mask.message) == ("add-mask", app.url())
    assert [command.name for command in annotations] == ["error"] * 10
    assert step.stdout.startswith("::add-mask::")
    assert app.url() not in step.printed.split("\n", 1)[1]
    assert "Counters equal events" in runner.summary.read_text()


def test_a_fixed_database_passes(runner: Runner, fixed: App) -> None:
    step = run(runner, fixed)
    assert (step.code, step.outputs) == (0, {"exit-code": "0"})
    assert [command.name for command in obeyed(step.printed)] == ["add-mask"]
    assert step.stdout.splitlines()[-1] == FIXED
    assert FIXED.split(": ")[1] in runner.summary.read_text()


def test_any_command_and_format(runner: Runner, app: App) -> None:
    assert run(runner, app, command="apply --batch-size 10\n  --pause 0").code == 0
    assert app.drift() == (0, 0)
    quoted = run(runner, app, command="check-preset 'Neon city' --recent \"1\"", format="json")
    assert quoted.code == 0, quoted.printed
    assert '"label": "Neon city"' in quoted.stdout
    assert app.usagefix("verify", "--format", "json").code == 0
    assert run(runner, app, command="rollback").code == 2, "nobody is there to answer"


def test_a_format_of_the_job_holds_where_the_step_has_none(runner: Runner, fixed: App) -> None:
    runner.variables = {"USAGEFIX_FORMAT": "junit"}
    assert "<testsuite " in run(runner, fixed).stdout
    assert "<testsuite " not in run(runner, fixed, format="table").stdout
    assert runner.summary.read_text() == ""


@pytest.mark.parametrize(
    "command",
    [
        "verify; touch PWNED", "verify ; touch PWNED", "verify $(touch PWNED)", "verify `touch PWNED`", "verify | tee PWNED",
        "verify && touch PWNED", "verify > PWNED", "verify\ntouch PWNED", "verify '", 'verify "$(touch PWNED)', "$(touch PWNED)",
        "'; touch PWNED #", "verify -- $PWNED", "--database-url $(touch\\ PWNED) verify", "", "verify\\", '"""; touch PWNED; """',
    ],
)  # fmt: skip
def test_a_command_is_arguments_and_nothing_else(runner: Runner, fixed: App, command: str) -> None:
    step = run(runner, fixed, command=command)
    assert (step.code, step.outputs) == (2, {"exit-code": "2"})
    assert list(runner.workspace.iterdir()) == []
    assert "Traceback" not in step.printed


@pytest.mark.parametrize(
    "more",
    ["$(touch${IFS}PWNED)", "`touch PWNED`", "'; touch PWNED; '", '"; touch PWNED; "', "\n::error::x\ntouch PWNED", "%0Atouch"],
)  # fmt: skip
def test_a_url_is_a_url_and_nothing_else(runner: Runner, fixed: App, more: str) -> None:
    url = f"{fixed.url()}&application_name={more}"
    step = run(runner, fixed, database_url=url)
    assert list(runner.workspace.iterdir()) == []
    mask = obeyed(step.stdout)[0]
    assert (mask.name, mask.message) == ("add-mask", url)
    assert all(command.title.startswith("usagefix ") for command in obeyed(step.printed)[1:])
    assert step.printed.count(more.strip()) <= 1
    if step.code == 0:
        assert FIXED in step.stdout
    else:
        assert step.code in (2, 3), step.printed


@pytest.mark.parametrize("url", ["", "  ", "\n"])
def test_no_secret_is_said_so(runner: Runner, fixed: App, url: str) -> None:
    (runner.workspace / ".env").write_text(f"DATABASE_URL={fixed.url()}\n")
    step = run(runner, fixed, database_url=url)
    assert (step.code, step.outputs) == (2, {"exit-code": "2"})
    (command,) = obeyed(step.printed)
    assert "database-url is empty" in command.message


def test_files_of_the_repository_are_not_run(runner: Runner, fixed: App) -> None:
    for name in ("venv", "pip", "shlex", "usagefix", "typer", "sitecustomize"):
        (runner.workspace / f"{name}.py").write_text("raise SystemExit('a file of the repository was run')\n")
    runner.variables = {"PYTHONPATH": ""}
    steps = runner.action({"database-url": fixed.url()})
    assert [step.code for step in steps] == [0, 0], [step.printed for step in steps]
    assert "was run" not in steps[0].printed + steps[1].printed


@pytest.mark.parametrize(
    "version",
    ["$(touch PWNED)", "1; touch PWNED", "1 --index-url https://x.example", "-e .", ".", "@ file:///", "1,<2"],
)
def test_a_version_is_a_version_and_nothing_else(runner: Runner, version: str) -> None:
    (step,) = runner.action({"database-url": "unused", "version": version})
    assert step.code == 2
    (command,) = obeyed(step.printed)
    assert "no version" in command.message
    assert list(runner.workspace.iterdir()) == []


def test_a_python_that_is_too_old_is_named(runner: Runner, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "python3"
    old.parent.mkdir()
    real = f"exec {sys.executable}"
    old.write_text(
        f'#!/bin/sh\n[ "$2" = -c ] && {real} -c "import sys; sys.version_info = (3, 10, 12); $3"\n{real} "$@"\n'
    )
    old.chmod(0o755)
    runner.variables = {"PATH": f"{old.parent}:/usr/bin:/bin"}
    (step,) = runner.action({"database-url": "unused"})
    assert step.code == 2
    (command,) = obeyed(step.printed)
    assert "Python 3.11 or later" in command.message
