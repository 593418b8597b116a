"""What discover found."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from usagefix.models.keyed import Keyed


@dataclass(frozen=True, slots=True)
class FoundCounter:
    """A column that agrees with its events. Names and fragments are SQL, as a declaration writes them; ``key`` is
    null if the declaration needs none. ``rows``: the rows that discover read in which the counter or its events are
    not 0; ``agreement``: the share of them that is right; ``inaccurate``: how many are wrong, by ``drift_total``
    together. ``rival``: the best other hypothesis; ``runner_up``: the share in which it is right, of the rows where
    it gives another number. ``sampled``: discover read only a part of the rows. ``alike``: other hypotheses that
    give the same in every row read. ``last``: the column for the time of the last event; ``last_from``: the column
    of an event with that time."""

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
    """A column with the name of a number of events, which is 0 or null in every row read although there are events.
    ``events``: where these may be."""

    counter: str
    events: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Undecided:
    """A column that may be a counter, with the hypothesis that agrees most. ``why`` it is not certain: ``low``
    agreement, too ``few`` rows, a ``rival`` that agrees nearly as often, a ``tie`` with a rival that gives the same."""

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
    """A table, or events of one, that discover did not read, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Written:
    """The file of declarations, the counters that discover added to it, and those that it had already."""

    path: str
    added: tuple[str, ...]
    there: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiscoverReport(Keyed):
    """The result of discover. ``columns``: how many columns it considered; ``events``: with how many tables, by the
    columns that name the parent, it compared them."""

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
