"""The main job from end to end: drifted → applied → proven → used → rolled back, through the command line."""

from __future__ import annotations

import pytest
from support import GUARD, INDEX, MIGRATION, MIGRATIONS, TRIGGER, VERSION, App, checks, failing

from usagefix import picture
from usagefix.apply import apply
from usagefix.database import connect
from usagefix.target import locate


def test_absent_present_absent(app: App) -> None:
    before = app.dump()
    wrong, _ = app.drift()
    assert wrong > 0, "the sample must be drifted, or this test proves nothing"
    assert app.usagefix("verify").code == 1

    applied = app.usagefix("apply", "--format", "json")
    assert applied.code == 0, applied.stderr
    assert applied.one["migrations"] == [folder.name for folder in MIGRATIONS]
    assert applied.one["backfill"]["drift_removed"] == applied.one["before"]["counts"]["drift_total"]
    assert app.drift() == (0, 0)
    assert app.usagefix("verify").code == 0

    rolled_back = app.usagefix("rollback", "--yes", "--format", "json")
    assert rolled_back.code == 0, rolled_back.stderr
    assert rolled_back.one["migrations"] == [folder.name for folder in reversed(MIGRATIONS)]
    assert rolled_back.one["daily_limit"] == "restore"
    assert app.dump() == before
    assert app.drift() == (0, 0), "the counters keep their right values"


def test_apply_again_changes_nothing(fixed: App) -> None:
    history = fixed.sql("TABLE usagefix.history")
    dump = fixed.dump()
    again = fixed.usagefix("apply", "--format", "json")
    assert again.code == 0
    assert again.one["migrations"] == []
    assert again.one["backfill"]["rows_changed"] == 0
    assert fixed.sql("TABLE usagefix.history") == history
    assert fixed.dump() == dump


def test_apply_after_rollback(app: App) -> None:
    for _ in range(2):
        before = app.dump()
        assert app.usagefix("apply").code == 0
        assert app.drift() == (0, 0)
        assert app.usagefix("rollback", "--yes").code == 0
        assert app.dump() == before
        app.use(app.preset(30), user=app.user_id(50))  # not counted now: new drift for the next round
        assert app.drift()[0] > 0
        app.sql("DELETE FROM preset_usage WHERE created_at = (SELECT max(created_at) FROM preset_usage)")


def test_dry_run_changes_nothing_and_says_what_it_would_do(app: App) -> None:
    before, drift = app.dump(), app.drift()
    result = app.usagefix("apply", "--dry-run", "--format", "json")
    assert result.code == 0, result.stderr
    assert app.dump() == before
    assert app.drift() == drift
    assert app.one("SELECT to_regnamespace('usagefix')") is None
    plan = result.one["plan"]
    locks = {lock for step in plan for lock in step["locks"]}
    assert locks == {
        "public.preset_usage: ShareRowExclusiveLock", "public.preset_usage: ShareUpdateExclusiveLock",
        "public.presets: ShareRowExclusiveLock",
    }, "nothing that stops readers"  # fmt: skip
    assert result.one["backfill"]["rows_changed"] == 35
    assert "-    ON CONFLICT" in result.one["tracker_diff"]
    added = [line for line in result.one["tracker_diff"].splitlines() if line.startswith("+")]
    assert added == ["+++ after apply"], "the function as it is in the end, not as it is until the limit is gone"
    table = app.usagefix("apply", "--dry-run").stdout
    assert "nothing was changed" in table
    assert "The triggers count from this commit on" in table


def test_dry_run_agrees_with_the_run(app: App) -> None:
    planned = app.usagefix("apply", "--dry-run", "--format", "json").one["backfill"]
    done = app.usagefix("apply", "--format", "json").one["backfill"]
    for key in ("rows_changed", "drift_removed", "magnitude", "triggers"):
        assert planned[key] == done[key]


def test_to_a_version(app: App) -> None:
    first = app.usagefix("apply", "--to", VERSION, "--format", "json")
    assert (first.one["migrations"], first.code) == ([MIGRATION.name], 1)
    assert failing(first) == {"guard_enabled", "guard_function_current"}, "the later version waits"
    dump = app.dump()
    upgraded = app.usagefix("apply", "--format", "json")
    assert (upgraded.one["migrations"], upgraded.code) == ([GUARD.name], 0)
    back = app.usagefix("rollback", "--to", VERSION, "--yes", "--format", "json")
    assert (back.one["migrations"], back.code) == ([GUARD.name], 0)
    assert app.dump() == dump
    kept = app.usagefix("rollback", "--to", VERSION, "--yes", "--format", "json")
    assert (kept.one["migrations"], kept.code) == ([], 0)


def test_apply_repairs_what_was_damaged(fixed: App) -> None:
    fixed.sql(f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}")
    fixed.use(fixed.preset(), times=3)
    fixed.spoil("UPDATE presets SET usage_count = 7 WHERE id = %s", fixed.preset(2))
    assert failing(fixed.usagefix("verify", "--format", "json")) == {
        "trigger_enabled", "guard_enabled", "counters_accurate", "last_used_current",
    }, "the guard steps aside where nothing counts"  # fmt: skip
    result = fixed.usagefix("apply", "--format", "json")
    assert result.code == 0
    assert failing(result) == set()
    assert fixed.drift() == (0, 0)


def interrupted_before(app: App, step: str) -> None:
    """Apply ends before this step, as if it were killed."""

    def on_step(words: str) -> None:
        if words.startswith(step):
            raise KeyboardInterrupt

    db = connect(locate(app.url(), "the test"))
    try:
        db.counter = picture.counter(db, "public")
        with pytest.raises(KeyboardInterrupt):
            apply(db, batch_size=1000, on_step=on_step, on_progress=lambda _: None)
    finally:
        db.close()


def test_interrupted_before_the_limit_was_gone_is_finished_by_the_next(app: App) -> None:
    """The state after the first of apply's two transactions: counting, with the limit and the stand-in function."""
    interrupted_before(app, "dropping the daily limit")
    assert app.usagefix("status", "--format", "json").one["migrations"][0]["state"] == "outdated"
    claims = f"SET request.jwt.claim.sub = '{app.user_id()}'"
    app.sql(claims)
    for _ in range(2):  # neither the second use of the day nor the first fails meanwhile
        app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", app.preset())
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr
    assert checks(result)["tracker_inserts_only"] == "ok"
    assert app.one("SELECT to_regclass(%s)", INDEX) is None
    assert app.drift() == (0, 0)
    app.sql(claims)
    assert app.usagefix("rollback", "--yes").code == 0
    assert "ON CONFLICT (preset_id" in app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
