"""What people change between apply and rollback stays, or is told; and rollback goes all the way, or does not begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from support import GUARDING, INDEX, TRIGGER, App

TRACKER = "track_preset_usage(uuid, text, jsonb)"
CLAUSE = "ON CONFLICT (preset_id"
COUNTING = (
    "CREATE FUNCTION count_use() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE presets SET usage_count ="
    " coalesce(usage_count, 0) + 1 WHERE id = NEW.preset_id; RETURN NULL; END'",
    "CREATE TRIGGER count_use AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION count_use()",
)
HELD = r"ALTER TABLE \S+ DISABLE TRIGGER"
BY_HAND = (
    "CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage FOR EACH ROW"
    " EXECUTE FUNCTION auto_increment_preset_usage_count()",
)  # fmt: skip
BUMP = (
    "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION bump()",
)


@dataclass(frozen=True)
class Case:
    """``before`` apply and ``after`` it somebody ran this; ``back`` takes the latter back, so that all is as before, but
    for ``gone`` (what is lost for good, as a pattern). ``kept``: in the dump after rollback; ``remark``: in its words."""

    after: str
    back: str
    kept: str = ""
    before: tuple[str, ...] = ()
    remark: str = ""


def altered(how: str, back: str, kept: str, *, before: tuple[str, ...] = ()) -> Case:
    return Case(f"ALTER FUNCTION {TRACKER} {how}", f"ALTER FUNCTION {TRACKER} {back}", kept, before)


CASES: dict[str, Case] = {
    "function: another setting": altered("SET lock_timeout = '3s'", "RESET lock_timeout", "SET lock_timeout TO '3s'"),
    "function: a setting fewer": altered("RESET search_path", "SET search_path = public, pg_temp", CLAUSE.replace("(", r"\(")),
    "function: cost": altered("COST 7", "COST 100", "COST 7"),
    "function: rights of the caller": altered("SECURITY INVOKER", "SECURITY DEFINER", "LANGUAGE plpgsql\n"),
    "function: strict and stable": altered("STRICT STABLE", "CALLED ON NULL INPUT VOLATILE", "STABLE STRICT"),
    "function: owner": altered("OWNER TO service_role", f"OWNER TO postgres; GRANT EXECUTE ON FUNCTION {TRACKER} TO service_role", r"track_preset_usage\(.* OWNER TO service_role"),
    "function: a grant": Case(
        f"GRANT EXECUTE ON FUNCTION {TRACKER} TO anon", f"REVOKE EXECUTE ON FUNCTION {TRACKER} FROM anon",
        r"GRANT ALL ON FUNCTION public.track_preset_usage\(.*\) TO anon",
    ),
    "function: a revoke": Case(
        f"REVOKE EXECUTE ON FUNCTION {TRACKER} FROM service_role",
        f"REVOKE EXECUTE ON FUNCTION {TRACKER} FROM authenticated; GRANT EXECUTE ON FUNCTION {TRACKER} TO authenticated,"
        " service_role",
    ),
    "function: comment": Case(
        f"COMMENT ON FUNCTION {TRACKER} IS 'mine'",
        f"COMMENT ON FUNCTION {TRACKER} IS 'Records one use of a preset by the session''s user'", "IS 'mine'",
    ),
    "function: needs an extension": Case(
        f"ALTER FUNCTION {TRACKER} DEPENDS ON EXTENSION plpgsql", f"ALTER FUNCTION {TRACKER} NO DEPENDS ON EXTENSION plpgsql",
        "DEPENDS ON EXTENSION",
    ),
    "function: needed an extension before": Case(
        "SELECT", "SELECT", "DEPENDS ON EXTENSION", (f"ALTER FUNCTION {TRACKER} DEPENDS ON EXTENSION plpgsql",),
    ),
    "function: renamed": Case(
        f"ALTER FUNCTION {TRACKER} RENAME TO record_use", "ALTER FUNCTION record_use RENAME TO track_preset_usage",
        r"(?s)record_use\(.*ON CONFLICT \(preset_id", remark="record_use",
    ),
    "function: moved": Case(
        f"ALTER FUNCTION {TRACKER} SET SCHEMA auth", "ALTER FUNCTION auth.track_preset_usage SET SCHEMA public",
        r"(?s)auth.track_preset_usage\(.*ON CONFLICT \(preset_id", remark="auth.track_preset_usage",
    ),
    "function: an overload": Case(
        "CREATE FUNCTION track_preset_usage(uuid) RETURNS uuid LANGUAGE sql AS"
        " $$SELECT track_preset_usage($1, 'showcase_creation')$$",
        "DROP FUNCTION track_preset_usage(uuid)", r"track_preset_usage\(uuid\)",
    ),
    "held-off trigger: renamed": Case(
        "ALTER TRIGGER count_use ON preset_usage RENAME TO count_each", "ALTER TRIGGER count_each ON preset_usage RENAME TO"
        " count_use", "CREATE TRIGGER count_each", COUNTING, "count_each",
    ),
    "held-off trigger: its function renamed": Case(
        "ALTER FUNCTION count_use RENAME TO count_each", "ALTER FUNCTION count_each RENAME TO count_use",
        "count_each", COUNTING,
    ),
    "held-off trigger: both renamed": Case(
        "ALTER FUNCTION count_use RENAME TO f; ALTER TRIGGER count_use ON preset_usage RENAME TO t",
        "ALTER FUNCTION f RENAME TO count_use; ALTER TRIGGER t ON preset_usage RENAME TO count_use", "TRIGGER t ", COUNTING,
        "trigger t ",
    ),
    "held-off trigger: dropped": Case(
        "DROP TRIGGER count_use ON preset_usage", COUNTING[1], "", COUNTING, "count_use",
    ),
    "held-off trigger: its function replaced": Case(
        "CREATE OR REPLACE FUNCTION count_use() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        COUNTING[0].replace("CREATE", "CREATE OR REPLACE"), "", COUNTING,
    ),
    "held-off trigger: enabled again": Case(
        "ALTER TABLE preset_usage ENABLE TRIGGER count_use", "SELECT", "TRIGGER count_use", COUNTING,
    ),
    "ours: trigger renamed": Case(f"ALTER TRIGGER {TRIGGER} ON preset_usage RENAME TO mine", "SELECT"),
    "ours: function renamed": Case("ALTER FUNCTION auto_increment_preset_usage_count RENAME TO mine", "SELECT"),
    "ours: function moved": Case("ALTER FUNCTION auto_adjust_preset_usage_count SET SCHEMA auth", "SELECT"),
    "ours: the guard moved and renamed": Case(
        "ALTER FUNCTION guard_preset_usage_count SET SCHEMA auth; ALTER FUNCTION auth.guard_preset_usage_count RENAME TO g;"
        f" ALTER TRIGGER {GUARDING} ON presets RENAME TO g", "SELECT",
    ),
    "ours: dropped": Case(f"DROP FUNCTION auto_adjust_preset_usage_count() CASCADE; DROP TRIGGER {GUARDING} ON presets", "SELECT"),
    "ours: needs an extension": Case(
        f"ALTER FUNCTION auto_adjust_preset_usage_count DEPENDS ON EXTENSION plpgsql;"
        f" ALTER TRIGGER {TRIGGER} ON preset_usage DEPENDS ON EXTENSION plpgsql", "SELECT",
    ),
    "by hand: needed an extension": Case(
        "SELECT", "SELECT", "ALTER TRIGGER .* DEPENDS ON EXTENSION", (
            *BY_HAND, f"ALTER TRIGGER {TRIGGER} ON preset_usage DEPENDS ON EXTENSION plpgsql",
            "ALTER FUNCTION auto_increment_preset_usage_count DEPENDS ON EXTENSION plpgsql",
        ),
    ),
    "by hand: altered since": Case(
        "ALTER FUNCTION auto_increment_preset_usage_count SET work_mem = '9MB'; GRANT EXECUTE ON FUNCTION"
        " auto_increment_preset_usage_count() TO anon",
        "REVOKE EXECUTE ON FUNCTION auto_increment_preset_usage_count() FROM anon", before=BY_HAND, remark="auto_increment_preset_usage_count",
    ),
    "by hand: the trigger's function dropped": Case(
        "DROP FUNCTION bump()", "; ".join(BUMP), before=BUMP, remark=TRIGGER,
    ),
    "by hand: the trigger's function renamed": Case(
        "ALTER FUNCTION bump() RENAME TO bumped", f"ALTER FUNCTION bumped() RENAME TO bump; {BUMP[1]}", before=BUMP,
        remark=TRIGGER,
    ),
    "index: a view reads what it indexed": Case(
        "CREATE VIEW used AS SELECT preset_id, (created_at AT TIME ZONE 'UTC')::date AS day FROM preset_usage",
        "DROP VIEW used", "CREATE VIEW public.used",
    ),
    "index: needed an extension": Case(
        "SELECT", "SELECT", "ALTER INDEX .* DEPENDS ON EXTENSION", (f"ALTER INDEX {INDEX} DEPENDS ON EXTENSION plpgsql",),
    ),
    "index: all else that it can have": Case(
        "SELECT", "SELECT", "STATISTICS 300", (
            f"DROP INDEX {INDEX}",
            f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (preset_id DESC, user_id, usage_type COLLATE \"C\" text_pattern_ops,"
            " ((created_at AT TIME ZONE 'UTC')::date)) INCLUDE (id) NULLS NOT DISTINCT WITH (fillfactor = 70,"
            " deduplicate_items = off) WHERE usage_type <> ' WHERE (x)'",
            f"ALTER INDEX {INDEX} ALTER COLUMN 4 SET STATISTICS 300",
            f"COMMENT ON INDEX {INDEX} IS 'it''s \\mine'",
        ),
    ),
    "index: clustered on, and its replica identity": Case(
        "SELECT", "SELECT", "CLUSTER ON", (
            "ALTER TABLE preset_usage ADD day date NOT NULL GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED",
            f"DROP INDEX {INDEX}",
            f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (preset_id, user_id, usage_type, day)",
            f"CLUSTER preset_usage USING {INDEX}", f"ALTER TABLE preset_usage REPLICA IDENTITY USING INDEX {INDEX}",
            "DROP FUNCTION track_preset_usage",
        ),
    ),
    "index: clustered on, and another since": Case(
        "ALTER TABLE preset_usage CLUSTER ON preset_usage_pkey; ALTER TABLE preset_usage REPLICA IDENTITY FULL",
        f"ALTER TABLE preset_usage CLUSTER ON {INDEX}; ALTER TABLE preset_usage REPLICA IDENTITY USING INDEX {INDEX}",
        "CLUSTER ON preset_usage_pkey", (
            "ALTER TABLE preset_usage ADD day date NOT NULL GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED",
            f"DROP INDEX {INDEX}",
            f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (preset_id, user_id, usage_type, day)",
            f"CLUSTER preset_usage USING {INDEX}", f"ALTER TABLE preset_usage REPLICA IDENTITY USING INDEX {INDEX}",
            "DROP FUNCTION track_preset_usage",
        ), "CLUSTER",
    ),
    "index: invalid": Case("SELECT", "SELECT", before=(
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{INDEX}'::regclass",)),
    "tables: others of theirs renamed": Case(
        "ALTER TABLE preset_notifications RENAME TO told; ALTER TABLE presets RENAME description TO about",
        "ALTER TABLE told RENAME TO preset_notifications; ALTER TABLE presets RENAME about TO description", "public.told",
    ),
}  # fmt: skip


def rolled_back(app: App, *options: str) -> dict[str, Any]:
    done = app.usagefix("rollback", "--yes", "--format", "json", *options)
    assert done.code == 0, done.stdout + done.stderr
    return done.one


@pytest.mark.parametrize("case", CASES)
def test_what_changed_since_stays_or_is_told(app: App, case: str) -> None:
    this = CASES[case]
    for statement in this.before:
        app.sql(statement)
    before = app.dump()
    done = app.usagefix("apply")
    assert done.code == 0, done.stderr
    app.sql(this.after)
    remarks = " / ".join(rolled_back(app)["remarks"])
    dump = app.dump()
    assert re.search(this.kept, dump), f"{this.kept}: {remarks}"
    assert this.remark in remarks
    assert bool(this.remark) == bool(remarks), remarks
    assert not re.search(r"(auto_adjust|auto_note|guard)_preset_usage", dump)
    assert this.kept == "" or not re.search(HELD, dump), "a held-off trigger is still off"
    app.sql(this.back)
    assert app.dump() == before


STRANGER = (
    "CREATE TRIGGER mine AFTER INSERT ON preset_notifications REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT"
)
FORBID = """
    CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not here''; END';
    CREATE EVENT TRIGGER forbids ON {} WHEN TAG IN ('{}') EXECUTE FUNCTION forbid();
"""
REFUSED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a trigger may not be dropped": (FORBID.format("ddl_command_start", "DROP TRIGGER"), "forbids", ()),
    "a function may not be dropped": (FORBID.format("ddl_command_start", "DROP FUNCTION"), "forbids", ()),
    "a function may not be replaced": (FORBID.format("ddl_command_start", "CREATE FUNCTION"), "not here", ()),
    "an index may not be built": (FORBID.format("ddl_command_start", "CREATE INDEX"), "not here", ()),
    "a column of the daily index is renamed": (
        "ALTER TABLE preset_usage RENAME usage_type TO kind", "usage_type", ("--daily-limit", "skip"),
    ),
    "a column of the daily index is of another type": (
        "ALTER TABLE preset_usage ALTER created_at TYPE timestamp", "daily limit cannot come back", ("--daily-limit", "skip"),
    ),
    "the name of the daily index is taken": (
        f"CREATE INDEX {INDEX} ON preset_usage (usage_data)", "another object", ("--daily-limit", "skip"),
    ),
    "the recorder was edited": (
        "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb"
        " DEFAULT '{}') RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'", "changed after apply", ("--daily-limit", "skip"),
    ),
    "a part of the ledger is lost": ("DROP TABLE usagefix.corrections", "usagefix apply", ()),
    "what was there before is lost": (
        "DELETE FROM usagefix.saved_objects WHERE version LIKE '20251101%'", "usagefix apply", (),
    ),
    "and all of that": ("DROP TABLE usagefix.saved_objects", "usagefix apply", ()),
    "something is built on the ledger": (
        "CREATE TABLE mine (n bigint DEFAULT nextval('usagefix.unnoted_preset_usage_count'))", "depends on it", ("--purge",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_said_before_anything_is_changed(fixed: App, case: str) -> None:
    """And the dry run says it, too. ``way``: the option with which it goes, or does not."""
    after, words, way = REFUSED[case]
    fixed.sql(after)
    if "EVENT TRIGGER" not in after:
        fixed.sql("DROP EVENT TRIGGER IF EXISTS forbids")
    purging = way if way == ("--purge",) else ()
    before, ledger = fixed.dump_all(), fixed.sql("SELECT version, action FROM usagefix.history ORDER BY entry")
    try:
        for how in ("--yes", "--dry-run"):
            refused = fixed.usagefix("rollback", how, *purging)
            assert refused.code == 1, refused.stdout + refused.stderr
            assert words in refused.stderr
            assert "nothing in the database was changed" in refused.stderr
        assert fixed.dump_all() == before
        assert fixed.sql("SELECT version, action FROM usagefix.history ORDER BY entry") == ledger
    finally:
        fixed.sql("DROP EVENT TRIGGER IF EXISTS forbids")
    if way and not purging:
        rolled_back(fixed, *way)
        assert TRIGGER not in fixed.dump()
    elif "usagefix apply" in words:
        applied = fixed.usagefix("apply")
        assert applied.code == 0, applied.stderr
        rolled_back(fixed)
        assert GUARDING not in fixed.dump()
    else:
        rolled_back(fixed)


def test_a_trigger_of_somebody_else_that_calls_ours_stays(fixed: App) -> None:
    """And so does the function: nothing is dropped with CASCADE, and nothing of theirs."""
    fixed.sql("ALTER TABLE preset_notifications ADD created timestamptz")
    fixed.sql(f"{STRANGER} EXECUTE FUNCTION auto_increment_preset_usage_count()")
    remarks = " ".join(rolled_back(fixed)["remarks"])
    dump = fixed.dump()
    assert "CREATE TRIGGER mine" in dump
    assert TRIGGER not in dump
    assert 'DROP TRIGGER "mine" ON public.preset_notifications; DROP FUNCTION public.auto_increment' in remarks
    fixed.use(fixed.preset(3))
    fixed.sql("DROP TRIGGER mine ON preset_notifications; DROP FUNCTION auto_increment_preset_usage_count()")


def test_roles_that_are_gone_or_have_other_names(app: App) -> None:
    """Owner and grantee of a function that apply replaced."""
    app.sql("CREATE ROLE dba; CREATE ROLE intern; CREATE ROLE boss")
    for statement in BY_HAND:
        app.sql(statement)
    app.sql("GRANT EXECUTE ON FUNCTION auto_increment_preset_usage_count() TO intern, boss")
    app.sql("ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO dba")
    app.sql("ALTER FUNCTION auto_increment_preset_usage_count() SECURITY DEFINER")
    try:
        assert app.usagefix("apply").code == 0
        app.sql("DROP ROLE dba; DROP ROLE intern; ALTER ROLE boss RENAME TO chief")
        planned = app.usagefix("rollback", "--dry-run", "--format", "json").one
        remarks = rolled_back(app)["remarks"]
        assert planned["remarks"] == remarks
        told = " ".join(remarks)
        assert "belonged to dba, a role that no longer exists" in told
        assert 'role "intern" does not exist' in told
        assert 'role "boss" does not exist' in told
        assert "BEGIN RETURN NULL; END" in app.one(
            "SELECT pg_get_functiondef('auto_increment_preset_usage_count'::regproc)"
        )
    finally:
        for name in ("dba", "intern", "boss", "chief"):
            app.sql(f"DROP ROLE IF EXISTS {name}")


def test_a_tablespace_comes_back_and_its_loss_is_told(app: App) -> None:
    app.sql("SET allow_in_place_tablespaces = on")
    app.sql("CREATE TABLESPACE quick LOCATION ''")
    try:
        app.sql(f"DROP INDEX {INDEX}")
        app.sql(
            f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (preset_id, user_id, usage_type,"
            " ((created_at AT TIME ZONE 'UTC')::date)) TABLESPACE quick WHERE usage_type <> 'x'"
        )
        app.sql("DROP FUNCTION track_preset_usage")
        before = app.dump()
        assert "quick" in before
        assert app.usagefix("apply").code == 0
        rolled_back(app)
        assert app.dump() == before
        assert app.usagefix("apply").code == 0
        app.sql("DROP TABLESPACE quick")
        refused = app.usagefix("rollback", "--yes")
        assert (refused.code, "quick" in refused.stderr) == (1, True)
        assert "nothing in the database was changed" in refused.stderr
        rolled_back(app, "--daily-limit", "skip")
    finally:
        app.sql(f"DROP INDEX IF EXISTS {INDEX}")
        app.sql("DROP TABLESPACE IF EXISTS quick")


def test_the_schema_has_another_name(app: App) -> None:
    for statement in COUNTING:
        app.sql(statement)
    before = app.dump()
    assert app.usagefix("apply").code == 0
    app.sql("ALTER SCHEMA public RENAME TO app; CREATE SCHEMA public")
    done = app.usagefix("--schema", "app", "rollback", "--yes", "--daily-limit", "restore", "--format", "json")
    assert done.code == 0, done.stderr
    app.sql("DROP SCHEMA public; ALTER SCHEMA app RENAME TO public; SET search_path = public")
    assert app.dump() == before


def test_partitions_have_other_names(partitioned: App) -> None:
    app = partitioned
    app.sql(COUNTING[0])
    app.sql("CREATE TRIGGER count_use AFTER INSERT ON usage_old FOR EACH ROW EXECUTE FUNCTION count_use()")
    before = app.dump()
    assert app.usagefix("apply").code == 0
    app.sql("ALTER TABLE usage_old RENAME TO usage_2019; ALTER TABLE usage_recent RENAME TO usage_now")
    app.sql("ALTER TABLE preset_usage DETACH PARTITION usage_now")
    remarks = " ".join(rolled_back(app)["remarks"])
    assert "usage_2019" in remarks
    app.sql("ALTER TABLE preset_usage ATTACH PARTITION usage_now FOR VALUES FROM ('2020-01-01') TO ('2090-01-01')")
    app.sql("ALTER TABLE usage_2019 RENAME TO usage_old; ALTER TABLE usage_now RENAME TO usage_recent")
    assert app.dump() == before


def test_a_dry_run_changes_nothing_and_tells_the_locks(fixed: App) -> None:
    before = fixed.dump_all()
    planned = fixed.usagefix("rollback", "--dry-run", "--counters", "restore", "--format", "json").one
    assert fixed.dump_all() == before
    assert (planned["dry_run"], planned["remains"], planned["counters_restored"]) == (True, None, 29)
    assert {lock for step in planned["plan"] for lock in step["locks"]} == {
        "public.presets: AccessExclusiveLock", "public.preset_usage: AccessExclusiveLock",
    }  # fmt: skip
    table = fixed.usagefix("rollback", "--dry-run")
    assert "nothing was changed" in table.stdout
    assert "would be rolled back" in table.stdout
    assert fixed.usagefix("verify").code == 0


def test_status_says_when_it_was_rolled_back(fixed: App) -> None:
    rolled_back(fixed)
    for migration in fixed.usagefix("status", "--format", "json").one["migrations"]:
        assert (migration["state"], migration["applied_at"], migration["rolled_back_by"]) == (
            "pending",
            None,
            "postgres",
        )
    said = fixed.usagefix("status").stdout
    assert said.count("rolled back at 2") == 2
    assert fixed.usagefix("apply").code == 0
    assert "rolled back" not in fixed.usagefix("status").stdout
