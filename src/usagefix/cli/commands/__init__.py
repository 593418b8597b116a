"""The commands, in the order of the help page. Each parses, calls one verb and leaves the rest to ``cli.run``."""

from __future__ import annotations

from collections.abc import Callable

import typer

from usagefix.cli.commands.changing import apply, backfill, guard, rollback
from usagefix.cli.commands.dashboard import dashboard
from usagefix.cli.commands.helping import page
from usagefix.cli.commands.insight import heatmap, top, trends
from usagefix.cli.commands.looking import check, check_preset, discover, doctor, log, status, verify
from usagefix.cli.commands.notifying import notifications
from usagefix.cli.commands.offline import demo, export, schema, sql
from usagefix.cli.commands.proving import probe_api, smoke
from usagefix.cli.inheriting import Command

_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Look, and change nothing": {
        "verify": verify,
        "doctor": doctor,
        "discover": discover,
        "check": check,
        "check-preset": check_preset,
        "status": status,
        "log": log,
    },
    "Change the database": {
        "apply": apply,
        "backfill": backfill,
        "rollback": rollback,
        "guard": guard,
        "notifications": notifications,
    },
    "Try it": {"smoke": smoke, "probe-api": probe_api, "demo": demo},
    "See the usage": {"trends": trends, "heatmap": heatmap, "top": top, "dashboard": dashboard},
    "Print and write": {"sql": sql, "export": export, "schema": schema, "help": page},
}
NAMES = frozenset(name for named in _COMMANDS.values() for name in named)


def register(app: typer.Typer) -> None:
    """Add every command."""
    for panel, named in _COMMANDS.items():
        for name, command in named.items():
            app.command(name, cls=Command, rich_help_panel=panel)(command)
