"""Apply migrations: a short transaction for the catalog, then the backfill, then verify."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce

from usagefix import catalog, daily_limit, forbidden, ledger, preflight, status, trust, trying, verdicts
from usagefix.accepting import NotAcceptable
from usagefix.backfill import backfill, preview
from usagefix.catalog import Migration, MigrationKind
from usagefix.database import Database, Limits
from usagefix.errors import Refused
from usagefix.models.choices import BATCH_SIZE, GuardMode, Trust
from usagefix.models.correction import BackfillProgress
from usagefix.models.figures import plural
from usagefix.models.migration import ApplyReport, PlannedStatement, State
from usagefix.models.verification import VerifyReport
from usagefix.nouns import in_words
from usagefix.picture.objects import Reader
from usagefix.picture.obstacles import of_uses
from usagefix.planning import applying
from usagefix.planning.ahead import Changes, after
from usagefix.planning.countable import require_countable
from usagefix.planning.plan import Choices, Plan, text_of
from usagefix.planning.scene import Scene, scene
from usagefix.trying import Trials
from usagefix.verify import object_checks, report, verify

OLDER_SECONDS = 10.0
SCRIPT_MILLISECONDS = 10_000  # writers may wait for a statement of a script, and it tries the application's function


@dataclass(frozen=True, slots=True)
class _Seen:
    """The database before anything is changed."""

    scene: Scene
    before: VerifyReport
    todo: tuple[Migration, ...]
    choices: Choices
    trials: Trials


def apply(
    db: Database,
    *,
    to: str | None = None,
    batch_size: int,
    pause: float = 0.0,
    limits: Limits | None = None,
    on_step: Callable[[str], None],
    on_progress: Callable[[BackfillProgress], None],
    believed: Trust | None = None,
) -> ApplyReport:
    """Apply what is pending or outdated up to version ``to`` (default: all), remove drift, and verify.

    Writers wait only while apply creates the triggers, at most ``lock_timeout`` an attempt, and while it tries
    track_preset_usage(). Readers never wait. ``believed``: see :func:`usagefix.backfill.backfill`. Raises Busy,
    NotPermitted, WrongDatabase, and Refused if a person has something to do first. A migration that fails is rolled
    back as a whole.
    """
    seen = _look(db, to, limits, believed)
    for place, migration in enumerate(seen.todo):
        on_step(f"applying {migration}")
        plan = applying.plan(seen.scene, migration, seen.choices, with_ledger=place == 0)
        # The version that drops the daily limit is not recorded until the limit is dropped.
        _run(db, seen.scene, plan, seen.trials, limits)
        db.changes.append(in_words(migration.effect, db.nouns))
        db.remarks += plan.remarks
    _let_older_transactions_end(db, on_step)
    on_step("counting events")
    filled = backfill(db, batch_size=batch_size, pause=pause, limits=limits, on_progress=on_progress, believed=believed)
    if seen.choices.limit_stays and seen.scene.code.limit is not None:
        on_step("dropping the daily limit (waits for older transactions, stops nobody)")
        daily_limit.lift(db, seen.scene.code.limit.name)
        _finish(db, seen, limits)
    db.changes += [f"{migration} applied" for migration in seen.todo]
    db.remarks += [
        f"pg_dump as role {reader.role} fails, because it may not read schema usagefix: GRANT USAGE ON"
        f" SCHEMA usagefix TO {reader.role}; GRANT SELECT ON ALL TABLES IN SCHEMA usagefix TO {reader.role};"
        f" GRANT SELECT ON ALL SEQUENCES IN SCHEMA usagefix TO {reader.role}; or dump with --exclude-schema=usagefix"
        for reader in db.rows(db.query("picture_readers"), Reader)
    ]
    on_step("verifying")
    done = tuple(str(m) for m in seen.todo)
    return ApplyReport(seen.before, done, filled, after=verify(db), remarks=tuple(dict.fromkeys(db.remarks)))


def plan(
    db: Database, *, to: str | None = None, batch_size: int = BATCH_SIZE, believed: Trust | None = None
) -> ApplyReport:
    """What :func:`apply` would do. Each migration runs in a transaction that is rolled back, so the locks are those
    that it really took. Like apply it waits for them no longer than ``lock_timeout``."""
    seen = _look(db, to, None, believed)
    steps, difference = list[PlannedStatement](), ""
    if seen.todo:
        steps = db.retrying(lambda: _rehearse(db, seen))
    if any(m.kind is MigrationKind.COUNTING for m in seen.todo):
        final = replace(seen.choices, limit_stays=False, recorders=_final(seen))
        edits = applying.recorder_edits(seen.scene, final)
        difference = "".join(_difference(edit.function.body, edit.body) for edit in edits)
    if seen.choices.limit_stays and seen.scene.code.limit is not None:
        steps.append(
            PlannedStatement(
                catalog.counting().version,
                "Drop the daily limit by itself, without stopping readers or writers (a dry run does not try this)",
                daily_limit.lifting(seen.scene.code.limit.name),
                (f"{db.counter.schema}.{db.counter.child}: ShareUpdateExclusiveLock",),
            )
        )
    return ApplyReport(
        seen.before,
        tuple(str(m) for m in seen.todo),
        preview(db, batch_size=batch_size, believed=believed, anew=bool(seen.scene.renewed)),
        after=None,
        plan=tuple(steps),
        tracker_diff=difference,
        remarks=tuple(dict.fromkeys(db.remarks)),
    )


def scripts(
    db: Database, to: str | None = None, *, alone: bool = False, before: Iterable[Changes] = ()
) -> tuple[Scene, dict[Migration, Plan]]:
    """The scene and the plans to write for psql or a migration tool, by version. ``alone``: each is one transaction;
    ``before``: what other plans change in the database first. Raises Refused if a person has something to do first."""
    with db.snapshot():
        preflight.require_tables(db)
        seen = reduce(after, before, scene(db))
        require_countable(seen, of_uses(db, ahead=True))
    choices = Choices(by_hand=True, alone=alone, mode=_mode(seen), recorders=trying.untried(seen))
    return seen, {m: applying.plan(seen, m, choices) for m in _wanted(to)}


def _look(db: Database, to: str | None, limits: Limits | None, believed: Trust | None) -> _Seen:
    """One look at the database, and the conclusions from it, before anything is changed. Raises Doubted, Refused."""
    wanted = _wanted(to)
    with db.snapshot():
        preflight.require_changeable(db)
        preflight.require_triggers(db)
        preflight.require_readable(db)
        ledger.require_trusted(db)
        seen = scene(db)
        checks = object_checks(db, seen.code)
        states = {state.version: state.state for state in status.migration_states(seen.ledger, checks)}
        anew, whole = _by_row(seen) or seen.renewed or seen.ledger.outdated(db.counter), ledger.whole(db)
        if seen.renewed:  # baselines that belong to other events are forgotten
            db.counter = replace(db.counter, baselines=False)
        todo = tuple(
            m for m in wanted
            if states[m.version] is not State.APPLIED or not whole or (anew and m.kind is MigrationKind.COUNTING)
        )  # fmt: skip
        if todo:
            require_countable(seen, of_uses(db, ahead=True))  # otherwise unreadable text may be counted, too
        before = report(db, seen.code, checks)
        if before.doubt is not None and believed is None:
            raise trust.refused(before.doubt)
    choices = Choices(mode=_mode(seen))
    trials = Trials()
    if any(m.kind is MigrationKind.COUNTING for m in todo):
        choices = replace(choices, limit_stays=seen.code.limit is not None)
        applying.plan(seen, catalog.counting(), choices)  # refuses before anything is tried
        if choices.limit_stays:
            forbidden.require_droppable(db, limits)
        with forbidden.named(db):
            trials = trying.before(db, seen, limits)
        bodies = {t.function.oid: (t.loose, t.how) for t in trials.functions if t.how != "edited"}
        choices = replace(choices, recorders=bodies)
    return _Seen(seen, before, todo, choices, trials)


def _by_row(seen: Scene) -> bool:
    """Whether a partition that was created later is still counted row by row."""
    leaves = {table.name for table in seen.tree if table.kind == "r"}
    name = seen.counter.objects["trigger_auto_count_row"]
    return any(t.cloned and t.fires and t.name == name and t.on_table in leaves for t in seen.code.triggers)


def _final(seen: _Seen) -> dict[int, tuple[str, str]]:
    return {t.function.oid: (t.final, t.how) for t in seen.trials.functions if t.how != "edited"}


def _mode(seen: Scene) -> GuardMode:
    """The present mode of the guard; the first one if there is no guard."""
    name = seen.counter.objects["zz_trigger_guard"]
    found = next((t for t in seen.triggers_on("presets") if t.name == name), None)
    return next((mode for mode in GuardMode if found and f"('{mode}')" in found.definition), GuardMode.IGNORE)


def _wanted(to: str | None) -> tuple[Migration, ...]:
    everything = catalog.migrations()
    return everything if to is None else tuple(m for m in everything if m.version <= catalog.migration(to).version)


def _let_older_transactions_end(db: Database, on_step: Callable[[str], None]) -> None:
    """Wait for the open transactions, but not for long. One of them may still run the old track_preset_usage(),
    which may count by itself and needs the daily limit; most are something else."""
    older = set(db.values(db.query("older_transactions")))
    deadline = time.monotonic() + OLDER_SECONDS
    while older and time.monotonic() < deadline:
        time.sleep(0.02)
        older &= set(db.values(db.query("older_transactions")))
    if older:
        on_step(f"not waiting any longer for {plural(len(older), 'older transaction')} to end")


def _run(db: Database, seen: Scene, plan: Plan, trials: Trials, limits: Limits | None) -> None:
    """Run a plan with its trials: one transaction, whose statements go to the server in one round trip."""
    limits = limits or Limits(statement_timeout=SCRIPT_MILLISECONDS)
    tested = verdicts.tested(seen, plan, trials)
    script = text_of(tested.statements)

    def work() -> list[str]:
        with db.transaction(limits, settings=ledger.provenance(plan.migration)):
            db.claim()
            db.run(script)
            return tested.remarks(db)

    try:
        with forbidden.named(db):
            db.remarks += db.retrying(work, limits)
    except NotAcceptable as error:
        raise verdicts.refused(db, seen, plan, error) from None


def _finish(db: Database, seen: _Seen, limits: Limits | None) -> None:
    """Without the daily limit: functions that record uses as they are in the end, and the version is recorded."""
    with db.snapshot():
        now = scene(db)
    plan = applying.finish(now, catalog.counting())
    _run(db, now, plan, trying.again(seen.trials, now), limits)


@dataclass(frozen=True, slots=True)
class _Lock:
    """A table lock held: the columns of ``locks_taken.sql``."""

    relation: str
    mode: str


def _rehearse(db: Database, seen: _Seen) -> list[PlannedStatement]:
    """Run each statement, and undo it all. Returns the statements with their locks."""
    steps: list[PlannedStatement] = []
    held: set[str] = set()
    try:
        with forbidden.named(db), db.transaction(rollback=True):
            db.claim()
            for place, migration in enumerate(seen.todo):
                plan = applying.plan(seen.scene, migration, seen.choices, with_ledger=place == 0)
                tested = verdicts.tested(seen.scene, plan, seen.trials)
                for statement in tested.statements:
                    db.run(statement.text)
                    now = {f"{row.relation}: {row.mode}" for row in db.rows(db.query("locks_taken"), _Lock)}
                    steps.append(
                        PlannedStatement(
                            migration.version,
                            in_words(statement.title, db.nouns),
                            statement.summary,
                            tuple(sorted(now - held)),
                        )
                    )
                    held = now
                db.remarks += plan.remarks
                db.remarks += tested.remarks(db)
    except NotAcceptable as error:
        raise verdicts.refused(db, seen.scene, plan, error) from None
    return steps


def _difference(old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "now", "after apply", n=1, lineterm="")
    return "\n".join(lines)


__all__ = ["Refused", "apply", "plan", "scripts"]
