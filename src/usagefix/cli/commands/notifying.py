"""The command about notifications, which is about no counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usagefix.cli import options, run
from usagefix.cli.asking import Question
from usagefix.errors import ConfigurationError
from usagefix.models.choices import Throttling
from usagefix.models.notifying import TABLE
from usagefix.render.ahead import of_notifications

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report


def notifications(
    context: typer.Context,
    action: Annotated[
        Throttling | None,
        typer.Argument(
            metavar="[ACTION]", help="collapse or off. Without it, the command only shows.", show_default=False
        ),
    ] = None,
    table: options.NotificationsTable = TABLE,
    window: options.Window = "12h",
    only_type: options.OnlyType = None,
    recipient: options.Recipient = None,
    preset_column: options.PresetColumn = None,
    type_column: options.TypeColumn = None,
    read_column: options.ReadColumn = None,
    data_column: options.DataColumn = None,
    time_column: options.TimeColumn = None,
    actor: options.Actor = None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    source: options.Source = None,
    show_queries: options.ShowQueries = False,
) -> None:
    """Throttle notifications: join unread ones into one.

    collapse joins a new notification with the recipient's unread one of the same preset and type within the window:
    data.uses says how many it stands for, and it takes the new time. Where there is no jsonb column, the new one is
    dropped. off gives each notification a row of its own again. Without an action, the command shows the state, and how
    many were joined. apply and rollback leave notifications alone. The exit code is 1 when somebody disabled or altered
    a throttle.

    Example: usagefix notifications collapse --dry-run
    """
    from usagefix import throttle

    columns = {
        "recipient": recipient, "preset": preset_column, "type": type_column, "read": read_column,
        "data": data_column, "time": time_column, "actor": actor,
    }  # fmt: skip

    def work(db: Database) -> Report:
        db.show_queries = show_queries
        (schema, name), within = _named(table), throttle.window_of(window)
        of = schema or db.counter.schema
        if action is Throttling.COLLAPSE:
            only = tuple(dict.fromkeys(only_type or ()))
            return throttle.collapse(
                db, of, name, window=within, columns=columns, only=only, dry_run=dry_run, source=source
            )
        if action is Throttling.OFF:
            return throttle.off(db, of, name, dry_run=dry_run)
        return throttle.state(db, of, name, source=source)

    first = lambda: (_named(table), throttle.window_of(window))  # noqa: E731
    asks = (
        None if action is None else Question(lambda _db: tuple(of_notifications(action, table, window)), yes or dry_run)
    )
    run.execute(context, "notifications", work, first=first, of_declared=False, asks=asks)


def _named(table: str) -> tuple[str | None, str]:
    """Schema and table. Raises ConfigurationError."""
    from usagefix.declaring.identifiers import Unreadable, table_of

    try:
        return table_of(table)
    except Unreadable as why:
        raise ConfigurationError(f"--table {table!r} {why}", hint="usagefix notifications --help") from None
