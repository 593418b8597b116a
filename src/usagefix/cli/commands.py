"""The commands. Each parses, calls one verb and leaves the rest to :mod:`usagefix.cli.run`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix import catalog
from usagefix.cli import options, run
from usagefix.cli.options import Format
from usagefix.errors import ConfigurationError, RollbackRefused
from usagefix.models import BATCH_SIZE, DailyLimit, GuardMode
from usagefix.render import words
from usagefix.render.progress import progress_bar

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models import RollbackPlan
    from usagefix.render.document import Report


def register(app: typer.Typer) -> None:
    """Add every command, in the order of the help page."""
    for name, command in _COMMANDS.items():
        app.command(name)(command)


def apply(
    context: typer.Context,
    to: options.ToVersion = None,
    dry_run: options.DryRun = False,
    batch_size: options.BatchSize = BATCH_SIZE,
    pause: options.Pause = 0.0,
    show_queries: options.ShowQueries = False,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Fix it: count every write, remove the drift, verify.

    Writers wait a moment, at most a second an attempt; readers never.

    Example: usagefix apply --dry-run
    """
    from usagefix.apply import apply as verb
    from usagefix.apply import plan

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        if dry_run:
            return plan(db, to=to, batch_size=batch_size)
        with progress_bar(quiet=output is not Format.TABLE) as on_progress:
            return verb(db, to=to, batch_size=batch_size, pause=pause, on_step=words.say, on_progress=on_progress)

    run.execute(context, "apply", output, work)


def verify(
    context: typer.Context,
    only: options.Only = None,
    top: options.Top = 10,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Prove it: every check, the accuracy of every counter. Reads only, locks nothing.

    Exit code 1 when something is not right.

    Example: usagefix verify --format json
    """
    from usagefix.verify import verify as verb

    run.execute(context, "verify", output, lambda db: verb(db, only=only or (), top=top))


def status(context: typer.Context, output: options.OutputFormat = Format.TABLE) -> None:
    """Show which migrations are applied, when and by whom. Reads only.

    Also when the application last recorded a use. Exit code 1 when an applied object is not as released.

    Example: usagefix status
    """
    from usagefix.status import status as verb

    run.execute(context, "status", output, verb)


def check_preset(
    context: typer.Context,
    preset: Annotated[str, typer.Argument(metavar="ID", help="The preset's id, or its exact name.")],
    recent: options.Recent = 0,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Show one preset: its counter, its events, the drift. Reads only.

    Exit code 1 when the counter is wrong, or there is no such preset.

    Example: usagefix check-preset "Golden hour" --recent 5
    """
    from usagefix.preset import check_preset as verb

    run.execute(context, "check-preset", output, lambda db: verb(db, preset, recent=recent))


def doctor(
    context: typer.Context,
    source: options.Source = None,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Find out why the counter is wrong, or will be. Reads only.

    Root causes, competing writers, who can get in, and more, each with its evidence and a remedy. Exit code 1 when one
    is an error: the counter is or will be wrong, or somebody can get in.

    Example: usagefix doctor --source .
    """
    from usagefix.doctor import doctor as verb

    run.execute(context, "doctor", output, lambda db: verb(db, source))


def backfill(
    context: typer.Context,
    dry_run: options.DryRun = False,
    batch_size: options.BatchSize = BATCH_SIZE,
    pause: options.Pause = 0.0,
    fire_triggers: options.FireTriggers = False,
    show_queries: options.ShowQueries = False,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Remove drift while the application runs.

    Exact, in small transactions, after apply. What an interrupted run has corrected stays so; the next does the rest.

    Example: usagefix backfill --batch-size 200
    """
    from usagefix.backfill import backfill as verb
    from usagefix.backfill import preview

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        if dry_run:
            return preview(db, batch_size=batch_size, fire_triggers=fire_triggers)
        with progress_bar(quiet=output is not Format.TABLE) as on_progress:
            return verb(db, batch_size=batch_size, fire_triggers=fire_triggers, pause=pause, on_progress=on_progress)

    run.execute(context, "backfill", output, work)


def rollback(
    context: typer.Context,
    to: options.ToVersion = None,
    yes: options.Yes = False,
    daily_limit: options.Limit = DailyLimit.RESTORE,
    purge: options.Purge = False,
    show_queries: options.ShowQueries = False,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Go back to the state before apply.

    The counters keep their values. With --to, back to the state just after that version.

    Example: usagefix rollback --daily-limit skip
    """
    from usagefix.rollback import plan
    from usagefix.rollback import rollback as verb

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        agreed = plan(db, to=to, limit=daily_limit, purge=purge)
        if (agreed.versions or agreed.purge) and not yes:
            _ask(db, agreed)
        return verb(db, agreed, on_step=words.say)

    run.execute(context, "rollback", output, work)


def _ask(db: Database, agreed: RollbackPlan) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError("rollback asks before it acts, and nobody is there to answer", hint="pass --yes")
    what = [f"roll back {', '.join(agreed.versions)}"] if agreed.versions else []
    what += ["drop schema usagefix"] if agreed.purge else []
    try:
        said_yes = typer.confirm(f"{' and '.join(what).capitalize()} on {db.target.database}?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not said_yes:
        raise RollbackRefused("not rolled back: you said no", hint="usagefix status shows where things stand")


def guard(
    context: typer.Context,
    mode: Annotated[
        GuardMode | None,
        typer.Argument(
            metavar="[MODE]", help="ignore, warn or reject: what becomes of other writes.", show_default=False
        ),
    ] = None,
    show_queries: options.ShowQueries = False,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Show who else tries to write the counter; set a mode.

    ignore (at first): the counter stays as it is, the rest of the statement goes through; warn: with a warning; reject:
    the statement fails. Exit code 1 when the guard is not applied.

    Example: usagefix guard reject
    """
    from usagefix.guard import guard as verb

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        return verb(db, mode)

    run.execute(context, "guard", output, work)


def sql(
    context: typer.Context,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version, as status lists them.")],
    face: Annotated[catalog.Face, typer.Argument(help="Which of its files.")] = catalog.Face.APPLY,
    adapt: options.Adapt = False,
) -> None:
    """Print the SQL of a version, to read or to run with psql. Does not connect, but for --adapt.

    Example: usagefix sql 20250930000001 rollback
    """
    text = catalog.migration(version).script(face, run.names(context, adapt=adapt))
    run.to_stdout(lambda: print(text, end=""))


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of migrations: supabase/migrations.")],
    to: options.ToVersion = None,
    adapt: options.Adapt = False,
    output: options.OutputFormat = Format.TABLE,
) -> None:
    """Write migration files for `supabase db push`. Does not connect, but for --adapt.

    A file for each version, and one for the backfill. What is there already is not written again.

    Example: usagefix export supabase/migrations
    """
    from usagefix.export import export as verb

    def work() -> Report:
        report = verb(folder, to=to, names=run.names(context, adapt=adapt))
        for line in words.exported(report):
            words.say(line)
        return report

    run.execute_offline("export", output, work)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the database running and print its DATABASE_URL.")
    ] = False,
) -> None:
    """Play the whole story on an embedded PostgreSQL.

    A sample application, drifted, fixed and proven; nothing of it stays. Needs the extra: pip install 'usagefix[demo]'

    Example: usagefix demo --keep
    """
    from usagefix.cli.stage import play

    play(keep=keep)


_COMMANDS: dict[str, Callable[..., None]] = {
    "apply": apply,
    "verify": verify,
    "doctor": doctor,
    "backfill": backfill,
    "rollback": rollback,
    "check-preset": check_preset,
    "status": status,
    "guard": guard,
    "sql": sql,
    "export": export,
    "demo": demo,
}
