"""Changes for Sqitch: deploy, revert and verify scripts, and their lines in the plan."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from usagefix import __version__
from usagefix.errors import ConfigurationError
from usagefix.exporting.step import Step
from usagefix.exporting.tool import Draft, File, Tool, read
from usagefix.models.choices import MigrationTool

_CHANGE = re.compile(r"^\s*(?P<name>[^\s%@#\[][^\s\[]*)\s", re.MULTILINE)
_PLANNER = "usagefix <usagefix@localhost>"


class Sqitch(Tool):
    """Sqitch (seen with 1.3) runs each script with psql, in a session of its own, and adds no transaction: the scripts
    bring theirs. It notes the change in its schema afterwards, from another session; a variable of ``--set`` would be
    replaced outside of quotes only. A verify script must fail: what it selects is not looked at.
    """

    choice = MigrationTool.SQITCH
    runs = "sqitch deploy"
    told = (
        "Sqitch runs this with psql, in the file's own transaction, BEGIN to COMMIT. Safe to run again;"
        " sqitch verify checks these objects, usagefix verify checks everything. --? marks lines that some"
        " databases do not need."
    )
    marks = ("sqitch.conf", "sqitch.plan")

    def found(self, folder: Path) -> list[File]:
        places = _Places(folder)
        scripts = [(name, places.script("deploy", name)) for name in _planned(read(places.plan))]
        return [File(path, name, read(path)) for name, path in scripts if path.is_file()]

    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:
        taken = {file.version for file in found}
        return [_free(step.name, taken) for step in steps]

    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:  # noqa: ARG002
        places, lines = _Places(folder), list[str]()
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        plan = read(places.plan)
        for place, (version, step) in enumerate(new):
            needs = f" [{new[place - 1][0]}]" if place else ""
            lines.append(f"{version}{needs} {now} {_PLANNER} # {step.title}\n")
            said = f"-- usagefix {__version__}: {{}} {step.title}.\n\nBEGIN;\n\n"
            scripts = [
                Draft(places.script("deploy", version), self.whole(version, step)),
                Draft(places.script("revert", version), f"{said.format('back from')}{step.down}\nCOMMIT;\n"),
                Draft(places.script("verify", version), f"{said.format('check of')}{step.proof}\nROLLBACK;\n"),
            ]
            last = place == len(new) - 1
            ended = plan if plan.endswith("\n") or not plan else f"{plan}\n"
            yield scripts + ([Draft(places.plan, ended + "".join(lines), replaces=plan)] if last else [])

    def body(self, step: Step) -> str:
        return f"{step.up}\nCOMMIT;\n"

    def whole(self, version: str, step: Step) -> str:
        return f"{self.head(step, 'BEGIN;', self.note(version))}{self.body(step)}"


class _Places:
    """Where the plan and the scripts are, as ``sqitch.conf`` says. Raises ConfigurationError if that is none."""

    def __init__(self, folder: Path) -> None:
        parser = configparser.ConfigParser(
            strict=False, allow_no_value=True, interpolation=None, inline_comment_prefixes=("#", ";")
        )
        try:
            if (folder / "sqitch.conf").is_file():
                parser.read_string(read(folder / "sqitch.conf"))
        except configparser.Error as error:
            raise ConfigurationError(
                f"{folder / 'sqitch.conf'} cannot be read: {error.message}", hint="sqitch config --list says more"
            ) from None
        self._folder, self._core = folder, dict(parser["core"]) if parser.has_section("core") else {}
        self._top = self._core.get("top_dir") or "."
        self.plan = folder / (self._core.get("plan_file") or f"{self._top}/sqitch.plan")

    def script(self, kind: str, change: str) -> Path:
        place = self._core.get(f"{kind}_dir") or f"{self._top}/{kind}"
        return self._folder / place / f"{change}.{self._core.get('extension') or 'sql'}"


def _planned(plan: str) -> list[str]:
    """The names of the changes, in order."""
    return [match["name"].lstrip("+") for match in _CHANGE.finditer(plan)]


def _free(name: str, taken: set[str]) -> str:
    """That name, or the first with a number that is free; it is taken from then on."""
    free = next(each for n in count(1) if (each := name if n == 1 else f"{name}_{n}") not in taken)
    taken.add(free)
    return free
