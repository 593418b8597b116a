"""Removing drift while people use the application: exact, in small transactions, each delta once.

Once the trigger counts, an event and its count commit together, so what a counter lacks (its drift) stays the same
whatever is written. One snapshot without locks computes it; the deltas are stored in the ledger; each is added later
and marked in the same transaction. An interrupted run leaves marked deltas, which are in the counters, and unmarked
ones, which are not: the next run drops the unmarked ones and counts anew, so it repeats nothing and trusts nothing old.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from usagefix import ledger, preflight, trust
from usagefix.counter import quoted
from usagefix.database import Database, Limits, array
from usagefix.errors import Busy, DatabaseRefused, NotPermitted, UsagefixError
from usagefix.models.choices import BATCH_SIZE, Trust
from usagefix.models.correction import (
    NO_BASELINES,
    BackfillProgress,
    BackfillReport,
    Baselines,
    FiredTrigger,
    Unrepaired,
)
from usagefix.models.verification import COUNTERS
from usagefix.picture.obstacles import said
from usagefix.verify import next_step

LEASE_SECONDS = 30.0
_PAST_THE_GUARD = {"usagefix.bypass_guard": "on"}
ROUNDS = 10
# Who uses a preset of a batch waits until it commits: batches grow up to their size while this is no longer than that.
HELD_SECONDS = 0.015
FIRST_SIZE = 100
SAME_FOR_ALL = 20  # rows that are refused before any is corrected: then it is not about them
# Classes of SQLSTATEs: the connection, the transaction, a conflict, the statement, resources, a state, the server.
_NOT_OF_A_ROW = ("08", "25", "40", "42", "53", "55", "57", "58", "XX")
# What a backfill would do, in one pass over the events: corrections, new baselines, and what there is to ask.
_PREVIEW = """
WITH drift AS MATERIALIZED ({drift}), last_use AS ({last_use}), falls AS ({falls}),
wrong AS (SELECT * FROM drift WHERE delta >= 0 OR NOT %(keep)s),
kept AS (SELECT * FROM drift WHERE delta < 0 AND %(keep)s)
SELECT
    (SELECT count(*) FROM (SELECT preset_id FROM wrong UNION SELECT preset_id FROM last_use) AS found) AS presets,
    (SELECT COALESCE(sum(delta), 0)::bigint FROM wrong) AS drift,
    (SELECT COALESCE(sum(abs(delta)), 0)::bigint FROM wrong) AS magnitude,
    (SELECT jsonb_build_object('presets', count(*), 'uses', COALESCE(-sum(delta), 0)) FROM kept) AS kept,
    (SELECT to_jsonb(falls) FROM falls) AS falls
"""
_RETURNED = """, stored AS (
    INSERT INTO usagefix.corrections (run, place, row_key, displayed, delta)
    SELECT %(run)s, row_number() OVER (ORDER BY which), row_key, displayed, delta FROM returns
    RETURNING delta
)
SELECT count(*), COALESCE(sum(abs(delta)), 0)::bigint FROM stored
"""


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A trigger that a correction would fire: the columns of ``fired_triggers.sql``."""

    name: str
    enabled: str
    for_each_row: bool
    conditional: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """How the application's triggers are held off in each transaction: a setting, or statements around the work."""

    settings: dict[str, str]
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class _How:
    """How a backfill goes about it: what :func:`backfill` was asked for."""

    batch_size: int
    hold: Hold
    limits: Limits | None
    pause: float
    on_progress: Callable[[BackfillProgress], None]
    store: Callable[[Database], _Stored]
    adding: str = "add_deltas"


def _ignore(_progress: BackfillProgress) -> None:
    pass


def backfill(
    db: Database,
    *,
    batch_size: int = BATCH_SIZE,
    fire_triggers: bool = False,
    limits: Limits | None = None,
    pause: float = 0.0,
    on_progress: Callable[[BackfillProgress], None] = _ignore,
    believed: Trust | None = None,
) -> BackfillReport:
    """Make every counter equal to its baseline and events; ``pause`` seconds between batches of ``batch_size`` presets.

    ``believed``: the side that is true where a counter shows more than its events. None asks, where that matters.
    Raises Doubted then, before anything is changed; UsagefixError where new uses are not counted yet, Busy where
    another backfill is going or locks stay taken, NotPermitted where the role lacks a right.
    """
    with db.snapshot():
        preflight.require_changeable(db)
        preflight.require_readable(db)
        if not ledger.exists(db) or not db.values(db.query("counting"))[0]:
            step = next_step(db, COUNTERS)
            raise UsagefixError(
                "new uses are not counted yet, so no backfill can be exact", hint=str(step) if step else ""
            )
        ledger.require_trusted(db)
        preflight.require_usable(db)
        triggers = db.rows(db.query("fired_triggers"), _Trigger)
    hold = Hold({}) if fire_triggers else _hold_off(db, triggers)
    first = partial(_store_deltas, believed=believed, asks=believed is None)
    how = _How(batch_size, hold, limits, pause, on_progress, first)
    done = [_round(db, how)]
    while done[-1].count_again:
        if len(done) == ROUNDS:
            raise Busy(
                f"events are being deleted or truncated faster than they can be counted ({ROUNDS} rounds)",
                hint="run usagefix backfill when that has ended",
            )
        # Whatever shows too much now, a delta that no longer fitted made it so: that is nothing to ask, or to keep.
        done.append(_round(db, replace(how, store=_store_deltas)))
    presets, batches = sum(r.presets for r in done), sum(r.batches for r in done)
    return BackfillReport(
        presets_changed=presets,
        drift_removed=sum(r.drift for r in done),
        magnitude=sum(r.stored.magnitude for r in done),
        resumed=sum(r.stored.resumed for r in done),
        batches=batches,
        triggers=_fired(triggers, fire_triggers, presets, batches),
        rounds=len(done),
        baselines=done[0].stored.kept,
        forgotten=done[0].stored.forgotten,
        unrepaired=done[-1].unrepaired,
    )


def give_back(
    db: Database,
    version: str,
    *,
    limits: Limits | None = None,
    on_progress: Callable[[BackfillProgress], None] = _ignore,
) -> int:
    """Take back what was corrected since ``version`` was applied: each counter shows what it showed before that, plus
    what was counted since. Returns how many.

    A run of its own, of the opposite deltas: killed at any instant and run again, the end is the same. The triggers
    must still count. Raises what :func:`backfill` raises.
    """
    with db.snapshot():
        triggers = db.rows(db.query("fired_triggers"), _Trigger)
    storing = f"WITH returns AS ({db.query('returns')}) {_RETURNED}"

    def store(db: Database) -> _Stored:
        return _stored(db, lambda run: db.tuple(storing, {"run": run, "version": version}))

    how = _How(BATCH_SIZE, _hold_off(db, triggers), limits, 0.0, on_progress, store, "give_back")
    done = _round(db, how)
    db.changes[-1:] = [f"{done.presets} counters show again what they showed before apply"]
    db.remarks += [
        f"preset {row.id} keeps its counter, since the server refuses that: {row.why}" for row in done.unrepaired
    ]
    return done.presets


def returns(db: Database, version: str) -> int:
    """How many counters :func:`give_back` would change now. Reads only."""
    with db.snapshot():
        what = db.query("returns")
        return int(db.values(f"SELECT count(*) FROM ({what}) AS returns", {"version": version})[0])  # noqa: S608


def preview(
    db: Database, *, batch_size: int = BATCH_SIZE, fire_triggers: bool = False, believed: Trust | None = None
) -> BackfillReport:
    """What a backfill would change now. Reads only. Raises Doubted as the backfill would."""
    with db.snapshot():
        preflight.require_readable(db)
        preflight.require_usable(db)
        triggers = db.rows(db.query("fired_triggers"), _Trigger)
        db.run(db.query("last_use_from"))
        forgotten = NO_BASELINES
        if believed is Trust.EVENTS and db.counter.baselines:
            forgotten = ledger.baselines(db)
            db.counter = replace(db.counter, baselines=False)
        seen = _previewed(db, believed)
    smallest = min(batch_size, FIRST_SIZE)
    batches = -(-seen.presets // smallest)
    fired = _fired(triggers, fire_triggers, seen.presets, batches, at_most=smallest < min(batch_size, seen.presets))
    return BackfillReport(
        presets_changed=seen.presets,
        drift_removed=seen.drift,
        magnitude=seen.magnitude,
        resumed=0,
        batches=batches,
        triggers=fired,
        dry_run=True,
        baselines=Baselines(**seen.kept),
        forgotten=forgotten,
    )


@dataclass(frozen=True, slots=True)
class _Previewed:
    """The columns of ``_PREVIEW``."""

    presets: int
    drift: int
    magnitude: int
    kept: dict[str, int]
    falls: dict[str, Any]


def _previewed(db: Database, believed: Trust | None) -> _Previewed:
    """What would change, in one pass. Raises Doubted."""
    # They take no parameters, but the whole does.
    drift, last_use = (query.replace("%", "%%") for query in (db.query("drift"), _last_use(db)))
    falls = db.query("falls").replace("pg_temp.usagefix_drift", "drift")
    query = _PREVIEW.format(drift=drift, last_use=last_use, falls=falls)
    params = {"keep": believed is Trust.COUNTERS, "falls": trust.LOOKED_AT}
    seen = db.row(query, _Previewed, params)
    if believed is None:
        _ask(db, trust.Falls(**seen.falls))
    return seen


def _ask(db: Database, falls: trust.Falls) -> None:
    """Raise Doubted where the events do not look like the whole truth."""
    doubt = trust.doubt(db, falls)
    if doubt is not None:
        raise trust.refused(doubt)


@dataclass(frozen=True, slots=True)
class _Done:
    """What a round did.

    ``count_again``: a counter that was still too low stopped at zero as events were deleted, or all events were
    truncated, so what was stored no longer fitted. After a round no counter is too low: what the next one stores fits.
    """

    stored: _Stored
    presets: int
    drift: int
    batches: int
    count_again: bool
    unrepaired: tuple[Unrepaired, ...]


def _round(db: Database, how: _How) -> _Done:
    """Count in one snapshot, store what is wrong, add it: where the server refuses a row, to all others."""
    stored = db.retrying(lambda: how.store(db), how.limits)
    if stored.kept.presets:
        db.changes.append(f"{stored.kept.presets} presets have a baseline of {stored.kept.uses} uses")
    how.on_progress(BackfillProgress(0, stored.presets))
    db.changes.append(f"{stored.presets} wrong presets noted in the ledger, none corrected yet")
    done, removed, batches = 0, 0, 0
    refused: dict[str, Unrepaired] = {}
    batch = _Batch(stored.run, min(how.batch_size, FIRST_SIZE), how.hold, how.adding)
    while True:
        try:
            step = db.retrying(partial(_apply_batch, db, batch, how.limits), how.limits)
        except DatabaseRefused as error:
            if not _of_a_row(error) or (not done and len(refused) == SAME_FOR_ALL):
                raise
            if batch.size > 1:  # less and less, down to the row that is meant
                batch = replace(batch, size=batch.size // 2)
                continue
            (row,) = _pending(db, batch)
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
        done, removed, batches = done + step.taken, removed + step.drift, batches + 1
        db.changes[-1:] = [f"{done} of {stored.presets} wrong presets corrected"]
        how.on_progress(BackfillProgress(done, stored.presets))
        time.sleep(how.pause)
    with db.transaction(how.limits):
        (count_again,) = db.values(db.query("close_run"), {"run": stored.run})
    return _Done(stored, done, removed, batches, count_again, tuple(refused.values()))


def _next_size(size: int, step: _Step, how: _How) -> int:
    """As many presets as this machine corrects, now, while nobody waits for long."""
    fitting = min(2 * size, int(size * HELD_SECONDS / step.held))
    return min(how.batch_size, max(min(FIRST_SIZE, 2 * size), fitting))


def _of_a_row(error: DatabaseRefused) -> bool:
    """Whether it may be about one row, and not about the server, the session, or the statement."""
    return error.sqlstate is not None and not error.sqlstate.startswith(_NOT_OF_A_ROW)


def _fired(
    triggers: list[_Trigger], fire: bool, presets: int, batches: int, *, at_most: bool = False
) -> tuple[FiredTrigger, ...]:
    """``at_most``: it may become fewer batches."""
    return tuple(
        FiredTrigger(
            t.name,
            held_off=not fire,
            fires=presets if t.for_each_row else batches,
            at_most=t.conditional or (at_most and not t.for_each_row),
        )
        for t in triggers
        if t.enabled != "R"
    )


def holding(db: Database) -> Hold:
    """How this database's own triggers would be held off."""
    return _hold_off(db, db.rows(db.query("fired_triggers"), _Trigger))


def _hold_off(db: Database, triggers: list[_Trigger]) -> Hold:
    """The mildest way that works here. The setting changes nothing for others; disabling makes writers to presets
    wait for each short batch, but needs only ownership, and also stops triggers that are enabled ALWAYS."""
    firing = [trigger for trigger in triggers if trigger.enabled != "R"]
    if not firing:
        return Hold({})
    if all(trigger.enabled == "O" for trigger in triggers):
        setting = {"session_replication_role": "replica"}
        try:
            with db.transaction(settings=setting, rollback=True):
                return Hold(setting)
        except NotPermitted:
            pass
    names = {trigger: quoted(trigger.name) for trigger in firing}
    enable = {trigger: "ENABLE ALWAYS" if trigger.enabled == "A" else "ENABLE" for trigger in firing}
    return Hold(
        {},
        before=";\n".join(f"ALTER TABLE {db.counter.parent_sql} DISABLE TRIGGER {names[t]}" for t in firing),
        after=";\n".join(f"ALTER TABLE {db.counter.parent_sql} {enable[t]} TRIGGER {names[t]}" for t in firing),
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a round has to do; ``resumed``: presets that an interrupted run had corrected; ``kept``: what became
    baselines, ``forgotten``: what was one."""

    run: int
    presets: int
    magnitude: int
    resumed: int
    kept: Baselines = NO_BASELINES
    forgotten: Baselines = NO_BASELINES


def _store_deltas(db: Database, believed: Trust | None = None, *, asks: bool = False) -> _Stored:
    """Count in one snapshot, look for later uses, and store what is wrong; what is no drift becomes a baseline.

    Raises Doubted where it ``asks``.
    """
    kept, gone = NO_BASELINES, NO_BASELINES

    def count() -> None:
        nonlocal gone
        preflight.require_baselines(db)
        if db.counter.baselines:
            gone = db.row(db.query("forget_baselines"), Baselines, {"all": believed is Trust.EVENTS})
        db.run(db.query("last_use_from"))
        # CREATE TABLE AS may count in parallel, INSERT ... SELECT may not.
        for name, query in (("drift", db.query("drift")), ("last_use", _last_use(db))):
            db.run(f"CREATE TEMPORARY TABLE usagefix_{name} ON COMMIT DROP AS {query}")
        if asks:
            _ask(db, db.row(db.query("falls"), trust.Falls, {"falls": trust.LOOKED_AT}))

    def store(run: int) -> tuple[int, int]:
        nonlocal kept
        if believed is Trust.COUNTERS:
            kept = db.row(db.query("keep_surplus"), Baselines, {"run": run})
        return db.tuple(db.query("store_deltas"), {"run": run})

    stored = _stored(db, store, count)
    return replace(stored, kept=kept, forgotten=gone if believed is Trust.EVENTS else NO_BASELINES)


def _stored(db: Database, store: Callable[[int], tuple[int, int]], count: Callable[[], None] = lambda: None) -> _Stored:
    """A new run, with what ``store`` finds to do; ``count`` is what is done before there is one."""
    with db.transaction(Limits(statement_timeout=0)):
        db.claim()
        going = db.rows(db.query("running_backfill"), _Running)
        if going:
            raise Busy(f"another backfill is going ({going[0]})", hint="wait for it to end, then run this again")
        runs, left_over, corrected = db.tuple(db.query("close_interrupted"))
        count()
        (run,) = db.tuple(db.query("open_run"), {"lease": LEASE_SECONDS})
        presets, magnitude = store(run)
        if presets:
            db.run("ANALYZE usagefix.corrections")  # or each batch scans the whole table for each preset
    return _Stored(run, presets, magnitude, resumed=corrected if runs and left_over else 0)


def _last_use(db: Database) -> str:
    """Whose last use is behind; nobody's where the columns that would tell are missing."""
    return db.query("last_use") + ("" if db.counter.dated else " LIMIT 0")


@dataclass(frozen=True, slots=True)
class _Running:
    """A backfill that is going: the columns of ``running_backfill.sql``."""

    run: int
    by_role: str
    backend_pid: int

    def __str__(self) -> str:
        return f"run {self.run} by {self.by_role}, pid {self.backend_pid}"


@dataclass(frozen=True, slots=True)
class _Batch:
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
    displayed: int | None
    delta: int
    newest: str | None


@dataclass(frozen=True, slots=True)
class _Step:
    """What a batch did: the last place it looked at, how many deltas it took, and their sum; for how many seconds it
    held their rows."""

    last: int
    taken: int
    drift: int
    held: float


def _apply_batch(db: Database, batch: _Batch, limits: Limits | None) -> _Step | None:
    """One short transaction: lock in id order, add, mark. None when there is no further preset.

    It never waits for a row while it holds another row or a table, so nobody waits for what it waits for.
    """
    with db.transaction(limits, settings=batch.hold.settings | _PAST_THE_GUARD):
        db.claim(patiently=True)
        (still_open,) = db.values(db.query("run_open"), {"run": batch.run})
        if not still_open or not db.values(db.query("counting"))[0]:
            raise UsagefixError(
                "somebody rolled the fix back, or disabled its trigger, while the backfill was going",
                hint="usagefix verify says what to do",
            )
        pending = _pending(db, batch)
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
                "the server is busy: somebody holds the rows of presets", hint="run this again", sqlstate="55P03"
            )
        taken, drift = _add(db, batch, pending, set(keys), owner) if keys else (0, 0)
        if batch.hold.after:
            db.run(batch.hold.after)
    return _Step(pending[-1].place, taken, drift, time.perf_counter() - since)


def _pending(db: Database, batch: _Batch) -> list[_Pending]:
    """The corrections that a batch is about."""
    where = {"run": batch.run, "after": batch.after, "size": batch.size}
    return db.rows(db.query("next_pending"), _Pending, where)


def _add(db: Database, batch: _Batch, pending: list[_Pending], locked: set[str], owner: str) -> tuple[int, int]:
    """Add and mark the deltas of what is locked: how many, and their sum."""
    mine = [found for found in pending if found.row_key in locked]
    keys = [found.row_key for found in mine]
    given = {"keys": keys, "ids": array(keys), "deltas": [found.delta for found in mine]}
    given |= {"newest": [found.newest for found in mine], "displayed": [found.displayed for found in mine]}
    done = db.act(db.query(batch.adding), given, role=owner)
    parts = [str(row).split(" ", 1) for row in done]
    became = {key: int(counter) for counter, key in parts}
    marks = {
        "keys": list(became),
        "became": list(became.values()),
        "first": pending[0].place,
        "last": pending[-1].place,
    }
    taken, drift = db.tuple(db.query("mark_applied"), {**marks, "run": batch.run, "lease": LEASE_SECONDS})
    return int(taken), int(drift)
