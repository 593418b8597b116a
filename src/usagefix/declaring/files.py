"""The file that declares the counters: which one it is, and what stands in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usagefix.declaring.entries import Entry, Mistake, Mistaken, near
from usagefix.declaring.places import lines
from usagefix.errors import ConfigurationError

FILE = "usagefix.toml"
PROJECT = "pyproject.toml"
_LARGEST = 4 << 20  # bytes; a thousand counters need a tenth of that
_AT = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class File:
    """Where counters are declared, as it is called in words, and the entries in it."""

    name: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def found(folder: Path, given: Path | None = None) -> File | None:
    """The file that is ``given``; else usagefix.toml, else what pyproject.toml has; None if neither is there.

    Raises ConfigurationError for one that cannot be read, Mistaken for one that is not as it should be.
    """
    if given is not None:
        whole = _read(folder / given, str(given))
        return _declared(whole, str(given), of_project=given.name == PROJECT)
    project = _of_project(folder)
    if not _there(folder / FILE):
        return _declared(project, PROJECT, of_project=True) if project is not None else None
    file = _declared(_read(folder / FILE, FILE), FILE, of_project=False)
    note = f"the counters are those of {FILE}; [tool.usagefix] of {PROJECT} is not read"
    return File(file.name, file.entries, (note,)) if project is not None else file


def _there(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return True  # reading it raises the reason


def _of_project(folder: Path) -> _Whole | None:
    """The pyproject.toml that speaks of usagefix; what is wrong in another's is not our matter."""
    path = folder / PROJECT
    try:
        if not path.is_file() or re.search(rb"tool[\s\S]{0,40}usagefix", path.read_bytes()) is None:
            return None
    except OSError:
        return None
    whole = _read(path, PROJECT)
    tools = whole.values.get("tool")
    return whole if isinstance(tools, Mapping) and "usagefix" in tools else None


@dataclass(frozen=True, slots=True)
class _Whole:
    """A file as TOML has it, with its text."""

    values: Mapping[str, Any]
    text: str


def _read(path: Path, name: str) -> _Whole:
    try:
        if path.is_dir():
            raise ConfigurationError(f"{name} is a folder", hint=f"name the file that declares counters: {name}/{FILE}")
        with path.open("rb") as opened:
            data = opened.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{name} cannot be read: {error.strerror}", hint="--config names the file that declares counters"
        ) from None
    if len(data) > _LARGEST:
        raise ConfigurationError(f"{name} is larger than {_LARGEST >> 20} MiB", hint="is it the right file?")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}:{line} is not UTF-8", hint="TOML is always in UTF-8: save it so") from None
    try:
        return _Whole(tomllib.loads(text), text)
    except tomllib.TOMLDecodeError as error:
        said = _AT.search(str(error))
        line = int(said["line"]) if said and said["line"] else text.rstrip().count("\n") + 1
        what = _AT.sub("", str(error))
        raise ConfigurationError(
            f"{name}:{line} is not TOML: {what[:1].lower()}{what[1:]}",
            hint="SQL stands in double quotes: where = \"kind = 'like'\"",
        ) from None
    except RecursionError:
        raise ConfigurationError(f"{name} is nested too deeply", hint="is it the right file?") from None


def _declared(whole: _Whole, name: str, *, of_project: bool) -> File:
    at = lines(whole.text)
    above: tuple[str, ...] = ("tool", "usagefix") if of_project else ()
    table: Any = whole.values
    for key in above:
        table = table.get(key) if isinstance(table, Mapping) else None
    title = f"[tool.usagefix] of {name}" if of_project else name
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{name} has no table [tool.usagefix]", hint="write [[tool.usagefix.counter]]")
    mistakes = [
        Mistake(f"{name}:{at.get((*above, key), 1)}: {key}", f"is no key here{near(key, ('counter',))}")
        for key in table
        if key != "counter"
    ]
    many = table.get("counter", [])
    header = ".".join((*above, "counter"))
    if not isinstance(many, list) or not all(isinstance(one, Mapping) for one in many):
        place = f"{name}:{at.get((*above, 'counter'), 1)}: counter"
        mistakes.append(Mistake(place, f"is not an array of tables: begin each counter with [[{header}]]"))
    if mistakes:
        raise Mistaken(mistakes)
    if not many:
        raise ConfigurationError(
            f"{title} declares no counter", hint=f"begin each with [[{header}]], or take it away for the usual one"
        )
    return File(title, tuple(_entries(name, many, at, (*above, "counter"))))


def _entries(
    name: str, many: list[Mapping[str, Any]], at: Mapping[tuple[str | int, ...], int], above: tuple[str, ...]
) -> Iterator[Entry]:
    for number, values in enumerate(many):
        whole: tuple[str | int, ...] = (*above, number)
        first = at.get(whole, at.get(above, 1))

        def place(key: str, whole: tuple[str | int, ...] = whole, first: int = first) -> str:
            return f"{name}:{at.get((*whole, key), first)}: {key}"

        yield Entry(values, place, f"{name}:{first}")
