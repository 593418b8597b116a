"""Commands that change the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix.cli import options, run
from usagefix.cli.asking import Question
from usagefix.cli.turns import CHANGE, READ, TRY
from usagefix.models.choices import BATCH_SIZE, Counters, DailyLimit, GuardMode
from usagefix.render import ahead

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.correction import BackfillReport
    from usagefix.models.migration import RollbackPlan
    from usagefix.models.reports import Report


def apply(
    context: typer.Context,
    to: options.ToVersion = None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    batch_size: options.BatchSize = BATCH_SIZE,
    pause: options.Pause = 0.0,
    trust: options.TrustIn = None,
    show_queries: options.ShowQueries = False,
) -> None:
    """Repair it: count every write, remove the drift, verify.

    Writers wait for a moment, at most one second an attempt. Readers never wait. apply stops before any change where
    the events do not look like the whole truth; --trust says which side is true. At a terminal,
    apply asks before it changes a database that is not on this machine.

    Example: usagefix apply --dry-run
    """
    from usagefix.apply import apply as verb
    from usagefix.apply import forecast, plan
    from usagefix.render.progress import progress_shown

    def asked(db: Database) -> tuple[str, ...]:
        return tuple(ahead.of_apply(forecast(db, to=to, believed=trust), db.nouns))

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        if dry_run:
            return plan(db, to=to, batch_size=batch_size, believed=trust)
        with progress_shown(db.nouns) as on_progress:
            return verb(
                db,
                to=to,
                batch_size=batch_size,
                pause=pause,
                on_step=run.step_of(db),
                on_progress=on_progress,
                believed=trust,
            )

    asks = Question(asked, yes or dry_run)
    run.execute(context, "apply", work, TRY if dry_run else CHANGE, asks=asks)


def backfill(
    context: typer.Context,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    batch_size: options.BatchSize = BATCH_SIZE,
    pause: options.Pause = 0.0,
    fire_triggers: options.FireTriggers = False,
    trust: options.TrustIn = None,
    show_queries: options.ShowQueries = False,
) -> None:
    """Remove drift while the application runs.

    Run it after apply. It corrects counters exactly, in small transactions. When it is interrupted, what it corrected
    stays, and the next run does the rest.

    Example: usagefix backfill --batch-size 200
    """
    from usagefix.backfill import backfill as verb
    from usagefix.backfill import counts, preview
    from usagefix.render.progress import progress_shown

    def looked(db: Database) -> BackfillReport:
        return preview(db, batch_size=batch_size, fire_triggers=fire_triggers, believed=trust)

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        if dry_run:
            return looked(db)
        with progress_shown(db.nouns) as on_progress:
            return verb(
                db,
                batch_size=batch_size,
                fire_triggers=fire_triggers,
                pause=pause,
                on_progress=on_progress,
                believed=trust,
            )

    def is_ahead(db: Database) -> tuple[str, ...]:
        with db.snapshot():
            refuses = not counts(db)
        return () if refuses else tuple(ahead.of_backfill(looked(db), db.nouns))

    asks = Question(is_ahead, yes or dry_run)
    run.execute(context, "backfill", work, TRY if dry_run else CHANGE, asks=asks)


def rollback(
    context: typer.Context,
    to: options.BackTo = None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    daily_limit: options.Limit = DailyLimit.RESTORE,
    counters: options.CountersOption = Counters.KEEP,
    purge: options.Purge = False,
    show_queries: options.ShowQueries = False,
) -> None:
    """Go back to the state before apply.

    rollback leaves alone what somebody changed since apply, and reports it. Counters stay right, unless you ask for
    --counters restore.

    Example: usagefix rollback --dry-run
    """
    from usagefix.render.progress import progress_shown
    from usagefix.rollback import forecast, plan, preview, require_as_shown
    from usagefix.rollback import rollback as verb

    def planned(db: Database, by: Callable[..., RollbackPlan]) -> RollbackPlan:
        last = db.counter.slug == db.counters[0].slug  # it goes backwards, and the ledger after all of them
        return by(db, to=to, limit=daily_limit, purge=purge and last, counters=counters)

    shown: dict[str, RollbackPlan] = {}

    def asked(db: Database) -> tuple[str, ...]:
        first = db.counter.slug == db.counters[-1].slug
        shown[db.counter.slug] = planned(db, plan if first else forecast)
        return tuple(ahead.of_rollback(shown[db.counter.slug], db.nouns))

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        agreed = planned(db, plan)
        require_as_shown(agreed, shown.get(db.counter.slug, agreed))
        if dry_run:
            return preview(db, agreed)
        with progress_shown(db.nouns) as on_progress:
            return verb(db, agreed, on_step=run.step_of(db), on_progress=on_progress)

    way = replace(TRY if dry_run else CHANGE, backwards=True)
    run.execute(context, "rollback", work, way, asks=Question(asked, yes or dry_run, always=True))


def guard(
    context: typer.Context,
    mode: Annotated[
        GuardMode | None,
        typer.Argument(
            metavar="[MODE]", help="ignore, warn or reject. Without it, the command only shows.", show_default=False
        ),
    ] = None,
    yes: options.Yes = False,
    show_queries: options.ShowQueries = False,
) -> None:
    """Show who else tries to write the counter; set a mode.

    With ignore, the mode after apply, the counter stays as it is and the rest of the statement goes through. warn does
    the same, with a warning. reject lets the statement fail. The exit code is 1 when the guard is not applied.

    Example: usagefix guard reject
    """
    from usagefix.guard import guard as verb

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        return verb(db, mode)

    asks = None if mode is None else Question(lambda db: tuple(ahead.of_guard(mode, db.nouns)), yes)
    run.execute(context, "guard", work, READ if mode is None else CHANGE, asks=asks)
