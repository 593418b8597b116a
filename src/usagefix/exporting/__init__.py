"""The fix as migration files for the tool that a project has. Writes files, never connects.

Files of an earlier export are known by their text, not by their name. From the first one on that is not there as it
should be, all are written again: run in order, the folder always ends in the whole fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from usagefix.errors import ConfigurationError
from usagefix.exporting.alembic import Alembic
from usagefix.exporting.dbmate import Dbmate
from usagefix.exporting.flyway import Flyway
from usagefix.exporting.golang_migrate import GolangMigrate
from usagefix.exporting.prisma import Prisma
from usagefix.exporting.sqitch import Sqitch
from usagefix.exporting.step import Step
from usagefix.exporting.supabase import Supabase
from usagefix.exporting.tool import File, Tool
from usagefix.exporting.writing import write
from usagefix.models.choices import MigrationTool
from usagefix.models.migration import ExportReport

TOOLS: tuple[Tool, ...] = (Supabase(), Dbmate(), Sqitch(), Flyway(), GolangMigrate(), Prisma(), Alembic())


def export(folder: Path, steps: Sequence[Step], chosen: MigrationTool | None = None) -> ExportReport:
    """Write what is not there yet of these steps, after all that is. ``chosen``: the tool, else the one that the folder
    is of; where nothing tells, the Supabase CLI.

    All of it is written, or nothing; no migration is replaced. Raises ConfigurationError for a folder that is not
    there, is of several tools, or cannot be read or written, and if no migration can follow.
    """
    tool, home, certain = _tool(folder, chosen)
    found = _found(tool, home)
    there = _already(tool, steps, found)
    missing = steps[len(there) :]
    new = list(zip(tool.versions(found, missing), missing, strict=True))
    drafts = list(tool.drafts(home, found, new))
    try:
        write([draft for each in drafts for draft in each])
    except OSError as error:
        raise ConfigurationError(
            f"the files cannot be written to {home}: {error.strerror}", hint="usagefix wrote nothing; check that folder"
        ) from None
    replaced = [(file.was(step), str(file.path)) for step in missing for file in found]
    return ExportReport(
        tool=tool.choice,
        runs=tool.runs,
        certain=certain,
        files=tuple(str(draft.path) for each in drafts for draft in each),
        there=tuple(str(file.path) for file in there),
        edited=tuple(path for was, path in replaced if was == "edited"),
        older=tuple(path for was, path in replaced if was == "older"),
    )


def _tool(folder: Path, chosen: MigrationTool | None) -> tuple[Tool, Path, bool]:
    """The tool, where its files are, and whether a person or the folder says that it is this one."""
    if chosen is not None:
        (tool,) = (tool for tool in TOOLS if tool.choice is chosen)
        return tool, tool.home(folder) or folder, True
    signs = [(tool, home) for tool in TOOLS if (home := tool.home(folder)) is not None]
    if len(signs) > 1:
        names = " and ".join(tool.choice for tool, _ in signs)
        raise ConfigurationError(
            f"{folder} looks like a folder of {names}", hint=f"--for {signs[0][0].choice} says which"
        )
    return (*signs[0], True) if signs else (TOOLS[0], folder, False)


def _found(tool: Tool, folder: Path) -> list[File]:
    """The migrations in the folder, in the order in which the tool runs them."""
    try:
        return tool.found(folder)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or folder} cannot be read: {error.strerror}",
            hint=f"give the folder of migrations (from the project's root it is usually {(*tool.usual, '.')[0]}),"
            " or make this one first",
        ) from None


def _already(tool: Tool, steps: Sequence[Step], found: Sequence[File]) -> list[File]:
    """For as many of the first steps as have one, in order: the file."""
    rest, there = iter(found), []
    for step in steps:
        body = tool.body(step)
        file = next((file for file in rest if file.holds(step, body)), None)
        if file is None:
            break
        there.append(file)
    return there
