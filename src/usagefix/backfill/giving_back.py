"""Undoes corrections: each counter shows what it showed before, plus what was counted since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from usagefix.backfill.adding import PAST_THE_GUARD, How, ignore, of_a_row, one_round
from usagefix.backfill.holding import hold_off, triggers_of
from usagefix.backfill.previewing import stale
from usagefix.backfill.storing import Stored, new_run
from usagefix.database import Database, Limits
from usagefix.errors import DatabaseRefused, NotPermitted, RollbackRefused
from usagefix.models.amount import Amount
from usagefix.models.choices import BATCH_SIZE
from usagefix.models.correction import BackfillProgress
from usagefix.models.figures import plural
from usagefix.picture import strangers
from usagefix.picture.obstacles import said
from usagefix.quoting import array, numbers

_RETURNED = """, stored AS (
    INSERT INTO usagefix.corrections (counter, run, place, row_key, displayed, delta)
    SELECT %(slug)s, %(run)s, row_number() OVER (ORDER BY which), row_key, displayed, delta FROM returns
    RETURNING delta
)
SELECT count(*), COALESCE(sum(abs(delta)), 0) FROM stored
"""


@dataclass(frozen=True, slots=True)
class _Return:
    """A counter that gets its old value back: columns of ``returns.sql``."""

    row_key: str
    displayed: Amount | None
    delta: Amount


def give_back(
    db: Database,
    version: str,
    *,
    limits: Limits | None = None,
    on_progress: Callable[[BackfillProgress], None] = ignore,
) -> int:
    """Undo the corrections since ``version`` was applied: each counter shows what it showed before that, plus what was
    counted since. Returns how many.

    It is a run of its own, of the opposite deltas: you can kill it at any instant and run it again. The triggers must
    still count. Raises what :func:`usagefix.backfill.backfill` raises.
    """
    with db.snapshot():
        strangers.require_none(db, strangers.of_counters(db))
        triggers = triggers_of(db)
    storing = f"WITH returns AS ({db.query('returns')}) {_RETURNED}"

    def store(db: Database) -> Stored:
        return new_run(db, lambda run: db.tuple(storing, {"run": run, "version": version}))

    how = How(BATCH_SIZE, hold_off(db, triggers), limits, 0.0, on_progress, store, "give_back")
    done = one_round(db, how)
    show = "shows" if done.presets == 1 else "show"
    db.changes[-1:] = [f"{plural(done.presets, 'counter')} {show} again what was shown before apply"]
    db.remarks += [
        f"{db.nouns.row} {row.id} keeps its counter, because the server refuses to change it: {row.why}"
        for row in done.unrepaired
    ]
    db.remarks += [f"a materialised view still shows the counters as they were: {refresh}" for refresh in stale(db)]
    return done.presets


def require_returnable(db: Database, version: str, limits: Limits | None = None) -> None:
    """Try one counter in a transaction that is undone. Raises RollbackRefused where :func:`give_back` would fail for
    any of them: somebody dropped the column by now, or generates it, or what an update needs is gone."""
    with db.snapshot():
        strangers.require_none(db, strangers.of_counters(db))
        triggers = triggers_of(db)
    hold = hold_off(db, triggers)
    returning = f"SELECT row_key, displayed, delta FROM ({db.query('returns')}) AS returns LIMIT 1"  # noqa: S608

    def attempt() -> None:
        with db.transaction(limits, settings=hold.settings | PAST_THE_GUARD, rollback=True):
            for row in db.rows(returning, _Return, {"version": version}):
                if hold.before:
                    db.run(hold.before)
                amounts = {"deltas": numbers([row.delta]), "displayed": numbers([row.displayed])}
                given = {"keys": [row.row_key], "ids": array([row.row_key]), **amounts}
                db.act(db.query("give_back"), given, role=db.values(db.query("owner"))[0])

    try:
        db.retrying(attempt, limits)
    except DatabaseRefused as refused:
        if of_a_row(refused):
            return
        if isinstance(refused, NotPermitted):
            raise
        raise RollbackRefused(
            f"the old values of the counters cannot come back: {said(refused)}",
            hint="usagefix rollback --counters keep leaves the counters as they are",
        ) from None


def returns(db: Database, version: str) -> int:
    """How many counters :func:`give_back` would change now. Reads only."""
    with db.snapshot():
        what = db.query("returns")
        return int(db.values(f"SELECT count(*) FROM ({what}) AS returns", {"version": version})[0])  # noqa: S608
