"""People use the application throughout apply, backfill and rollback: no event is lost or doubled, no insert fails.

The test counts as proof only because the usual scripts fail it: each of them runs here too, and is caught.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from people import people
from support import ADJUSTING, DRIFT, MIGRATION, MIGRATIONS, TRIGGER, VERSION, App, ended, wait_until
from traffic import INSERT, Traffic, traffic

# A machine that many share may stop a writer for a second, which is all that the scripts wait for a lock.
PATIENT = "-c lock_timeout=1min"
STATEMENTS = 2000


def snapshots(app: App, writers: Traffic) -> set[tuple[int, int]]:
    """What is seen of the drift while people write."""
    seen = set[tuple[int, int]]()
    for _ in range(4):
        seen |= {(int(wrong), int(amount)) for _ in range(10) for wrong, amount in app.sql(DRIFT)}
        writers.progress(10)
    return seen


def test_apply_rollback_apply_under_load(app: App) -> None:
    events = app.one("SELECT count(*) FROM preset_usage")
    with traffic(app, every_write=True) as writers:
        for _ in range(2):
            writers.progress()
            applied = app.until_free("apply", "--batch-size", "3")
            assert applied.code == 0, applied.stderr + applied.stdout
            assert snapshots(app, writers) == {(0, 0)}
            verified = app.until_free("verify")
            assert verified.code == 0, f"no false alarm: {verified.stdout + verified.stderr}"
            rolled_back = app.until_free("rollback", "--yes", "--daily-limit", "skip")
            assert rolled_back.code == 0, rolled_back.stderr
        applied = app.until_free("apply", "--batch-size", "3")
        assert applied.code == 0, applied.stderr + applied.stdout
        assert snapshots(app, writers) == {(0, 0)}
    assert writers.failures == []
    assert app.one("SELECT count(*) FROM preset_usage") == events + sum(writers.events)
    assert app.drift() == (0, 0)


def test_counting_what_is_added_only_is_caught(app: App) -> None:
    assert app.usagefix("apply").code == 0
    for event in ("delete", "update"):
        app.sql(f"ALTER TABLE preset_usage DISABLE TRIGGER {ADJUSTING}_{event}")
    with traffic(app, every_write=True) as writers:
        wait_until(lambda: app.drift()[0] > 0, "the test above would not notice what is not counted")
    assert writers.failures == []


def test_partitioned_under_load(partitioned: App) -> None:
    with traffic(partitioned, every_write=True) as writers:
        writers.progress()
        for _ in range(2):
            applied = partitioned.until_free("apply", "--batch-size", "3")
            assert applied.code == 0, applied.stderr + applied.stdout
            assert snapshots(partitioned, writers) == {(0, 0)}
            rolled_back = partitioned.until_free("rollback", "--yes")
            assert rolled_back.code == 0, rolled_back.stderr
    assert writers.failures == []


def test_rollback_that_restores_the_limit_under_load(app: App) -> None:
    """The writers respect the limit here (ON CONFLICT DO NOTHING), so it can come back while they write."""
    with traffic(app) as writers:
        applied = app.until_free("apply")
        assert applied.code == 0, applied.stderr + applied.stdout
        # Uses that broke the limit meanwhile would stop the rollback, and rightly: take them out first.
        app.sql(
            "DELETE FROM preset_usage a USING preset_usage b WHERE a.preset_id = b.preset_id AND a.user_id = b.user_id"
            " AND a.usage_type = b.usage_type AND (a.created_at AT TIME ZONE 'UTC')::date = (b.created_at AT TIME ZONE"
            " 'UTC')::date AND a.id > b.id"
        )
        result = app.until_free("rollback", "--yes")
        assert result.code in (0, 1), result.stderr
        if result.code == 1:
            assert "daily limit" in result.stderr
            assert app.one("SELECT count(*) FROM pg_trigger WHERE tgname = %s", TRIGGER) == 1
        writers.progress()
    assert writers.failures == []


def test_by_hand_in_a_transaction_each_under_load(app: App) -> None:
    with traffic(app, every_write=True) as writers:
        writers.progress()
        done = app.by_hand(PGOPTIONS=PATIENT)
        assert done.returncode == 0, done.stderr
        assert snapshots(app, writers) == {(0, 0)}
    assert writers.failures == []


def test_by_hand_in_one_transaction_under_load(app: App, tmp_path: Path) -> None:
    files: list[Path] = []
    for version, face in [*((version, "apply") for version in MIGRATIONS), (MIGRATION, "backfill")]:
        files.append(tmp_path / f"{len(files)}.sql")
        files[-1].write_text(app.usagefix("sql", version.name, face, "--adapt").stdout)
    with traffic(app, every_write=True) as writers:
        writers.progress()
        done = app.psql(*files, PGOPTIONS=PATIENT)
        assert done.returncode == 0, done.stderr
        assert snapshots(app, writers) == {(0, 0)}
    assert writers.failures == []


def test_the_plain_script_is_caught(app: App, tmp_path: Path) -> None:
    """Count, then create the trigger: what is written in between is lost."""
    script = tmp_path / "apply.sql"
    script.write_text(app.usagefix("sql", VERSION, "apply", "--adapt").stdout)
    with traffic(app) as writers:
        writers.progress()
        app.sql("UPDATE presets SET usage_count = (SELECT count(*) FROM preset_usage u WHERE u.preset_id = presets.id)")
        writers.progress()
        assert app.psql(script, PGOPTIONS=PATIENT).returncode == 0
        writers.progress()
        assert all(wrong > 0 for wrong, _ in snapshots(app, writers)), "this test would not notice a lost event"


@pytest.mark.parametrize("algorithm", ["deltas", "absolute counts"])
def test_a_use_that_commits_while_the_backfill_waits_for_its_preset(fixed: App, algorithm: str) -> None:
    """The race, held still: the backfill has counted, and waits for the row that a use has just changed."""
    preset = fixed.preset(1)
    fixed.spoil("UPDATE presets SET usage_count = 3 WHERE id = %s", preset)
    with fixed.connect(autocommit=False) as user:
        fixed.use(preset, connection=user)
        if algorithm == "deltas":
            process = fixed.spawn("backfill")
            fixed.wait_for_waiter()
            user.commit()
            done = ended(process)
            assert done.code == 0, done.stderr
            assert fixed.drift() == (0, 0)
        else:
            absolute = (
                "UPDATE presets SET usage_count = (SELECT count(*) FROM preset_usage u WHERE u.preset_id = presets.id)"
                " WHERE id = %s"
            )
            other = fixed.connect()
            other.execute("SET usagefix.bypass_guard = 'on'")
            thread = threading.Thread(target=lambda: other.execute(absolute.encode(), (preset,)))
            thread.start()
            fixed.wait_for(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s)",
                other.info.backend_pid,
            )
            user.commit()
            thread.join()
            other.close()
            assert fixed.drift() == (1, 1), "the absolute count loses the use that it waited for"


@contextmanager
def many_at_once(app: App) -> Iterator[tuple[list[int], list[str]]]:
    """8 clients, 20 random presets a statement: the number of statements of each, and what failed."""
    done, failures = [0] * 8, list[str]()

    def write(number: int, luck: random.Random, connection: psycopg.Connection[Any]) -> None:
        presets = [luck.randint(1, 40) for _ in range(20)]
        connection.execute(INSERT.encode(), (luck.randint(1, 60), presets))
        done[number] += 1

    with people(app, 8, write, failures, tireless=True, options="-c deadlock_timeout=20ms"):
        yield done, failures


def test_no_deadlocks_between_statements_over_the_same_presets(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 0")
    with many_at_once(fixed) as (done, failures):
        filled = fixed.until_free("backfill", "--batch-size", "20")
        assert filled.code == 0, filled.stderr
        wait_until(lambda: sum(done) > STATEMENTS or failures)
    assert failures == []
    assert fixed.drift() == (0, 0)


def test_a_row_level_trigger_would_deadlock(app: App) -> None:
    app.sql("DROP INDEX idx_preset_usage_daily_unique")
    app.sql(
        "CREATE FUNCTION row_by_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE presets SET usage_count ="
        " coalesce(usage_count, 0) + 1 WHERE id = NEW.preset_id; RETURN NULL; END'"
    )
    app.sql("CREATE TRIGGER row_by_row AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION row_by_row()")
    with many_at_once(app) as (_, failures):
        wait_until(lambda: failures, "the test above would not notice deadlocks")
    assert "deadlock detected" in failures[0]
