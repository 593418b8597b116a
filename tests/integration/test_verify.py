"""verify tells the truth: each check fails alone when its thing is broken, and passes when it is mended."""

from __future__ import annotations

import psycopg
import pytest
from support import ADJUSTING, GUARDING, INDEX, MIGRATIONS, TRIGGER, App, checks, failing, give_everything_to, role, run

CHECKS = {
    "events_complete",
    "trigger_enabled", "counted_once", "function_current", "function_secure", "daily_limit_gone", "tracker_inserts_only",
    "counters_accurate", "last_used_current", "partitions_counted", "partition_changes_counted",
    "partition_functions_current", "partition_functions_secure", "changes_counted",
    "adjusting_function_current", "adjusting_function_secure", "guard_enabled", "guard_function_current",
    "guard_function_secure", "uses_accepted",
}  # fmt: skip

SELDOM = "id = (SELECT preset_id FROM preset_usage GROUP BY 1 ORDER BY count(*) LIMIT 1)"
OLD = f"UPDATE preset_usage SET created_at = '2001-01-01' FROM presets p WHERE p.id = preset_id AND p.{SELDOM}"
CONDITION = (
    "(split_part(current_setting('search_path'), 'pg_usagefix_preset_usage_count_', -1) ="
    " NULLIF(pg_trigger_depth(), 0)::text"
    " AND has_table_privilege('public.presets'::regclass, 'TRIGGER WITH GRANT OPTION')) IS NOT TRUE"
)


def guard(timing: str, *, when: str = CONDITION, mode: str = "ignore") -> str:
    """The guard's trigger, but for what is given."""
    return (
        f"CREATE OR REPLACE TRIGGER {GUARDING} {timing} ON presets FOR EACH ROW WHEN ({when})"
        f" EXECUTE FUNCTION guard_preset_usage_count('{mode}')"
    )


BROKEN: dict[str, tuple[str, str, str]] = {
    "trigger dropped": ("trigger_enabled", "missing", f"DROP TRIGGER {TRIGGER} ON preset_usage"),
    "trigger disabled": ("trigger_enabled", "failed", f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}"),
    "trigger on replicas only": ("trigger_enabled", "failed", f"ALTER TABLE preset_usage ENABLE REPLICA TRIGGER {TRIGGER}"),
    "row-level trigger": (
        "trigger_enabled", "outdated",
        f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage FOR EACH ROW"
        " EXECUTE FUNCTION auto_increment_preset_usage_count()",
    ),
    "another trigger counts": (
        "counted_once", "failed",
        "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE presets SET usage_count = usage_count + 1"
        " WHERE id = NEW.preset_id; RETURN NULL; END';"
        " CREATE TRIGGER another AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()",
    ),
    "another trigger calls what counts": (
        "counted_once", "failed",
        "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM increment_preset_usage(OLD.preset_id);"
        " RETURN NULL; END'; CREATE TRIGGER another AFTER DELETE ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()",
    ),
    "track_preset_usage() names what is not there": (
        "tracker_inserts_only", "failed",
        "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb"
        " DEFAULT '{}') RETURNS uuid LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO preset_usage (preset_id, user_id, kind) VALUES (preset_uuid, auth.uid(), usage_type_param); RETURN NULL; END'",
    ),
    "daily limit by another name": (
        "daily_limit_gone", "unexpected",
        "CREATE UNIQUE INDEX once_a_day ON preset_usage (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date))",
    ),
    "function edited": (
        "function_current", "outdated",
        "CREATE OR REPLACE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'",
    ),
    "not security definer": ("function_secure", "failed", "ALTER FUNCTION auto_increment_preset_usage_count() SECURITY INVOKER"),
    "search path not pinned": ("function_secure", "failed", "ALTER FUNCTION auto_increment_preset_usage_count() RESET search_path"),
    "open to everybody": ("function_secure", "failed", "GRANT EXECUTE ON FUNCTION auto_increment_preset_usage_count() TO PUBLIC"),
    "open to anon": ("function_secure", "failed", "GRANT EXECUTE ON FUNCTION auto_increment_preset_usage_count() TO anon"),
    "delete trigger dropped": ("changes_counted", "failed", f"DROP TRIGGER {ADJUSTING}_delete ON preset_usage"),
    "update trigger disabled": ("changes_counted", "failed", f"ALTER TABLE preset_usage DISABLE TRIGGER {ADJUSTING}_update"),
    "truncate trigger before": (
        "changes_counted", "outdated",
        f"CREATE OR REPLACE TRIGGER {ADJUSTING}_truncate BEFORE TRUNCATE ON preset_usage"
        " EXECUTE FUNCTION auto_adjust_preset_usage_count()",
    ),
    "adjusting function edited": (
        "adjusting_function_current", "outdated",
        "CREATE OR REPLACE FUNCTION auto_adjust_preset_usage_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'",
    ),
    "adjusting function open": (
        "adjusting_function_secure", "failed", "GRANT EXECUTE ON FUNCTION auto_adjust_preset_usage_count() TO anon",
    ),
    "guard dropped": ("guard_enabled", "missing", f"DROP TRIGGER {GUARDING} ON presets"),
    "guard disabled": ("guard_enabled", "failed", f"ALTER TABLE presets DISABLE TRIGGER {GUARDING}"),
    "guard on replicas only": ("guard_enabled", "failed", f"ALTER TABLE presets ENABLE REPLICA TRIGGER {GUARDING}"),
    "guard of one column": ("guard_enabled", "outdated", guard("BEFORE INSERT OR UPDATE OF usage_count")),
    "guard of updates only": ("guard_enabled", "outdated", guard("BEFORE UPDATE")),
    "guard after the write": ("guard_enabled", "outdated", guard("AFTER INSERT OR UPDATE")),
    "guard without a condition": ("guard_enabled", "outdated", guard("BEFORE INSERT OR UPDATE", when="true")),
    "guard that lets all through": ("guard_enabled", "outdated", guard("BEFORE INSERT OR UPDATE", when=f"({CONDITION}) AND false")),
    "guard that lets a role through": (
        "guard_enabled", "outdated", guard("BEFORE INSERT OR UPDATE", when=CONDITION.replace("TRIGGER WITH GRANT OPTION", "SELECT")),
    ),
    "guard in a mode of its own": ("guard_enabled", "outdated", guard("BEFORE INSERT OR UPDATE", mode="off")),
    "guard that calls another function": (
        "guard_enabled", "outdated",
        "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        + guard("BEFORE INSERT OR UPDATE").replace("guard_preset_usage_count(", "another("),
    ),
    "guard function edited": (
        "guard_function_current", "outdated",
        "CREATE OR REPLACE FUNCTION guard_preset_usage_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = public, pg_temp AS 'BEGIN RETURN NEW; END'",
    ),
    "guard function open": ("guard_function_secure", "failed", "GRANT EXECUTE ON FUNCTION guard_preset_usage_count() TO anon"),
    "guard function not security definer": (
        "guard_function_secure", "failed", "ALTER FUNCTION guard_preset_usage_count() SECURITY INVOKER",
    ),
    "guard called twice": (
        "guard_enabled", "failed",
        "CREATE TRIGGER mine BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION guard_preset_usage_count('reject')",
    ),
    "guard called twice, by a trigger of a like name": (
        "guard_enabled", "failed",
        "CREATE TRIGGER a_trigger_guard_preset_usage_count BEFORE UPDATE ON presets FOR EACH ROW"
        " EXECUTE FUNCTION guard_preset_usage_count('reject')",
    ),
    "counted twice by our function": (
        "counted_once", "failed",
        "CREATE TRIGGER mine AFTER INSERT ON preset_usage REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT"
        " EXECUTE FUNCTION auto_increment_preset_usage_count()",
    ),
    "adjusted twice by our function": (
        "counted_once", "failed",
        "CREATE TRIGGER mine AFTER DELETE ON preset_usage REFERENCING OLD TABLE AS old_events FOR EACH STATEMENT"
        " EXECUTE FUNCTION auto_adjust_preset_usage_count()",
    ),
    "daily limit back": ("daily_limit_gone", "unexpected", f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (id, created_at)"),
    "tracker counts": (
        "tracker_inserts_only", "failed",
        "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb"
        " DEFAULT '{}') RETURNS uuid LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param);"
        " UPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid; RETURN NULL; END'",
    ),
    "tracker needs the limit": (
        "tracker_inserts_only", "failed",
        "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb"
        " DEFAULT '{}') RETURNS uuid LANGUAGE plpgsql AS $$BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type)"
        " VALUES (preset_uuid, auth.uid(), usage_type_param) ON CONFLICT (preset_id, DATE(created_at)) DO NOTHING; RETURN NULL; END$$",
    ),
    "counter too high": ("counters_accurate", "failed", "UPDATE presets SET usage_count = usage_count + 1 WHERE name = 'Neon city'"),
    "counter null": ("counters_accurate", "failed", "UPDATE presets SET usage_count = NULL WHERE name = 'Watercolour 4'"),
    "errors that cancel out": (
        "counters_accurate", "failed",
        "UPDATE presets SET usage_count = usage_count + CASE name WHEN 'Neon city' THEN 1 ELSE -1 END"
        " WHERE name IN ('Neon city', 'Golden hour')",
    ),
    "last use behind": (
        "last_used_current", "failed", "UPDATE presets SET last_used_at = last_used_at - interval '1 day' WHERE name = 'Neon city'",
    ),
    "last use null, seldom used": ("last_used_current", "failed", f"{OLD}; UPDATE presets SET last_used_at = NULL WHERE {SELDOM}"),
    "last use behind, seldom used": (
        "last_used_current", "failed", f"{OLD}; UPDATE presets SET last_used_at = '2000-01-01' WHERE {SELDOM}",
    ),
    "last use null": ("last_used_current", "failed", "UPDATE presets SET last_used_at = NULL WHERE name = 'Neon city'"),
}  # fmt: skip


# What an ALTER FUNCTION leaves of the functions, with what is said of it. Their bodies stay as they are.
ALTERED = {
    "STABLE": "it is STABLE",
    "IMMUTABLE": "it is IMMUTABLE",
    "STRICT": "it is STRICT",
    "SET transaction_read_only = on": "it sets transaction_read_only",
    "SET role = anon": "it sets role",
    "SET session_authorization = anon": "it sets session_authorization",
    "SET session_replication_role = replica": "it sets session_replication_role",
    "SET row_security = off": "it sets row_security",
    "SET statement_timeout = 1": "it sets statement_timeout",
    "SET search_path = auth, pg_temp, pg_usagefix_preset_usage_count_1": "its search_path is not the one that apply sets",
    "SET search_path = public, auth, pg_temp": "its search_path is not the one that apply sets",
    "STABLE SET role = anon SET jit = off": "it is STABLE, it sets jit, it sets role",
}
OURS = {
    "function_current": "auto_increment_preset_usage_count()",
    "adjusting_function_current": "auto_adjust_preset_usage_count()",
    "guard_function_current": "guard_preset_usage_count()",
}


@pytest.mark.parametrize("check", OURS)
@pytest.mark.parametrize("how", ALTERED)
def test_a_function_with_other_attributes_is_outdated(fixed: App, check: str, how: str) -> None:
    """With some of them no use succeeds any more, with others it does what nobody has read."""
    fixed.sql(f"ALTER FUNCTION {OURS[check]} {how}")
    result = fixed.usagefix("verify", "--format", "json")
    (found,) = (each for each in result.one["checks"] if each["check_id"] == check)
    assert (found["status"], found["detail"]) == ("outdated", ALTERED[how])
    unguarded = how.endswith("auth, pg_temp") and check == "function_current"
    assert failing(result) == ({check, "guard_enabled"} if unguarded else {check})
    mended_and_counts(fixed)


def test_a_function_that_reads_times_in_the_zone_of_whoever_writes(app: App) -> None:
    """Where one of the two times has no zone, apply sets one."""
    app.sql(f"DROP INDEX {INDEX}; ALTER TABLE preset_usage ALTER created_at TYPE timestamp")
    assert app.usagefix("apply").code == 0
    app.sql("ALTER FUNCTION auto_increment_preset_usage_count() RESET timezone")
    result = app.usagefix("verify", "--format", "json")
    assert failing(result) == {"function_current"}
    assert "it does not set TimeZone" in result.stdout
    mended_and_counts(app)


def mended_and_counts(app: App) -> None:
    """apply sets right what is wrong, and uses are counted."""
    mended = app.usagefix("apply", "--format", "json")
    assert (mended.code, failing(mended)) == (0, set()), mended.stderr + mended.stdout
    app.use(app.preset(1))
    app.sql("DELETE FROM preset_usage WHERE id = (SELECT id FROM preset_usage LIMIT 1)")
    assert app.drift() == (0, 0)
    assert app.usagefix("verify").code == 0


@pytest.mark.parametrize(
    "what", ["guard called twice", "counted twice by our function", "adjusted twice by our function"]
)
def test_a_second_trigger_of_ours_goes_with_rollback(app: App, what: str) -> None:
    before = app.dump()
    assert app.usagefix("apply").code == 0
    app.spoil(BROKEN[what][2])
    mended = app.usagefix("apply")
    assert (mended.code, "trigger mine on public.pre" in mended.stderr + mended.stdout) == (0, True)
    rolled_back = app.usagefix("rollback", "--yes")
    assert rolled_back.code == 0, rolled_back.stderr
    assert app.dump() == before


# What is said of a spoilt ledger, how it came to that, a statement that it refuses, and what mends it.
EMPTIED, WRITTEN = "TRUNCATE preset_usage", "UPDATE presets SET usage_count = 7"
SPOILT_LEDGER = {
    "constraint always on usagefix.held_at_zero": (
        "ALTER TABLE usagefix.held_at_zero ADD CONSTRAINT always CHECK (counter = 'none')", EMPTIED,
        "ALTER TABLE usagefix.held_at_zero DROP CONSTRAINT always",
    ),
    "constraint always on usagefix.refused_writes": (
        "ALTER TABLE usagefix.refused_writes ADD CONSTRAINT always CHECK (false)", WRITTEN,
        "ALTER TABLE usagefix.refused_writes DROP CONSTRAINT always",
    ),
    "constraint held_at_zero_pkey on usagefix.held_at_zero": (
        "ALTER TABLE usagefix.held_at_zero DROP CONSTRAINT held_at_zero_pkey, ADD PRIMARY KEY (counter);"
        " INSERT INTO usagefix.held_at_zero (counter) VALUES ('preset_usage_count')", EMPTIED,
        "ALTER TABLE usagefix.held_at_zero DROP CONSTRAINT held_at_zero_pkey",
    ),
    "index usagefix.once": (
        "CREATE UNIQUE INDEX once ON usagefix.held_at_zero (counter);"
        " INSERT INTO usagefix.held_at_zero (counter) VALUES ('preset_usage_count')", EMPTIED, "DROP INDEX usagefix.once",
    ),
    "column more of usagefix.held_at_zero": (
        "ALTER TABLE usagefix.held_at_zero ADD more text NOT NULL", EMPTIED,
        "ALTER TABLE usagefix.held_at_zero DROP COLUMN more",
    ),
    "column more of usagefix.refused_writes": (
        "ALTER TABLE usagefix.refused_writes ADD more integer; ALTER TABLE usagefix.refused_writes ALTER more SET DEFAULT 1 / 0",
        WRITTEN, "ALTER TABLE usagefix.refused_writes DROP COLUMN more",
    ),
    "column role of usagefix.refused_writes, now character varying(1)": (
        "ALTER TABLE usagefix.refused_writes ALTER role TYPE varchar(1)", WRITTEN,
        "ALTER TABLE usagefix.refused_writes ALTER role TYPE text",
    ),
    "column at of usagefix.held_at_zero, now timestamp with time zone": (
        "ALTER TABLE usagefix.held_at_zero ALTER at DROP DEFAULT", EMPTIED,
        "ALTER TABLE usagefix.held_at_zero ALTER at SET DEFAULT clock_timestamp()",
    ),
    "column baseline of usagefix.baselines, which is gone": (
        "ALTER TABLE usagefix.baselines RENAME baseline TO kept", EMPTIED,
        "ALTER TABLE usagefix.baselines RENAME kept TO baseline",
    ),
    "trigger never on usagefix.held_at_zero": (
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END';"
        " CREATE TRIGGER never BEFORE INSERT ON usagefix.held_at_zero FOR EACH ROW EXECUTE FUNCTION never()", EMPTIED,
        "DROP TRIGGER never ON usagefix.held_at_zero",
    ),
    "rule never on usagefix.refused_writes": (
        "CREATE RULE never AS ON INSERT TO usagefix.refused_writes DO ALSO SELECT 1 / 0", WRITTEN,
        "DROP RULE never ON usagefix.refused_writes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", SPOILT_LEDGER)
def test_a_ledger_that_refuses_what_the_triggers_write(fixed: App, said: str) -> None:
    """The functions write to three of its tables, and what these refuse is the use."""
    spoil, write, mend = SPOILT_LEDGER[said]
    fixed.sql(spoil)
    with fixed.connect() as client, pytest.raises(psycopg.Error):
        client.execute(write.encode())
    result = fixed.usagefix("verify", "--format", "json")
    assert result.code == 1, result.stdout
    (found,) = (each for each in result.one["checks"] if each["status"] not in ("ok", "skipped"))
    assert found["check_id"] == "uses_accepted"
    assert f"{said} of the ledger may refuse what the triggers write there" in found["detail"]
    refused = fixed.usagefix("apply")
    assert refused.code in (1, 5), refused.stderr
    assert said.partition(",")[0] in refused.stderr
    if mend.endswith(("always", "more", "once", "pkey")):
        assert f"{mend}, then usagefix apply" in found["hint"]
    fixed.sql(mend)
    mended_and_counts(fixed)


def test_a_ledger_with_more_that_refuses_nothing(fixed: App) -> None:
    """A role of its own reads it, by an index; the owner of the tables passes row level security."""
    fixed.sql("CREATE INDEX ON usagefix.refused_writes (role); ALTER TABLE usagefix.refused_writes ADD note text")
    fixed.sql("ALTER TABLE usagefix.held_at_zero ENABLE ROW LEVEL SECURITY, ALTER counter DROP NOT NULL")
    assert fixed.usagefix("verify").code == 0


# Where nothing of usagefix counts new uses, the guard steps aside for whatever else does, and says so.
ASIDE = {
    "trigger dropped", "trigger disabled", "trigger on replicas only", "row-level trigger", "function edited",
    "search path not pinned",
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_each_break_fails_just_its_check(fixed: App, what: str) -> None:
    check, status, statement = BROKEN[what]
    fixed.spoil(statement)
    result = fixed.usagefix("verify", "--format", "json")
    assert result.code == 1
    assert failing(result) == ({check, "guard_enabled"} if what in ASIDE else {check})
    assert checks(result)[check] == status
    if what in ASIDE:
        (guarding,) = (c for c in result.one["checks"] if c["check_id"] == "guard_enabled")
        assert (guarding["status"], "it lets every write pass" in guarding["detail"]) == ("failed", True)
    mended_and_counts(fixed)


def test_every_check_has_a_break() -> None:
    elsewhere = {check for check in CHECKS if check.startswith("partition")} | {"uses_accepted", "events_complete"}
    assert {check for check, _, _ in BROKEN.values()} == CHECKS - elsewhere


def test_force_row_level_security_on_an_ordinary_owner(fixed: App) -> None:
    with role(fixed, "force_owner"):
        give_everything_to(fixed, "force_owner")
        assert fixed.usagefix("apply").code == 0
        assert fixed.usagefix("verify").code == 0
        fixed.sql("ALTER TABLE presets FORCE ROW LEVEL SECURITY")
        result = fixed.usagefix("verify", "--format", "json")
        assert failing(result) == {"function_secure", "adjusting_function_secure", "guard_function_secure"}


def test_counts_agree_with_an_independent_count(app: App) -> None:
    counts = app.usagefix("verify", "--format", "json").one["counts"]
    presets, inaccurate, displayed, used, off = app.sql(
        "SELECT count(*), count(*) FILTER (WHERE usage_count IS DISTINCT FROM n), sum(usage_count), count(*) FILTER (WHERE n > 0), sum(abs(n - coalesce(usage_count, 0)))"
        " FROM presets p, LATERAL (SELECT count(*) AS n FROM preset_usage u WHERE u.preset_id = p.id) e"
    )[0]
    events = app.one("SELECT count(*) FROM preset_usage")
    assert counts == {
        "rows": presets, "accurate": presets - inaccurate, "inaccurate": inaccurate, "displayed_total": displayed,
        "actual_total": events, "drift_total": events - displayed, "drift_magnitude": off,
        "rows_with_count": app.one("SELECT count(*) FROM presets WHERE usage_count > 0"), "rows_with_events": used,
        "baseline_total": 0, "rows_with_baseline": 0, "orphans": 0,
    }  # fmt: skip


def test_top_lists_the_largest_drift_first(app: App) -> None:
    rows = app.usagefix("verify", "--top", "5", "--format", "json").one["rows"]
    assert len(rows) == 5
    drifts = [abs(preset["drift"]) for preset in rows]
    assert drifts == sorted(drifts, reverse=True)
    assert set(rows[0]) == {"id", "label", "displayed_count", "actual_records", "baseline", "drift", "last_event_at"}
    for preset in rows:
        assert preset["drift"] == preset["actual_records"] - (preset["displayed_count"] or 0)
    assert app.usagefix("verify", "--top", "0", "--format", "json").one["rows"] == []
    listed = app.usagefix("verify", "--top", "1000").stdout.partition("largest drift\n")[2].partition("\n\n")[0]
    assert len(listed.splitlines()) == 2 + 29, "two lines above those that are wrong, and no other"


def test_only(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 0")
    one = fixed.usagefix("verify", "--only", "trigger_enabled", "--format", "json")
    assert one.code == 0
    assert list(checks(one)) == ["trigger_enabled"]
    assert one.one["counts"] is None
    both = fixed.usagefix("verify", "--only", "counters_accurate", "--only", "trigger_enabled", "--format", "json")
    assert both.code == 1
    assert set(checks(both)) == {"counters_accurate", "trigger_enabled"}


def test_verify_writes_nothing_and_waits_for_nobody(fixed: App) -> None:
    with fixed.connect(autocommit=False) as blocker:
        blocker.execute("LOCK TABLE presets, preset_usage IN EXCLUSIVE MODE")
        assert fixed.usagefix("verify").code == 0
    written = "SELECT pg_current_xact_id_if_assigned() IS NULL, sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_all_tables"
    assert fixed.sql(written)[0][0]


def test_by_hand_agrees_with_the_tool(app: App) -> None:
    def rows(text: str) -> dict[str, str]:
        cells = [line.split("|") for line in text.splitlines()]
        return {cell[0]: cell[2] for cell in cells if cell[0] in CHECKS}

    reading = {"counted_once", "tracker_inserts_only", "uses_accepted"}  # what no statement of a file can tell

    for prepare in (lambda: None, lambda: app.usagefix("apply")):
        prepare()
        files = [
            argument
            for folder in MIGRATIONS
            for file in sorted(folder.glob("verify*.sql"))
            for argument in ("-f", str(file))
        ]
        by_hand = app.program("psql", "--no-psqlrc", "-At", *files)
        assert by_hand.returncode == 0
        tool = app.usagefix("verify", "--format", "json")
        assert rows(by_hand.stdout) == {check: s for check, s in checks(tool).items() if check not in reading}
        assert set(checks(tool)) == CHECKS
        totals = "|".join(str(value) for name, value in tool.one["counts"].items() if name != "orphans")
        assert totals in by_hand.stdout.splitlines()


def test_a_role_that_sees_only_some_rows_gets_an_error_not_a_count(fixed: App) -> None:
    with role(fixed, "peeker", grants="GRANT SELECT ON presets, preset_usage TO peeker"):
        result = run("verify", DATABASE_URL=fixed.url("peeker"))
        assert result.code == 5
        assert "row level security hides rows" in result.stderr
        assert result.stdout == ""


def test_a_reader_that_sees_every_row_may_verify(fixed: App) -> None:
    with role(fixed, "auditor", options="LOGIN BYPASSRLS", grants="GRANT SELECT ON presets, preset_usage TO auditor"):
        assert run("verify", DATABASE_URL=fixed.url("auditor")).code == 0
