"""The ledger survives what happens to databases: publications, event triggers, dumps, restores, its own loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from planted import hand_over
from support import App, role

ONE = "md5('preset 1')::uuid"
COUNTER = f"SELECT usage_count FROM public.presets WHERE id = {ONE}"
# What the sample brings, and what usagefix adds beside it.
SAMPLE_TRIGGERS = {"presets_touch_updated_at", "presets_notify_usage_milestone"}
SAMPLE_FUNCTIONS = {"touch_updated_at", "notify_usage_milestone", "increment_preset_usage", "track_preset_usage"}
TRIGGERS = (
    "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal"
    " AND tgrelid IN ('public.presets'::regclass, 'public.preset_usage'::regclass)"
)
FUNCTIONS = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"


def added(app: App) -> set[str]:
    """The triggers and functions that are not the sample's."""
    triggers = {name for (name,) in app.sql(TRIGGERS)} - SAMPLE_TRIGGERS
    return triggers | {name for (name,) in app.sql(FUNCTIONS)} - SAMPLE_FUNCTIONS


def noted(app: App) -> int:
    report = app.usagefix("guard", "--format", "json")
    assert report.code == 0, report.stderr
    return sum(refused["writes"] for refused in report.one["refused"])


def lives(app: App) -> None:
    """Uses count, refused writes in both modes, backfill and TRUNCATE work, on a database with the fix."""
    for mode in ("ignore", "warn"):
        done = app.usagefix("guard", mode)
        assert done.code == 0, done.stderr
        before, refused = app.one(COUNTER), noted(app)
        for number in range(3):
            app.sql(f"UPDATE presets SET usage_count = usage_count + 5, description = '{number}' WHERE id = {ONE}")
        assert app.one(COUNTER) == before, mode
        assert noted(app) == refused + 3, mode
    app.use(app.preset(2), times=3)
    assert app.drift() == (0, 0)
    app.sql(f"DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = {ONE} LIMIT 4)")
    assert app.drift() == (0, 0)
    for _ in range(2):
        app.spoil("UPDATE presets SET usage_count = 1")
        app.sql(f"DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = {ONE} LIMIT 4)")
        done = app.usagefix("backfill")
        assert done.code == 0, done.stderr
        assert app.drift() == (0, 0)
    for _ in range(2):
        app.sql("BEGIN; TRUNCATE preset_usage")
        assert app.one("SELECT max(usage_count) FROM presets") == 0
        app.sql("ROLLBACK")
    done = app.usagefix("verify")
    assert done.code == 0, done.stdout


# Publications.


@pytest.mark.parametrize("when", ["before apply", "after apply"])
def test_a_publication_of_all_tables(app: App, when: str) -> None:
    publish = "CREATE PUBLICATION everything FOR ALL TABLES"
    if when == "before apply":
        app.sql(publish)
    before = app.dump()
    done = app.usagefix("apply")
    assert done.code == 0, done.stderr
    if when == "after apply":
        app.sql(publish)
    lives(app)
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    done = app.usagefix("rollback", "--yes")
    assert done.code == 0, done.stderr
    if when == "before apply":
        assert app.dump() == before
    assert app.usagefix("apply").code == 0
    assert app.usagefix("rollback", "--yes", "--purge").code == 0


# Event triggers.

EACH_NEW_TABLE = """
    CREATE FUNCTION public.each_new_table() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE
        made record;
    BEGIN
        FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
            EXECUTE format('ALTER TABLE %s {}', made.object_identity);
        END LOOP;
    END $$;
    CREATE EVENT TRIGGER each_new_table ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
        EXECUTE FUNCTION public.each_new_table();
"""
EVENT_TRIGGERS = {
    "row level security": "ENABLE ROW LEVEL SECURITY",
    "another owner": "OWNER TO dba",
    "both": "ENABLE ROW LEVEL SECURITY, OWNER TO dba",
}


@contextmanager
def owners(app: App, whose: str) -> Iterator[None]:
    with role(app, "dba"), role(app, "tableowner"):
        if whose == "another role's":
            hand_over(app, "tableowner")
        yield


@pytest.mark.parametrize("whose", ["the runner's", "another role's"])
@pytest.mark.parametrize("what", EVENT_TRIGGERS)
def test_an_event_trigger_that_changes_each_new_table(app: App, what: str, whose: str) -> None:
    with owners(app, whose):
        app.sql(EACH_NEW_TABLE.format(EVENT_TRIGGERS[what]))
        before = app.dump()
        done = app.usagefix("apply")
        assert done.code == 0, done.stderr
        lives(app)
        again = app.usagefix("apply")
        assert again.code == 0, again.stderr
        app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
        done = app.usagefix("rollback", "--yes")
        assert done.code == 0, done.stderr
        assert app.dump() == before
        app.sql("DROP EVENT TRIGGER each_new_table")


# What it is made of.


def test_the_ledger_is_tables_that_every_server_can_take_over(fixed: App) -> None:
    ours = "'usagefix'::regnamespace"
    tables = {
        name
        for (name,) in fixed.sql(f"SELECT relname::text FROM pg_class WHERE relnamespace = {ours} AND relkind = 'r'")
    }
    assert tables
    assert (
        fixed.sql(f"SELECT relname FROM pg_class WHERE relnamespace = {ours} AND relkind NOT IN ('r', 'i', 'S')") == []
    )
    keyed = {
        name
        for (name,) in fixed.sql(
            f"SELECT c.relname::text FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary WHERE c.relnamespace = {ours}"
        )
    }
    catalogue = fixed.sql(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL) FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem"
        f" WHERE c.relnamespace = {ours} AND c.relkind = 'r'"
        " AND (t.typname ~ '^(reg|aclitem|_aclitem|_reg)' OR e.typname ~ '^(reg|aclitem)' OR t.typtype = 'c')"
    )
    assert (tables - keyed, catalogue) == (set(), []), "tables without a key, columns of the catalog's own types"


def test_the_ledger_holds_no_code(fixed: App) -> None:
    ours = "'usagefix'::regnamespace"
    functions = [name for (name,) in fixed.sql(f"SELECT proname::text FROM pg_proc WHERE pronamespace = {ours}")]
    code = fixed.sql(
        f"SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = {ours})"
        f" UNION ALL SELECT rulename::text FROM pg_rules WHERE schemaname = 'usagefix'"
        f" UNION ALL SELECT policyname::text FROM pg_policies WHERE schemaname = 'usagefix'"
    )
    assert (functions, code) == ([], [])


# A lost ledger.


def gone(app: App) -> None:
    """A rollback where the ledger was lost: nothing of usagefix's is left, and the words claim no more than that."""
    done = app.usagefix("rollback", "--yes")
    said = done.stdout + done.stderr
    assert done.code == 0, said
    assert added(app) == set(), said
    shown = app.one(COUNTER)
    app.use(app.preset(1), times=2)
    assert app.one(COUNTER) == shown, "it counts still"
    # The function before the edit, and the daily limit, are lost with the ledger: nobody may believe that they are back.
    assert "track_preset_usage" in said
    assert "daily" in said


def test_the_application_goes_on_without_the_ledger(fixed: App) -> None:
    fixed.sql("DROP SCHEMA usagefix CASCADE")
    before = fixed.one(COUNTER)
    fixed.sql(f"UPDATE presets SET usage_count = usage_count + 5 WHERE id = {ONE}")
    assert fixed.one(COUNTER) == before
    fixed.use(fixed.preset(1), times=2)
    fixed.sql(f"DELETE FROM preset_usage WHERE preset_id = {ONE} AND created_at > now() - interval '1 hour'")
    assert fixed.drift() == (0, 0)
    fixed.spoil("UPDATE presets SET usage_count = 1")
    fixed.sql(f"DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = {ONE} LIMIT 4)")
    fixed.sql("TRUNCATE preset_usage")
    assert fixed.drift() == (0, 0)


def test_a_ledger_that_was_dropped(fixed: App) -> None:
    fixed.sql("DROP SCHEMA usagefix CASCADE")
    assert fixed.usagefix("status").code in (0, 1)
    done = fixed.usagefix("apply")
    assert done.code == 0, done.stderr
    assert fixed.usagefix("verify").code == 0
    lives(fixed)
    gone(fixed)
    done = fixed.usagefix("apply")
    assert done.code == 0, done.stderr
    assert fixed.drift() == (0, 0)


def test_a_rollback_without_the_ledger_is_all_or_nothing(fixed: App) -> None:
    fixed.sql("DROP SCHEMA usagefix CASCADE")
    before = fixed.dump()
    done = fixed.usagefix("rollback", "--yes")
    if done.code == 0:
        assert added(fixed) == set()
    else:
        assert done.code in (1, 5)
        assert "nothing in the database was changed" in done.stderr
        assert fixed.dump() == before


def test_a_ledger_that_a_dump_left_out(fixed: App, tmp_path: Path) -> None:
    dump = tmp_path / "public.sql"
    taken = fixed.program("pg_dump", "--schema", "public", "--schema", "auth", "--file", str(dump))
    assert taken.returncode == 0, taken.stderr
    name = f"{fixed.name}_restored"
    fixed.sql(f"CREATE DATABASE {name}")
    restored = App(fixed.host, fixed.port, name, fixed.binaries)
    try:
        restored.sql("DROP SCHEMA public")
        loaded = restored.psql(dump)
        assert loaded.returncode == 0, loaded.stderr
        restored.sql("SET search_path = public")
        assert restored.usagefix("status").code in (0, 1)
        done = restored.usagefix("apply")
        assert done.code == 0, done.stderr
        assert restored.usagefix("verify").code == 0
        lives(restored)
        gone(restored)
    finally:
        restored.close()
        fixed.sql(f"DROP DATABASE {name} WITH (FORCE)")


# A dump by a role that may read the application only.

DUMPER = (
    "GRANT USAGE ON SCHEMA public, auth TO dumper; GRANT SELECT ON ALL TABLES IN SCHEMA public TO dumper;"
    " GRANT SELECT ON ALL TABLES IN SCHEMA auth TO dumper; GRANT SELECT ON presets TO narrow"
)


def test_roles_whose_dump_would_fail_are_named(app: App) -> None:
    with role(app, "dumper", options="LOGIN BYPASSRLS"), role(app, "narrow"):
        app.sql(DUMPER)
        applied = app.usagefix("apply", "--format", "json")
        assert applied.code == 0, applied.stderr
        theirs = App(app.host, app.port, app.name, app.binaries, user="dumper")
        refused = theirs.program("pg_dump", "--schema-only")
        assert refused.returncode != 0, "or there is nothing to warn of"
        assert "usagefix" in refused.stderr
        assert theirs.program("pg_dump", "--exclude-schema", "usagefix").returncode == 0
        remarks = " ".join(applied.one["remarks"])
        assert "dumper" in remarks
        assert "narrow" not in remarks
        doctor = app.usagefix("doctor", "--format", "json").one
        (finding,) = (finding for finding in doctor["findings"] if finding["finding_id"] == "dump_needs_ledger")
        assert finding["severity"] == "warning"
        assert "dumper" in finding["object"] + finding["evidence"]
        assert "narrow" not in finding["object"] + finding["evidence"]
        for words in (finding["remedy"], remarks):
            assert "GRANT" in words or "--exclude-schema" in words
            assert "usagefix" in words
        assert app.usagefix("doctor").code == 0, "a warning is no error"
        # Reading the ledger opens nothing: it is believed as before.
        app.sql("GRANT USAGE ON SCHEMA usagefix TO dumper; GRANT SELECT ON ALL TABLES IN SCHEMA usagefix TO dumper")
        app.sql("GRANT SELECT ON ALL SEQUENCES IN SCHEMA usagefix TO dumper")
        full = theirs.program("pg_dump")
        assert full.returncode == 0, full.stderr
        doctor = app.usagefix("doctor", "--format", "json").one
        assert "dump_needs_ledger" not in {finding["finding_id"] for finding in doctor["findings"]}
        done = app.usagefix("apply")
        assert done.code == 0, done.stderr
        done = app.usagefix("rollback", "--yes")
        assert done.code == 0, done.stderr
