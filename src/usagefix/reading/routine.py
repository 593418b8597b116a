"""The facts about a function and the table of events with which usagefix reads and writes code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from usagefix.reading.findings import Lines


class Uneditable(Exception):
    """A function that is not edited: a person must. ``line`` counts from 1, as PL/pgSQL counts the lines of a body;
    0 if it is about the whole function."""

    def __init__(self, message: str, *, hint: str, line: int = 0) -> None:
        super().__init__(message)
        self.message, self.hint, self.line = message, hint, line


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that a call gives. ``type``: without a length, as format_type() writes it; ``category``: its
    ``typcategory``; ``required``: it has no default."""

    name: str
    type: str
    category: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Routine:
    """A function. ``body``: its ``prosrc``, or the text of a body that is parsed already (``atomic``); ``definition``:
    the text of pg_get_functiondef(); ``returns``: as format_type() writes it."""

    signature: str
    schema: str
    name: str
    language: str
    body: str
    definition: str = ""
    arguments: tuple[Argument, ...] = ()
    returns: str = "void"
    returns_set: bool = False
    atomic: bool = False

    @property
    def is_read(self) -> bool:
        """Whether its language is one that is read."""
        return self.language in ("sql", "plpgsql")

    @property
    def is_editable(self) -> bool:
        """Whether it has a text that can be edited."""
        return self.is_read and not self.atomic and bool(self.body)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the events. ``type``: as format_type() writes it; ``required``: not null, and nothing fills it."""

    name: str
    type: str
    required: bool = False
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class UserKey:
    """Where a foreign key of the events' user leads: the table as SQL writes it, the key's column, and whether the
    table is one of profiles, whose ``user_id`` is the session's user."""

    table: str
    key: str
    profile: bool = False


@dataclass(frozen=True, slots=True)
class Events:
    """The table of events, and what a recorder of its rows needs to know. ``key_type``: of the parent's key;
    ``auth_uid``: auth.uid() exists; ``limit_columns``: those that the daily limit depends on."""

    columns: tuple[Column, ...] = ()
    key_type: str = "uuid"
    auth_uid: bool = False
    user_key: UserKey | None = None
    limit_columns: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """A column by its name."""
        return next((column for column in self.columns if column.name == name), None)


def bare(kind: str) -> str:
    """A type without its length: ``character varying``."""
    return re.sub(r"\(.*?\)", "", kind)


def line_of(body: str, offset: int) -> int:
    """The line of an offset, counted from 1."""
    return Lines(body).at(offset) + 1


Span = tuple[int, int]


def replaced(text: str, edits: list[tuple[Span, str]]) -> str:
    """A text with these ranges of it replaced; every other character stays."""
    done: list[str] = []
    at = 0
    for (start, end), new in sorted(edits):
        done += [text[at:start], new]
        at = end
    return "".join([*done, text[at:]])


def blanked(text: str, spans: list[Span]) -> str:
    """A text with blanks in place of these ranges, on the same lines."""
    return replaced(text, [(span, re.sub(r"[^\n]", " ", text[slice(*span)])) for span in spans])
