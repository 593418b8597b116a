"""Tools whose files begin with a timestamp, and run in the order of its digits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from usagefix.exporting.numbering import timestamps
from usagefix.exporting.step import Step
from usagefix.exporting.tool import Draft, File, Tool, read

_NAME = re.compile(r"(?P<version>\d+)_.*\.sql")


class Stamped(Tool):
    """Timestamp, underscore, name."""

    def found(self, folder: Path) -> list[File]:
        files = [
            File(path, match["version"], read(path))
            for path in folder.iterdir()
            if (match := _NAME.fullmatch(path.name)) and path.is_file()
        ]
        return sorted(files, key=lambda file: (file.version, file.path.name))

    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:
        hint = f"{self.choice} runs files in the order of the digits before their first _; rename that file"
        return timestamps([file.version for file in found], len(steps), hint)

    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:  # noqa: ARG002
        for version, step in new:
            yield [Draft(folder / f"{version}_{step.name}.sql", self.whole(version, step))]
