"""Names and values as SQL writes them."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name in double quotes, as SQL writes one that is not plain."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it, whatever standard_conforming_strings says."""
    written = "'" + text.replace("'", "''") + "'"
    return written if "\\" not in text else " E" + written.replace("\\", "\\\\")


def array(texts: Iterable[str]) -> str:
    """An array as text, which the server reads as one of the type that it wants there."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def numbers(amounts: Iterable[object]) -> str:
    """The same of numbers, whole ones and others; None is NULL."""
    return "{" + ",".join("NULL" if amount is None else str(amount) for amount in amounts) + "}"
