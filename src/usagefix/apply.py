"""Apply migrations: a short transaction for the catalog, then the backfill, then verify."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce

from usagefix import catalog, daily_limit, forbidden, ledger, preflight, trying, verdicts
from usagefix.accepting import NotAcceptable
from usagefix.advice import answered
from usagefix.backfill import backfill, preview
from usagefix.beforehand import Seen, final, forecast, look, mode, wanted, with_trials
from usagefix.catalog import Migration, MigrationKind
from usagefix.database import Database, Limits
from usagefix.errors import Refused
from usagefix.laps import Laps
from usagefix.models.choices import BATCH_SIZE, Trust
from usagefix.models.correction import BackfillProgress
from usagefix.models.figures import plural
from usagefix.models.migration import ApplyReport, Durations, PlannedStatement
from usagefix.nouns import in_words
from usagefix.picture.objects import Reader
from usagefix.picture.obstacles import of_uses
from usagefix.planning import applying
from usagefix.planning.ahead import Changes
from usagefix.planning.ahead import after as ahead
from usagefix.planning.countable import require_countable
from usagefix.planning.plan import Choices, Plan, text_of
from usagefix.planning.scene import Scene, scene
from usagefix.trying import Trials
from usagefix.verify import verify

OLDER_SECONDS = 10.0
SCRIPT_MILLISECONDS = 10_000  # writers may wait for a statement of a script, and it tries the application's function


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
    laps = Laps()
    seen = with_trials(db, look(db, to, believed), limits)
    looked = laps.lap()
    for place, migration in enumerate(seen.todo):
        on_step(f"applying {migration}")
        plan = applying.plan(seen.scene, migration, seen.choices, with_ledger=place == 0)
        # The version that drops the daily limit is not recorded until the limit is dropped.
        _run(db, seen.scene, plan, seen.trials, limits)
        db.changes.append(in_words(migration.effect, db.nouns))
        db.remarks += plan.remarks
    changed = laps.lap()
    _let_older_transactions_end(db, on_step)
    waited = laps.lap()
    on_step("counting events")
    filled = backfill(db, batch_size=batch_size, pause=pause, limits=limits, on_progress=on_progress, believed=believed)
    laps.lap()
    dropped = None
    if seen.choices.limit_stays and seen.scene.code.limit is not None:
        on_step("dropping the daily limit (waits for older transactions, stops nobody)")
        daily_limit.lift(db, seen.scene.code.limit.name)
        _finish(db, seen, limits)
        dropped = laps.lap()
    db.changes += [f"{migration} applied" for migration in seen.todo]
    db.remarks += [
        f"pg_dump as role {reader.role} fails, because it may not read schema usagefix: {reader.remedy}"
        for reader in db.rows(db.query("picture_readers"), Reader)
    ]
    on_step("verifying")
    laps.lap()
    after = verify(db)
    return ApplyReport(
        seen.before,
        tuple(str(m) for m in seen.todo),
        filled,
        after,
        remarks=tuple(dict.fromkeys(db.remarks)),
        durations=Durations(looked, changed, waited, dropped, laps.lap()),
        smoke_as=_smoke_as(db),
    )


def _smoke_as(db: Database) -> str | None:
    """The session's own role, where it may not act as that of the application."""
    may, role = db.tuple(db.query("smoke_role"))
    return None if may or role is None else db.session.role


def plan(
    db: Database, *, to: str | None = None, batch_size: int = BATCH_SIZE, believed: Trust | None = None
) -> ApplyReport:
    """What :func:`apply` would do. Each migration runs in a transaction that is rolled back, so the locks are those
    that it really took. Like apply it waits for them no longer than ``lock_timeout``."""
    seen = with_trials(db, look(db, to, believed), None)
    steps, difference = list[PlannedStatement](), ""
    if seen.todo:
        steps = db.retrying(lambda: _rehearse(db, seen))
    if any(m.kind is MigrationKind.COUNTING for m in seen.todo):
        ended = replace(seen.choices, limit_stays=False, recorders=final(seen))
        edits = applying.recorder_edits(seen.scene, ended)
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
        replace(seen.before, next=answered(seen.before.next, believed)),
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
        seen = reduce(ahead, before, scene(db))
        require_countable(seen, of_uses(db, ahead=True))
    choices = Choices(by_hand=True, alone=alone, mode=mode(seen), recorders=trying.untried(seen))
    return seen, {m: applying.plan(seen, m, choices) for m in wanted(to)}


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
            counts = plan.migration.kind is MigrationKind.COUNTING
            db.end_autovacuum([db.counter.child_sql if counts else db.counter.parent_sql], limits)
            db.run(script)
            return tested.remarks(db)

    try:
        with forbidden.named(db):
            db.remarks += db.retrying(work, limits)
    except NotAcceptable as error:
        raise verdicts.refused(db, seen, plan, error) from None


def _finish(db: Database, seen: Seen, limits: Limits | None) -> None:
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


def _rehearse(db: Database, seen: Seen) -> list[PlannedStatement]:
    """Run each statement, and undo it all. Returns the statements with their locks."""
    steps: list[PlannedStatement] = []
    try:
        with forbidden.named(db), db.transaction(rollback=True):
            db.claim()
            db.end_autovacuum([db.counter.child_sql, db.counter.parent_sql])
            held = {f"{row.relation}: {row.mode}" for row in db.rows(db.query("locks_taken"), _Lock)}
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


__all__ = ["Refused", "apply", "forecast", "plan", "scripts"]
