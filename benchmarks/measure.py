"""Measuring fairly on a noisy machine: the alternatives take turns, and each round is compared with itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median


class BenchmarkFailed(Exception):
    """What was measured did not do its work, so that its time means nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is: ``divisor`` makes tables smaller, ``window`` is the length of timed loads in seconds."""

    name: str
    divisor: int
    rounds: int
    window: float

    def rows(self, full: int) -> int:
        """A number of rows, given for the full scale."""
        return full // self.divisor


SCALES = {
    scale.name: scale
    for scale in (
        Scale("full", divisor=1, rounds=5, window=15.0),
        Scale("small", divisor=20, rounds=3, window=3.0),
    )
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``met`` is None if the line was left out."""

    name: str
    what: str
    how: str
    aim: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median over the rounds, with the smallest and the largest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], against: Sequence[float]) -> Ratio:
        """Round by round, so that what slowed a whole round down cancels out."""
        ratios = [a / b for a, b in zip(values, against, strict=True)]
        return cls(median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{short(self.middle)}x ({short(self.low)} to {short(self.high)})"


@dataclass(frozen=True, slots=True)
class Samples:
    """What each alternative measured, round by round."""

    values: Mapping[str, list[float]]

    def middle(self, name: str) -> float:
        """The median of an alternative."""
        return median(self.values[name])

    def ratio(self, name: str, against: str) -> Ratio:
        """How the two compare."""
        return Ratio.of(self.values[name], self.values[against])

    def seconds(self) -> str:
        """The medians of times."""
        return ", ".join(f"{name} {seconds(self.middle(name))}" for name in self.values)

    def rates(self, unit: str) -> str:
        """The medians of throughputs."""
        return ", ".join(f"{name} {short(self.middle(name))}" for name in self.values) + f" {unit}"


def interleaved(title: str, rounds: int, alternatives: Mapping[str, Callable[[], float]]) -> Samples:
    """Measure every alternative in each round, forwards and backwards in turn: none profits from its neighbour."""
    values: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(rounds):
        for name in list(alternatives)[:: -1 if turn % 2 else 1]:
            value = alternatives[name]()
            values[name].append(value)
            say(f"{title}, round {turn + 1} of {rounds}, {name}: {short(value)}")
    return Samples(values)


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """The seconds that the block took, to be asked for after it."""
    start = time.perf_counter()
    end: list[float] = []
    yield lambda: end[0] - start
    end.append(time.perf_counter())


def say(message: str) -> None:
    """Progress, beside the table on stdout."""
    print(message, file=sys.stderr, flush=True)


def short(value: float) -> str:
    """Three significant digits, or the whole number where it has more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    return f"{short(value)} s" if value >= 1 else f"{short(value * 1000)} ms"
