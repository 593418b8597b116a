"""The file of declarations: what was found, with what speaks for it, is added to what the file has already."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from usagefix.declaration import Declaration
from usagefix.declaring import Flags, declared
from usagefix.declaring.files import PROJECT
from usagefix.declaring.identifiers import column_of
from usagefix.discovering.tables import USUAL_SCHEMA
from usagefix.errors import ConfigurationError
from usagefix.models.discovery import FoundCounter, Written
from usagefix.models.figures import grouped, percent, plural, signed


@dataclass(frozen=True, slots=True)
class Declarations:
    """A file that declares counters, or will."""

    path: Path

    def read(self) -> tuple[Declaration, ...]:
        """What it declares now; nothing if it is not there, or says nothing of counters.

        Raises ConfigurationError if it cannot be read, or nothing can be written beside it.
        """
        folder = self._file.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ConfigurationError(
                f"{self.path} cannot be written: {folder} is no folder that may be written to",
                hint="name a file in a folder of yours: --write usagefix.toml",
            )
        if not self._file.exists() or self._silent():
            return ()
        return declared(Flags(config=self.path), Path()).counters

    def add(self, found: Sequence[FoundCounter]) -> Written:
        """Add those that it lacks, all at once or not at all, in place of the file that is there.

        Raises ConfigurationError if the file cannot be read or written, or nothing can be added to it.
        """
        there = {(d.parent.schema or USUAL_SCHEMA, d.parent.table, d.column) for d in self.read()}
        new = [one for one in found if _identity(one) not in there]
        if new:
            before = self._file.read_text(encoding="utf-8-sig") if self._file.exists() else ""
            header = "tool.usagefix.counter" if self._of_project else "counter"
            entries = "\n".join(_entry(one, header) for one in new)
            self._replace(f"{before.rstrip()}\n\n{entries}" if before.strip() else entries)
        kept = tuple(one.counter for one in found if one not in new)
        return Written(str(self.path), tuple(one.counter for one in new), kept)

    @property
    def _file(self) -> Path:
        return self.path.resolve()  # replace the target of a link, not the link

    @property
    def _of_project(self) -> bool:
        return self.path.name == PROJECT

    def _silent(self) -> bool:
        """Whether it is good TOML that says nothing of counters; else whoever reads declarations says what is wrong."""
        try:
            table = tomllib.loads(self._file.read_text(encoding="utf-8-sig"))
            for name in ("tool", "usagefix") if self._of_project else ():
                table = table.get(name, {})
            return "counter" not in table and (self._of_project or not table)
        except (OSError, ValueError, AttributeError):
            return False

    def _replace(self, text: str) -> None:
        try:
            with _beside(self._file) as written:
                written.write_text(text, encoding="utf-8")
                self._require_readable(written)
                if self._file.exists():
                    shutil.copymode(self._file, written)
                written.replace(self._file)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} cannot be written: {error.strerror}", hint="name another file: --write FILE"
            ) from None

    def _require_readable(self, written: Path) -> None:
        try:
            declared(Flags(config=written), Path())
        except ConfigurationError as error:
            raise ConfigurationError(
                f"what was found cannot be added to {self.path}: {error.message}".replace(str(written), self.path.name),
                hint="name another file: --write FILE; this one is as it was",
            ) from None


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A file of the same name that a rename puts in its place; it is gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=".usagefix-", dir=file.parent))
    try:
        yield folder / file.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _identity(found: FoundCounter) -> tuple[str, str, str]:
    schema, table, columns = column_of(found.counter)
    return schema or USUAL_SCHEMA, table, columns[0]


def _entry(found: FoundCounter, header: str) -> str:
    """One ``[[counter]]``, below what speaks for it."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    sampled = " of a sample" if found.sampled else ""
    lines = [
        f"# usagefix discover, {today}: {percent(found.agreement)} of {plural(found.rows, 'row')}{sampled} agree,"
        f" {grouped(found.inaccurate)} {'does' if found.inaccurate == 1 else 'do'} not,"
        f" drift {signed(found.drift_total)}",
        *(f"# gives the same in every row: {_text(other)}" for other in found.alike),
        f"[[{header}]]",
        f"counter = {_text(found.counter)}",
        f"events = {_text(found.events)}",
    ]
    for key, value in (("where", found.where), ("sum", found.sum), ("key", found.key)):
        lines += [f"{key} = {_text(value)}"] if value else []
    if found.last and found.last_from:
        lines.append(f"last = {{ column = {_text(found.last)}, from = {_text(found.last_from)} }}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A string of TOML, on one line; JSON escapes all that TOML wants escaped, but for DEL."""
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
