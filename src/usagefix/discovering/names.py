"""What names suggest. A name only suggests what to look at: the data decides what is a counter."""

from __future__ import annotations

import re
from functools import cache

from usagefix.naming import singular

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_REFERENCE = ("id", "uuid", "key", "fk", "ref", "uri", "slug", "pk")  # endings of a column that names a row
_UPWARD = frozenset({"parent", "root", "reply", "thread", "original", "ancestor", "quoted", "replied"})
_TALLY = frozenset(
    {"count", "counts", "counter", "cnt", "total", "totals", "num", "number", "nb", "n", "qty", "tally", "sum"}
)
_FILLERS = frozenset({"of", "in", "to", "all", "the", "cached", "cache", "id", "by"})
_ENDINGS = ("ings", "ing", "ers", "ees", "ies", "ee", "er", "ed", "es", "s", "y", "e")
_SHORTEST = 3  # letters of a stem


@cache
def words(name: str) -> tuple[str, ...]:
    """The words of a name in snake case or camel case, in small letters."""
    parts = re.split(r"[^0-9a-zA-Z\u0080-\uffff]+", _CAMEL.sub("_", name))
    return tuple(part.lower() for part in parts if part)


@cache
def stem(word: str) -> str:
    """What is left of a word without its ending: followers, following and follows are one."""
    ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= _SHORTEST), "")
    short = word[: len(word) - len(ending)] if ending else word
    return short[:-1] if len(short) > _SHORTEST and short[-1] == short[-2] else short


@cache
def called(table: str) -> frozenset[tuple[str, ...]]:
    """What a row of a table may be called: its last words, the last of them in the singular."""
    parts = words(table)
    if not parts:
        return frozenset()
    one = (*parts[:-1], singular(parts[-1]))
    return frozenset(one[place:] for place in range(len(one))) | {parts[place:] for place in range(len(parts))}


def names_a_row(column: str, table: str) -> bool:
    """Whether a column is called as what names a row of the table: post_id, postId, parent_post_id, post."""
    parts = words(column)
    refers = len(parts) > 1 and parts[-1] in _REFERENCE
    base = parts[:-1] if refers else parts
    names = called(table)
    return any(base[place:] in names for place in range(len(base) if refers else 1)) if base else False


def leads_upward(column: str) -> bool:
    """Whether a column is called as what names another row of its own table: parent_id, in_reply_to."""
    return bool(_UPWARD.intersection(words(column)))


def is_a_type(value: str, table: str) -> bool:
    """Whether a value is the type of a table's rows, as frameworks write it: Post, posts, App\\Models\\Post."""
    parts = words(re.split(r"[\\.:/]+", value)[-1])
    if not parts:
        return False
    return (*parts[:-1], singular(parts[-1])) in called(table)


def is_a_tally(column: str) -> bool:
    """Whether a column is called as a number of something: likes_count, num_likes, total_members, upvotes."""
    return bool(_TALLY.intersection(words(column)))


def told_of(column: str) -> frozenset[str]:
    """The stems of what a column says that it counts."""
    return frozenset(stem(word) for word in words(column) if word not in _TALLY | _FILLERS)


def speaks_of(column: str, table: str, *columns: str) -> bool:
    """Whether a column is called as a number of a table's rows: likes_count of post_likes, followers_count of follows.

    ``columns``: those that name the parent's row; they tell followers from following where the table does not.
    """
    told = told_of(column)
    return bool(told & {stem(word) for name in (table, *columns) for word in words(name) if word not in _FILLERS})
