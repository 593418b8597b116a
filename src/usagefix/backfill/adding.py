"""The deltas of one run, added batch by batch: each once, marked in the transaction that adds it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from usagefix.backfill.holding import Hold
from usagefix.backfill.storing import LEASE_SECONDS, Stored
from usagefix.database import Database, Limits
from usagefix.errors import Busy, DatabaseRefused, UsagefixError
from usagefix.laps import Laps
from usagefix.models.amount import Amount, amount, plus
from usagefix.models.correction import BackfillProgress, Unrepaired
from usagefix.picture.obstacles import said
from usagefix.quoting import array, numbers

_PAST_THE_GUARD = {"usagefix.bypass_guard": "on"}
# Who uses a preset of a batch waits until it commits: batches grow up to their size while this is no longer than that.
HELD_SECONDS = 0.015
FIRST_SIZE = 100
SAME_FOR_ALL = 20  # rows that are refused before any is corrected: then it is not about them
# Classes of SQLSTATEs: the connection, the transaction, a conflict, the statement, resources, a state, the server.
_NOT_OF_A_ROW = ("08", "25", "40", "42", "53", "55", "57", "58", "XX")


@dataclass(frozen=True, slots=True)
class How:
    """How a backfill goes about it: what :func:`backfill` was asked for."""

    batch_size: int
    hold: Hold
    limits: Limits | None
    pause: float
    on_progress: Callable[[BackfillProgress], None]
    store: Callable[[Database], Stored]
    adding: str = "add_deltas"


def ignore(_progress: BackfillProgress) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Done:
    """What a round did.

    ``count_again``: a counter that was still too low stopped at zero as events were deleted, or all events were
    truncated, so what was stored no longer fitted. After a round no counter is too low: what the next one stores fits.
    """

    stored: Stored
    presets: int
    drift: Amount
    batches: int
    counted_ms: int
    corrected_ms: int
    count_again: bool
    unrepaired: tuple[Unrepaired, ...]


def one_round(db: Database, how: How) -> Done:
    """Count in one snapshot, store what is wrong, add it: where the server refuses a row, to all others."""
    laps, nouns = Laps(), db.nouns
    stored = db.retrying(lambda: how.store(db), how.limits)
    counted = laps.lap()
    if stored.kept.rows:
        db.changes.append(f"{stored.kept.rows} {nouns.rows} have a baseline of {stored.kept.total} {nouns.events}")
    how.on_progress(BackfillProgress(0, stored.presets))
    db.changes.append(f"{stored.presets:,} wrong {nouns.rows} noted in the ledger, none corrected yet")
    done, removed, batches = 0, plus(), 0
    refused: dict[str, Unrepaired] = {}
    batch = Batch(stored.run, min(how.batch_size, FIRST_SIZE), how.hold, how.adding)
    while True:
        try:
            step = db.retrying(partial(apply_batch, db, batch, how.limits), how.limits)
        except DatabaseRefused as error:
            if not _of_a_row(error) or (not done and len(refused) == SAME_FOR_ALL):
                raise
            if batch.size > 1:  # less and less, down to the row that is meant
                batch = replace(batch, size=batch.size // 2)
                continue
            (row,) = pending_of(db, batch)
            refused[row.row_key] = Unrepaired(row.row_key, said(error))
            batch = replace(batch, after=row.place)
            continue
        if step is None and batch.wait:
            break
        if step is None:
            batch = replace(batch, after=0, size=1, wait=True)  # what somebody held, one by one
            continue
        batch = replace(batch, after=step.last, size=batch.size if batch.wait else _next_size(batch.size, step, how))
        if not step.taken:
            continue
        done, removed, batches = done + step.taken, plus(removed, step.drift), batches + 1
        db.changes[-1:] = [f"{done:,} of {stored.presets:,} wrong {nouns.rows} corrected"]
        how.on_progress(BackfillProgress(done, stored.presets))
        time.sleep(how.pause)
    with db.transaction(how.limits):
        (count_again,) = db.values(db.query("close_run"), {"run": stored.run})
    return Done(stored, done, removed, batches, counted, laps.lap(), count_again, tuple(refused.values()))


def _next_size(size: int, step: Step, how: How) -> int:
    """As many presets as this machine corrects, now, while nobody waits for long."""
    fitting = min(2 * size, int(size * HELD_SECONDS / step.held))
    return min(how.batch_size, max(min(FIRST_SIZE, 2 * size), fitting))


def _of_a_row(error: DatabaseRefused) -> bool:
    """Whether it may be about one row, and not about the server, the session, or the statement."""
    return error.sqlstate is not None and not error.sqlstate.startswith(_NOT_OF_A_ROW)


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction of a run: of the next ``size`` presets after the place ``after`` those that nobody holds; or,
    with ``wait``, all of them."""

    run: int
    size: int
    hold: Hold
    adding: str
    after: int = 0
    wait: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    """A correction that waits: the columns of ``next_pending.sql``."""

    place: int
    row_key: str
    displayed: Amount | None
    delta: Amount
    newest: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch did: the last place it looked at, how many deltas it took, and their sum; for how many seconds it
    held their rows."""

    last: int
    taken: int
    drift: Amount
    held: float


def apply_batch(db: Database, batch: Batch, limits: Limits | None) -> Step | None:
    """One short transaction: lock in id order, add, mark. None when there is no further preset.

    It never waits for a row while it holds another row or a table, so nobody waits for what it waits for.
    """
    with db.transaction(limits, settings=batch.hold.settings | _PAST_THE_GUARD):
        db.claim(patiently=True, counting=True)
        (still_open,) = db.values(db.query("run_open"), {"run": batch.run})
        if not still_open or not db.values(db.query("counting"))[0]:
            raise UsagefixError(
                "somebody rolled the fix back, or disabled its trigger, while the backfill was going",
                hint="usagefix verify says what to do",
            )
        pending = pending_of(db, batch)
        if not pending:
            return None
        owner = db.values(db.query("owner"))[0]
        since = time.perf_counter()
        if batch.hold.before:
            db.run(batch.hold.before)
        if batch.wait and not batch.hold.before:
            keys = db.values(db.query("lock_next"), {"id": pending[0].row_key})
        else:
            keys = db.values(db.query("lock_batch"), {"ids": array([found.row_key for found in pending])})
        if batch.wait and not keys and db.values(db.query("there"), {"id": pending[0].row_key}):
            raise Busy(
                f"the server is busy: somebody holds the rows of {db.nouns.parent}",
                hint="run this again",
                sqlstate="55P03",
            )
        taken, drift = _add(db, batch, pending, set(keys), owner) if keys else (0, 0)
        if batch.hold.after:
            db.run(batch.hold.after)
    return Step(pending[-1].place, taken, drift, time.perf_counter() - since)


def pending_of(db: Database, batch: Batch) -> list[_Pending]:
    """The corrections that a batch is about."""
    where = {"run": batch.run, "after": batch.after, "size": batch.size}
    return db.rows(db.query("next_pending"), _Pending, where)


def _add(db: Database, batch: Batch, pending: list[_Pending], locked: set[str], owner: str) -> tuple[int, Amount]:
    """Add and mark the deltas of what is locked: how many, and their sum."""
    mine = [found for found in pending if found.row_key in locked]
    keys = [found.row_key for found in mine]
    given: dict[str, Any] = {"keys": keys, "ids": array(keys), "deltas": numbers(found.delta for found in mine)}
    given |= {"newest": [found.newest for found in mine], "displayed": numbers(found.displayed for found in mine)}
    done = db.act(db.query(batch.adding), given, role=owner)
    parts = (str(row).split(" ", 1) for row in done)
    became = {key: amount(counter) for counter, key in parts}
    marks = {
        "keys": list(became),
        "became": numbers(became.values()),
        "first": pending[0].place,
        "last": pending[-1].place,
    }
    taken, drift = db.tuple(db.query("mark_applied"), {**marks, "run": batch.run, "lease": LEASE_SECONDS})
    return taken, drift
