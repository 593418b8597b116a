"""Commands that try it: a use counts, in the database and through the application."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from usagefix.cli import options, run
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
    """Try it: two uses on one day, as the application, count. All of it is rolled back.

    Through track_preset_usage(), as the application's role and with a user's claims; then many rows in one INSERT, and
    their DELETE; then a use of somebody else's preset, of one's own and of nobody's, and one of each kind.
    Nothing stays. Exit code 1 when a step fails.

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
) -> None:
    """Post a use of a preset to the API; see it count once.

    What one would do with curl, and then look at the counter. The use stays recorded. Exit code 1 when it was refused,
    not recorded, or not counted exactly once.

    Example: usagefix probe-api --url https://app.example.com --preset "Golden hour"
    """
    from usagefix.api import Api
    from usagefix.probe import probe as verb

    def work(db: Database) -> Report:
        return verb(
            db, Api.at(url, token), preset, usage_type=usage_type, count=count, timeout=timeout, on_step=words.say
        )

    run.execute(context, "probe-api", work, first=lambda: Api.at(url, token))
