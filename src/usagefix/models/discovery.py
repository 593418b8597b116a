"""What discover found."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class FoundCounter:
    """A column that agrees with its events. Names and fragments are SQL, as a declaration writes them; ``key`` is null
    where the declaration needs none.

    ``agreement``: of the ``rows`` looked at in which counter or events are not 0, the share that is right; of them
    ``inaccurate`` are not, by ``drift_total`` in all. ``runner_up``: where another hypothesis (``rival``) gives another
    number, the share in which that one is right. ``sampled``: some of the rows only. ``alike``: what else would fit,
    since no row looked at tells it apart. ``last``: the column for the time of the last event; ``last_from`` the one of
    an event.
    """

    counter: str
    events: str
    where: str | None
    sum: str | None
    key: str | None
    last: str | None
    last_from: str | None
    name: str
    agreement: float
    runner_up: float
    rival: str | None
    rows: int
    inaccurate: int
    drift_total: int | Decimal
    sampled: bool
    alike: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeverMaintained:
    """A column that is called as a number of events and is 0 or null in every row looked at, though there are events:
    ``events``, where they may be."""

    counter: str
    events: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Undecided:
    """A column that may be a counter, with the hypothesis that agrees most.

    ``why`` it is not certain: ``low`` agreement, too ``few`` rows, a ``rival`` that agrees nearly as often, a ``tie``
    with a rival that gives the same.
    """

    counter: str
    events: str
    where: str | None
    sum: str | None
    agreement: float
    rows: int
    runner_up: float
    rival: str | None
    why: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A table, or events of one, that were not looked at."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Written:
    """The file of declarations, the counters that were added to it, and those that it had already."""

    path: str
    added: tuple[str, ...]
    there: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiscoverReport(Keyed):
    """What discover found. ``columns``: how many may have been counters; ``events``: how many tables, by the columns
    that name the parent, were held against them."""

    counters: tuple[FoundCounter, ...]
    never_maintained: tuple[NeverMaintained, ...]
    undecided: tuple[Undecided, ...]
    passed_over: tuple[PassedOver, ...]
    tables: int
    columns: int
    events: int
    written: Written | None = None

    @property
    def ok(self) -> bool:
        """Whether there is any counter."""
        return bool(self.counters)
