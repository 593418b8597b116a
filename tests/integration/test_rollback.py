"""Back to the state before, whatever was there; and a clear no, before anything changes, where that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import GUARD, INDEX, MIGRATION, TRIGGER, VERSION, App, role

BEFORE: dict[str, tuple[str, ...]] = {
    "the sample": (),
    "no daily limit": (f"DROP INDEX {INDEX}",),
    "no track_preset_usage()": ("DROP FUNCTION track_preset_usage",),
    "a daily limit with a predicate": (
        f"DROP INDEX {INDEX}",
        f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (preset_id, user_id, usage_type,"
        " ((created_at AT TIME ZONE 'UTC')::date)) WHERE usage_type <> 'sample_verification'",
    ),
    "the fix of the original write-up, by hand": (
        "CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1 WHERE id = NEW.preset_id; RETURN NEW; END'",
        "COMMENT ON FUNCTION auto_increment_preset_usage_count() IS 'by hand'",
        "GRANT EXECUTE ON FUNCTION auto_increment_preset_usage_count() TO service_role WITH GRANT OPTION",
        "ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO service_role",
        "ALTER FUNCTION auto_increment_preset_usage_count() SECURITY DEFINER",
        f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage FOR EACH ROW"
        " EXECUTE FUNCTION auto_increment_preset_usage_count()",
        f"COMMENT ON TRIGGER {TRIGGER} ON preset_usage IS 'row by row'",
    ),
    "a disabled trigger": (
        "CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        f"CREATE TRIGGER {TRIGGER} BEFORE INSERT ON preset_usage FOR EACH ROW"
        " EXECUTE FUNCTION auto_increment_preset_usage_count()",
        f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}",
        "REVOKE EXECUTE ON FUNCTION auto_increment_preset_usage_count() FROM PUBLIC",
    ),
    "a function that names a table's type": (
        "CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS"
        " 'DECLARE preset presets%ROWTYPE; BEGIN RETURN NULL; END'",
    ),
    "a tracker with a type of the application": (
        "CREATE TYPE kind AS ENUM ('showcase_creation')",
        "CREATE FUNCTION track_preset_usage(preset_uuid uuid, usage kind) RETURNS uuid LANGUAGE sql AS"
        " $$SELECT track_preset_usage(preset_uuid, usage::text)$$",
    ),
    "a function without a trigger": (
        "CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql SET search_path = auth AS"
        " 'BEGIN RETURN NEW; END'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("how", ["usagefix", "psql"])
def test_the_schema_comes_back_byte_for_byte(app: App, before: str, how: str) -> None:
    for statement in BEFORE[before]:
        app.sql(statement)
    dump = app.dump()
    if how == "usagefix":
        done = app.usagefix("apply")
        assert done.code == 0, done.stderr
    else:
        applied = app.by_hand()
        assert applied.returncode == 0, applied.stderr
    assert app.dump() != dump
    assert app.usagefix("verify").code == 0
    if how == "usagefix":
        done = app.usagefix("rollback", "--yes")
        assert done.code == 0, done.stderr
    else:
        rolled_back = app.by_hand(undo=True)
        assert rolled_back.returncode == 0, rolled_back.stderr
    assert app.dump() == dump


def use_twice(app: App) -> None:
    app.use(app.preset(2), times=2)
    app.use(app.preset(3), times=3)


def test_uses_that_break_the_daily_limit_stop_it_before_anything_changes(fixed: App) -> None:
    use_twice(fixed)
    dump = fixed.dump()
    result = fixed.usagefix("rollback", "--yes", "--format", "json")
    assert result.code == 1
    error = result.json["error"]
    assert "in 2 cases" in error["message"]
    assert "nothing in the database was changed" in error["changes"]
    assert "--daily-limit skip" in error["hint"]
    assert fixed.dump() == dump
    assert fixed.usagefix("verify").code == 0


def test_by_hand_uses_that_break_the_daily_limit_stop_it_before_anything_changes(fixed: App, tmp_path: Path) -> None:
    """When the script is printed; one that was printed before leaves all as it was."""
    assert fixed.by_hand(GUARD, undo=True).returncode == 0
    script = tmp_path / "rollback.sql"
    script.write_text(fixed.usagefix("sql", VERSION, "rollback", "--adapt").stdout)
    use_twice(fixed)
    dump = fixed.dump()
    refused = fixed.by_hand(MIGRATION, undo=True)
    assert (refused.returncode, "in 2 cases" in refused.stderr, "skip" in refused.stderr) == (1, True, True)
    older = fixed.psql(script)
    assert older.returncode != 0
    assert "could not create unique index" in older.stderr
    assert fixed.dump() == dump


@pytest.mark.parametrize("how", ["usagefix", "psql"])
def test_skip_leaves_the_limit_off_and_the_function_working(fixed: App, how: str) -> None:
    use_twice(fixed)
    if how == "usagefix":
        result = fixed.usagefix("rollback", "--yes", "--daily-limit", "skip", "--format", "json")
        assert result.code == 0, result.stderr
        assert result.one["daily_limit"] == "skip"
    else:
        done = fixed.by_hand(undo=True, options=("--daily-limit", "skip"))
        assert done.returncode == 0, done.stderr
    assert fixed.one("SELECT to_regclass(%s)", INDEX) is None
    assert fixed.one("SELECT count(*) FROM pg_trigger WHERE tgname = %s", TRIGGER) == 0
    fixed.sql(f"SET request.jwt.claim.sub = '{fixed.user_id()}'")
    for _ in range(2):
        assert fixed.one("SELECT track_preset_usage(%s, 'showcase_creation')", fixed.preset()) is not None


def test_it_asks_and_without_a_terminal_it_wants_yes(fixed: App) -> None:
    dump = fixed.dump()
    result = fixed.usagefix("rollback")
    assert result.code == 2
    assert "--yes" in result.stderr
    assert fixed.dump() == dump


def test_nothing_to_roll_back(app: App) -> None:
    result = app.usagefix("rollback", "--yes")
    assert result.code == 0
    assert "no migration is applied" in result.stdout


def test_what_was_not_recorded_is_not_touched(app: App) -> None:
    for statement in BEFORE["a function without a trigger"]:
        app.sql(statement)
    dump = app.dump()
    assert app.usagefix("status", "--format", "json").one["migrations"][0]["state"] == "foreign"
    result = app.usagefix("rollback", "--yes")
    assert result.code == 1
    assert app.dump() == dump


def test_waiting_deltas_do_not_outlive_a_rollback(fixed: App) -> None:
    """They were exact only while the trigger counted."""
    fixed.sql("INSERT INTO usagefix.backfills (counter) VALUES ('preset_usage_count')")
    fixed.sql(
        "INSERT INTO usagefix.corrections (counter, run, place, row_key, actual, delta)"
        " SELECT counter, run, row_number() OVER (), id::text, 0, 1000 FROM presets CROSS JOIN usagefix.backfills"
        " WHERE run = (SELECT max(run) FROM usagefix.backfills)"
    )
    assert fixed.usagefix("rollback", "--yes").code == 0
    fixed.spoil("UPDATE presets SET usage_count = 0")
    assert fixed.usagefix("apply").code == 0
    assert fixed.drift() == (0, 0)


def test_the_ledger_is_closed_to_application_roles(fixed: App) -> None:
    for name in ("anon", "authenticated", "service_role"):
        assert not fixed.one("SELECT has_schema_privilege(%s, 'usagefix', 'USAGE')", name)
    with role(fixed, "stranger"):
        assert not fixed.one("SELECT has_schema_privilege('stranger', 'usagefix', 'USAGE')")


def test_purge_leaves_nothing(app: App) -> None:
    everything = app.dump_all()
    assert app.usagefix("apply").code == 0
    result = app.usagefix("rollback", "--yes", "--purge", "--format", "json")
    assert (result.code, result.one["purged"]) == (0, True)
    assert app.dump_all() == everything
    assert app.usagefix("apply").code == 0, "and it can be applied again"


def test_purge_after_a_rollback_and_where_nothing_is(fixed: App) -> None:
    assert fixed.usagefix("rollback", "--yes").code == 0
    assert fixed.one("SELECT to_regnamespace('usagefix')") is not None
    assert "schema usagefix is gone" in fixed.usagefix("rollback", "--yes", "--purge").stdout
    assert fixed.one("SELECT to_regnamespace('usagefix')") is None
    assert fixed.usagefix("rollback", "--yes", "--purge").code == 0


def test_purge_spares_what_somebody_else_keeps_there(fixed: App) -> None:
    fixed.sql("CREATE TABLE usagefix.mine (a integer)")
    result = fixed.usagefix("rollback", "--yes", "--purge")
    assert result.code == 1
    assert "mine" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert fixed.usagefix("rollback", "--purge", "--to", "20250930000001").code == 2
