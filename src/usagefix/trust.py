"""Are the events the whole truth? Judged from one count, before any change; only a person can answer.

If the application changed a counter without recording events, a backfill would make a true number false. No rule can
tell that from a counter that is merely too high. So these rules ask if the loss would be bad, and ignore small falls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from usagefix.database import Database
from usagefix.errors import Doubted, Refused
from usagefix.models.amount import Amount, is_number, minus, share
from usagefix.models.figures import counted, grouped, parts, percent, plural
from usagefix.models.nouns import USUAL, Nouns
from usagefix.models.verification import Doubt, RowCount
from usagefix.quoting import array

MANY = 3
"""So many counters are many, or all of them where there are fewer: one or two strays are what drift looks like."""
SHARE = 0.1
"""And at least this share of the counters above zero: 3 of 300 may be left over from a test; 30 are a way to use a
preset that records nothing, or events that never came along from an older table."""
USES = 10
"""A sum that falls by less is not worth a question, whatever share it is: nobody misses nine uses. It is where not one
counter has an event: then nothing was ever recorded."""
FALL = 5
"""One in so many of the sum shown, by which counters fall together. Counting twice, and events deleted behind the
counter's back, leave counters a few per cent too high; a fifth of all shown is more than such a fault explains."""
LATE = 0.5
"""The share of the falling counters, of which the preset was used later than its newest event: what is uncounted lacks
recorded events still, so the fall is not history but goes on. It asks only where SHARE of the counters falls."""
AGREEING = 0.25
"""Of a counter that somebody has declared: where fewer of the counters that show something equal the events, it may be
the declaration that is wrong: its column, filter, sum or sign. Ordinary drift leaves more of them right, also where
most rows have no event; what a wrong declaration gets right, it does by chance."""
EACH = 5
"""And where most are right, a fall asks only where a counter loses so much on average: small ones are off by one."""
DECLARATION = (
    "check the declaration first: the column, the events, the filter (where), the sum and its sign, the key;"
    " usagefix discover lists what agrees with the data"
)
LISTED = 10
"""How many of the largest falls are listed."""
LOOKED_AT = 100
"""In how many of the largest falls the time of the last use is looked at: that reads their events."""


@dataclass(frozen=True, slots=True)
class Falls:
    """The counters that a backfill would lower: columns of ``accuracy.sql`` and ``falls.sql``.

    ``rows_with_count`` and ``displayed_total`` are of all counters; ``falling`` would fall, their sum ``falls_from``
    … ``falls_to``; ``without_event`` are above zero with neither an event nor a baseline; ``fallen``: the largest.
    Of those that are not zero (``compared``) ``agreeing`` equal the events; ``displayed_magnitude``: their sum, each
    without its sign; ``truth_total``: what all of them should show.
    """

    rows_with_count: int
    displayed_total: Amount
    falling: int
    falls_from: Amount
    falls_to: Amount
    without_event: int
    fallen: list[dict[str, Any]]
    compared: int = 0
    agreeing: int = 0
    displayed_magnitude: Amount = 0
    truth_total: Amount = 0

    @property
    def is_of_definition(self) -> bool:
        """Whether it is the declaration that is to be doubted first."""
        return self.compared - self.agreeing >= MANY and self.agreeing < AGREEING * self.compared

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Falls:
        """Those of many columns."""
        return cls(**{column.name: columns[column.name] for column in fields(cls)})


def why(falls: Falls, used_later: int = 0, nouns: Nouns = USUAL) -> Iterator[str]:
    """Why to ask, in words; nothing if the drift is small or rises. ``used_later``: how many of the largest falls
    are of presets that were used later than their newest event."""
    fall = minus(falls.falls_from, falls.falls_to)
    many = min(MANY, falls.rows_with_count)
    matters = fall >= USES or falls.without_event == falls.rows_with_count
    if falls.without_event and falls.without_event >= many and _is_share(falls.without_event, falls) and matters:
        yield _without_event(falls)
    if fall >= USES and fall * FALL >= falls.displayed_total:
        yield f"{percent(share(fall, max(falls.displayed_total, fall)))} of all {nouns.events} shown would go"
    yield from _late(falls, used_later, nouns)


def _without_event(falls: Falls) -> str:
    have = "has" if falls.without_event == 1 else "have"
    return f"{parts(falls.without_event, falls.rows_with_count, 'counter')} above zero {have} not a single event"


def _late(falls: Falls, used_later: int, nouns: Nouns) -> Iterator[str]:
    looked_at = min(falls.falling, LOOKED_AT)
    if used_later >= MANY and used_later >= LATE * looked_at and _is_share(falls.falling, falls):
        those = f"{grouped(used_later)} of the {plural(looked_at, 'largest fall')}"
        yield f"{those} are of {nouns.rows} used later than their newest event"


def why_declared(falls: Falls, *, weighed: bool) -> Iterator[str]:
    """The same for a counter that somebody has declared, whose declaration may be wrong; ``weighed``: it is a sum,
    which may be below zero."""
    fall = minus(falls.falls_from, falls.falls_to)
    if falls.is_of_definition:
        of = "the sum" if weighed else "the number"
        few = f"only {grouped(falls.agreeing)}" if falls.agreeing else "none"
        yield f"{few} of {plural(falls.compared, 'counter')} that are not 0 equal {of} of their events"
        return
    if weighed:
        matters = falls.falling >= MANY and falls.falls_to >= 0  # what may be below zero has no history to lose
    else:
        matters = fall >= USES and fall >= EACH * falls.falling
    if not weighed and matters and falls.without_event >= MANY and _is_share(falls.without_event, falls):
        yield _without_event(falls)
    if matters and fall * FALL >= falls.displayed_magnitude:
        yield f"{percent(share(fall, max(falls.displayed_magnitude, fall)))} of all that is shown would go"


def require_numbers(nouns: Nouns, *, events: Sequence[Amount], shown: Sequence[Amount]) -> None:
    """Raise Refused if the sum of the events, or a counter, is NaN or infinite: no later subtraction can change
    that."""
    for what, table, amounts in (
        (f"the {nouns.events} of {nouns.child} come to", nouns.child, events),
        (f"{nouns.column} holds", nouns.parent, shown),
    ):
        for odd in (amount for amount in amounts if not is_number(amount)):
            raise no_number(f"{what} {odd}", table)


def no_number(what: str, table: str) -> Refused:
    """The error for an amount that is NaN or infinite."""
    return Refused(
        f"{what}, which no counter can be compared with",
        hint=f"correct the rows of {table} that hold NaN or an infinity; a filter (where) leaves events out",
    )


def _is_share(number: int, falls: Falls) -> bool:
    return number >= SHARE * falls.rows_with_count


def doubt(db: Database, falls: Falls) -> Doubt | None:
    """What there is to ask, in the transaction that is open; None if nothing is. It reads events only where times
    can decide: those of the presets whose counters would fall most. Raises Refused for sums that are no number."""
    require_numbers(
        db.nouns,
        events=(falls.falls_to, falls.truth_total),
        shown=(falls.displayed_total, falls.falls_from, falls.displayed_magnitude),
    )
    # Whoever has a daily limit has the application that the fix is for, by whatever names: its counters are too low.
    declared = not db.counter.usual and db.counter.daily is None
    reasons = tuple(
        why_declared(falls, weighed=db.counter.weight is not None) if declared else why(falls, nouns=db.nouns)
    )
    could_be_late = falls.falling >= MANY and _is_share(falls.falling, falls)
    if not reasons and could_be_late and db.counter.dated:
        ids = array([str(fall["id"]) for fall in falls.fallen])
        reasons = tuple(_late(falls, db.values(db.query("used_later"), {"ids": ids})[0], db.nouns))
    if not reasons:
        return None
    largest = tuple(row(fall) for fall in falls.fallen[:LISTED])
    doubted = Doubt(reasons, falls.falling, falls.rows_with_count, falls.falls_from, falls.falls_to, largest)
    if not declared or not falls.is_of_definition:
        return doubted
    return replace(doubted, definition=(falls.displayed_total, falls.truth_total))


def row(entry: dict[str, Any]) -> RowCount:
    """A row that a query gives as an object."""
    used = entry["last_event_at"]
    moment = None
    with suppress(ValueError):  # infinity, and years that Python does not have
        moment = datetime.fromisoformat(used) if used else None
    return RowCount(**(entry | {"last_event_at": moment}))


def refused(doubt: Doubt) -> Doubted:
    """The question, as an error that stops a command before it changes anything."""
    if doubt.definition is not None:
        return Doubted(
            f"the counters do not look like what these events count: {doubt}",
            hint=f"{DECLARATION}. If it is right, --trust events sets the counters to the events, --trust counters"
            " keeps what they show and adds new events",
            details=("the largest falls:", *_lines(doubt.largest)) if doubt.largest else (),
            keys={"doubt": doubt},
        )
    return Doubted(
        f"the events do not look like the whole truth: {doubt}",
        hint="find out why no events are recorded: usagefix doctor --source . in the folder of your application helps;"
        " or say which side is right: --trust counters keeps what the counters show and adds new events,"
        " --trust events lets the counters fall",
        details=("the largest falls:", *_lines(doubt.largest)),
        keys={"doubt": doubt},
    )


def _lines(rows: Sequence[RowCount]) -> Iterator[str]:
    """A line for each row; where several have one name, also the id."""
    often = Counter(one.called for one in rows)
    for one in rows:
        used = f", last used {one.last_event_at:%Y-%m-%d}" if one.last_event_at else ""
        called = one.called if often[one.called] == 1 else f"{one.called} ({one.id})"
        yield f"  {called}: {counted(one.displayed_count)} → {grouped(one.truth)}{used}"
