"""The commands, in the order of the help page. Each parses, calls one verb and leaves the rest to ``cli.run``."""

from __future__ import annotations

from collections.abc import Callable

import typer

from usagefix.cli.commands.changing import apply, backfill, guard, rollback
from usagefix.cli.commands.dashboard import dashboard
from usagefix.cli.commands.insight import heatmap, top, trends
from usagefix.cli.commands.looking import check, check_preset, discover, doctor, log, status, verify
from usagefix.cli.commands.notifying import notifications
from usagefix.cli.commands.offline import demo, export, schema, sql
from usagefix.cli.commands.proving import probe_api, smoke
from usagefix.cli.declaring import Command, declares
from usagefix.cli.destination import writes

_COMMANDS: dict[str, Callable[..., None]] = {
    "apply": apply,
    "verify": verify,
    "doctor": doctor,
    "discover": discover,
    "backfill": backfill,
    "rollback": rollback,
    "check": check,
    "check-preset": check_preset,
    "status": status,
    "log": log,
    "trends": trends,
    "heatmap": heatmap,
    "top": top,
    "dashboard": dashboard,
    "guard": guard,
    "notifications": notifications,
    "smoke": smoke,
    "probe-api": probe_api,
    "sql": sql,
    "export": export,
    "schema": schema,
    "demo": demo,
}
NAMES = frozenset(_COMMANDS)
_OF_NO_COUNTER = ("discover", "log", "notifications", "schema", "demo")


def register(app: typer.Typer) -> None:
    """Add every command."""
    for name, command in _COMMANDS.items():
        written = writes(command)
        app.command(name, cls=Command)(written if name in _OF_NO_COUNTER else declares(written))
