"""Commands that try it: a use counts, in the database and through the application."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from usagefix.cli import options, run
from usagefix.cli.asking import Question
from usagefix.cli.turns import TRY
from usagefix.models.choices import POST_SECONDS, USAGE_TYPE
from usagefix.render import words

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report


def smoke(
    context: typer.Context,
    role: options.AsRole = None,
    preset: options.UsePreset = None,
    usage_type: options.UseKind = None,
) -> None:
    """Try two uses on one day, see both count, undo them.

    smoke calls track_preset_usage() as the application's role, with a user's claims. Then it inserts many rows in one
    statement, and deletes them. Then it tries a use of somebody else's preset, of the user's own and of nobody's, and
    one use of each kind. It rolls everything back. The exit code is 1 when a step fails.

    Example: usagefix smoke --as authenticated
    """
    from usagefix.smoke import smoke as verb

    run.execute(
        context,
        "smoke",
        lambda db: verb(db, role=role, preset=preset, usage_type=usage_type),
        replace(TRY, brief=True),
    )


def probe_api(
    context: typer.Context,
    url: options.ApiUrl,
    token: options.Token,
    preset: options.Preset,
    usage_type: options.UsageType = USAGE_TYPE,
    count: options.Uses = 1,
    timeout: options.Timeout = POST_SECONDS,
    yes: options.Yes = False,
) -> None:
    """Post a use of a preset to the API; see it count once.

    probe-api does what you would do with curl, and then looks at the counter. The use stays recorded. The exit code is
    1 when the API refuses the use or does not record it, or when it does not count exactly once. Before it posts, it
    names who may be notified, and at a terminal asks if the database is not on this machine.

    Example: usagefix probe-api --url https://example.com --preset "Golden hour"
    """
    from usagefix.api import Api
    from usagefix.probe import ahead
    from usagefix.probe import probe as verb

    told = list[str]()

    def asked(db: Database) -> list[str]:
        told.extend(ahead(db, Api.at(url, token), preset, count))
        return told

    def say(line: str) -> None:
        if line not in told:
            words.say(line)

    def work(db: Database) -> Report:
        return verb(db, Api.at(url, token), preset, usage_type=usage_type, count=count, timeout=timeout, on_step=say)

    asks = Question(asked, yes)
    run.execute(context, "probe-api", work, first=lambda: Api.at(url, token), asks=asks)
