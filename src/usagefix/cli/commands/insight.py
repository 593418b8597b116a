"""Commands that show when things are used, what is used most, and by whom. They read only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix.cli import run, viewing
from usagefix.cli.turns import LOOK_FOR
from usagefix.errors import ConfigurationError, RowNotFound
from usagefix.models.insight import Asked, Of, Step

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report


def trends(
    context: typer.Context,
    by: viewing.By = Step.DAY,
    since: viewing.Since = "90d",
    until: viewing.Until = None,
    zone: viewing.Zone = None,
    preset: viewing.OnlyRow = None,
    kind: viewing.OnlyKind = None,
    time_column: viewing.TimeColumn = None,
    user_column: viewing.UserColumn = None,
    kind_column: viewing.KindColumn = None,
) -> None:
    """Show uses over time, by kind, and how they change. Reads only.

    trends compares with a time before that is as long, and earlier by whole weeks: a Monday meets a Monday.

    Example: usagefix trends --by week --since 12w --tz Europe/Berlin
    """
    from usagefix.insight import trends as verb

    asked = _asked(since, until, zone, by, preset, kind, None, time_column, user_column, kind_column)
    _execute(context, "trends", asked, lambda db, tell: verb(db, asked(), tell))


def heatmap(
    context: typer.Context,
    since: viewing.Since = "90d",
    until: viewing.Until = None,
    zone: viewing.Zone = None,
    preset: viewing.OnlyRow = None,
    kind: viewing.OnlyKind = None,
    time_column: viewing.TimeColumn = None,
    user_column: viewing.UserColumn = None,
    kind_column: viewing.KindColumn = None,
) -> None:
    """Show on which weekdays and at which hours things are used. Reads only.

    Example: usagefix heatmap --since 26w --tz Europe/Berlin
    """
    from usagefix.insight import heatmap as verb

    asked = _asked(since, until, zone, Step.DAY, preset, kind, None, time_column, user_column, kind_column)
    _execute(context, "heatmap", asked, lambda db, tell: verb(db, asked(), tell))


def top(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="presets|users", help="What to rank. Of another counter: rows, or its table.")
    ],
    limit: viewing.Most = 10,
    since: viewing.Since = "90d",
    until: viewing.Until = None,
    zone: viewing.Zone = None,
    preset: viewing.OnlyRow = None,
    kind: viewing.OnlyKind = None,
    user_label: viewing.UserLabel = None,
    time_column: viewing.TimeColumn = None,
    user_column: viewing.UserColumn = None,
    kind_column: viewing.KindColumn = None,
) -> None:
    """Show the most used presets, or the most active users. Reads only.

    top shows users by their key. It shows a name only where --user-label says which column holds it.

    Example: usagefix top presets --since 30d --limit 5
    """
    from usagefix.insight import top as verb

    asked = _asked(since, until, zone, Step.DAY, preset, kind, user_label, time_column, user_column, kind_column)
    _execute(context, "top", asked, lambda db, tell: verb(db, _ranked(db, what), asked(), limit, tell))


def _asked(
    since: str,
    until: str | None,
    zone: str | None,
    by: Step,
    preset: str | None,
    kind: str | None,
    user_label: str | None,
    *columns: str | None,
) -> Callable[[], Asked]:
    def asked() -> Asked:
        from usagefix.cli.zone import of_this_machine

        found = zone if zone is not None else of_this_machine()
        return Asked(since, until, found, by, preset, kind, user_label, *columns)

    return asked


def _execute(
    context: typer.Context,
    command: str,
    asked: Callable[[], Asked],
    verb: Callable[[Database, Callable[[int, int], None]], Report],
) -> None:
    from usagefix.insight.asking import parameters
    from usagefix.render.progress import reading_shown

    def work(db: Database) -> Report:
        with reading_shown() as tell:
            return verb(db, tell)

    run.execute(context, command, work, LOOK_FOR, first=lambda: parameters(asked()))


def _ranked(db: Database, what: str) -> Of:
    """What to rank, of the counter in turn. Raises ConfigurationError for what nothing is called, RowNotFound where
    only another counter's table is."""
    if what == "users":
        return Of.USERS
    if what in ("presets", "rows", db.counter.parent):
        return Of.PRESETS
    tables = {counter.parent for counter in db.counters}
    if what in tables:
        raise RowNotFound(f"{db.counter.slug} counts for {db.counter.parent}", hint=f"top {db.counter.parent}")
    known = ", ".join(dict.fromkeys(("presets" if db.nouns.usual else "rows", *sorted(tables - {"presets"}), "users")))
    raise ConfigurationError(f"top does not rank {what!r}", hint=f"give one of {known}")
