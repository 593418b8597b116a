"""Files for Prisma Migrate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from usagefix.exporting.numbering import timestamps
from usagefix.exporting.step import Step
from usagefix.exporting.tool import Draft, File, Tool, read
from usagefix.models.choices import MigrationTool

_FILE = "migration.sql"


class Prisma(Tool):
    """Prisma Migrate runs ``migration.sql`` of each folder, in the order of the folders' names, as one simple query,
    which the server runs as one transaction, and notes it in ``_prisma_migrations`` on its own. It has no way back of
    its own: ``prisma db execute --file … down.sql``, then ``prisma migrate resolve --rolled-back``.
    """

    choice = MigrationTool.PRISMA
    runs = "prisma migrate deploy"
    told = (
        "Prisma sends the file as one query, which is one transaction. A failure changes nothing: prisma"
        " migrate resolve --rolled-back, then deploy again. The way back: prisma db execute --file with the"
        " down.sql beside this, then the same resolve. Then: usagefix verify. --? marks lines that some"
        " databases do not need."
    )
    usual = ("prisma/migrations", "migrations")
    marks = ("migration_lock.toml",)

    def found(self, folder: Path) -> list[File]:
        return [
            File(path / _FILE, path.name, read(path / _FILE))
            for path in sorted(folder.iterdir())
            if (path / _FILE).is_file()
        ]

    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:
        taken = [file.version.partition("_")[0] for file in found]
        hint = "Prisma runs the folders in the order of their names; rename that folder"
        stamps = timestamps(taken, len(steps), hint)
        return [f"{stamp}_{step.name}" for stamp, step in zip(stamps, steps, strict=True)]

    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:  # noqa: ARG002
        for version, step in new:
            yield [
                Draft(folder / version / _FILE, self.whole(version, step)),
                Draft(folder / version / "down.sql", self.back(step)),
            ]
