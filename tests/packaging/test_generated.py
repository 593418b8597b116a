"""What is generated from the program is as the program is now."""

from __future__ import annotations

import subprocess
import sys

from support import ROOT, environment, run

from usagefix import schemas
from usagefix.cli import app as command_line
from usagefix.cli.shared import LACKING


def test_the_page_of_commands_and_the_schemas_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), f"stale, run make docs: {done.stdout}{done.stderr}"


def test_every_command_that_prints_json_has_a_schema() -> None:
    commands = [command.name or "" for command in command_line.registered_commands]
    with_json = {name for name in commands if "output" not in LACKING.get(name, ())}
    assert len(with_json) > 8
    assert with_json | {"usagefix"} == set(schemas.names())


def test_a_schema_is_printed() -> None:
    assert '"const": "verify"' in run("schema", "verify").stdout
    unknown = run("schema", "nonsense")
    assert unknown.code == 2
    assert "check-preset" in unknown.stderr
