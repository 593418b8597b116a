"""Nobody gets in: neither through the counting function, nor its search path, nor the ledger, nor what apply edits."""

from __future__ import annotations

import psycopg
import pytest
from support import App, failing, role

TRACKER = (
    "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"
    " RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS "
)


def superuser(app: App, name: str) -> bool:
    return bool(app.one("SELECT rolsuper FROM pg_roles WHERE rolname = %s", name))


def test_the_counting_function_runs_as_the_tables_owner_whoever_applied(app: App) -> None:
    with role(app, "appowner"):
        app.sql("ALTER TABLE presets OWNER TO appowner")
        app.sql("ALTER TABLE preset_notifications OWNER TO appowner; GRANT SELECT ON preset_usage TO appowner")
        assert app.usagefix("apply").code == 0
        owner = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'auto_increment_preset_usage_count'"
        assert app.one(owner) == "appowner"
        app.use(app.preset())
        assert app.drift() == (0, 0)
        app.sql("ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO postgres")
        assert failing(app.usagefix("verify", "--format", "json")) == {"function_secure"}
        assert app.usagefix("apply").code == 0
        assert app.one(owner) == "appowner"


def test_a_roles_own_search_path_is_not_taken_over(app: App) -> None:
    with role(app, "mallory"):
        app.sql("CREATE SCHEMA mal AUTHORIZATION mallory")
        app.sql("ALTER ROLE mallory SET search_path = mal")
        assert app.usagefix("apply").code == 0
        (settings,) = app.sql("SELECT proconfig FROM pg_proc WHERE proname = 'auto_increment_preset_usage_count'")[0]
        assert settings == ["search_path=public, pg_temp, pg_usagefix_preset_usage_count_1"]
        app.sql("DROP SCHEMA mal")


def test_a_body_cannot_break_out_of_its_quotes(app: App) -> None:
    stand_in = " ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */"
    body = f"begin end --$func{stand_in}tion$; alter role service_role superuser; --"
    app.sql(f"CREATE FUNCTION track_preset_usage(x integer) RETURNS void LANGUAGE plpgsql AS $q${body}$q$")
    app.usagefix("apply")
    assert not superuser(app, "service_role")


@pytest.mark.parametrize("grants", ["ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO authenticated"])
def test_default_privileges_do_not_open_the_ledger(app: App, grants: str) -> None:
    app.sql("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO authenticated")
    app.sql(grants)
    try:
        assert app.usagefix("apply").code == 0
        assert not app.one("SELECT has_schema_privilege('authenticated', 'usagefix', 'USAGE')")
        assert not app.one("SELECT has_table_privilege('authenticated', 'usagefix.saved_objects', 'UPDATE')")
    finally:
        app.sql("ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SCHEMAS FROM authenticated")
        app.sql("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM authenticated")


def test_a_ledger_that_others_may_write_is_not_believed(fixed: App) -> None:
    fixed.sql("GRANT UPDATE ON usagefix.saved_objects TO authenticated")
    dump = fixed.dump()
    result = fixed.usagefix("rollback", "--yes")
    assert result.code == 5
    assert "cannot be trusted" in result.stderr
    assert fixed.dump() == dump


def test_a_ledger_that_somebody_planted_is_refused(app: App) -> None:
    with role(app, "mallory", grants=""):
        app.sql("CREATE SCHEMA usagefix AUTHORIZATION mallory")
        result = app.usagefix("apply")
        assert result.code == 5
        assert "belongs to role mallory" in result.stderr
        app.sql("DROP SCHEMA usagefix")


def test_application_roles_after_the_fix(fixed: App) -> None:
    user, preset = fixed.user_id(7), fixed.preset(1)
    with fixed.connect() as client:
        client.execute("SET ROLE authenticated")
        client.execute(f"SET request.jwt.claim.sub = '{user}'")
        client.execute("SELECT track_preset_usage(%s, 'showcase_creation')", (preset,))
        fixed.use(preset, user=user, connection=client)  # a direct insert of one's own event
        for statement in (
            "TABLE usagefix.history",
            "SELECT auto_increment_preset_usage_count()",
            "INSERT INTO usagefix.held_at_zero (counter) VALUES ('preset_usage_count')",
            "SELECT guard_preset_usage_count()",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
                client.execute(statement.encode())
    assert fixed.drift() == (0, 0)


def test_an_index_of_that_name_on_another_table_is_left_alone(app: App) -> None:
    app.sql("DROP INDEX idx_preset_usage_daily_unique")
    app.sql("CREATE TABLE other (a integer)")
    app.sql("CREATE UNIQUE INDEX idx_preset_usage_daily_unique ON other (a)")
    before = app.dump()
    assert app.usagefix("apply").code == 0
    assert app.one("SELECT to_regclass('idx_preset_usage_daily_unique')") is not None
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


COUNTING = (
    "UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1 WHERE id = coalesce(NEW.preset_id, OLD.preset_id)"
)


@pytest.mark.parametrize(
    ("body", "events", "said"),
    [
        (f"EXECUTE replace('{COUNTING}', 'coalesce(NEW.preset_id, OLD.preset_id)', quote_literal(NEW.preset_id));", "INSERT", "counts by itself"),
        (f"EXECUTE replace('{COUNTING}', 'coalesce(NEW.preset_id, OLD.preset_id)', quote_literal(NEW.preset_id));".replace("usage_count", "usage' || '_count"),
         "INSERT", "does not count right"),
    ],
    ids=("dynamic SQL", "dynamic SQL in pieces"),
)  # fmt: skip
def test_what_counts_twice_and_cannot_be_held_off_stops_apply(app: App, body: str, events: str, said: str) -> None:
    app.sql(
        "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS"
        f" $$BEGIN {body} RETURN NULL; END$$"
    )
    app.sql(f"CREATE TRIGGER another AFTER {events} ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()")
    dump = app.dump()
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr
    assert said in result.stderr
    assert "trigger another on public.preset_usage" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_more_than_counting_on_behalf_of_two_tables_stops_apply(app: App) -> None:
    """Without its counting, the function would do too little for the other one."""
    app.sql("CREATE TABLE other (preset_id uuid)")
    app.sql(
        f"CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$BEGIN {COUNTING};"
        " INSERT INTO preset_notifications DEFAULT VALUES; RETURN NULL; END$$"
    )
    for table in ("preset_usage", "other"):
        app.sql(f"CREATE TRIGGER another AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION another()")
    dump = app.dump()
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr
    assert "trigger another on public.preset_usage also counts, and does more than that" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_counting_is_taken_out_of_a_trigger_for_all_its_events(app: App) -> None:
    """The rest of what its function does, it does as before, for each of them."""
    app.sql("CREATE TABLE seen (op text)")
    app.sql(
        "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS"
        f" $$BEGIN {COUNTING}; INSERT INTO seen VALUES (TG_OP); RETURN NULL; END$$"
    )
    app.sql("CREATE TRIGGER another AFTER INSERT OR DELETE ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()")
    before = app.dump()
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr
    assert "another on public.preset_usage" in " ".join(result.one["remarks"])
    assert app.usagefix("guard", "reject").code == 0, "it writes no counter any more"
    app.use(app.preset())
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    assert app.drift() == (0, 0)
    assert [op for (op,) in app.sql("SELECT DISTINCT op FROM seen ORDER BY op")] == ["DELETE", "INSERT"]
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


INSERT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param)"
CLAUSE = "ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING"
WORKING = {
    "a comment with a semicolon": f"$$BEGIN {INSERT} -- one; a day\n {CLAUSE}; RETURN gen_random_uuid(); END$$",
    "a comment before the target": f"$$BEGIN {INSERT} {CLAUSE.replace('CONFLICT (', 'CONFLICT /* daily */ (')}; RETURN NULL; END$$",
    "a comment that speaks of counting": "$$BEGIN -- used to UPDATE presets SET usage_count = usage_count + 1\n"
    f" /* and increment_preset_usage() */ {INSERT} {CLAUSE}; RETURN NULL; END$$",
    "a literal with a semicolon": f"$$BEGIN {INSERT.replace('auth.uid()', 'CASE WHEN $q$;$q$ = $q$;$q$ THEN auth.uid() END')} {CLAUSE};"
    " RAISE DEBUG 'it''s -- done;'; RETURN NULL; END$$",
    "counting of its own": f"$$BEGIN {INSERT} {CLAUSE}; UPDATE presets SET usage_count = usage_count + 1, last_used_at = now()"
    " WHERE id = preset_uuid; RETURN NULL; END$$",
    "calling the function that adds one": f"$$BEGIN {INSERT} {CLAUSE}; PERFORM increment_preset_usage(preset_uuid); RETURN NULL; END$$",
    "quoted and qualified names": "$$BEGIN INSERT INTO \"public\".\"preset_usage\" (preset_id, user_id, usage_type) VALUES"
    f" (preset_uuid, auth.uid(), usage_type_param) {CLAUSE}; RETURN NULL; END$$",
}  # fmt: skip
REFUSED = {
    "a list of columns": f"$$BEGIN {INSERT} {CLAUSE}; UPDATE presets SET (usage_count, last_used_at) = (usage_count + 1, now())"
    " WHERE id = preset_uuid; RETURN NULL; END$$",
    "dynamic SQL": f"$$BEGIN {INSERT} {CLAUSE}; EXECUTE format('UPDATE %I SET usage_count = usage_count + 1 WHERE id = %L',"
    " 'presets', preset_uuid); RETURN NULL; END$$",
    "do update": f"$$BEGIN {INSERT} {CLAUSE.replace('NOTHING', 'UPDATE SET usage_data = NULL')}; RETURN NULL; END$$",
}  # fmt: skip


@pytest.mark.parametrize("what", WORKING)
def test_functions_written_in_other_ways_work_afterwards(app: App, what: str) -> None:
    app.sql(TRACKER + WORKING[what])
    before = app.dump()
    result = app.usagefix("apply")
    assert result.code == 0, result.stderr + result.stdout
    app.sql(f"SET request.jwt.claim.sub = '{app.user_id(3)}'")
    events = app.one("SELECT count(*) FROM preset_usage")
    for _ in range(2):
        app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", app.preset())
    assert app.one("SELECT count(*) FROM preset_usage") == events + 2
    assert app.drift() == (0, 0)
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


@pytest.mark.parametrize("what", REFUSED)
def test_functions_that_cannot_be_edited_safely_stop_apply(app: App, what: str) -> None:
    app.sql(TRACKER + REFUSED[what])
    dump = app.dump()
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr + result.stdout
    assert "track_preset_usage()" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_the_trial_leaves_nothing(app: App) -> None:
    counted = "SELECT count(*), (SELECT count(*) FROM preset_notifications), (SELECT sum(usage_count) FROM presets) FROM preset_usage"
    app.sql(
        "UPDATE presets SET usage_count = n FROM (SELECT id AS which, (SELECT count(*) FROM preset_usage WHERE preset_id"
        " = presets.id) AS n FROM presets) AS events WHERE id = which"
    )  # so that the backfill has nothing to do
    before = app.sql(counted)
    assert app.usagefix("apply").code == 0
    assert app.sql(counted) == before


def test_a_function_deployed_after_apply_is_not_lost(fixed: App) -> None:
    fixed.sql(TRACKER + f"$$BEGIN {INSERT}; RAISE DEBUG 'second version'; RETURN NULL; END$$")
    dump = fixed.dump()
    result = fixed.usagefix("rollback", "--yes")
    assert result.code == 1
    assert "changed after apply" in result.stderr
    assert fixed.dump() == dump
    assert fixed.usagefix("rollback", "--yes", "--daily-limit", "skip").code == 0
    assert "second version" in fixed.one("SELECT prosrc FROM pg_proc WHERE proname = 'track_preset_usage'")


def test_the_trial_cannot_take_the_role_of_whoever_applies(app: App) -> None:
    """What the owner's function does in the trial is undone, but not what it does outside the database: no superuser."""
    with role(app, "hostile"):
        app.sql("ALTER TABLE presets OWNER TO hostile")
        app.sql("ALTER TABLE preset_usage OWNER TO hostile")
        attempt = "BEGIN RESET ROLE; EXCEPTION WHEN OTHERS THEN NULL; END; RAISE EXCEPTION 'as %', current_user;"
        app.sql(
            TRACKER.replace(" SECURITY DEFINER SET search_path = public, pg_temp", "")
            + f"$$BEGIN {attempt} RETURN NULL; END$$"
        )
        app.sql("ALTER FUNCTION track_preset_usage OWNER TO hostile")
        done = app.usagefix("apply", "--format", "json")
        assert done.code == 0, done.stderr
        assert "as hostile" in " ".join(done.one["remarks"])
