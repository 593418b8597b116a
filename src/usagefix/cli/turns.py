"""Runs a command for its counters, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from usagefix.errors import Busy, CannotConnect, Interrupted, RowNotFound, UsagefixError
from usagefix.models.outcome import Outcome, Part
from usagefix.nouns import nouns

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report

    Work = Callable[[Database], Report | None]


@dataclass(frozen=True, slots=True)
class Way:
    """How a command goes over its counters.

    ``snapshot``: all of them are looked at in one, so the work opens none of its own that writes. ``stops``: at the
    first that fails, since it changes something. ``backwards``: what was made last goes first. ``looks_for``: a counter
    without the row that is asked for is left out where another has it. ``brief``: of many, people read a line each.
    ``whole``: people read what is right, too.
    """

    snapshot: bool = False
    stops: bool = False
    backwards: bool = False
    looks_for: bool = False
    brief: bool = False
    whole: bool = False


MANY = 4  # counters, from which on people read a line each
READ, TRY, CHANGE = Way(snapshot=True, brief=True), Way(), Way(stops=True)
LOOK_INTO = Way(snapshot=True, whole=True)
LOOK_FOR = Way(snapshot=True, looks_for=True)


def in_turn(
    db: Database, outcome: Outcome, work: Work, way: Way, failed: Callable[[BaseException], UsagefixError]
) -> None:
    """Do the work for each counter; what comes of it is in the outcome's parts.

    ``failed`` makes an error of any exception. Raises what is about no counter but the connection, or the person who
    waits; if the way stops, the error of a counter, too.
    """
    outcome.parts.clear()
    counters = db.counters[::-1] if way.backwards else db.counters
    many = len(counters) > 1
    outcome.brief = way.brief and len(counters) >= MANY
    outcome.whole = way.whole
    with db.snapshot(counters) if many and way.snapshot else nullcontext():
        for number, counter in enumerate(counters, start=1):
            db.counter = counter
            db.remarks.clear()
            part = Part(nouns(counter))
            outcome.parts.append(part)
            before = len(db.changes)
            try:
                with db.apart() if many and way.snapshot else nullcontext():
                    part.report = work(db)
            except (Exception, KeyboardInterrupt) as error:
                part.error = failed(error)
                if way.stops or _ends_all(db, part.error):
                    outcome.left = tuple(nouns(left).counter for left in counters[number:])
                    raise part.error from None
            finally:
                if many:
                    db.changes[before:] = [f"{part.nouns.counter}: {change}" for change in db.changes[before:]]
    if way.looks_for:
        found = [part for part in outcome.parts if not isinstance(part.error, RowNotFound)]
        outcome.parts[:] = found or [_nowhere(outcome.parts)]


def _nowhere(parts: list[Part]) -> Part:
    """The one part where no table has the row: of the first counter, with what all of them say."""
    from usagefix.preset import nowhere

    looked_in = {part.nouns.parent: part.error for part in parts if part.error is not None}
    return replace(parts[0], error=nowhere(looked_in)) if len(looked_in) > 1 else parts[0]


def _ends_all(db: Database, error: UsagefixError) -> bool:
    """Whether the next counter would fare no better."""
    again = isinstance(error, Busy) and db.can_read_again(error)
    return again or isinstance(error, CannotConnect | Interrupted)
