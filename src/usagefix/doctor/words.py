"""How findings name places, objects and numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from usagefix.errors import without_urls
from usagefix.models.figures import grouped

if TYPE_CHECKING:
    from usagefix.reading import Place


def is_script(place: Place) -> bool:
    return place.path.suffix.lower() == ".sql"


def where(place: Place) -> str:
    """Path and line; the path as text that can be printed, whatever bytes its name is made of."""
    return f"{shown(place)}:{place.found.line}"


def shown(place: Place) -> str:
    return os.fsencode(place.path.as_posix()).decode("utf-8", "replace")


def columns(names: Sequence[str]) -> str:
    """One column, or several in brackets."""
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def said(place: Place) -> str:
    """The line itself; a connection string in it may hold a password."""
    return without_urls(place.found.text)


def a(noun: str) -> str:
    """A noun with its article: a use, an event."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def listed(words: Iterable[str], most: int = 5) -> str:
    """Some of the words, and how many more there are."""
    every = list(words)
    return ", ".join(every[:most]) + (f" and {grouped(len(every) - most)} more" if len(every) > most else "")
