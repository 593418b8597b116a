"""``rollback --counters restore``: each counter shows what it showed before apply, plus what was counted since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support import GUARDING, App
from traffic import traffic

from usagefix import picture
from usagefix.database import connect
from usagefix.models.choices import Counters, DailyLimit
from usagefix.rollback import plan, rollback
from usagefix.target import locate

SHOWN = "SELECT id::text, usage_count FROM presets ORDER BY id"
# What each counter shows beside its events; nothing is what is shown where nothing is.
BESIDE = """
    SELECT p.id::text, coalesce(p.usage_count, 0) - coalesce(e.n, 0)
    FROM presets p LEFT JOIN (SELECT preset_id, count(*) AS n FROM preset_usage GROUP BY 1) e ON e.preset_id = p.id ORDER BY 1
"""


def shown(app: App) -> dict[str, int | None]:
    return dict(app.sql(SHOWN))


def restored(app: App, *options: str) -> dict[str, Any]:
    done = app.usagefix("rollback", "--yes", "--counters", "restore", "--format", "json", *options)
    assert done.code == 0, done.stderr
    return done.one


def spoilt(app: App) -> None:
    """Counters that are wrong in every way: too high, too low, nothing, and nothing without an event."""
    app.sql("UPDATE presets SET usage_count = NULL WHERE id IN (SELECT id FROM presets ORDER BY id LIMIT 4)")
    app.sql("DELETE FROM preset_usage WHERE preset_id IN (SELECT id FROM presets ORDER BY id LIMIT 2)")
    app.sql("UPDATE presets SET usage_count = 909 WHERE id IN (SELECT id FROM presets ORDER BY id DESC LIMIT 3)")


@pytest.mark.parametrize("how", ["usagefix", "psql"])
def test_each_shows_what_it_showed_plus_what_was_counted_since(app: App, how: str) -> None:
    spoilt(app)
    before = shown(app)
    assert None in before.values()
    if how == "usagefix":
        assert app.usagefix("apply", "--trust", "events").code == 0
    else:
        assert app.by_hand(options=("--trust", "events")).returncode == 0
    used, gone, (nothing, *_) = app.preset(9), app.preset(12), before
    app.use(used, times=1)
    app.use(nothing, times=1)
    app.sql("DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = %s LIMIT 2)", gone)
    app.sql("DELETE FROM presets WHERE id = %s", app.preset(20))
    touched = app.sql(
        "SELECT id, updated_at FROM presets WHERE id NOT IN (%s, %s, %s) ORDER BY id", used, gone, nothing
    )
    told = app.sql("SELECT count(*) FROM preset_notifications")
    report = restored(app)
    expected = before | {used: (before[used] or 0) + 1, nothing: 1, gone: max((before[gone] or 0) - 2, 0)}
    del expected[app.preset(20)]
    assert shown(app) == expected
    assert report["counters_restored"] > 20
    assert app.sql("SELECT count(*) FROM preset_notifications") == told, "a rollback tells nobody anything"
    assert (
        app.sql("SELECT id, updated_at FROM presets WHERE id NOT IN (%s, %s, %s) ORDER BY id", used, gone, nothing)
        == touched
    )


def test_again_and_again(app: App) -> None:
    """Each apply has corrections of its own; what was kept at one rollback is not given back at the next."""
    for _ in range(2):
        before = shown(app)
        assert app.usagefix("apply", "--trust", "events").code == 0
        app.spoil("UPDATE presets SET usage_count = usage_count + 3 WHERE name LIKE 'Film%'")  # and repaired once more
        assert app.usagefix("backfill").code == 0
        assert app.usagefix("rollback", "--to", "20250930000001", "--yes", "--counters", "restore").code == 2
        restored(app)
        films = {str(preset) for (preset,) in app.sql("SELECT id FROM presets WHERE name LIKE 'Film%'")}
        assert shown(app) == {
            preset: count if preset not in films else (count or 0) + 3 for preset, count in before.items()
        }
        app.sql("UPDATE presets SET usage_count = usage_count + 1")
    assert app.usagefix("apply", "--trust", "events").code == 0
    kept = shown(app)
    assert app.usagefix("rollback", "--yes").code == 0
    assert shown(app) == kept
    assert app.usagefix("apply", "--trust", "events").code == 0
    assert restored(app)["counters_restored"] == 0
    assert shown(app) == kept


def test_a_counter_that_must_show_something_by_now(app: App) -> None:
    """What the server refuses for one keeps its value, and is told; nothing stops half-way."""
    spoilt(app)
    before = shown(app)
    assert app.usagefix("apply", "--trust", "events").code == 0
    app.sql("ALTER TABLE presets ALTER usage_count SET NOT NULL, ADD CHECK (usage_count <> 909)")
    report = restored(app)
    now = shown(app)
    refused = [preset for preset, count in before.items() if count == 909]
    assert {k: v for k, v in now.items() if k not in refused} == {
        k: v or 0 for k, v in before.items() if k not in refused
    }
    assert len([remark for remark in report["remarks"] if any(preset in remark for preset in refused)]) == 3


@contextmanager
def ended_at(app: App, step: str) -> Iterator[None]:
    """A rollback that ends before this step, as if it were killed; the block comes then."""

    def on_step(words: str) -> None:
        if words.startswith(step):
            raise KeyboardInterrupt

    db = connect(locate(app.url(), "the test"))
    try:
        db.counter = picture.counter(db, "public")
        agreed = plan(db, to=None, limit=DailyLimit.SKIP, counters=Counters.RESTORE)
        with pytest.raises(KeyboardInterrupt):
            rollback(db, agreed, on_step=on_step)
    finally:
        db.close()
    yield


def test_exact_under_load(app: App) -> None:
    """While the triggers still count, what a counter shows beside its events is what it showed before apply."""
    before = app.sql(BESIDE)
    assert app.usagefix("apply", "--trust", "events").code == 0
    with traffic(app) as writers:
        writers.progress()
        with ended_at(app, "rolling back"):
            for _ in range(20):
                assert app.sql(BESIDE) == before
        writers.progress()
        restored(app, "--daily-limit", "skip")
        writers.progress()
    assert writers.failures == []
    assert app.one("SELECT count(*) FROM pg_trigger WHERE tgname = %s", GUARDING) == 0


def test_killed_in_between_and_run_again(app: App) -> None:
    app.sql("INSERT INTO presets (name, usage_count) SELECT 'more ' || n, 1 FROM generate_series(1, 600) AS n")
    before = app.sql(BESIDE)
    assert app.usagefix("apply", "--trust", "events").code == 0
    corrected = app.one("SELECT count(*) FROM usagefix.corrections")
    with app.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM presets WHERE name LIKE 'more 1%' FOR UPDATE")  # which it comes back to in the end
        process = app.spawn("rollback", "--yes", "--counters", "restore")
        app.wait_for_waiter()
        process.kill()
        process.communicate()
        assert app.one("SELECT count(*) > %s FROM usagefix.corrections WHERE applied_at IS NOT NULL", corrected)
    app.wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'usagefix')")
    assert app.sql(BESIDE) != before
    done = restored(app)
    assert app.sql(BESIDE) == before
    assert 0 < done["counters_restored"] < 600


def test_killed_in_between_and_applied_again(app: App) -> None:
    """A restore that was broken off is drift like any other."""
    before = app.sql(BESIDE)
    assert app.usagefix("apply", "--trust", "events").code == 0
    with ended_at(app, "rolling back"):
        assert app.sql(BESIDE) == before
    assert app.usagefix("apply", "--trust", "events").code == 0
    assert app.drift() == (0, 0)
    restored(app)
    assert app.sql(BESIDE) == before
