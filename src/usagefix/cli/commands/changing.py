"""Commands that change the database."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix.cli import options, run
from usagefix.cli.turns import CHANGE, READ, TRY
from usagefix.errors import ConfigurationError, RollbackRefused
from usagefix.models.choices import BATCH_SIZE, Counters, DailyLimit, GuardMode
from usagefix.render.words import harmless

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.migration import RollbackPlan
    from usagefix.models.reports import Report


def apply(
    context: typer.Context,
    to: options.ToVersion = None,
    dry_run: options.DryRun = False,
    batch_size: options.BatchSize = BATCH_SIZE,
    pause: options.Pause = 0.0,
    trust: options.TrustIn = None,
    show_queries: options.ShowQueries = False,
) -> None:
    """Repair it: count every write, remove the drift, verify.

    Writers wait for a moment, at most one second an attempt. Readers never wait. apply stops before any change where
    the events do not look like the whole truth; --trust says which side is true.

    Example: usagefix apply --dry-run
    """
    from usagefix.apply import apply as verb
    from usagefix.apply import plan
    from usagefix.render.progress import progress_shown

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

    run.execute(context, "apply", work, TRY if dry_run else CHANGE)


def backfill(
    context: typer.Context,
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
    from usagefix.backfill import preview
    from usagefix.render.progress import progress_shown

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        if dry_run:
            return preview(db, batch_size=batch_size, fire_triggers=fire_triggers, believed=trust)
        with progress_shown(db.nouns) as on_progress:
            return verb(
                db,
                batch_size=batch_size,
                fire_triggers=fire_triggers,
                pause=pause,
                on_progress=on_progress,
                believed=trust,
            )

    run.execute(context, "backfill", work, TRY if dry_run else CHANGE)


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
    from usagefix.rollback import plan, preview
    from usagefix.rollback import rollback as verb

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        last = db.counter.slug == db.counters[0].slug  # it goes backwards, and the ledger after all of them
        agreed = plan(db, to=to, limit=daily_limit, purge=purge and last, counters=counters)
        if dry_run:
            return preview(db, agreed)
        if (agreed.versions or agreed.purge) and not yes:
            _ask(db, agreed)
        with progress_shown(db.nouns) as on_progress:
            return verb(db, agreed, on_step=run.step_of(db), on_progress=on_progress)

    run.execute(context, "rollback", work, replace(TRY if dry_run else CHANGE, backwards=True))


def _ask(db: Database, agreed: RollbackPlan) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError("rollback asks before it acts, and nobody is there to answer", hint="pass --yes")
    of = f" of {db.counter.slug}" if len(db.counters) > 1 or not db.nouns.usual else ""
    what = [f"roll back {', '.join(agreed.versions)}{of}"] if agreed.versions else []
    if agreed.counters is Counters.RESTORE:
        what.append("give the counters back what they showed before apply")
    what += ["drop schema usagefix"] if agreed.purge else []
    try:
        said_yes = typer.confirm(harmless(f"{' and '.join(what).capitalize()} on {db.target.database}?"), err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not said_yes:
        raise RollbackRefused("not rolled back: you said no", hint="usagefix status shows where things stand")


def guard(
    context: typer.Context,
    mode: Annotated[
        GuardMode | None,
        typer.Argument(
            metavar="[MODE]", help="ignore, warn or reject. Without it, the command only shows.", show_default=False
        ),
    ] = None,
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

    run.execute(context, "guard", work, READ if mode is None else CHANGE)
