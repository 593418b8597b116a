"""The fix as migration files for ``supabase db push``. Writes files, never connects.

What the CLI does with a file was watched on the wire (2.122 and 3.1 alike). It splits the file into statements, knowing
dollar quotes, literals and comments, and sends them, and its own insert into ``supabase_migrations.schema_migrations``,
as one pipeline with one Sync. So a file is one transaction: ``set_config(…, true)`` lasts to its end, and a file that
fails leaves nothing, neither of its own nor in that table. The files before it are committed, and the next push goes on
with the one that failed. Files run in the order of their digits as text; one that is older than the newest applied is
refused.

Files of an earlier export are known by their text, not by their timestamp. From the first one on that is not there as
it should be, all are written again: run in order, the folder always ends in the whole fix.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from usagefix import __version__, catalog
from usagefix.catalog import Face
from usagefix.counter import STANDARD, Counter
from usagefix.errors import ConfigurationError
from usagefix.models.choices import Trust
from usagefix.models.migration import ExportReport

BACKFILL = "backfill_usage_count"
_FILE = re.compile(r"(?P<version>\d+)_.*\.sql")  # what the CLI takes for a migration
_HEADER = re.compile(
    r"\A-- usagefix \S+: (?P<title>[^\n]+), for `supabase db push`\.\n(?:-- [^\n]*\n)*?"
    r"-- sha256 of the rest: (?P<checksum>[0-9a-f]{64})\n\n"
)


@dataclass(frozen=True, slots=True)
class _Step:
    """A file to be: its name after the timestamp, its title, its SQL; whether the database has what it does."""

    name: str
    title: str
    sql: str
    applied: bool = False

    @property
    def text(self) -> str:
        return (
            f"-- usagefix {__version__}: {self.title}, for `supabase db push`.\n"
            "-- One transaction, safe to run again; then: usagefix verify. --? marks what other databases do without.\n"
            f"-- sha256 of the rest: {_checksum(self.sql)}\n\n{self.sql}"
        )


@dataclass(frozen=True, slots=True)
class _File:
    """A migration file of the folder, whoever wrote it."""

    path: Path
    version: str
    text: str

    def holds(self, step: _Step) -> bool:
        """Whether it does what the step does, whatever comments it begins with. What is written for a database differs
        once it is applied there: then it is what an export wrote, as it was."""
        return self.text.rstrip().endswith(step.sql.rstrip()) or (step.applied and self.was(step) == "older")

    def was(self, step: _Step) -> str | None:
        """``edited`` or ``older`` where an export wrote it for this step."""
        header = _HEADER.match(self.text)
        if header is None or header["title"] != step.title:
            return None
        return "older" if _checksum(self.text[header.end() :]) == header["checksum"] else "edited"


def export(
    folder: Path,
    *,
    to: str | None = None,
    counter: Counter = STANDARD,
    adapted: Mapping[tuple[str, Face], str] | None = None,
    applied: Collection[str] = (),
    believed: Trust | None = None,
) -> ExportReport:
    """Write what is not there yet of the migrations up to ``to``, and the backfill, with timestamps after all others.
    ``adapted``: the scripts of one database by version and face, the ledger in the first of them; ``applied``: the
    versions that it has; ``believed``: the side that the backfill takes for true, else it stops where that matters.

    All of it is written, or nothing; no file is replaced. Raises ConfigurationError for a folder that is not there, or
    cannot be read or written, and where no timestamp can follow.
    """
    found, steps = _found(folder), _steps(to, counter, adapted or {}, applied, believed)
    there = _already(steps, found)
    missing = steps[len(there) :]
    moments = _timestamps([file.version for file in found], len(missing))
    files = [folder / f"{moment}_{step.name}.sql" for moment, step in zip(moments, missing, strict=True)]
    try:
        _write(files, [step.text for step in missing])
    except OSError as error:
        raise ConfigurationError(
            f"the files cannot be written to {folder}: {error.strerror}", hint="nothing was written; check that folder"
        ) from None
    replaced = [(file.was(step), str(file.path)) for step in missing for file in found]
    return ExportReport(
        files=tuple(map(str, files)),
        there=tuple(str(file.path) for file in there),
        edited=tuple(path for was, path in replaced if was == "edited"),
        older=tuple(path for was, path in replaced if was == "older"),
    )


def _steps(
    to: str | None,
    counter: Counter,
    adapted: Mapping[tuple[str, Face], str],
    applied: Collection[str],
    believed: Trust | None,
) -> list[_Step]:
    """The files to be, in order."""
    wanted = [m for m in catalog.migrations() if to is None or m.version <= catalog.migration(to).version]
    newest = wanted[-1]
    steps = []
    for migration in wanted:
        first = migration is wanted[0]
        usual = migration.script(Face.APPLY, counter, with_ledger=first)
        title = f"{migration} with the ledger" if first else str(migration)
        text = adapted.get((migration.version, Face.APPLY), usual)
        steps.append(_Step(migration.name, title, text, migration.version in applied))
    usual = catalog.decided(newest.read(Face.BACKFILL, counter), believed)
    backfill = adapted.get((newest.version, Face.BACKFILL), usual)
    return [*steps, _Step(BACKFILL, f"backfill of {newest}", backfill)]


def _found(folder: Path) -> list[_File]:
    """The migrations in the folder, in the order in which the CLI runs them."""
    try:
        files = [
            # Git may have given the lines other ends.
            _File(path, match["version"], path.read_bytes().decode(errors="replace").replace("\r\n", "\n"))
            for path in folder.iterdir()
            if (match := _FILE.fullmatch(path.name)) and path.is_file()
        ]
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or folder} cannot be read: {error.strerror}",
            hint="give the folder of migrations; from the project's root it is usually supabase/migrations",
        ) from None
    return sorted(files, key=lambda file: (file.version, file.path.name))


def _already(steps: Sequence[_Step], found: Sequence[_File]) -> list[_File]:
    """For as many of the first steps as have one, in order: the file."""
    rest, there = iter(found), []
    for step in steps:
        file = next((file for file in rest if file.holds(step)), None)
        if file is None:
            break
        there.append(file)
    return there


def _timestamps(taken: Iterable[str], count: int) -> list[str]:
    """The next ones, a second apart: from now on, or after the newest taken."""
    newest = max(taken, default="")
    try:
        first = datetime.now(UTC)
        if _version(first) <= newest:
            digits = newest[:14].ljust(14, "0")
            first = datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}") + timedelta(seconds=1)
        return [_version(first + timedelta(seconds=n)) for n in range(count)]
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"no migration can come after version {newest}, which is no timestamp",
            hint="supabase runs files in the order of the digits before their first _; rename that file",
        ) from None


def _version(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(files: Sequence[Path], texts: Sequence[str]) -> None:
    """All of them or none: a file gets its name when it is whole, and when all of them are."""
    # The CLI takes no such name for a migration.
    drafts = [path.with_name(f".{path.name}.{os.getpid()}") for path in files]
    named: list[Path] = []
    try:
        for draft, text in zip(drafts, texts, strict=True):
            draft.write_text(text, encoding="utf-8", newline="\n")
        for draft, path in zip(drafts, files, strict=True):
            _give_name(draft, path)
            named.append(path)
    except BaseException:
        for path in named:
            path.unlink(missing_ok=True)
        raise
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def _give_name(draft: Path, path: Path) -> None:
    """Give a draft its name, which must be free."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise
        draft.rename(path)
