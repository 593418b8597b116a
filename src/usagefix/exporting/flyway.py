"""Files for Flyway."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from usagefix.errors import ConfigurationError
from usagefix.exporting.numbering import numbers
from usagefix.exporting.step import Step
from usagefix.exporting.tool import Draft, File, Tool, read
from usagefix.models.choices import MigrationTool

_NAME = re.compile(r"(?P<kind>[VBU])(?P<version>\d+(?:[._]\d+)*)__.*\.sql")
_PARTS = re.compile(r"[._]")
_LOCATIONS = re.compile(r"^\s*flyway\.locations\s*=\s*(?P<places>.+)$", re.MULTILINE)
_PLACEHOLDER = "${"
_AS_IT_IS = "placeholderReplacement=false\n"


class Flyway(Tool):
    """Flyway splits a file into statements, knowing dollar quotes, sends them one by one in one transaction, and notes
    the file in ``flyway_schema_history`` from another connection. ``${name}`` in a file is a placeholder of it, also
    in a function, unless a file with ``.conf`` behind its name says otherwise. Undo files are of its paid editions.
    """

    choice = MigrationTool.FLYWAY
    runs = "flyway migrate"
    told = (
        "Flyway splits this into statements and runs them in one transaction; with group=true all new files"
        " are one transaction, and writers wait until the last ends. U files are for flyway undo, which not"
        " every edition has; psql -1 -f runs them, too. Safe to run again; then: usagefix verify. --? marks"
        " lines that some databases do not need."
    )
    usual = ("src/main/resources/db/migration", "db/migration", "sql", "migrations")
    goes_on = True
    marks = ("V[0-9]*__*.sql",)

    def home(self, folder: Path) -> Path | None:
        return _located(folder) or super().home(folder)

    def found(self, folder: Path) -> list[File]:
        files = [
            File(path, match["version"], read(path))
            for path in folder.iterdir()
            if (match := _NAME.fullmatch(path.name)) and match["kind"] == "V" and path.is_file()
        ]
        return sorted(files, key=lambda file: _order(file.version))

    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:
        if not found:
            return numbers("0", len(steps))
        before, last = re.fullmatch(r"(.*[._])?(\d+)", found[-1].version).groups(default="")  # type: ignore[union-attr]
        return [f"{before}{number}" for number in numbers(last, len(steps))]

    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:  # noqa: ARG002
        for version, step in new:
            files = [
                Draft(folder / f"V{version}__{step.name}.sql", self.whole(version, step)),
                Draft(folder / f"U{version}__{step.name}.sql", self.back(step)),
            ]
            literal = [file.path for file in files if _PLACEHOLDER in file.text]
            yield [*files, *(Draft(path.with_name(f"{path.name}.conf"), _AS_IT_IS) for path in literal)]


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, _PARTS.split(version)))


def _located(folder: Path) -> Path | None:
    """The first folder that a configuration file there names. Raises ConfigurationError for one that is no TOML."""
    places: list[str] = []
    try:
        if (folder / "flyway.toml").is_file():
            places = tomllib.loads(read(folder / "flyway.toml")).get("flyway", {}).get("locations", ["filesystem:sql"])
        elif (folder / "flyway.conf").is_file():
            found = _LOCATIONS.search(read(folder / "flyway.conf"))
            places = found["places"].split(",") if found else ["filesystem:sql"]
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ConfigurationError(
            f"{folder / 'flyway.toml'} cannot be read: {error}", hint="give the folder of migrations"
        ) from None
    named = [str(place).strip().removeprefix("filesystem:") for place in places if "classpath:" not in str(place)]
    return next((folder / name for name in named if (folder / name).is_dir()), None)
