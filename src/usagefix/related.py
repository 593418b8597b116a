"""How counters depend on each other: which ones count the same events for the same rows, which ones count what
others change, and in which order all of them lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from usagefix.counter import Counter

_FIRING = (
    "trigger_auto_increment",
    "trigger_auto_adjust_delete",
    "trigger_auto_adjust_update",
    "trigger_auto_adjust_truncate",
)


def related(counters: Sequence[Counter]) -> tuple[Counter, ...]:
    """The same counters, each knowing the others: ``beside`` and ``above``."""
    kept = [of for of in counters if of.truth is None]
    return tuple(of if of.truth is not None else _knowing(of, kept) for of in counters)


def _knowing(of: Counter, others: Sequence[Counter]) -> Counter:
    return replace(of, beside=tuple(dict.fromkeys(_beside(of, others))), above=tuple(_above(of, others, ())))


def _beside(of: Counter, others: Sequence[Counter]) -> Iterator[str]:
    """Opposite filters find the same rows by the same column: then that is named, too."""
    for other in others:
        same = (other.parent_table, other.child_table) == (of.parent_table, of.child_table)
        if same and (other.column, other.slug) != (of.column, of.slug):
            yield other.foreign_key


def _above(of: Counter, others: Sequence[Counter], below: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The ways up from the rows of a counter to those whose counters add it up, each step as schema, table, key, and
    the column by which the row below finds it."""
    steps = [below[at : at + 2] for at in range(0, len(below), 4)]
    for other in others:
        counted = " ".join(text for text in (other.where, other.weight) if text)
        up = (other.schema, other.parent, other.key, other.foreign_key)
        turns = other.of_itself or up[:2] in steps
        if other.child_table == of.parent_table and of.column in counted and not turns and not other.more_keys:
            further = list(_above(other, others, (*below, *up)))
            yield from further or [(*below, *up)]


@dataclass(frozen=True, slots=True)
class Circle:
    """Tables that writers would lock in a circle: each ``step`` is two tables, the first of which is locked before the
    second, and the counters by which that is so."""

    steps: tuple[tuple[tuple[str, str], tuple[str, str]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the counters, each once."""
        return tuple(dict.fromkeys(name for _, pair in self.steps for name in pair))

    def __str__(self) -> str:
        said = [f"{one} before {other} (by {' and '.join(pair)})" for (one, other), pair in self.steps]
        return f"{', '.join(said[:-1])} and {said[-1]}"


def crossed(counters: Sequence[Counter]) -> tuple[Circle, ...]:
    """Where the triggers of these counters would lock tables in one order for one statement, and in another order for
    another one: two such statements can wait for each other. Triggers fire in the order of their names."""
    before: dict[str, dict[str, tuple[str, str]]] = {}
    kept = [of for of in counters if of.truth is None]
    for role, one, other in ((role, *pair) for role in _FIRING for pair in permutations(kept, 2)):
        fires_first = one.objects[role].encode() < other.objects[role].encode()
        if one.child_table == other.child_table and one.parent_table != other.parent_table and fires_first:
            before.setdefault(one.parent_sql, {}).setdefault(other.parent_sql, (one.slug, other.slug))
    ways = [way for start in before if (way := _back_to(start, before))]
    circles = {frozenset(way): way for way in reversed(ways)}
    return tuple(
        Circle(tuple(((one, other), before[one][other]) for one, other in zip(way, (*way[1:], way[0]), strict=True)))
        for way in circles.values()
    )


def _back_to(start: str, before: Mapping[str, Mapping[str, object]]) -> tuple[str, ...]:
    """The shortest way from a table to itself; empty if there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for way in ways:
        for further in before.get(way[-1], ()):
            if further == start:
                return way
            if further not in seen:
                seen.add(further)
                ways.append((*way, further))
    return ()
