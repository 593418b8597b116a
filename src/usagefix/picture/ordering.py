"""The order in which counters are repaired: a counter that sums another one comes after it."""

from __future__ import annotations

from collections.abc import Sequence

from usagefix.counter import Counter
from usagefix.declaration import Declaration
from usagefix.declaring import Mistake
from usagefix.tokens import code

Pair = tuple[Declaration, Counter]


def in_order(pairs: Sequence[Pair]) -> tuple[tuple[Counter, ...], tuple[Mistake, ...]]:
    """The counters in order, else as declared; and a mistake for each that depends on itself in the end."""
    needs = {place: _needed(pairs, place) for place in range(len(pairs))}
    done: list[int] = []
    while (ready := next((p for p in needs if p not in done and needs[p] <= {*done}), None)) is not None:
        done.append(ready)
    mistakes = []
    for place in needs.keys() - {*done}:
        through = _reached(needs, place)
        if place in through:
            declaration = pairs[place][0]
            others = sorted(
                pairs[other][0].name for other in through if other != place and place in _reached(needs, other)
            )
            what = f"what depends on it: {', '.join(others)}" if others else "what it counts itself"
            key = "sum" if declaration.weight is not None else "where"
            mistakes.append(Mistake(declaration.place(key), f"depends on {what}; no order of counting would be right"))
    return tuple(pairs[place][1] for place in done), tuple(mistakes)


def _reached(needs: dict[int, set[int]], place: int) -> set[int]:
    """All that one depends on, step by step."""
    found: set[int] = set()
    ahead = [*needs[place]]
    while ahead:
        other = ahead.pop()
        if other not in found:
            found.add(other)
            ahead += needs[other]
    return found


def _needed(pairs: Sequence[Pair], place: int) -> set[int]:
    """The counters whose column this one reads of its events."""
    declaration, counter = pairs[place]
    read = {token.name for text in (declaration.where, declaration.weight) if text for token in code(text)}
    return {
        other
        for other, (_, earlier) in enumerate(pairs)
        if counter.truth is None and earlier.parent_table == counter.child_table and earlier.column in read
    }
