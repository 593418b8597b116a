"""A smoke test of a counter that adds up another counter: its own events begin at 0 and change when those of the other
do, so that it is the other's events that are tried, and this counter that is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from usagefix import ledger
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Status
from usagefix.picture.differing import read_by
from usagefix.picture.examples import key_of, row_is
from usagefix.quoting import quoted
from usagefix.smoke.events import EventsPlay
from usagefix.smoke.play import State
from usagefix.smoke.stage import Stage


def chain(db: Database) -> tuple[tuple[Counter, ...], Counter | None]:
    """The counters that are applied and lead to the one in turn, which is the last: each adds up the one before it. And
    the one that leads on below these, and that the command is not about."""
    found, applied = [db.counter], ledger.counters(db)
    slugs = {counter.slug for counter in applied}
    while len(found) <= len(db.counters):
        lower = _added_up(found[0], [one for one in db.counters if one.slug in slugs and one not in found])
        if lower is None or lower.usual:  # uses are tried in another way
            break
        found.insert(0, lower)
    known = {counter.slug for counter in db.counters if not counter.usual}
    return tuple(found), _added_up(found[0], [one for one in applied if one.slug not in known])


def _added_up(upper: Counter, others: Sequence[Counter]) -> Counter | None:
    found = (one for one in others if one.parent_table == upper.child_table and one.column in read_by(upper))
    return next(found, None)


def lowest(counters: Sequence[Counter]) -> Counter:
    """The first of a chain, only with the rows whose change counts all the way up."""
    first, *uppers = counters
    only = [condition for condition in (first.only, _leads_up(uppers)) if condition]
    return replace(first, only=f"({') AND ('.join(only)})" if only else None)


def _leads_up(uppers: Sequence[Counter]) -> str | None:
    """The condition over ``preset``, a row whose number the first of these adds up."""
    if not uppers:
        return None
    upper, *more = uppers
    own, names = (", ".join(quoted(name) for name in side) for side in zip(*upper.keys, strict=True))
    counted = [condition for condition in (upper.only, _leads_up(more)) if condition]
    rows = f"SELECT {own} FROM {upper.parent_sql} AS preset WHERE {' AND '.join(['true', *counted])}"  # noqa: S608
    return f"EXISTS (SELECT FROM (SELECT preset.*) AS event WHERE ({upper.where or 'true'}) AND ({names}) IN ({rows}))"


def not_tried(lower: Counter) -> tuple[SmokeStep, ...]:
    """The step for a counter whose events are changed by a counter that the command is not about."""
    why = f"it sums {lower.parent}.{lower.column}, which is itself a counter: "
    why += "smoke of that one tries uses" if lower.usual else f"add --counter {lower.slug} to try both"
    return (SmokeStep("first_use", f"A new row of {lower.child} counts", Status.SKIPPED, why),)


def none_leads(counters: Sequence[Counter]) -> tuple[SmokeStep, ...]:
    """The step for a counter that adds up the numbers of no row that is there."""
    lower, upper = counters[0], counters[-1]
    why = f"{upper.parent}.{upper.column} adds up {lower.parent}.{lower.column} of no row that is there now"
    return (SmokeStep("first_use", f"A new row of {lower.child} counts", Status.SKIPPED, why),)


@contextmanager
def about(db: Database, counter: Counter) -> Iterator[None]:
    """Within the block the database is asked about another counter."""
    here, db.counter = db.counter, counter
    try:
        yield
    finally:
        db.counter = here


class ChainedPlay(EventsPlay):
    """The steps, of the events of the lowest counter; what is looked at is the row of the highest that they lead to."""

    def __init__(self, db: Database, stage: Stage, counters: Sequence[Counter]) -> None:
        self._counters = counters
        super().__init__(db, stage)

    def _state_of(self, preset: str) -> State:
        key = preset
        for lower, upper in zip(self._counters, self._counters[1:], strict=False):
            up = f"SELECT {key_of('row', [column for _, column in upper.keys])} FROM {lower.parent_sql} AS row"  # noqa: S608
            rows = self.db.values(f"{up} WHERE {row_is('row', lower, key)}".replace("%", "%%"))
            key = str(rows[0])
        with about(self.db, self._counters[-1]):
            return super()._state_of(key)
