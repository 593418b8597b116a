"""Undoes corrections: each counter shows what it showed before, plus what was counted since."""

from __future__ import annotations

from collections.abc import Callable

from usagefix.backfill.adding import How, ignore, one_round
from usagefix.backfill.holding import hold_off, triggers_of
from usagefix.backfill.previewing import stale
from usagefix.backfill.storing import Stored, new_run
from usagefix.database import Database, Limits
from usagefix.models.choices import BATCH_SIZE
from usagefix.models.correction import BackfillProgress
from usagefix.models.figures import plural
from usagefix.picture import strangers

_RETURNED = """, stored AS (
    INSERT INTO usagefix.corrections (counter, run, place, row_key, displayed, delta)
    SELECT %(slug)s, %(run)s, row_number() OVER (ORDER BY which), row_key, displayed, delta FROM returns
    RETURNING delta
)
SELECT count(*), COALESCE(sum(abs(delta)), 0) FROM stored
"""


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


def returns(db: Database, version: str) -> int:
    """How many counters :func:`give_back` would change now. Reads only."""
    with db.snapshot():
        what = db.query("returns")
        return int(db.values(f"SELECT count(*) FROM ({what}) AS returns", {"version": version})[0])  # noqa: S608
