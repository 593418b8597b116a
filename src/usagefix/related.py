"""What counters have to do with each other: which count the same events for the same rows, which count what others
changed, and in which order all of them lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

from usagefix.counter import Counter

_FIRING = ("trigger_auto_increment", "trigger_auto_adjust_delete", "trigger_auto_adjust_update")


def related(counters: Sequence[Counter]) -> tuple[Counter, ...]:
    """The same counters, each knowing the others: ``beside`` and ``above``."""
    kept = [of for of in counters if of.truth is None]
    return tuple(
        replace(of, beside=tuple(dict.fromkeys(_beside(of, kept))), above=tuple(_above(of, kept, ())))
        if of.truth is None
        else of
        for of in counters
    )


def _beside(of: Counter, others: Sequence[Counter]) -> Iterator[str]:
    """Opposite filters find the same rows by the same column: then that is named, too."""
    for other in others:
        same = (other.parent_sql, other.child_sql) == (of.parent_sql, of.child_sql)
        if same and (other.column, other.slug) != (of.column, of.slug):
            yield other.foreign_key


def _above(of: Counter, others: Sequence[Counter], below: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The ways up from the rows of a counter to those whose counters add it up, each step as schema, table, key, and
    the column by which the row below finds it."""
    steps = [below[at : at + 2] for at in range(0, len(below), 4)]
    for other in others:
        counted = " ".join(text for text in (other.where, other.weight) if text)
        up = (other.schema, other.parent, other.key, other.foreign_key)
        turns = other.child_sql == other.parent_sql or up[:2] in steps
        if other.child_sql == of.parent_sql and of.column in counted and not turns and not other.more_keys:
            further = list(_above(other, others, (*below, *up)))
            yield from further or [(*below, *up)]


def crossed(counters: Sequence[Counter]) -> tuple[tuple[str, str, str, str], ...]:
    """Counters whose triggers would lock two tables in one order from one table of events, and in the other order from
    another: their names, four at a time. Triggers fire in the order of their names."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    found: dict[tuple[str, str, str, str], None] = {}
    for role in _FIRING:
        for one, other in permutations([of for of in counters if of.truth is None], 2):
            fires_first = one.objects[role].encode() < other.objects[role].encode()
            if one.child_sql == other.child_sql and one.parent_sql != other.parent_sql and fires_first:
                first.setdefault((one.parent_sql, other.parent_sql), (one.slug, other.slug))
    for (one_table, other_table), pair in first.items():
        if one_table < other_table and (other_table, one_table) in first:
            found[(*pair, *first[other_table, one_table])] = None
    return tuple(found)
