"""The words for one counter: of presets and uses where it is the usual one, else of rows and events of its tables."""

from __future__ import annotations

import re
from functools import cache

from usagefix.counter import Counter, quoted
from usagefix.models.nouns import USUAL, Nouns
from usagefix.tokens import tokens

_ABOUT = ("event", "preset")  # what stands before a column in a fragment
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


@cache
def nouns(counter: Counter) -> Nouns:
    """The words for it."""
    if counter.usual:
        return USUAL
    parent = shown(counter.parent)
    return Nouns(
        counter=counter.slug,
        counted=_counted(counter),
        usual=False,
        row="row",
        event="event",
        parent=parent,
        child=shown(counter.child),
        column=f"{parent}.{shown(counter.column)}",
        last=f"{parent}.{shown(counter.last or '')}",
    )


def shown(name: str) -> str:
    """A name as people write it: in double quotes where SQL needs them."""
    return name if _PLAIN.fullmatch(name) else quoted(name)


def _counted(counter: Counter) -> str:
    """What is counted where, in a line."""
    schema = "" if counter.schema == "public" else f"{shown(counter.schema)}."
    column = f"{schema}{shown(counter.parent)}.{shown(counter.column)}"
    if counter.truth is not None:
        return f"{column} ← {' '.join(counter.truth.split())}"
    within = counter.child_schema or counter.schema
    child = f"{'' if within == 'public' else f'{shown(within)}.'}{shown(counter.child)}"
    keys = [shown(key) for key in (counter.foreign_key, *(of_event for _, of_event in counter.more_keys))]
    events = f"{child}.{keys[0]}" if len(keys) == 1 else f"{child}.({', '.join(keys)})"
    what = f"sum of {fragment(counter.weight)} of {events}" if counter.weight else events
    where = f" where {fragment(counter.where)}" if counter.where else ""
    only = f", only {fragment(counter.only)}" if counter.only else ""
    return f"{column} ← {what}{where}{only}"


def fragment(text: str) -> str:
    """A condition or a weight without the word for the row that it is about, on one line."""
    words = [token.text for token in tokens(text)]
    for place in range(len(words) - 1):
        if words[place] in _ABOUT and words[place + 1] == ".":
            words[place : place + 2] = "", ""
    said = " ".join("".join(words).split())
    return said[1:-1] if said.startswith("(") and said.endswith(")") and _closes(said[1:-1]) else said


def _closes(text: str) -> bool:
    """Whether each bracket in it has its other."""
    depth = 0
    for token in tokens(text):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            return False
    return depth == 0
