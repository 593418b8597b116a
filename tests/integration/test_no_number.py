"""Sums that are NaN or infinite: said, and nothing is changed, by every command that compares them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import App

COUNTER = ("--counter", "presets.total", "--events", "preset_usage.preset_id", "--sum", "worth")
COMPARING = (
    ("verify",), ("verify", "--format", "json"), ("apply", "--dry-run"), ("apply",), ("backfill", "--dry-run"),
    ("backfill", "--trust", "events"),
)  # fmt: skip


def prepared(app: App) -> None:
    app.sql("ALTER TABLE preset_usage ADD worth numeric DEFAULT 1.5; ALTER TABLE presets ADD total numeric DEFAULT 0")
    app.sql("DROP INDEX idx_preset_usage_daily_unique")


@pytest.mark.parametrize("odd", ["NaN", "Infinity"])
def test_events_that_come_to_no_number(app: App, odd: str) -> None:
    prepared(app)
    app.sql(
        "UPDATE preset_usage SET worth = %s::numeric WHERE id = (SELECT id FROM preset_usage ORDER BY id LIMIT 1)", odd
    )
    for arguments in COMPARING[:5]:
        done = app.usagefix(*arguments, *COUNTER)
        assert done.code == 1, done.stderr
        assert f"the events of preset_usage come to {odd}" in done.stderr
    doctor = app.usagefix("doctor", *COUNTER)
    assert doctor.code == 1, doctor.stderr
    assert f"come to {odd}" in " ".join(doctor.stdout.split()), "with all else that it found"
    row = app.usagefix("check", str(app.one("SELECT preset_id FROM preset_usage ORDER BY id LIMIT 1")), *COUNTER)
    assert (row.code, odd in row.stdout) == (1, True), row.stderr


def test_a_counter_that_holds_no_number(app: App) -> None:
    prepared(app)
    assert app.usagefix("apply", "--trust", "events", *COUNTER).code == 0
    preset = app.preset()
    app.sql(
        "INSERT INTO preset_usage (preset_id, user_id, usage_type, worth) VALUES (%s, %s, 'showcase_creation', 'NaN')",
        preset,
        app.user_id(),
    )
    app.sql("DELETE FROM preset_usage WHERE worth = 'NaN'")
    held = "SELECT total FROM presets WHERE id = %s"
    assert app.one(held, preset).is_nan(), "what was added cannot be taken away"
    for arguments in (COMPARING[0], COMPARING[4], COMPARING[5]):
        done = app.usagefix(*arguments, *COUNTER)
        assert (done.code, "NaN, which no counter can be compared with" in done.stderr) == (1, True), done.stderr
    app.spoil("UPDATE presets SET total = 0 WHERE id = %s", preset)
    assert app.usagefix("backfill", "--trust", "events", *COUNTER).code == 0
    true = app.one("SELECT sum(worth) FROM preset_usage WHERE preset_id = %s", preset)
    assert app.one(held, preset) == true != Decimal(0)
