"""What a backfill would change, in one pass over the events. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from usagefix import ledger, preflight, trust
from usagefix.backfill.adding import FIRST_SIZE
from usagefix.backfill.holding import fired, triggers_of
from usagefix.backfill.storing import ask, last_use_query
from usagefix.database import Database
from usagefix.models.amount import Amount
from usagefix.models.choices import BATCH_SIZE, Trust
from usagefix.models.correction import NO_BASELINES, BackfillReport, Baselines
from usagefix.picture.objects import View

# What a backfill would do, in one pass over the events: corrections, new baselines, and the facts for the question.
_PREVIEW = """
WITH drift AS MATERIALIZED ({drift}), last_use AS ({last_use}), falls AS ({falls}),
wrong AS (SELECT * FROM drift WHERE delta >= 0 OR NOT %(keep)s),
kept AS (SELECT * FROM drift WHERE delta < 0 AND %(keep)s)
SELECT
    (SELECT count(*) FROM (SELECT preset_id FROM wrong UNION SELECT preset_id FROM last_use) AS found) AS rows,
    (SELECT count(*) FROM (SELECT preset_id FROM last_use EXCEPT SELECT preset_id FROM wrong) AS later) AS last_only,
    (SELECT COALESCE(sum(delta), 0) FROM wrong) AS drift,
    (SELECT COALESCE(sum(abs(delta)), 0) FROM wrong) AS magnitude,
    (SELECT jsonb_build_object('rows', count(*), 'total', COALESCE(-sum(delta), 0)) FROM kept) AS kept,
    (SELECT to_jsonb(falls) FROM falls) AS falls
"""


def preview(
    db: Database,
    *,
    batch_size: int = BATCH_SIZE,
    fire_triggers: bool = False,
    believed: Trust | None = None,
    anew: bool = False,
) -> BackfillReport:
    """What a backfill would change now; ``anew``: after all baselines are forgotten. Reads only. Raises Doubted as the
    backfill would."""
    with db.snapshot():
        preflight.require_readable(db)
        preflight.require_usable(db)
        triggers = triggers_of(db)
        db.run(db.query("last_use_from"))
        forgotten = NO_BASELINES
        if (anew or believed is Trust.EVENTS) and db.counter.baselines:
            forgotten = ledger.baselines(db)
            db.counter = replace(db.counter, baselines=False)
        seen = _previewed(db, believed)
    smallest = min(batch_size, FIRST_SIZE)
    batches = -(-seen.rows // smallest)
    would_fire = fired(triggers, fire_triggers, seen.rows, batches, at_most=smallest < min(batch_size, seen.rows))
    return BackfillReport(
        rows_changed=seen.rows,
        drift_removed=seen.drift,
        magnitude=seen.magnitude,
        resumed=0,
        batches=batches,
        triggers=would_fire,
        dry_run=True,
        baselines=Baselines(**seen.kept),
        forgotten=forgotten,
        last_only=seen.last_only,
        refresh=stale(db) if seen.rows > seen.last_only else (),
    )


def stale(db: Database) -> tuple[str, ...]:
    """Statements that let materialised views show the counters as they are now, each after those that it reads."""
    views = db.rows(db.query("picture_views"), View)
    return tuple(view.refresh for view in views if view.materialised and view.counter)


@dataclass(frozen=True, slots=True)
class _Previewed:
    """The columns of ``_PREVIEW``."""

    rows: int
    last_only: int
    drift: Amount
    magnitude: Amount
    kept: dict[str, Any]
    falls: dict[str, Any]


def _previewed(db: Database, believed: Trust | None) -> _Previewed:
    """What would change, in one pass. Raises Doubted."""
    # They take no parameters, but the whole does.
    drift, last_use = (query.replace("%", "%%") for query in (db.query("drift"), last_use_query(db)))
    falls = db.query("falls").replace("pg_temp.usagefix_drift", "drift")
    query = _PREVIEW.format(drift=drift, last_use=last_use, falls=falls)
    params = {"keep": believed is Trust.COUNTERS, "falls": trust.LOOKED_AT}
    seen = db.row(query, _Previewed, params)
    if believed is None:
        ask(db, trust.Falls(**seen.falls))
    return seen
