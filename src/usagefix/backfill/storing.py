"""Counts in one snapshot what is wrong, and stores it in the ledger before any correction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from usagefix import catalog, ledger, preflight, trust
from usagefix.database import Database, Limits
from usagefix.errors import Busy
from usagefix.models.amount import Amount, is_number
from usagefix.models.choices import Trust
from usagefix.models.correction import NO_BASELINES, Baselines

LEASE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Stored:
    """What a round has to do. ``resumed``: presets that an interrupted run corrected; ``kept``: new baselines;
    ``forgotten``: former baselines."""

    run: int
    presets: int
    magnitude: Amount
    resumed: int
    kept: Baselines = NO_BASELINES
    forgotten: Baselines = NO_BASELINES


def store_deltas(db: Database, believed: Trust | None = None, *, asks: bool = False) -> Stored:
    """Count in one snapshot, look for later uses, and store the drift. What is no drift becomes a baseline. Raises
    Doubted if it ``asks``, Refused for a drift that is no number."""
    kept, gone = NO_BASELINES, NO_BASELINES

    def count() -> None:
        preflight.require_baselines(db)
        queries = {"last_use": last_use_query(db)}
        if db.counter.baselines:
            queries = {"noted": db.query("noted_baselines")} | queries
        counted = replace(db.counter, baselines=db.counter.baselines and believed is not Trust.EVENTS)
        queries["drift"] = catalog.query("drift", counted)
        db.run(db.query("last_use_from"))
        # CREATE TABLE AS may count in parallel, INSERT ... SELECT may not.
        for name, query in queries.items():
            db.run(f"CREATE TEMPORARY TABLE usagefix_{name} ON COMMIT DROP AS {query}")
        if asks:
            ask(db, db.row(db.query("falls"), trust.Falls, {"falls": trust.LOOKED_AT}))

    def store(run: int) -> tuple[int, Amount]:
        nonlocal kept, gone
        if believed is Trust.COUNTERS:
            kept = db.row(db.query("keep_surplus"), Baselines, {"run": run})
        if db.counter.baselines:  # not before the count: whoever writes such a row would wait for it
            gone = db.row(db.query("forget_baselines"), Baselines, {"all": believed is Trust.EVENTS})
        rows, magnitude = db.tuple(db.query("store_deltas"), {"run": run})
        if not is_number(magnitude):
            raise trust.no_number(
                f"the drift of {db.nouns.column} is {magnitude}", f"{db.nouns.parent} or {db.nouns.child}"
            )
        return rows, magnitude

    stored = new_run(db, store, count)
    return replace(stored, kept=kept, forgotten=gone if believed is Trust.EVENTS else NO_BASELINES)


def new_run(
    db: Database, store: Callable[[int], tuple[int, Amount]], count: Callable[[], None] = lambda: None
) -> Stored:
    """A new run, with what ``store`` finds to do. ``count`` runs before that."""
    with db.transaction(Limits(statement_timeout=0), settings=ledger.WITH):
        db.claim(counting=True)
        going = db.rows(db.query("running_backfill"), _Running)
        if going:
            raise Busy(f"another backfill is running ({going[0]})", hint="wait for it to end, then run this again")
        runs, left_over, corrected = db.tuple(db.query("close_interrupted"))
        count()
        (run,) = db.tuple(db.query("open_run"), {"lease": LEASE_SECONDS})
        presets, magnitude = store(run)
        if presets:
            db.run("ANALYZE usagefix.corrections")  # otherwise each batch scans the whole table for each preset
    return Stored(run, presets, magnitude, resumed=corrected if runs and left_over else 0)


def last_use_query(db: Database) -> str:
    """The query for presets whose last use is too old; for none if the columns are missing."""
    return db.query("last_use") + ("" if db.counter.dated else " LIMIT 0")


def ask(db: Database, falls: trust.Falls) -> None:
    """Raise Doubted where the events do not look like the whole truth."""
    doubt = trust.doubt(db, falls)
    if doubt is not None:
        raise trust.refused(doubt)


@dataclass(frozen=True, slots=True)
class _Running:
    """A running backfill: the columns of ``running_backfill.sql``."""

    run: int
    by_role: str
    backend_pid: int

    def __str__(self) -> str:
        return f"run {self.run} by {self.by_role}, pid {self.backend_pid}"
