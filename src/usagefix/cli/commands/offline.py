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
    from usagefix.models.reports import Report


def sql(
    context: typer.Context,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version, as status lists them.", autocompletion=options.versions)
    ],
    face: Annotated[
        catalog.Face,
        typer.Argument(
            metavar="[apply|verify|backfill|rollback]", help="Which of its files; else apply.", show_default=False
        ),
    ] = catalog.Face.APPLY,
    adapt: options.Adapt = False,
    daily_limit: options.Limit = DailyLimit.RESTORE,
    trust: options.TrustIn = None,
) -> None:
    """Print the SQL of a version, to read or to run with psql. Does not connect, but for --adapt.

    --adapt prints the script for exactly this database, whatever it needs; --daily-limit is for its rollback, --trust
    for the backfill.

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


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of migrations, or the project's.")],
    tool: options.ForTool = None,
    to: options.ToVersion = None,
    adapt: options.Adapt = False,
    trust: options.TrustIn = None,
    daily_limit: options.Limit = DailyLimit.RESTORE,
) -> None:
    """Write migration files for the tool that you have. Does not connect, but for --adapt.

    For supabase, dbmate, sqitch, flyway, golang-migrate, prisma, alembic. A migration for each version, and one for the
    backfill, with the way back where the tool has it; --daily-limit is for that. What is there already is not written
    again.

    Example: usagefix export supabase/migrations
    """
    from usagefix.exporting import export as verb
    from usagefix.exporting.step import plain
    from usagefix.render.phrases import exported

    def work() -> Report:
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
        report = verb(folder, steps, tool)
        for line in exported(report):
            words.say(line)
        return report

    run.execute_offline(context, "export", work)


def schema(
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="The command that prints it.", autocompletion=schemas.names)
    ],
) -> None:
    """Print the JSON Schema of a command's output.

    Of what it prints with --format json. Does not connect. COMMAND is one that has --format; usagefix, the schema of a
    failure before there is a command.

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

    A sample application, drifted, fixed and proven; nothing of it stays. Needs the extra: pip install 'usagefix[demo]'

    Example: usagefix demo --keep
    """
    from usagefix.cli.stage import play

    play(keep=keep, full=full)
