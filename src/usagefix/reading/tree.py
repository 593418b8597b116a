"""Walks the folder of an application and reads the files that may hold code about the counter, each once."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from usagefix.errors import ConfigurationError
from usagefix.models.figures import grouped
from usagefix.reading.anywhere import in_text
from usagefix.reading.clients import in_code
from usagefix.reading.code import scripts
from usagefix.reading.findings import Found, Lines
from usagefix.reading.kinds import why_not_entered, why_not_read
from usagefix.reading.languages import language_of
from usagefix.reading.names import plain, singular
from usagefix.reading.sql import in_sql
from usagefix.reading.subject import USUAL, Subject

COMPONENTS = {".vue", ".svelte", ".astro"}
LARGEST = 2 * 1024 * 1024  # bytes
LONGEST_LINE = 5_000  # characters; what is longer is the output of a bundler
MOST_MARKS = 400_000  # of punctuation; a hand-written file of the largest size has fewer
_MARK = re.compile(r"[^\w\s]")


@dataclass(frozen=True, slots=True)
class Place:
    """A use in a file, its path relative to the root that was scanned."""

    path: Path
    found: Found


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found, by path and line.

    ``skipped`` are the files and folders not read, every one, each as "path: why".
    """

    places: tuple[Place, ...]
    files_read: int
    skipped: tuple[str, ...]


class _Unread(Exception):
    """Why a file is not read."""


def scan(root: Path, *, functions: Collection[str] = (), subject: Subject = USUAL) -> Scan:
    """The uses in every source file under a folder.

    Symbolic links are not followed: what they lead to inside the root is read in its own place. Raises
    ConfigurationError if the root is no folder.
    """
    if not _is_folder(root):
        raise ConfigurationError(f"there is no folder {root} to read", hint="check the path of the source folder")
    places: list[Place] = []
    skipped: list[str] = []
    files_read = 0
    for path in _files(root, skipped):
        relative = path.relative_to(root)
        try:
            places += [Place(relative, found) for found in _uses(path, functions, subject)]
            files_read += 1
        except _Unread as reason:
            skipped.append(f"{_shown(relative)}: {reason}")
    places.sort(key=lambda place: (place.path.as_posix(), place.found.line))
    return Scan(tuple(places), files_read, tuple(sorted(skipped)))


def in_file(path: Path, *, functions: Collection[str] = (), subject: Subject = USUAL) -> list[Found]:
    """The uses in one file, by its suffix. Empty for one that is not read."""
    try:
        return _uses(path, functions, subject)
    except _Unread:
        return []


def _uses(path: Path, functions: Collection[str], subject: Subject) -> list[Found]:
    if why := why_not_read(path):
        raise _Unread(why)
    code = _read(path)
    if path.suffix.lower() == ".sql":
        return in_sql(code, functions=functions, subject=subject)
    if not _concerns(code, functions, subject):
        return []
    if max(map(len, code.split("\n"))) > LONGEST_LINE:
        raise _Unread(f"minified, with a line over {grouped(LONGEST_LINE)} characters")
    if len(_MARK.findall(code)) > MOST_MARKS:
        raise _Unread(f"over {grouped(MOST_MARKS)} punctuation marks")
    language = language_of(path)
    if language is None:
        return Lines(code).found(in_text(code, functions, subject))
    if path.suffix.lower() in COMPONENTS:
        code = scripts(code)
    return Lines(code).found(in_code(code, language, functions, subject))


def _concerns(code: str, functions: Collection[str], subject: Subject) -> bool:
    """Whether a text names what is looked for at all, in whatever spelling."""
    short = code.replace("_", "").lower()
    if any(name in short for name in (singular(subject.child), *map(plain, functions))):
        return True
    return plain(subject.counter) in short and (singular(subject.parent) in short or "F(" in code)


def _read(path: Path) -> str:
    """The text of a regular file of a size that people write. Raises _Unread for any other."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for its writer
            raise _Unread("not a regular file")
        if about.st_size > LARGEST:
            raise _Unread("larger than 2 MB")
        content = path.read_bytes()
    except (OSError, ValueError):
        raise _Unread("cannot be read") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Unread("binary" if b"\0" in content else "not text in UTF-8") from None
    if "\0" in text:
        raise _Unread("binary")
    return text


def _files(root: Path, skipped: list[str]) -> Iterator[Path]:
    """The files under a folder; adds the folders that are not entered to ``skipped``."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = folder / entry.name
                    if entry.is_symlink():
                        skipped.append(f"{_shown(path.relative_to(root))}: a link, not followed")
                    elif not entry.is_dir(follow_symlinks=False):
                        yield path
                    elif why := why_not_entered(entry.name):
                        skipped.append(f"{_shown(path.relative_to(root))}/: {why}")
                    else:
                        folders.append(path)
        except OSError:
            skipped.append(f"{_shown(folder.relative_to(root))}: cannot be entered")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _shown(path: Path) -> str:
    """A path as text that can be printed, whatever bytes its name is made of."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")
