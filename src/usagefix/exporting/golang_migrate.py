"""Files for golang-migrate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from usagefix.exporting.numbering import numbers, timestamps
from usagefix.exporting.step import Step
from usagefix.exporting.tool import Draft, File, Tool, read
from usagefix.models.choices import MigrationTool

_NAME = re.compile(r"(?P<version>\d+)_.*\.(?P<way>up|down)\.sql")


class GolangMigrate(Tool):
    """golang-migrate sends a file as one simple query, which the server runs as one transaction. Before and after that
    it notes the version in ``schema_migrations`` on its own: of a file that fails it keeps the version as *dirty*. It
    keeps the newest version only.
    """

    choice = MigrationTool.GOLANG_MIGRATE
    runs = "migrate up"
    told = (
        "golang-migrate sends the file as one query, which is one transaction. Do not set"
        " x-multi-statement=true, which cuts functions at their semicolons. A failure changes nothing, but"
        " leaves the version dirty: migrate force to the one before. x-statement-timeout limits the time."
        " Then: usagefix verify. --? marks lines that some databases do not need."
    )
    usual = ("migrations", "db/migrations", "db/migration", "database/migrations")
    marks = ("[0-9]*_*.up.sql",)

    def found(self, folder: Path) -> list[File]:
        files = [
            File(path, match["version"], read(path))
            for path in folder.iterdir()
            if (match := _NAME.fullmatch(path.name)) and match["way"] == "up" and path.is_file()
        ]
        return sorted(files, key=lambda file: (int(file.version), file.path.name))

    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:
        if not found:
            return timestamps([], len(steps), "")
        return numbers(found[-1].version, len(steps))

    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:  # noqa: ARG002
        for version, step in new:
            name = f"{version}_{step.name}"
            yield [
                Draft(folder / f"{name}.up.sql", self.whole(version, step)),
                Draft(folder / f"{name}.down.sql", self.back(step)),
            ]
