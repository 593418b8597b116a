"""Which hypothesis a column's values agree with, and whether that can be chance. Nothing here asks a database."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import compress
from operator import eq, ne

from usagefix.discovering.hypotheses import Hypothesis

Number = int | Decimal

ACCEPTED = 0.5  # the least agreement
LEAD = 3  # times the runner-up's
_FEWEST = 4  # rows that must speak for the less simple of two
_CHANCE, _NAMED_CHANCE = 1e-3, 0.05  # the probability that unrelated numbers agree as often


@dataclass(frozen=True)
class Column:
    """The values of a column of numbers, or of a hypothesis: one for each row of ``keys``, NULL as 0."""

    keys: tuple[str, ...]
    values: Sequence[Number]

    @cached_property
    def zero(self) -> Sequence[bool]:
        return [value == 0 for value in self.values]


@dataclass(frozen=True)
class Score:
    """How often a hypothesis is equal to a column: ``agreed`` of the ``rows`` in which either is not 0."""

    hypothesis: Hypothesis
    agreed: int
    rows: int

    @property
    def agreement(self) -> float:
        return self.agreed / self.rows if self.rows else 0.0


class Doubt(StrEnum):
    """Why a column is no counter for certain."""

    LOW = "low"  # they agree in less than half of the rows
    FEW = "few"  # too few rows, or values too much alike, to rule out chance
    RIVAL = "rival"  # another hypothesis agrees nearly as often
    TIE = "tie"  # another one, as simple, gives the same in nearly every row


@dataclass(frozen=True)
class Verdict:
    """The best hypothesis of a column. ``runner_up`` and ``rival``: of the rows where the other hypothesis that comes
    nearest gives another number, the share in which that one is right; ``alike``: what no row tells from the best."""

    best: Score
    doubt: Doubt | None
    runner_up: float
    rival: Hypothesis | None
    alike: tuple[Hypothesis, ...]
    significant: bool


def score(counter: Column, tallied: Column, hypothesis: Hypothesis) -> Score:
    """Of one sample: both have the same keys."""
    equal = sum(map(eq, counter.values, tallied.values))
    nothing = list(compress(tallied.values, counter.zero)).count(0)
    return Score(hypothesis, equal - nothing, len(counter.values) - nothing)


def chance(counter: Column, tallied: Column, agreed: int) -> float:
    """How probable it is that two unrelated columns with these values are equal in at least ``agreed`` rows.

    Rows in which both are 0 are left out.
    """
    pairs = [(a, b) for a, b in zip(counter.values, tallied.values, strict=True) if a or b]
    size = len(pairs)
    if not size or not agreed:
        return 1.0
    ours, theirs = Tally(a for a, _ in pairs), Tally(b for _, b in pairs)
    each = sum(times * theirs[value] for value, times in ours.items()) / size**2
    return _tail(size, agreed, each)


def _tail(size: int, least: int, each: float) -> float:
    """The probability of at least ``least`` hits of ``size``, each with this probability."""
    if each <= 0 or each >= 1:
        return float(each >= 1)
    total = 0.0
    for hits in range(least, size + 1):
        logarithm = (
            math.lgamma(size + 1) - math.lgamma(hits + 1) - math.lgamma(size - hits + 1)
            + hits * math.log(each) + (size - hits) * math.log1p(-each)
        )  # fmt: skip
        total += math.exp(logarithm)
    return min(total, 1.0)


def verdict(
    counter: Sequence[tuple[Column, Sequence[tuple[Hypothesis, Column]]]], named: Iterable[Hypothesis]
) -> Verdict | None:
    """What one column is, from each sample of it with what was tallied there; None if nothing agrees at all.

    ``named``: hypotheses that the column is called after, and whose link is certain: fewer rows speak for them.
    """
    scored = [
        (score(column, tallied, hypothesis), column, tallied)
        for column, tried in counter
        for hypothesis, tallied in tried
    ]
    scored = [one for one in scored if one[0].agreed]
    if not scored:
        return None
    scored.sort(key=lambda one: (-one[0].agreement, one[0].hypothesis.cost))
    best, column, tallied = scored[0]
    tried = sum(len(tried) for _, tried in counter)
    probability = chance(column, tallied, best.agreed)
    significant = probability * tried < _CHANCE
    enough = significant or (best.hypothesis in set(named) and probability < _NAMED_CHANCE)
    runner_up, rival, rivalled, alike = _rivals(scored)
    doubt = (
        Doubt.LOW if best.agreement < ACCEPTED
        else Doubt.FEW if not enough
        else Doubt.RIVAL if rivalled
        else Doubt.TIE if (tie := _tie(best.hypothesis, alike, set(named)))
        else None
    )  # fmt: skip
    return Verdict(best, doubt, runner_up, tie if doubt is Doubt.TIE else rival, alike, significant)


def _tie(best: Hypothesis, alike: Iterable[Hypothesis], named: Collection[Hypothesis]) -> Hypothesis | None:
    """One that nothing tells from the best. Of two ends of the same events no name does: followers are counted by the
    column of those who are followed. Of two tables the one that the column is called after is meant."""
    for other in alike:
        of_others = other.link.child is not best.link.child
        if _twins(best, other) or (of_others and other.cost == best.cost and (best in named) == (other in named)):
            return other
    return None


def _twins(one: Hypothesis, other: Hypothesis) -> bool:
    """Whether they are two ends of the same events."""
    same = one.link.child is other.link.child and (one.where, one.weight) == (other.where, other.weight)
    return same and one.link.columns != other.link.columns


def _rivals(
    scored: Sequence[tuple[Score, Column, Column]],
) -> tuple[float, Hypothesis | None, bool, tuple[Hypothesis, ...]]:
    """How near the others come to the first, in the rows in which they differ from it."""
    best, column, tallied = scored[0]
    runner_up, rival, rivalled, alike = 0.0, None, False, []
    for other, _, theirs in scored[1:]:
        if LEAD * other.agreement < best.agreement and runner_up:
            break  # no later one is nearer
        right, wrong, differing = _apart(column, tallied, theirs)
        twins = _twins(best.hypothesis, other.hypothesis) and not wrong and right < _FEWEST
        if twins or not differing or (not right and not wrong and best.hypothesis.cost <= other.hypothesis.cost):
            alike.append(other.hypothesis)
            continue
        if wrong / differing > runner_up or rival is None:
            runner_up, rival = wrong / differing, other.hypothesis
        simpler = best.hypothesis.cost <= other.hypothesis.cost
        if right < LEAD * wrong or right < (1 if simpler else _FEWEST):
            runner_up, rival = wrong / differing, other.hypothesis
            return runner_up, rival, True, tuple(alike)
    return runner_up, rival, rivalled, tuple(alike)


def _apart(column: Column, ours: Column, theirs: Column) -> tuple[int, int, int]:
    """In how many rows that both know the first is right, the second is right, and they differ."""
    if ours.keys is not theirs.keys:
        known = dict(zip(theirs.keys, theirs.values, strict=True))
        common = [place for place, key in enumerate(ours.keys) if key in known]
        other: Sequence[Number] = [known[ours.keys[place]] for place in common]
        own: Sequence[Number] = [ours.values[place] for place in common]
        real: Sequence[Number] = [column.values[place] for place in common]
    else:
        other, own, real = theirs.values, ours.values, column.values
    differ = list(map(ne, own, other))
    right = sum(map(eq, compress(real, differ), compress(own, differ)))
    wrong = sum(map(eq, compress(real, differ), compress(other, differ)))
    return right, wrong, sum(differ)
