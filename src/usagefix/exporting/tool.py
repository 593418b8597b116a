"""What a migration tool asks of its files: where they are, what they are called, in which order they run, their form.

A file of ours begins with a head, which names the step and holds the checksum of what follows the first blank line: the
body. A file is known by its body, whatever it is called by now.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from usagefix import __version__
from usagefix.exporting.step import Step
from usagefix.models.choices import MigrationTool
from usagefix.tokens import split

_HEAD = re.compile(
    r"^(?:--|\#) usagefix \S+: (?P<title>[^\n]+), for `[^`\n]+`\.\n(?:(?:--|\#) [^\n]*\n)*?"
    r"(?:--|\#) sha256 of the rest: (?P<checksum>[0-9a-f]{64})\n(?:[^\n]+\n)*\n",
    re.MULTILINE,
)
_WIDTH = 115
# Settings of our scripts, for tools that continue in the same transaction.
_KEPT = "search_path lock_timeout TimeZone check_function_bodies default_tablespace"
_EACH = f"""\
DO $do$ DECLARE setting text; BEGIN
    FOREACH setting IN ARRAY pg_catalog.string_to_array(
        '{_KEPT}', ' '
    ) LOOP
        PERFORM pg_catalog.set_config({{}}, true);
    END LOOP;
END $do$;
"""
_WAS = "'usagefix.was_' || setting"
KEEP = f"""\
-- Keep what is set for the transaction in which this runs, for what runs in it afterwards
{_EACH.format(f"{_WAS}, pg_catalog.current_setting(setting)")}"""
GIVE_BACK = f"""\
-- Set again what was set before
{_EACH.format(f"setting, pg_catalog.current_setting({_WAS})")}"""


@dataclass(frozen=True, slots=True)
class File:
    """A migration of the folder, whoever wrote it: the file that takes the database forward. ``version``: what the tool
    lists it as."""

    path: Path
    version: str
    text: str

    def holds(self, step: Step, body: str) -> bool:
        """Whether it does what the step does, whatever comments it begins with. What is written for a database differs
        once it is applied there: then it is what an export wrote, as it was."""
        return self.text.rstrip().endswith(_one_ending(body).rstrip()) or (step.applied and self.was(step) == "older")

    def was(self, step: Step) -> str | None:
        """``edited`` or ``older`` where an export wrote it for this step."""
        head = _HEAD.search(self.text)
        if head is None or head["title"] != step.title:
            return None
        return "older" if checksum(self.text[head.end() :]) == head["checksum"] else "edited"


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to be; ``replaces``: what was read of the one that is there under that name."""

    path: Path
    text: str
    replaces: str | None = None


class Tool(ABC):
    """One migration tool. ``runs``: its command that runs the files; ``told``: what its users must know of how it does,
    ``usual``: where its files are in a project; ``marks``: files that only its projects have."""

    choice: ClassVar[MigrationTool]
    runs: ClassVar[str]
    told: ClassVar[str]
    usual: ClassVar[tuple[str, ...]] = ()
    marks: ClassVar[tuple[str, ...]] = ()
    comment: ClassVar[str] = "--"
    goes_on: ClassVar[bool] = False  # in the same transaction, so that settings must be as they were

    def home(self, folder: Path) -> Path | None:
        """Where its files are, for that folder or the project there; None if nothing tells that it is used."""
        places = (folder, *(folder / usual for usual in self.usual))
        return next((place for place in places if any(True for mark in self.marks for _ in place.glob(mark))), None)

    @abstractmethod
    def found(self, folder: Path) -> list[File]:
        """The migrations in the folder, in the order in which the tool runs them. Raises OSError."""

    @abstractmethod
    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:
        """What further migrations are listed as. Raises ConfigurationError if none can follow."""

    @abstractmethod
    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:
        """The files of each new migration, the one that takes the database forward first."""

    def body(self, step: Step) -> str:
        """What a file says for a step, whatever it is listed as."""
        return self.script(step.up)

    def script(self, sql: str) -> str:
        """Some SQL of a step, as this tool can run it."""
        return f"{KEEP}\n{sql}\n{GIVE_BACK}" if self.goes_on and split(sql) else sql

    def head(self, step: Step, *more: str) -> str:
        """What a file begins with; ``more``: further lines of it."""
        told = textwrap.wrap(self.told, _WIDTH, break_on_hyphens=False)
        said = (f"usagefix {__version__}: {step.title}, for `{self.runs}`.", *told)
        lines = [f"{self.comment} {line}" for line in (*said, f"sha256 of the rest: {checksum(self.body(step))}")]
        return "\n".join([*lines, *more, "", ""])

    def note(self, version: str) -> str:
        """The statement by which the ledger knows what ran the file."""
        return (
            f"DO $do$ BEGIN PERFORM pg_catalog.set_config('usagefix.tool', '{self.choice} {version}', true); END $do$;"
        )

    def whole(self, version: str, step: Step) -> str:
        """The usual file: head and body."""
        return f"{self.head(step, self.note(version))}{self.body(step)}"

    def back(self, step: Step) -> str:
        """The usual file of the way back."""
        return f"{self.comment} usagefix {__version__}: back from {step.title}.\n\n{self.script(step.down)}"


def checksum(text: str) -> str:
    """SHA-256 of a text, whatever ends its lines have."""
    return hashlib.sha256(_one_ending(text).encode()).hexdigest()


def read(path: Path) -> str:
    """The text of a file; Git may have given the lines other ends."""
    return _one_ending(path.read_bytes().decode(errors="replace"))


def _one_ending(text: str) -> str:
    return text.replace("\r\n", "\n")
