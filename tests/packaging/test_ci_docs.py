"""docs/ci.md: every workflow in it parses, and its steps run as written, against a real database."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import components
import pytest
import yaml
from junitparser import JUnitXml
from support import LONG, ROOT, SQL, App
from workflow import Runner, clean, evaluated, obeyed

PAGE = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Job:
    """A job of a workflow, by its name."""

    name: str
    steps: list[dict[str, Any]]
    env: dict[str, str]


def workflows() -> Iterator[dict[Any, Any]]:
    return (parsed for kind, text in BLOCKS if kind == "yaml" and "jobs" in (parsed := yaml.safe_load(text)))


def job(name: str) -> Job:
    (found,) = (workflow["jobs"][name] for workflow in workflows() if name in workflow["jobs"])
    return Job(name, found["steps"], found.get("env", {}))


def shell(word: str) -> str:
    (found,) = (text for kind, text in BLOCKS if kind == "sh" and word in text)
    return str(found)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bin folder with usagefix of this checkout, and a pip that need not install it once more."""
    home = tmp_path_factory.mktemp("machine")
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "checkout.pth").write_text(f"{ROOT / 'src'}\n{dependencies}\n")
    scripts = {
        "usagefix": f"#!{home}/bin/python\nfrom usagefix.__main__ import main\nmain()\n",
        "pip": '#!/bin/sh\n[ "$*" = "install usagefix" ]\n',
    }
    for name, text in scripts.items():
        path = home / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
    return home / "bin"


@pytest.fixture
def runner(tmp_path: Path, machine: Path) -> Runner:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    # Where the Action looks for what its first step has installed.
    shutil.copytree(machine.parent, tmp_path / "temp" / "usagefix", symlinks=True)
    return Runner(workspace, tmp_path / "temp", tmp_path / "files", {"PATH": f"{machine}:{clean()['PATH']}"})


def run(runner: Runner, wanted: Job, url: str) -> list[int]:
    """The exit codes of its steps until one fails."""
    known = {"secrets.DATABASE_URL": url}
    runner.variables = dict(runner.variables) | {name: evaluated(text, known) for name, text in wanted.env.items()}
    if "DATABASE_URL" in wanted.env:
        runner.variables = dict(runner.variables) | {"DATABASE_URL": url}
    codes: list[int] = []
    for step in wanted.steps:
        if step.get("uses", "").startswith("actions/"):
            continue
        if "uses" in step:
            assert step["uses"] == "usagefix/usagefix@main"
            values = {name: evaluated(text, known) for name, text in step["with"].items()}
            codes.append(runner.action(values, only=["run"])[-1].code)
        else:
            codes.append(runner.step(step, known).code)
        if codes[-1]:
            break
    return codes


def bash(machine: Path, folder: Path, script: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, check=False, capture_output=True, text=True, timeout=LONG,
        env=clean() | {"PATH": f"{machine}:{clean()['PATH']}", "DATABASE_URL": url}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_every_block_is_known() -> None:
    assert {kind for kind, _ in BLOCKS} == {"yaml", "sh", "sql"}
    assert {name for workflow in workflows() for name in workflow["jobs"]} == {
        "verify",
        "nightly",
        "doctor",
        "migrations",
    }
    for workflow in workflows():
        assert workflow["permissions"] == {"contents": "read"}
        assert "on" in workflow or True in workflow, "yaml 1.1 reads on as true"


def test_the_step_with_the_action(runner: Runner, app: App) -> None:
    assert run(runner, job("verify"), app.url()) == [1]
    assert "Counters equal events" in runner.summary.read_text()
    app.usagefix("apply")
    assert run(runner, job("verify"), app.url()) == [0]


def test_at_night(runner: Runner, fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 1 WHERE name = 'Neon city'")
    assert set(run(runner, job("nightly"), fixed.url())) == {0}
    assert fixed.drift() == (0, 0)


def test_causes_are_annotated_where_they_are(runner: Runner, app: App) -> None:
    route = runner.workspace / "app" / "route.ts"
    route.parent.mkdir()
    route.write_text("// a use\nawait db.query('UPDATE presets SET usage_count = usage_count + 1')\n")
    assert run(runner, job("doctor"), app.url()) == [0, 1]
    placed = [command.properties for command in obeyed(runner.ran[-1].printed) if "file" in command.properties]
    assert [(place["file"], place["line"]) for place in placed] == [("app/route.ts", "2")]


def test_a_fresh_copy_of_the_schema(runner: Runner, app: App) -> None:
    app.sql(f"CREATE DATABASE {app.name}_fresh")
    try:
        (runner.workspace / "schema.sql").write_text((SQL / "sample" / "schema.sql").read_text())
        psql = components.client("psql", app.binaries)
        runner.variables = dict(runner.variables) | {"PATH": f"{runner.variables['PATH']}:{psql.parent}"}
        url = app.url().replace(f"/{app.name}?", f"/{app.name}_fresh?")
        assert run(runner, job("migrations"), url) == [0, 0, 0, 0], runner.ran[-1].printed
    finally:
        app.sql(f"DROP DATABASE {app.name}_fresh")


def test_gitlab(machine: Path, tmp_path: Path, app: App) -> None:
    (jobs,) = (
        yaml.safe_load(text)
        for kind, text in BLOCKS
        if kind == "yaml" and "script" in yaml.safe_load(text).popitem()[1]
    )
    ((_, gitlab),) = jobs.items()
    assert gitlab["artifacts"]["when"] == "always"
    script = "\n".join(gitlab["script"])
    for code in (1, 0):
        assert bash(machine, tmp_path, script, app.url()).returncode == code
        suite = next(iter(JUnitXml.fromstring((tmp_path / gitlab["artifacts"]["reports"]["junit"]).read_bytes())))
        assert (suite.failures > 0) == (code == 1)
        app.usagefix("apply")


def test_before_a_deployment(machine: Path, tmp_path: Path, app: App) -> None:
    for code in (1, 0):
        assert bash(machine, tmp_path, shell("usagefix smoke"), app.url()).returncode == code
        app.usagefix("apply")


def test_only_busy_is_tried_again(machine: Path, tmp_path: Path, app: App) -> None:
    tries = tmp_path / "usagefix"
    tries.write_text('#!/bin/sh\necho try >> tries; [ "$(wc -l < tries)" -lt 3 ] && exit 4; exec "$REAL" "$@"\n')
    tries.chmod(0o755)
    script = f"PATH={tmp_path}:$PATH; export REAL={machine}/usagefix; sleep() {{ :; }}\n{shell('attempt')}"
    assert bash(machine, tmp_path, script, app.url()).returncode == 0
    assert (tmp_path / "tries").read_text() == "try\n" * 3
    assert app.drift() == (0, 0)
    script = f"sleep() {{ :; }}\n{shell('attempt')}"
    assert bash(machine, tmp_path, script, app.url("nobody_here")).returncode == 3


def test_json_however_it_ends(machine: Path, tmp_path: Path, app: App) -> None:
    assert bash(machine, tmp_path, shell("report.json"), app.url()).stdout == "1\n"
    assert bash(machine, tmp_path, shell("report.json"), app.url("nobody_here")).stdout == "3\n"


def test_the_role_of_ci_can_verify(fixed: App) -> None:
    (statements,) = (text for kind, text in BLOCKS if kind == "sql")
    fixed.sql(statements.replace("usagefix_ci", "ci_of_the_page"))
    try:
        done = fixed.usagefix("verify", DATABASE_URL=fixed.url("ci_of_the_page"))
        assert done.code == 0, done.stderr
        assert fixed.usagefix("apply", DATABASE_URL=fixed.url("ci_of_the_page")).code == 5
    finally:
        fixed.sql("DROP OWNED BY ci_of_the_page")
        fixed.sql("DROP ROLE ci_of_the_page")
