"""The backfill: exact, each delta once, a trace in the ledger, and no notice to the application's users."""

from __future__ import annotations

import pytest
from support import GUARDING, LONG, MIGRATION, TRIGGER, App, ended, give_everything_to, role, run

WRONG = (
    "SELECT count(*) FROM presets p CROSS JOIN LATERAL (SELECT count(*) AS n, max(created_at) AS newest FROM preset_usage u"
    " WHERE u.preset_id = p.id) e WHERE usage_count IS DISTINCT FROM n OR newest > coalesce(last_used_at, '-infinity')"
)
NOTICES = "SELECT count(*) FROM preset_notifications"


@pytest.fixture
def drifted(fixed: App) -> App:
    """Fixed, then drifted again by hands that went around the trigger."""
    fixed.sql("SET session_replication_role = replica")
    fixed.sql(
        "UPDATE presets SET usage_count ="
        " CASE WHEN random() < 0.5 OR usage_count = 0 THEN usage_count / 2 ELSE usage_count + 10 END"
    )
    fixed.spoil(
        "UPDATE presets SET usage_count = NULL, last_used_at = NULL WHERE name LIKE 'Film%%'".replace("%%", "%")
    )
    fixed.sql("RESET session_replication_role")
    assert fixed.drift()[0] > 10
    return fixed


@pytest.mark.parametrize("size", ["1", "7", "1000"])
def test_batches(drifted: App, size: str) -> None:
    (_, amount), changed = drifted.drift(), drifted.one(WRONG)
    result = drifted.usagefix("backfill", "--batch-size", size, "--format", "json")
    assert result.code == 0, result.stderr
    report = result.one["backfill"]
    assert report["rows_changed"] == changed
    assert report["magnitude"] == amount
    assert report["batches"] == -(-changed // int(size))
    assert drifted.drift() == (0, 0)
    assert drifted.usagefix("verify").code == 0


def test_only_wrong_presets_are_written(drifted: App) -> None:
    drifted.sql("CREATE TEMPORARY TABLE before AS SELECT id, xmin::text AS version FROM presets")
    wrong, _ = drifted.drift()
    drifted.usagefix("backfill")
    assert drifted.one("SELECT count(*) FROM presets p JOIN before USING (id) WHERE p.xmin::text <> version") == wrong


def test_the_ledger_tells_who_changed_which_number(drifted: App) -> None:
    preset = drifted.preset(5)  # Film noir: null
    actual = drifted.one("SELECT count(*) FROM preset_usage WHERE preset_id = %s", preset)
    drifted.usagefix("backfill")
    rows = drifted.sql(
        "SELECT displayed, actual, delta, became, applied_at IS NOT NULL, by_role, application FROM usagefix.corrections"
        " JOIN usagefix.backfills USING (run) WHERE row_key = %s ORDER BY run DESC LIMIT 1",
        preset,
    )
    assert rows == [(None, actual, actual, actual, True, "postgres", "usagefix")]


def test_the_applications_triggers_are_held_off_unless_asked(drifted: App) -> None:
    drifted.spoil("UPDATE presets SET usage_count = 0, user_id = md5('user 1')::uuid")
    before, touched = drifted.one(NOTICES), drifted.one("SELECT max(updated_at) FROM presets")
    result = drifted.usagefix("backfill", "--format", "json")
    assert drifted.drift() == (0, 0)
    assert drifted.one(NOTICES) == before
    assert drifted.one("SELECT max(updated_at) FROM presets") == touched
    assert {t["name"]: t["held_off"] for t in result.one["backfill"]["triggers"]} == {
        "presets_notify_usage_milestone": True, "presets_touch_updated_at": True,
    }  # fmt: skip
    assert drifted.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'presets'::regclass AND tgenabled = 'D'") == []
    drifted.spoil("UPDATE presets SET usage_count = 0")
    drifted.usagefix("backfill", "--fire-triggers")
    assert drifted.drift() == (0, 0)
    assert drifted.one(NOTICES) > before


def test_triggers_are_held_off_for_an_owner_without_superuser(app: App) -> None:
    """As on a hosted server: the role owns the tables and may not set session_replication_role."""
    with role(app, "plain_owner"):
        give_everything_to(app, "plain_owner")
        states = (
            "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'presets'::regclass AND NOT tgisinternal"
            f" AND tgname !~ '{GUARDING}'"
        )
        app.sql("ALTER TABLE presets ENABLE ALWAYS TRIGGER presets_touch_updated_at")
        app.sql("UPDATE presets SET user_id = md5('user 1')::uuid")
        before, trigger_states = app.one(NOTICES), app.sql(states)
        result = run("apply", DATABASE_URL=app.url("plain_owner"))
        assert result.code == 0, result.stderr
        assert app.drift() == (0, 0)
        assert app.one(NOTICES) == before
        assert app.sql(states) == trigger_states
        assert run("rollback", "--yes", DATABASE_URL=app.url("plain_owner")).code == 0


@pytest.mark.parametrize("command", ["backfill", "apply"])
def test_a_dry_run_tells_how_often_each_trigger_would_fire(drifted: App, command: str) -> None:
    drifted.spoil("UPDATE presets SET usage_count = 0, user_id = md5('user 1')::uuid")
    drifted.sql("CREATE TABLE fired (name text)")
    drifted.sql(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO fired VALUES (TG_NAME); RETURN NULL; END'"
    )
    on = "ON presets FOR EACH"
    drifted.sql(f"CREATE TRIGGER each_row AFTER UPDATE OF last_used_at {on} ROW EXECUTE FUNCTION note()")
    drifted.sql(f"CREATE TRIGGER each_statement AFTER UPDATE {on} STATEMENT EXECUTE FUNCTION note()")
    drifted.sql(f"CREATE TRIGGER high AFTER UPDATE {on} ROW WHEN (NEW.usage_count > 200) EXECUTE FUNCTION note()")
    drifted.sql(f"CREATE TRIGGER other_column AFTER UPDATE OF name {on} ROW EXECUTE FUNCTION note()")
    drifted.sql(f"CREATE TRIGGER inserted AFTER INSERT {on} ROW EXECUTE FUNCTION note()")
    rows = drifted.one(WRONG)
    batches = -(-rows // 10)
    told = drifted.usagefix(command, "--dry-run", "--batch-size", "10", "--format", "json").one["backfill"]["triggers"]
    assert {t["name"]: (t["fires"], t["at_most"]) for t in told} == {
        "each_row": (rows, False), "each_statement": (batches, False), "high": (rows, True),
        "presets_notify_usage_milestone": (rows, False), "presets_touch_updated_at": (rows, False),
    }  # fmt: skip
    assert drifted.usagefix("backfill", "--batch-size", "10", "--fire-triggers").code == 0
    fired = dict(drifted.sql("SELECT name, count(*) FROM fired GROUP BY 1"))
    assert fired.pop("high") < rows
    assert fired == {"each_row": rows, "each_statement": batches}


def test_a_pause_between_batches(drifted: App) -> None:
    import time

    started = time.monotonic()
    result = drifted.usagefix("backfill", "--batch-size", "10", "--pause", "0.3", "--format", "json")
    assert result.code == 0
    assert time.monotonic() - started > 0.3 * (result.one["backfill"]["batches"] - 1)


def test_dry_run(drifted: App) -> None:
    wrong, amount = drifted.drift()
    runs = drifted.one("SELECT count(*) FROM usagefix.backfills")
    report = drifted.usagefix("backfill", "--dry-run", "--format", "json").one["backfill"]
    assert (report["rows_changed"], report["magnitude"], report["dry_run"]) == (wrong, amount, True)
    assert drifted.drift() == (wrong, amount)
    assert drifted.one("SELECT count(*) FROM usagefix.backfills") == runs


def test_not_without_the_trigger(fixed: App) -> None:
    fixed.sql(f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}")
    fixed.spoil("UPDATE presets SET usage_count = 0")
    result = fixed.usagefix("backfill")
    assert result.code == 1
    assert "not counted yet" in result.stderr
    assert "usagefix apply" in result.stderr
    assert fixed.drift()[0] > 0


def test_killed_in_the_middle_and_run_again(drifted: App) -> None:
    """SIGKILL while it waits for the lock of one preset in the middle: what was done is done once, the rest follows."""
    wrong, _ = drifted.drift()
    with drifted.connect(autocommit=False) as blocker:
        ids = [row[0] for row in drifted.sql("SELECT id FROM presets ORDER BY id")]
        blocker.execute("SELECT FROM presets WHERE id = %s FOR UPDATE", (ids[20],))
        process = drifted.spawn("backfill", "--batch-size", "1")
        drifted.wait_for_waiter()
        process.kill()
        process.communicate()
        done = drifted.one(
            "SELECT count(*) FROM usagefix.corrections WHERE applied_at IS NOT NULL AND run ="
            " (SELECT max(run) FROM usagefix.backfills)"
        )
        assert 0 < done < wrong, "the kill must come in the middle"
        assert drifted.drift()[0] == wrong - done
        blocker.rollback()
    drifted.wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'usagefix')")
    again = drifted.usagefix("backfill", "--format", "json")
    assert again.code == 0, again.stderr
    assert again.one["backfill"]["rows_changed"] >= wrong - done  # and those whose last use was behind
    assert again.one["backfill"]["resumed"] == done
    assert drifted.drift() == (0, 0)


def test_a_second_run_while_one_is_going(drifted: App) -> None:
    with drifted.connect(autocommit=False) as blocker:
        blocker.execute("SELECT FROM presets FOR UPDATE")
        first = drifted.spawn("backfill")
        drifted.wait_for_waiter()
        second = drifted.usagefix("backfill")
        assert second.code == 4
        assert "another" in second.stderr
        blocker.rollback()
    done = ended(first)
    assert done.code == 0, done.stderr
    assert drifted.drift() == (0, 0)


def test_rolled_back_while_it_waits(drifted: App) -> None:
    """It does not say that all is well when somebody took the fix away under it."""
    # The guard cannot go while anybody holds a row of presets.
    assert drifted.usagefix("rollback", "--to", MIGRATION.name, "--yes").code == 0
    with drifted.connect(autocommit=False) as blocker:
        blocker.execute("SELECT FROM presets WHERE id = %s FOR UPDATE", (drifted.preset(5),))
        process = drifted.spawn("backfill", "--batch-size", "1")
        drifted.wait_for_waiter()
        while drifted.usagefix("rollback", "--yes", "--daily-limit", "skip").code == 4:  # its batches hold the claim
            pass
        blocker.rollback()
    stdout, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 1, stderr
    assert "rolled the fix back" in stderr
    assert stdout == ""


def test_interrupted_by_the_user(drifted: App) -> None:
    import signal

    with drifted.connect(autocommit=False) as blocker:
        blocker.execute("SELECT FROM presets FOR UPDATE")
        process = drifted.spawn("backfill")
        drifted.wait_for_waiter()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=LONG)
        blocker.rollback()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "error: interrupted" in stderr
    assert drifted.usagefix("backfill").code == 0
    assert drifted.drift() == (0, 0)


def test_a_counter_at_the_end_of_its_type_is_corrected(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 2147483647 WHERE id = %s", fixed.preset())
    assert "integer out of range" not in fixed.usagefix("backfill", "--trust", "events").stderr
    assert fixed.drift() == (0, 0)
