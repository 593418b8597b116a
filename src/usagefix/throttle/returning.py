"""Finds code that reads the row that an INSERT returns: for a merged notification there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from usagefix.database import Database
from usagefix.models.notifying import Returning
from usagefix.reading import Subject, Use, returned, scan

_READS = re.compile(
    r"\breturning\b|\.\s*select\s*\(|\.\s*single\s*\(|\.\s*(?:create|save|add|persist|insertGetId|find_or_create|get_or_create)\w*\s*[!(]"
    r"|\.\s*(?:create|save)!",
    re.IGNORECASE,
)
_AROUND = 12  # lines behind the one that names the table, in which a call goes on


@dataclass(frozen=True, slots=True)
class _Function:
    """The columns of ``inserting_functions.sql``."""

    signature: str
    body: str


def in_functions(db: Database, schema: str, table: str) -> tuple[Returning, ...]:
    """The functions of the database that do."""
    functions = db.rows(db.query("inserting_functions"), _Function, {"table": table})
    return tuple(
        Returning(function.signature.removeprefix("public."), how, fails)
        for function in functions
        for how, fails in sorted(set(returned(function.body, schema, table)))
    )


def in_source(folder: Path, schema: str, table: str) -> tuple[Returning, ...]:
    """The places of an application's source that do, as far as a reader can tell."""
    nothing = "usagefix_nothing"
    subject = Subject(schema, nothing, nothing, table, recorder=nothing, incrementer=nothing, daily="")
    places = [place for place in scan(folder, subject=subject).places if place.found.use is Use.INSERTS_EVENT]
    return tuple(_told(folder, places))


def _told(folder: Path, places: Sequence[object]) -> Iterator[Returning]:
    for place in places:
        path, line = place.path, place.found.line  # type: ignore[attr-defined]
        text = (folder / path).read_text(encoding="utf-8-sig", errors="replace").split("\n")
        call = _statement("\n".join(text[line - 1 : line - 1 + _AROUND]))
        if read := _READS.search(call):
            how = " ".join(read[0].split()).rstrip("(")
            yield Returning(f"{path.as_posix()}:{line}", how.lower(), ".single" in call)


def _statement(text: str) -> str:
    """A text up to where the statement that it begins with ends: at a semicolon or a blank line, and, unless it is SQL,
    at the end of a line that no bracket and no dot carries on."""
    end = re.search(r";|\n\s*\n", text)
    text = text[: end.start()] if end else text
    if re.search(r"\binsert\s+into\b", text.partition("\n")[0], re.IGNORECASE):
        return text
    depth, lines = 0, text.split("\n")
    for number, line in enumerate(lines):
        if number and depth <= 0 and not line.lstrip().startswith((".", "?.", "&.", "|>", ")")):
            return "\n".join(lines[:number])
        depth += sum(line.count(mark) for mark in "([{") - sum(line.count(mark) for mark in ")]}")
    return text
