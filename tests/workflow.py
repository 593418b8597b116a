"""The runner of GitHub Actions: what it makes of a step's output, by its own parser's rules, and how it runs steps."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support import ROOT, environment

ACTION = ROOT / "action.yml"
EXPRESSION = re.compile(r"\$\{\{\s*(?P<path>[\w.-]+)\s*\}\}")

KNOWN = frozenset(
    {"error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-matcher", "remove-matcher", "echo"}
    | {"stop-commands", "set-env", "add-path", "set-output", "save-state", "internal-set-repo-path"}
)


@dataclass(frozen=True)
class Command:
    """A command that the runner obeys."""

    name: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.properties["title"]


def obeyed(*streams: str) -> list[Command]:
    """Every command in what a step printed."""
    lines = [line for stream in streams for line in re.split(r"\r\n|\r|\n", stream)]
    return [command for line in lines if (command := _new(line) or _old(line)) is not None]


def _new(line: str) -> Command | None:
    """``::name key=value,key=value::message``, where a line begins so once its white space is gone."""
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, said = line[2:end].partition(" ")
    if name not in KNOWN:
        return None
    properties = {}
    for pair in filter(None, said.strip().split(",")):
        key, equals, value = pair.partition("=")
        if equals:
            properties[key] = _unescaped(value, "%3A:", "%2C,")
    return Command(name, _unescaped(line[end + 2 :]), properties)


def _old(line: str) -> Command | None:
    """``##[name]message``, anywhere in a line."""
    found = re.search(r"##\[(?P<name>[\w-]+)[^]]*\](?P<message>.*)", line)
    return Command(found["name"], found["message"]) if found and found["name"] in KNOWN else None


def _unescaped(text: str, *more: str) -> str:
    for pair in ("%0D\r", "%0A\n", *more, "%25%"):
        text = text.replace(pair[:3], pair[3:])
    return text


@dataclass
class Step:
    """A step that has ended."""

    name: str
    code: int
    stdout: str
    stderr: str
    outputs: dict[str, str]

    @property
    def printed(self) -> str:
        return self.stdout + self.stderr


@dataclass
class Runner:
    """Runs steps in ``workspace`` as the runner does: a real shell, files for what a step hands on, its environment."""

    workspace: Path
    temp: Path
    files: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    ran: list[Step] = field(default_factory=list)

    @property
    def summary(self) -> Path:
        return self.files / "summary.md"

    def action(self, values: Mapping[str, str], *, only: Iterable[str] | None = None) -> list[Step]:
        """The steps of action.yml until one fails, or those with the ids given."""
        action = yaml.safe_load(ACTION.read_text())
        assert set(values) <= set(action["inputs"])
        inputs = {name: values.get(name, described.get("default", "")) for name, described in action["inputs"].items()}
        missing = [name for name, described in action["inputs"].items() if described["required"] and name not in values]
        assert missing == []
        known = {f"inputs.{name}": value for name, value in inputs.items()}
        known |= {"github.action_path": str(ROOT), "runner.temp": str(self.temp)}
        steps: list[Step] = []
        for step in action["runs"]["steps"]:
            if only is None or step["id"] in only:
                steps.append(self.step(step, known))
                known |= {f"steps.{step['id']}.outputs.{name}": value for name, value in steps[-1].outputs.items()}
                if steps[-1].code:
                    break
        return steps

    def step(self, step: Mapping[str, Any], known: Mapping[str, str]) -> Step:
        """One that has a script."""
        self.files.mkdir(exist_ok=True)
        script = self.files / f"script {len(self.ran)}.sh"
        script.write_text(evaluated(step["run"], known))
        handed_on = {name: self.files / f"{name} {len(self.ran)}" for name in ("OUTPUT", "ENV", "PATH")}
        for path in handed_on.values():
            path.touch()
        self.summary.touch()
        shown = {f"GITHUB_{name}": str(path) for name, path in handed_on.items()}
        shown |= {"GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_WORKSPACE": str(self.workspace)}
        shown |= {"GITHUB_ACTIONS": "true", "CI": "true", "RUNNER_TEMP": str(self.temp)}
        own = {name: evaluated(str(value), known) for name, value in step.get("env", {}).items()}
        bash = shutil.which("bash")
        assert bash is not None
        done = subprocess.run(
            [bash, "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd=self.workspace, check=False,
            env=clean() | shown | dict(self.variables) | own, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        pairs = (line.partition("=") for line in handed_on["OUTPUT"].read_text().splitlines())
        outputs = {name: value for name, _, value in pairs}
        name = step.get("name", step["run"])
        self.ran.append(Step(name, done.returncode, done.stdout, done.stderr, outputs))
        return self.ran[-1]


def evaluated(text: str, known: Mapping[str, str]) -> str:
    """The text with the values of its expressions; fails at one that the runner here does not know."""
    done = EXPRESSION.sub(lambda match: known[match["path"]], text)
    assert "${{" not in EXPRESSION.sub("", text), text
    return done


def clean() -> dict[str, str]:
    """The environment of a machine with this Python, and nothing of usagefix on it."""
    inherited = {name: value for name, value in environment().items() if not name.startswith(("PYTHON", "USAGEFIX_"))}
    return inherited | {"PATH": f"{Path(sys.executable).parent}:{inherited['PATH']}"}
