"""Names and values as SQL writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What PostgreSQL does not read as the name of a table or a column unless it is in double quotes.
_RESERVED = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
returning right select session_user similar some symmetric table tablesample then to trailing true union unique user
using variadic verbose when where window with
"""
_WORDS = frozenset(_RESERVED.split())
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


def shown(name: str) -> str:
    """A name as people write it: in double quotes where SQL needs them."""
    return name if _PLAIN.fullmatch(name) and name not in _WORDS else quoted(name)


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
