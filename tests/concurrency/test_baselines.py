"""People use the application while what counters show too much becomes their baselines: exact at once, and ever after."""

from __future__ import annotations

from support import App, ended
from traffic import Traffic, traffic

DRIFT = """
    SELECT count(*) FILTER (WHERE p.usage_count IS DISTINCT FROM coalesce(b.baseline, 0) + coalesce(e.n, 0))
    FROM presets p LEFT JOIN (SELECT preset_id, count(*) AS n FROM preset_usage GROUP BY 1) e ON e.preset_id = p.id
    LEFT JOIN usagefix.baselines b ON b.row_key = p.id::text
"""


def snapshots(app: App, writers: Traffic) -> set[int]:
    """How many counters are wrong, as is seen while people write."""
    seen = set[int]()
    for _ in range(4):
        seen |= {app.one(DRIFT) for _ in range(10)}
        writers.progress(10)
    return seen


def test_counters_are_trusted_under_load(app: App) -> None:
    """A third of the counters shows far too much; the others are too low, as in the sample."""
    with app.db.transaction():
        app.sql("SET LOCAL session_replication_role = replica")
        app.sql("UPDATE presets SET usage_count = coalesce(usage_count, 0) + 5000 WHERE id::text < '5'")
    with traffic(app, every_write=True) as writers:
        writers.progress()
        asked = app.until_free("apply")
        assert (asked.code, "--trust counters" in asked.stderr) == (1, True)
        assert app.one("SELECT to_regnamespace('usagefix')") is None
        applied = app.until_free("apply", "--trust", "counters", "--batch-size", "3")
        assert applied.code == 0, applied.stderr + applied.stdout
        assert snapshots(app, writers) == {0}
        verified = app.until_free("verify")
        assert verified.code == 0, f"no false alarm: {verified.stdout + verified.stderr}"
        assert app.one("SELECT sum(baseline) FROM usagefix.baselines") > 40_000
        noted = app.sql("SELECT row_key, baseline FROM usagefix.baselines ORDER BY 1")
        assert app.until_free("backfill", "--trust", "counters").code == 0
        assert app.sql("SELECT row_key, baseline FROM usagefix.baselines ORDER BY 1") == noted
        app.sql("TRUNCATE preset_usage")
        assert snapshots(app, writers) == {0}
        fallen = app.until_free("backfill", "--trust", "events", "--batch-size", "3")
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
    with fixed.connect(autocommit=False) as holder:
        free = "SELECT id FROM presets WHERE id::text >= '8' AND usage_count > 0 ORDER BY id LIMIT 2"
        holder.execute(f"SELECT FROM presets WHERE id NOT IN ({free}) FOR UPDATE".encode())
        process = fixed.spawn("backfill", "--trust", "counters", "--batch-size", "1")
        fixed.wait_for_waiter()
        pending, added = fixed.sql(
            "SELECT count(*) FILTER (WHERE applied_at IS NULL), count(applied_at) FROM usagefix.corrections"
            " WHERE run = (SELECT max(run) FROM usagefix.backfills WHERE finished_at IS NULL)"
        )[0]
        assert (pending > 3, added > 0) == (True, True)
        holder.execute("TRUNCATE preset_usage")
        holder.commit()
    assert fixed.one("SELECT sum(usage_count) FROM presets") >= surplus
    done = ended(process)
    assert done.code == 0, done.stderr
    assert fixed.one("SELECT sum(baseline) FROM usagefix.baselines") == surplus, "no delta became a baseline"
    assert (fixed.one(DRIFT), fixed.one("SELECT sum(usage_count) FROM presets")) == (0, surplus)
    assert fixed.usagefix("verify").code == 0


def with_baselines(app: App) -> None:
    app.spoil("UPDATE presets SET usage_count = usage_count + 1000")
    assert app.usagefix("backfill", "--trust", "counters").code == 0


def test_no_baseline_is_held_while_events_are_counted(fixed: App) -> None:
    with_baselines(fixed)
    with fixed.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE preset_usage IN ACCESS EXCLUSIVE MODE")
        fixed.spawn("backfill", "--trust", "events")
        fixed.wait_for_waiter()
        free = fixed.sql("SELECT 1 FROM usagefix.baselines FOR UPDATE SKIP LOCKED")
    assert len(free) == fixed.one("SELECT count(*) FROM presets")
    done = ended(fixed.spawned[-1])
    assert done.code == 0, done.stderr
    assert fixed.drift() == (0, 0)


def test_a_baseline_that_moves_while_all_are_forgotten(fixed: App) -> None:
    with_baselines(fixed)
    with fixed.connect(autocommit=False) as renaming:
        renaming.execute(
            "DELETE FROM preset_usage WHERE preset_id = md5('preset 1')::uuid;"
            " UPDATE presets SET id = gen_random_uuid() WHERE id = md5('preset 1')::uuid"
        )
        process = fixed.spawn("backfill", "--trust", "events")
        fixed.wait_for_waiter()
        renaming.commit()
    done = ended(process)
    assert done.code == 0, done.stderr
    assert fixed.drift() == (0, 0)
