"""Adds the deltas of one run, batch by batch: each once, marked in the transaction that adds it."""

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
from usagefix.models.figures import grouped, out_of
from usagefix.picture.obstacles import said
from usagefix.quoting import array, numbers

PAST_THE_GUARD = {"usagefix.bypass_guard": "on"}
# A use of a preset in a batch waits until the batch commits: batches grow only while that takes no longer than this.
HELD_SECONDS = 0.015
FIRST_SIZE = 100
SAME_FOR_ALL = 20  # if the server refuses so many rows before one is corrected, the reason is not the rows
# Classes of SQLSTATEs: the connection, the transaction, a conflict, the statement, resources, a state, the server.
_NOT_OF_A_ROW = ("08", "25", "40", "42", "53", "55", "57", "58", "XX")


@dataclass(frozen=True, slots=True)
class How:
    """The options of a backfill: what :func:`backfill` was asked for."""

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
    """The result of a round. ``count_again``: a counter that was still too low stopped at zero when events were
    deleted, or all events were truncated, so the stored deltas were wrong. After a round no counter is too low, so
    the next deltas are right."""

    stored: Stored
    presets: int
    last_only: int
    drift: Amount
    batches: int
    counted_ms: int
    corrected_ms: int
    count_again: bool
    unrepaired: tuple[Unrepaired, ...]


def one_round(db: Database, how: How) -> Done:
    """Count in one snapshot, store the deltas, and add them. If the server refuses a row, go on with the others."""
    laps, nouns = Laps(), db.nouns
    stored = db.retrying(lambda: how.store(db), how.limits)
    counted = laps.lap()
    if stored.kept.rows:
        have = "has a baseline" if stored.kept.rows == 1 else "have baselines"
        db.changes.append(f"{nouns.of(stored.kept.rows)} {have} of {nouns.total(stored.kept.total)} in all")
    how.on_progress(BackfillProgress(0, stored.presets))
    recorded = f"{grouped(stored.presets)} wrong {nouns.row if stored.presets == 1 else nouns.rows} recorded"
    recorded += " in the ledger, none corrected yet"
    db.changes.append(recorded if stored.presets else f"{nouns.rows} counted, with nothing to correct")
    done, last_only, removed, batches = 0, 0, plus(), 0
    refused: dict[str, Unrepaired] = {}
    batch = Batch(stored.run, min(how.batch_size, FIRST_SIZE), how.hold, how.adding)
    while True:
        try:
            step = db.retrying(partial(apply_batch, db, batch, how.limits), how.limits)
        except DatabaseRefused as error:
            if not of_a_row(error) or (not done and len(refused) == SAME_FOR_ALL):
                raise
            if batch.size > 1:  # smaller batches, down to the row that is refused
                batch = replace(batch, size=batch.size // 2)
                continue
            (row,) = pending_of(db, batch)
            refused[row.row_key] = Unrepaired(row.row_key, said(error))
            batch = replace(batch, after=row.place)
            continue
        if step is None and batch.wait:
            break
        if step is None:
            batch = replace(batch, after=0, size=1, wait=True)  # rows that others had locked, one by one
            continue
        batch = replace(batch, after=step.last, size=batch.size if batch.wait else _next_size(batch.size, step, how))
        if not step.taken:
            continue
        done, removed, batches = done + step.taken, plus(removed, step.drift), batches + 1
        last_only += step.last_only
        db.changes[-1:] = [f"{out_of(done, stored.presets)} wrong {nouns.rows} corrected"]
        how.on_progress(BackfillProgress(done, stored.presets))
        time.sleep(how.pause)
    with db.transaction(how.limits):
        (count_again,) = db.values(db.query("close_run"), {"run": stored.run})
    return Done(stored, done, last_only, removed, batches, counted, laps.lap(), count_again, tuple(refused.values()))


def _next_size(size: int, step: Step, how: How) -> int:
    """The number of presets that this machine can correct now without making anybody wait for long."""
    fitting = min(2 * size, int(size * HELD_SECONDS / step.held))
    return min(how.batch_size, max(min(FIRST_SIZE, 2 * size), fitting))


def of_a_row(error: DatabaseRefused) -> bool:
    """Whether the error may concern one row, and not the server, the session, or the statement."""
    return error.sqlstate is not None and not error.sqlstate.startswith(_NOT_OF_A_ROW)


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction of a run: the next ``size`` presets after the place ``after`` that nobody has locked; with
    ``wait``, all of them."""

    run: int
    size: int
    hold: Hold
    adding: str
    after: int = 0
    wait: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    """A pending correction: the columns of ``next_pending.sql``."""

    place: int
    row_key: str
    displayed: Amount | None
    delta: Amount
    newest: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a batch: the last place that it read, the number of deltas, their sum, the number of rows of
    which only the last event was too old, and for how many seconds it held its locks."""

    last: int
    taken: int
    drift: Amount
    last_only: int
    held: float


def apply_batch(db: Database, batch: Batch, limits: Limits | None) -> Step | None:
    """One short transaction: lock in the order of ids, add, mark. None if no preset is left. It never waits for a
    row while it holds another row or a table, so nobody waits for what it waits for."""
    with db.transaction(limits, settings=batch.hold.settings | PAST_THE_GUARD):
        db.claim(patiently=True, counting=True)
        (still_open,) = db.values(db.query("run_open"), {"run": batch.run})
        if not still_open or not db.values(db.query("counting"))[0]:
            raise UsagefixError(
                "somebody rolled the fix back, or disabled its trigger, during the backfill",
                hint="usagefix verify says what to do",
            )
        pending = pending_of(db, batch)
        if not pending:
            return None
        owner = db.values(db.query("owner"))[0]
        since = time.perf_counter()
        if batch.wait and not batch.hold.before:
            keys = db.values(db.query("lock_next"), {"id": pending[0].row_key})
            # Now that it holds a row it must not wait for the table: it tries again later.
            db.run(f"LOCK TABLE ONLY {db.counter.parent_sql} IN ROW EXCLUSIVE MODE NOWAIT")
        else:
            if batch.hold.before:
                db.end_autovacuum([db.counter.parent_sql], limits)
            # The table first: a session that holds rows must not wait for the table.
            db.run(batch.hold.before or f"LOCK TABLE ONLY {db.counter.parent_sql} IN ROW EXCLUSIVE MODE")
            keys = db.values(db.query("lock_batch"), {"ids": array([found.row_key for found in pending])})
        if batch.wait and not keys and db.values(db.query("there"), {"id": pending[0].row_key}):
            raise Busy(
                f"the server is busy: other sessions hold locks on rows of {db.nouns.parent}",
                hint="run this again",
                sqlstate="55P03",
            )
        taken, drift, last_only = _add(db, batch, pending, set(keys), owner) if keys else (0, 0, 0)
        if batch.hold.after:
            db.run(batch.hold.after)
    return Step(pending[-1].place, taken, drift, last_only, time.perf_counter() - since)


def pending_of(db: Database, batch: Batch) -> list[_Pending]:
    """The corrections that a batch is about."""
    where = {"run": batch.run, "after": batch.after, "size": batch.size}
    return db.rows(db.query("next_pending"), _Pending, where)


def _add(db: Database, batch: Batch, pending: list[_Pending], locked: set[str], owner: str) -> tuple[int, Amount, int]:
    """Add and mark the deltas of what is locked: how many, their sum, of how many only the last event was behind."""
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
    taken, drift, last_only = db.tuple(db.query("mark_applied"), {**marks, "run": batch.run, "lease": LEASE_SECONDS})
    return taken, drift, last_only
