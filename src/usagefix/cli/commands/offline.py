"""Commands that need no database: the SQL as text and as files, and the demo, which brings its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix import catalog, schemas
from usagefix.cli import options, printing, run
from usagefix.errors import ConfigurationError
from usagefix.models.choices import DailyLimit
from usagefix.render import words

if TYPE_CHECKING:
    from usagefix.models.migration import ExportReport


def sql(
    context: typer.Context,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version, as status lists it.", autocompletion=options.versions)
    ],
    face: Annotated[
        catalog.Face,
        typer.Argument(
            metavar="[apply|verify|backfill|rollback]", help="Which of its files. Default: apply.", show_default=False
        ),
    ] = catalog.Face.APPLY,
    adapt: options.Adapt = False,
    daily_limit: options.Limit = DailyLimit.RESTORE,
    trust: options.TrustIn = None,
) -> None:
    """Print the SQL of a version, to read or to run with psql.

    sql connects only with --adapt, which prints the script that exactly this database needs. --daily-limit is for its
    rollback, --trust for its backfill.

    Example: usagefix sql 20250930000001 rollback
    """
    from usagefix.exporting.step import plain_script

    migration = catalog.migration(version)
    if adapt:
        from usagefix.adapting import script

        text = run.look(
            context, lambda db: script(db, migration, face, daily_limit, trust), making=face is catalog.Face.APPLY
        )
    else:
        text = plain_script(run.counters_unseen(context), migration, face, trust)
    printing.to_stdout(lambda: print(text, end=""))
    if face is not catalog.Face.VERIFY:
        words.say('to run it, in one transaction: psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f FILE')


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the migrations, or of the project.")],
    tool: options.ForTool = None,
    to: options.ToVersion = None,
    adapt: options.Adapt = False,
    trust: options.TrustIn = None,
    daily_limit: options.Limit = DailyLimit.RESTORE,
) -> None:
    """Write migration files for the tool that you use.

    The tools are supabase, dbmate, sqitch, flyway, golang-migrate, prisma and alembic. export writes a migration for
    each version and one for the backfill, with the way back where the tool has one; --daily-limit is for that. It skips
    what is there already. It connects only with --adapt.

    Example: usagefix export supabase/migrations
    """
    from usagefix.exporting import export as verb
    from usagefix.exporting.step import plain
    from usagefix.render.phrases import exported

    def work() -> ExportReport:
        if adapt:
            from usagefix.adapting import steps as adapted

            steps = run.look(context, lambda db: adapted(db, to, trust, daily_limit), making=True)
        else:
            counters = run.counters_unseen(context)
            own = [counter.slug for counter in counters if not counter.usual]
            if own:
                raise ConfigurationError(
                    f"what else writes the counter {own[0]} must be read before files are written for it",
                    hint="usagefix export --adapt looks at the database, and changes nothing there",
                )
            steps = plain(counters, to, trust)
        return verb(folder, steps, tool)

    run.execute_offline(context, "export", work, exported)


def schema(
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="A command that has --format.", autocompletion=schemas.names)
    ],
) -> None:
    """Print the JSON Schema of a command's output.

    The schema describes what COMMAND prints with --format json. `usagefix schema usagefix` describes a failure before
    there is a command. schema does not connect.

    Example: usagefix schema verify
    """
    text = schemas.text(command)
    printing.to_stdout(lambda: print(text, end=""))


def demo(
    keep: Annotated[
        bool,
        options.option("--keep", "Leave the server running, and print the DATABASE_URL of the sample before the fix."),
    ] = False,
    full: Annotated[bool, options.option("--full", "Show every check, each step, and the totals.")] = False,
) -> None:
    """Play the whole story on an embedded PostgreSQL.

    demo loads a sample application whose counters drifted, repairs them and proves it. Nothing of it stays. It needs
    the extra: pip install 'usagefix[demo]'

    Example: usagefix demo --keep
    """
    from usagefix.cli.stage import play

    play(keep=keep, full=full)
