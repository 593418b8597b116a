"""Commands that try it: a use counts, in the database and through the application."""

from __future__ import annotations

import typer

from usagefix.cli import options, run


def smoke(
    context: typer.Context,
    role: options.AsRole = None,
    preset: options.UsePreset = None,
    usage_type: options.UsageType = None,
    output: options.OutputFormat = None,
) -> None:
    """Try it: two uses on one day, as the application, count. All of it is rolled back.

    Through track_preset_usage(), as the application's role and with a user's claims; then many rows in one INSERT, and
    their DELETE. Nothing stays. Exit code 1 when a step fails.

    Example: usagefix smoke --as authenticated
    """
    from usagefix.smoke import smoke as verb

    run.execute(context, "smoke", output, lambda db: verb(db, role=role, preset=preset, usage_type=usage_type))
