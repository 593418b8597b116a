"""People use the application while what counters show too much becomes their baselines: exact at once, and ever after."""

from __future__ import annotations

from support import App
from traffic import traffic

DRIFT = """
    SELECT count(*) FILTER (WHERE p.usage_count IS DISTINCT FROM coalesce(b.baseline, 0) + coalesce(e.n, 0))
    FROM presets p LEFT JOIN (SELECT preset_id, count(*) AS n FROM preset_usage GROUP BY 1) e ON e.preset_id = p.id
    LEFT JOIN usagefix.baselines b ON b.row_key = p.id::text
"""


def test_counters_are_trusted_under_load(app: App) -> None:
    """A third of the counters shows far too much; the others are too low, as in the sample."""
    with app.db.transaction():
        app.sql("SET LOCAL session_replication_role = replica")
        app.sql("UPDATE presets SET usage_count = coalesce(usage_count, 0) + 5000 WHERE id::text < '5'")
    with traffic(app, every_write=True) as writers:
        writers.progress()
        asked = app.usagefix("apply")
        assert (asked.code, "--trust counters" in asked.stderr) == (1, True)
        assert app.one("SELECT to_regnamespace('usagefix')") is None
        applied = app.usagefix("apply", "--trust", "counters", "--batch-size", "3", "--format", "json")
        assert applied.code == 0, applied.stderr + applied.stdout
        before = writers.total
        assert {app.one(DRIFT) for _ in range(40)} == {0}
        assert writers.total > before, "the snapshots must be taken while people write"
        assert app.usagefix("verify").code == 0, "no false alarm"
        assert applied.one["backfill"]["baselines"]["total"] > 40_000
        noted = app.sql("SELECT row_key, baseline FROM usagefix.baselines ORDER BY 1")
        assert app.usagefix("backfill", "--trust", "counters").code == 0
        assert app.sql("SELECT row_key, baseline FROM usagefix.baselines ORDER BY 1") == noted
        writers.progress()
        app.sql("TRUNCATE preset_usage")
        assert {app.one(DRIFT) for _ in range(40)} == {0}
        fallen = app.usagefix("backfill", "--trust", "events", "--batch-size", "3")
        assert fallen.code == 0, fallen.stderr
        assert app.drift() == (0, 0)
    assert writers.failures == []
    assert app.drift() == (0, 0)


def test_events_are_truncated_while_deltas_wait(fixed: App) -> None:
    """Baselines are noted, some deltas are added and some not, and all events go: what is left is the baselines."""
    with fixed.connect() as hands:
        hands.execute("SET session_replication_role = replica")
        hands.execute(
            "UPDATE presets SET usage_count = usage_count + CASE WHEN id::text < '8' THEN 1000 WHEN usage_count > 0 THEN -1 ELSE 0 END"
        )
    surplus = fixed.one("SELECT 1000 * count(*) FROM presets WHERE id::text < '8'")
    process = fixed.spawn("backfill", "--trust", "counters", "--batch-size", "1", "--pause", "0.1")
    fixed.wait_for(
        "SELECT count(*) FILTER (WHERE applied_at IS NULL) > 3 AND count(*) FILTER (WHERE applied_at IS NOT NULL) > 0"
        " FROM usagefix.corrections WHERE run = (SELECT max(run) FROM usagefix.backfills WHERE finished_at IS NULL)"
    )
    fixed.sql("TRUNCATE preset_usage")
    assert fixed.one("SELECT sum(usage_count) FROM presets") >= surplus
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert fixed.one("SELECT sum(baseline) FROM usagefix.baselines") == surplus, "no delta became a baseline"
    assert (fixed.one(DRIFT), fixed.one("SELECT sum(usage_count) FROM presets")) == (0, surplus)
    assert fixed.usagefix("verify").code == 0
