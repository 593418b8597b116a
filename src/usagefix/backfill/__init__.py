"""Remove drift while people use the application: exactly, in small transactions, each delta once.

Once the trigger counts, an event and its count commit together. So what a counter lacks (its drift) stays the same,
whatever is written. One snapshot without locks computes it, and the ledger stores the deltas. Later transactions add
each delta and mark it. An interrupted run leaves marked deltas, which are in the counters, and unmarked ones, which are
not. The next run drops the unmarked ones and counts again, so it repeats nothing and relies on nothing old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from usagefix import ledger, preflight
from usagefix.backfill.adding import How, ignore, one_round
from usagefix.backfill.giving_back import give_back, require_returnable, returns
from usagefix.backfill.holding import Hold, fired, hold_off, how_to_hold_off, triggers_of
from usagefix.backfill.making import make_rows
from usagefix.backfill.previewing import preview, stale
from usagefix.backfill.storing import store_deltas
from usagefix.database import Database, Limits
from usagefix.errors import Busy, UsagefixError
from usagefix.models.amount import plus
from usagefix.models.choices import BATCH_SIZE, Trust
from usagefix.models.correction import BackfillProgress, BackfillReport
from usagefix.models.verification import COUNTERS
from usagefix.picture import strangers
from usagefix.verify import next_step

__all__ = ["backfill", "counts", "give_back", "how_to_hold_off", "preview", "require_returnable", "returns"]

ROUNDS = 10


def counts(db: Database) -> bool:
    """Whether the triggers count new events, as an open snapshot shows it: before that, no backfill is exact."""
    return ledger.exists(db) and bool(db.values(db.query("counting"))[0])


def backfill(
    db: Database,
    *,
    batch_size: int = BATCH_SIZE,
    fire_triggers: bool = False,
    limits: Limits | None = None,
    pause: float = 0.0,
    on_progress: Callable[[BackfillProgress], None] = ignore,
    believed: Trust | None = None,
) -> BackfillReport:
    """Make every counter equal to its baseline plus its events.

    ``pause``: seconds between batches; ``batch_size``: presets in a batch. ``believed``: the side that is right if a
    counter shows more than its events; None asks if that matters. Raises Doubted then, before any change; UsagefixError
    if new uses are not counted yet; Busy if another backfill is running or a lock is not to be had; NotPermitted if the
    role lacks a privilege.
    """
    with db.snapshot():
        preflight.require_changeable(db)
        preflight.require_readable(db)
        if not counts(db):
            step = next_step(db, COUNTERS)
            raise UsagefixError(
                f"new {db.nouns.events} are not counted yet, so a backfill cannot be exact",
                hint=str(step) if step else "",
            )
        ledger.require_trusted(db)
        preflight.require_usable(db)
        strangers.require_none(db, strangers.of_counters(db))
        triggers = triggers_of(db)
    not_made = make_rows(db, limits)
    hold = Hold({}) if fire_triggers else hold_off(db, triggers)
    first = partial(store_deltas, believed=believed, asks=believed is None)
    how = How(batch_size, hold, limits, pause, on_progress, first)
    done = [one_round(db, how)]
    while done[-1].count_again:
        if len(done) == ROUNDS:
            raise Busy(
                f"events are deleted or truncated faster than usagefix can count them ({ROUNDS} rounds)",
                hint="run usagefix backfill when that ends",
            )
        # If a counter shows too much now, a stale delta is the reason: do not ask again, and keep no baseline.
        done.append(one_round(db, replace(how, store=store_deltas)))
    last_only = sum(r.last_only for r in done)
    presets, batches = sum(r.presets for r in done), sum(r.batches for r in done)
    return BackfillReport(
        rows_changed=presets,
        drift_removed=plus(*(r.drift for r in done)),
        magnitude=plus(*(r.stored.magnitude for r in done)),
        resumed=sum(r.stored.resumed for r in done),
        batches=batches,
        triggers=fired(triggers, fire_triggers, presets, batches),
        rounds=len(done),
        baselines=done[0].stored.kept,
        forgotten=done[0].stored.forgotten,
        unrepaired=(*not_made, *done[-1].unrepaired),
        counted_ms=sum(r.counted_ms for r in done),
        corrected_ms=sum(r.corrected_ms for r in done),
        last_only=last_only,
        refresh=stale(db) if presets > last_only else (),
    )
