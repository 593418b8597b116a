"""Restores the state before apply: it restores what apply replaced, drops what did not exist, and keeps the counters
right."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

from usagefix import catalog, daily_limit, forbidden, ledger, preflight, rehearsal, status
from usagefix.backfill import give_back, require_returnable, returns
from usagefix.catalog import Migration, MigrationKind
from usagefix.database import Database, Limits
from usagefix.errors import ConfigurationError, DatabaseRefused, Refused, RollbackRefused, WrongDatabase
from usagefix.models.choices import Counters, DailyLimit
from usagefix.models.correction import BackfillProgress
from usagefix.models.migration import RollbackPlan, RollbackReport, State
from usagefix.models.verification import Counts
from usagefix.picture.obstacles import said
from usagefix.planning import remembered, undoing
from usagefix.planning.ahead import Changes, after, undone
from usagefix.planning.plan import text_of
from usagefix.planning.scene import Scene, scene
from usagefix.throttle import throttles
from usagefix.verify import object_checks, verify

STILL_NEEDED = "2BP01"


def plan(
    db: Database, *, to: str | None, limit: DailyLimit, purge: bool = False, counters: Counters = Counters.KEEP
) -> RollbackPlan:
    """What a rollback to just after version ``to`` (None: to before the first) would undo, newest first; ``purge``: and
    whether the ledger goes, too; ``counters``: what becomes of those that were corrected.

    Raises RollbackRefused if the objects there are not recorded, if the daily limit cannot come back, if
    another counter needs the ledger or was applied to the same function later, or if somebody keeps things of their
    own in the ledger's schema.
    """
    keep = _kept(to, counters, purge=purge)
    seen = _look(db)
    undone = _since(seen.ledger, keep)
    _require_last(db, seen, undone, purge=purge)
    purge = purge and _is_last(db) and _has_ledger(db)
    strangers = db.values(db.query("ledger_strangers")) if purge else []
    if strangers:
        raise RollbackRefused(
            f"schema usagefix holds objects that usagefix did not create: {', '.join(strangers)}",
            hint="move them to another schema, or roll back without --purge",
        )
    lost = [m for m in catalog.migrations() if m not in undone and m.version > keep and _counts_unrecorded(seen, m)]
    if lost or (not undone and not purge and _foreign(db, seen)):
        raise RollbackRefused(
            "the trigger or its function exists, but usagefix did not record what they replaced",
            hint="run usagefix apply first: it records them",
        )
    for migration in undone:
        undoing.plan(seen, migration, limit)  # refuses before anything is changed
    agreed = _planned(undone, seen.ledger, limit, counters, purge=purge)
    if agreed.counting and limit is DailyLimit.RESTORE:
        _require_restorable(db, seen)
    return agreed


def forecast(
    db: Database, *, to: str | None, limit: DailyLimit, purge: bool = False, counters: Counters = Counters.KEEP
) -> RollbackPlan:
    """What :func:`plan` will come to once the counters in turn before this one are rolled back: as the ledger has it,
    since nothing else can be told before. Reads only."""
    keep = _kept(to, counters, purge=purge)
    with db.snapshot():
        written = ledger.read(db)
        return _planned(_since(written, keep), written, limit, counters, purge=purge and _has_ledger(db))


def _kept(to: str | None, counters: Counters, *, purge: bool) -> str:
    """The newest version that stays. Raises ConfigurationError for options that do not go together."""
    if purge and to is not None:
        raise ConfigurationError("--purge goes back all the way, --to does not", hint="pass one of them")
    keep = catalog.migration(to).version if to is not None else ""
    if counters is Counters.RESTORE and keep >= catalog.counting().version:
        raise ConfigurationError(
            "--counters restore goes with the counting, which stays with this --to", hint="leave one of them out"
        )
    return keep


def _since(written: ledger.Ledger, keep: str) -> list[Migration]:
    """The versions after one that are applied, newest first."""
    return [m for m in reversed(catalog.migrations()) if m.version in written.begun and m.version > keep]


def _planned(
    undone: list[Migration], written: ledger.Ledger, limit: DailyLimit, counters: Counters, *, purge: bool
) -> RollbackPlan:
    counting = any(m.kind is MigrationKind.COUNTING for m in undone)
    return RollbackPlan(
        tuple(m.version for m in undone),
        limit,
        had_limit=counting and written.limit is not None,
        purge=purge,
        counters=counters if counting else Counters.KEEP,
        counting=counting,
    )


def _has_ledger(db: Database) -> bool:
    return bool(db.values("SELECT to_regnamespace('usagefix') IS NOT NULL")[0])


def require_as_shown(agreed: RollbackPlan, shown: RollbackPlan) -> None:
    """Raise RollbackRefused if it undoes more than what a person was shown and agreed to."""
    if set(agreed.versions) - set(shown.versions) or (agreed.had_limit and not shown.had_limit):
        raise RollbackRefused(
            "another version was applied after rollback asked you",
            hint="run this again: it shows what it undoes now",
        )


def preview(db: Database, agreed: RollbackPlan) -> RollbackReport:
    """What :func:`rollback` would do: each version is undone in a transaction that is rolled back."""
    rehearsed = _rehearse(db, agreed, None, locks=True)
    restores = agreed.counters is Counters.RESTORE
    return RollbackReport(
        migrations=tuple(str(catalog.migration(version)) for version in agreed.versions),
        remains=_remains(db, agreed.versions),
        daily_limit=agreed.daily_limit if agreed.had_limit else None,
        counts=None,
        purged=agreed.purge,
        remarks=tuple(dict.fromkeys([*(remark for one in rehearsed for remark in one.plan.remarks), *_left(db)])),
        counters_restored=returns(db, catalog.counting().version) if restores else None,
        dry_run=True,
        plan=tuple(step for one in rehearsed for step in one.steps),
    )


def rollback(
    db: Database, agreed: RollbackPlan, *, limits: Limits | None = None, on_step: Callable[[str], None],
    on_progress: Callable[[BackfillProgress], None] = lambda _: None,
) -> RollbackReport:  # fmt: skip
    """Undo what the person agreed to. Readers and writers wait only while rollback drops the triggers. It finds out
    before the first change what the server would refuse; that stays, with a remark, or all does. Raises
    RollbackRefused, Busy; each version is undone as a whole or not at all."""
    undone = [catalog.migration(version) for version in agreed.versions]
    rehearsed = _rehearse(db, agreed, limits)
    if agreed.had_limit and agreed.daily_limit is DailyLimit.RESTORE:
        on_step("building the daily limit (nobody waits)")
        _restore_limit(db, _look(db), limits)
    restored = None
    if agreed.counters is Counters.RESTORE:
        on_step("restoring the old values of the counters")
        restored = give_back(db, catalog.counting().version, limits=limits, on_progress=on_progress)
    for migration, one in zip(undone, rehearsed, strict=True):
        on_step(f"rolling back {migration}")
        _undo(db, undoing.plan(_look(db), migration, agreed.daily_limit, without=one.without), limits)
        db.changes.append(f"{migration} rolled back")
    if agreed.purge:
        db.retrying(lambda: _purge(db, limits), limits)
        db.changes.append("schema usagefix is gone")
    db.remarks += _left(db)
    return RollbackReport(
        migrations=tuple(str(m) for m in undone),
        remains=_remains(db, ()),
        daily_limit=agreed.daily_limit if agreed.had_limit else None,
        counts=_counts(db),
        purged=agreed.purge,
        remarks=tuple(dict.fromkeys(db.remarks)),
        counters_restored=restored,
    )


def _rehearse(
    db: Database, agreed: RollbackPlan, limits: Limits | None, *, locks: bool = False
) -> list[rehearsal.Rehearsed]:
    """Each version's plan as the server accepts it. Raises RollbackRefused if one cannot be undone, the counters not
    get their old values back, or the ledger not be dropped."""
    seen = _look(db)
    undone = [catalog.migration(version) for version in agreed.versions]
    found = [rehearsal.rehearse(db, seen, m, agreed.daily_limit, limits, locks=locks) for m in undone]
    if agreed.counters is Counters.RESTORE:
        require_returnable(db, catalog.counting().version, limits)
    if agreed.purge:
        db.retrying(lambda: _purge(db, limits, rollback=True), limits)
    return found


def _remains(db: Database, undone: tuple[str, ...]) -> str | None:
    """The newest version that is there without those."""
    with db.snapshot():
        begun = ledger.read(db).begun - set(undone)
    return next((str(m) for m in reversed(catalog.migrations()) if m.version in begun), None)


def _left(db: Database) -> list[str]:
    """What is about no counter, and stays when all of them are rolled back."""
    with db.snapshot():
        there = throttles(db) if _is_last(db) else ()
    return [
        f"notifications in {one.table} stay throttled: usagefix notifications off --table {shlex.quote(one.table)}"
        " ends that"
        for one in there
    ]


def script(
    db: Database, migration: Migration, limit: DailyLimit, before: Iterable[Changes] = ()
) -> tuple[str, Changes]:
    """The script to write down that undoes one version here, and builds the daily limit; what changed since stands
    above it. And what it is going to change. ``before``: what scripts that run first do. Raises Refused."""
    seen = reduce(after, before, _look(db))
    later = [m for m in catalog.migrations() if m.version > migration.version and m.version in seen.ledger.begun]
    if later or migration.version not in seen.ledger.begun:
        raise Refused(
            f"version {later[-1].version} is applied" if later else f"version {migration.version} is not applied",
            hint="roll back the newest first; usagefix status shows the present state",
        )
    _require_last(db, seen, [migration])
    plan = undoing.plan(seen, migration, limit, by_hand=True)
    if migration.kind is MigrationKind.COUNTING and limit is DailyLimit.RESTORE:
        _require_restorable(db, seen)
    told = "".join(f"-- {' '.join(remark.split())}\n" for remark in plan.remarks)
    return (f"{told}\n" if told else "") + text_of(plan.statements), undone(seen, migration)


def _look(db: Database) -> Scene:
    with db.snapshot():
        db.claim()  # another run would change meanwhile what this one reads
        preflight.require_changeable(db, undoing=True)
        preflight.require_readable(db, undoing=True)
        ledger.require_trusted(db)
        return remembered.here(scene(db))


@dataclass(frozen=True, slots=True)
class _Later:
    """What another counter's apply edited after this one's: the columns of ``edited_later.sql``."""

    slug: str
    identity: str


def _require_last(db: Database, seen: Scene, undone: list[Migration], *, purge: bool = False) -> None:
    """Raise RollbackRefused where another counter stands on what this one would take away: the ledger, or its edit of a
    function. Those that the command rolls back as well do not count: the later go first."""
    slugs = [counter.slug for counter in db.counters]
    before = slugs[slugs.index(seen.counter.slug) + 1 :] if seen.counter.slug in slugs else []
    versions = [migration.version for migration in undone]
    later = (
        db.rows(db.query("edited_later"), _Later, {"versions": versions}) if seen.ledger.begun & set(versions) else []
    )
    for one in later:
        if one.slug not in before:
            raise RollbackRefused(
                f"nothing was changed: {one.identity} was edited for {one.slug} after it was for {seen.counter.slug}",
                hint=f"roll back {one.slug} first: usagefix rollback --counter {one.slug}",
            )
    left = [kept.slug for kept in seen.ledger.counters if kept.slug not in {*slugs, seen.counter.slug}]
    if purge and left:
        raise _ledger_needed(left)


def _ledger_needed(left: list[str]) -> RollbackRefused:
    return RollbackRefused(
        f"the ledger stays, because it also serves {', '.join(left)}",
        hint="roll those back first, or omit --purge",
    )


def _is_last(db: Database) -> bool:
    """Whether the counter in turn is the last that the command rolls back: it goes over them in reverse."""
    slugs = [counter.slug for counter in db.counters]
    return db.counter.slug not in slugs[1:]


def _counts(db: Database) -> Counts | None:
    """What the counters say in the end; None, with a remark, where there is nothing to count by now."""
    if db.counter.recalled:
        return None
    try:
        return verify(db, top=0).counts
    except (WrongDatabase, Refused) as refused:
        db.remarks.append(f"usagefix counts nothing any more: {refused.message}")
        return None


def _require_restorable(db: Database, seen: Scene) -> None:
    """Raise RollbackRefused where the daily limit, or the function that relied on it, cannot come back."""
    daily_limit.refuse_if_edited(seen)
    if seen.ledger.limit is not None:
        daily_limit.refuse_if_taken(db, seen, seen.ledger.limit)
        daily_limit.refuse_if_broken(db, seen, seen.ledger.limit)


def _counts_unrecorded(seen: Scene, migration: Migration) -> bool:
    """Whether functions of a version that the ledger has lost are still called on the two tables."""
    if migration.version in seen.ledger.begun:
        return False
    made = {f.oid for f in remembered.ours(seen, migration) if seen.code.is_released(f)}
    return any(t.function in made and t.place != "elsewhere" for t in seen.code.triggers)


def _foreign(db: Database, seen: Scene) -> bool:
    with db.snapshot():
        checks = object_checks(db, seen.code)
    return any(state.state is State.FOREIGN for state in status.migration_states(seen.ledger, checks))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the ledger is made of: the columns of ``ledger_parts.sql``."""

    kind: str
    names: str


def _purge(db: Database, limits: Limits | None, *, rollback: bool = False) -> None:
    """Drop the ledger, but nothing that somebody else created in it. Raises RollbackRefused if there is such an
    object."""
    try:
        with db.transaction(limits, rollback=rollback):
            db.claim()
            if not rollback and (left := [kept.slug for kept in ledger.counters(db)]):
                raise _ledger_needed(left)  # applied meanwhile
            parted = db.rows(db.query("ledger_parts"), _Parts)
            db.end_autovacuum([parts.names for parts in parted if parts.kind == "TABLE"], limits)
            for parts in parted:
                db.run(f"DROP {parts.kind} {parts.names}")
            db.run("DROP SCHEMA IF EXISTS usagefix")
    except DatabaseRefused as refused:
        if refused.sqlstate != STILL_NEEDED:
            raise
        raise RollbackRefused(
            "the ledger stays, because something outside schema usagefix, such as a view, depends on it",
            hint=f"drop that first ({said(refused)}), then usagefix rollback --purge",
        ) from None


def _restore_limit(db: Database, seen: Scene, limits: Limits | None) -> None:
    saved, there = seen.ledger.limit, seen.code.limit
    if saved is not None and (there is None or not there.valid):
        daily_limit.restore(db, seen, saved, limits)


def _undo(db: Database, plan: undoing.Undoing, limits: Limits | None) -> None:
    script = text_of(plan.statements)

    def work() -> None:
        with db.transaction(limits, settings=ledger.provenance(plan.migration)):
            db.claim()
            db.end_autovacuum(plan.tables, limits)
            db.run(script)

    with forbidden.named(db):
        db.retrying(work, limits, readers=True)
    db.remarks += plan.remarks
