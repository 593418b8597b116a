"""Commands that read only: what is wrong, why, and where things stand."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix.cli import options, run, watching
from usagefix.cli.shared import shared
from usagefix.cli.turns import LOOK_FOR, LOOK_INTO, READ
from usagefix.cli.viewing import Most
from usagefix.declaring import Flags, declared
from usagefix.errors import UsagefixError

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report


def verify(
    context: typer.Context,
    only: options.Only = None,
    top: options.Top = 10,
    fail_over: options.FailOver = 0,
    watch: options.Watch = None,
    whole: options.All = False,
) -> None:
    """Prove it: every check, the accuracy of every counter. Reads only, locks nothing.

    The exit code is 1 when something is not right. With --watch it is that of the last round.

    Checks: events_complete, trigger_enabled, changes_counted, function_current, adjusting_function_current,
    function_secure, adjusting_function_secure, partitions_counted, partition_changes_counted,
    partition_functions_current, partition_functions_secure, counted_once, daily_limit_gone, tracker_inserts_only,
    guard_enabled, guard_function_current, guard_function_secure, uses_accepted, counters_accurate, last_used_current.

    Example: usagefix verify --format json
    """
    from usagefix.verify import verify as verb

    def work(db: Database) -> Report:
        return verb(db, only=only or (), top=top, fail_over=fail_over)

    way = LOOK_INTO if whole else READ
    if watch is not None:
        watching.watch(context, "verify", watch, partial(run.on_database, context, work=work, way=way))
    run.execute(context, "verify", work, way)


def status(context: typer.Context) -> None:
    """Show which migrations are applied, when and by whom. Reads only.

    status also shows when the application last recorded a use. log shows what was done before. The exit code is 1 when
    an applied object differs from the released one.

    Example: usagefix status
    """
    from usagefix.status import status as verb

    run.execute(context, "status", verb)


def log(
    context: typer.Context,
    limit: Most = 20,
) -> None:
    """Show what usagefix did here: applied, rolled back, corrected. Reads only.

    The ledger keeps this history. log prints the newest entry first: when, which counter, which role, and which version
    of usagefix. The ledger does not record switches of the guard's mode. status shows what is in force now.

    Example: usagefix log --limit 5
    """
    from usagefix.log import log as verb

    names = shared(context).counter or ()
    run.execute(
        context, "log", lambda db: verb(db, counters=names, limit=limit, declared=_is_declared()), of_declared=False
    )


def _is_declared() -> bool:
    """Whether a file in this folder declares counters, as far as it can be read."""
    with suppress(UsagefixError):
        return declared(Flags(), Path()).by is not None
    return False


def check(
    context: typer.Context,
    row: Annotated[str, typer.Argument(metavar="ID", help="The row's id or exact label. An id of two columns is a,b.")],
    recent: options.Recent = 0,
) -> None:
    """Show one row: its counter, its events, the drift. Reads only.

    check shows it for each counter whose table has the row. The exit code is 1 when a counter is wrong, or when there
    is no such row.

    Example: usagefix check "Golden hour" --recent 5
    """
    _check(context, "check", row, recent)


def check_preset(
    context: typer.Context,
    preset: Annotated[str, typer.Argument(metavar="ID", help="The preset's id or exact name.")],
    recent: options.Recent = 0,
) -> None:
    """Show one preset: its counter, its events, the drift. Reads only.

    The exit code is 1 when the counter is wrong, or when there is no such preset.

    Example: usagefix check-preset "Golden hour" --recent 5
    """
    _check(context, "check-preset", preset, recent)


def _check(context: typer.Context, command: str, row: str, recent: int) -> None:
    from usagefix.preset import check_preset as verb

    run.execute(context, command, lambda db: verb(db, row, recent=recent), LOOK_FOR)


def discover(
    context: typer.Context,
    write: options.Write = None,
    seconds: options.Seconds = 60.0,
) -> None:
    """Find the counters of a database, and what each counts.

    Names and foreign keys suggest where to look; the data decides. A column is a counter when at least half of its rows
    agree with their events, and three times as many as with anything else. discover looks in all schemas, or in the one
    of --schema, and takes samples of large tables. It reads only. The exit code is 1 when it finds none.

    Example: usagefix discover
    """
    from dataclasses import replace

    from usagefix.discovering import discover as verb
    from usagefix.discovering.writing import Declarations
    from usagefix.render.progress import looking_shown

    def work(db: Database) -> Report:
        with looking_shown() as on_progress:
            report = verb(db, schema=shared(context).schema, seconds=seconds, on_progress=on_progress)
        return replace(report, written=Declarations(write).add(report.counters)) if write else report

    first = Declarations(write).read if write else None
    run.execute(context, "discover", work, first=first, of_declared=False)


def doctor(
    context: typer.Context,
    source: options.Source = None,
) -> None:
    """Find out why the counter is wrong, or will be. Reads only.

    doctor names root causes, competing writers, roles that can get in, and more, each with evidence and a remedy. The
    exit code is 1 when a finding is an error: the counter is or will be wrong, or somebody can get in.

    Example: usagefix doctor --source .
    """
    from usagefix.doctor import doctor as verb

    run.execute(context, "doctor", lambda db: verb(db, source), LOOK_INTO)
