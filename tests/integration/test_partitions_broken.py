"""verify says so if what counts writes to partitions is broken, whichever part of it; apply repairs it."""

from __future__ import annotations

import pytest
from support import ADJUSTING, TRIGGER, App, checks, failing, role

BY_ROW = "trigger_auto_count_row_preset_usage_count"
ENTER, LEAVE = (f"trigger_auto_note_preset_usage_count_{end}" for end in ("enter", "leave"))
ROW, NOTE = "auto_count_row_preset_usage_count()", "auto_note_preset_usage_count()"
COUNTED = {"partitions_counted", "partition_changes_counted"}
CURRENT, SECURE = {"partition_functions_current"}, {"partition_functions_secure"}
LATER = "CREATE TABLE usage_later PARTITION OF preset_usage FOR VALUES FROM ('2090-01-01') TO ('2091-01-01')"
SPLIT = (
    "CREATE TABLE usage_split PARTITION OF preset_usage FOR VALUES FROM ('2091-01-01') TO ('2092-01-01')"
    " PARTITION BY LIST (usage_type); CREATE TABLE usage_split_rest PARTITION OF usage_split DEFAULT"
)
COLUMNS = "(preset_id, user_id, usage_type, created_at)"
OTHERWISE = "RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'"


def insert(table: str, when: str) -> str:
    return (
        f"INSERT INTO {table} {COLUMNS} SELECT md5('preset ' || 1 + n % 7)::uuid, md5('user 3')::uuid,"
        f" 'showcase_creation', '{when}'::timestamptz FROM generate_series(1, 9) n"
    )


def replaced(trigger: str, event: str, table: str, function: str, *, each: str = "STATEMENT", when: str = "") -> str:
    return f"CREATE OR REPLACE TRIGGER {trigger} {event} ON {table} FOR EACH {each} {when} EXECUTE FUNCTION {function}"


def written(app: App) -> None:
    """Through the whole and straight into each kind of partition; every one is counted once."""
    with app.connect() as connection:
        for table, when in (
            ("preset_usage", "2090-05-05"), ("usage_later", "2090-06-06"), ("preset_usage", "2019-05-05"),
            ("usage_old", "2019-06-06"), ("usage_recent", "2026-01-01"), ("usage_recent_rest", "2026-01-02"),
        ):  # fmt: skip
            app.sql(insert(table, when))
            assert app.drift() == (0, 0), f"INSERT INTO {table}, {when}"
            with connection.cursor().copy(f"COPY {table} {COLUMNS} FROM STDIN".encode()) as copy:
                copy.write_row((app.preset(3), app.user_id(), "showcase_creation", when))
            assert app.drift() == (0, 0), f"COPY {table}, {when}"
    for statement in (
        "UPDATE usage_later SET preset_id = md5('preset 9')::uuid WHERE preset_id = md5('preset 2')::uuid",
        "UPDATE preset_usage SET created_at = '2019-02-02', preset_id = md5('preset 8')::uuid"
        " WHERE preset_id = md5('preset 3')::uuid AND created_at > '2090-01-01'",
        "DELETE FROM usage_later WHERE preset_id = md5('preset 4')::uuid",
        "DELETE FROM preset_usage WHERE preset_id = md5('preset 5')::uuid",
        "DELETE FROM usage_old WHERE preset_id = md5('preset 1')::uuid",
        "TRUNCATE usage_old",
    ):
        app.sql(statement)
        assert app.drift() == (0, 0), statement


BROKEN: dict[str, tuple[set[str], str]] = {
    "row function with another body": (CURRENT, f"CREATE OR REPLACE FUNCTION {ROW} {OTHERWISE} SECURITY DEFINER"),
    "row function stable": (CURRENT, f"ALTER FUNCTION {ROW} STABLE"),
    "row function immutable": (CURRENT, f"ALTER FUNCTION {ROW} IMMUTABLE"),
    "row function read only": (CURRENT, f"ALTER FUNCTION {ROW} SET transaction_read_only = on"),
    "row function with a setting": (CURRENT, f"ALTER FUNCTION {ROW} SET session_replication_role = replica"),
    "row function with another path": (CURRENT, f"ALTER FUNCTION {ROW} SET search_path = public, pg_temp"),
    "row function without the path": (SECURE, f"ALTER FUNCTION {ROW} RESET search_path"),
    "row function security invoker": (SECURE, f"ALTER FUNCTION {ROW} SECURITY INVOKER"),
    "row function open to everybody": (SECURE, f"GRANT EXECUTE ON FUNCTION {ROW} TO PUBLIC"),
    "row function open to anon": (SECURE, f"GRANT EXECUTE ON FUNCTION {ROW} TO anon"),
    "row function dropped": (COUNTED | CURRENT, f"DROP FUNCTION {ROW} CASCADE"),
    "noting function with another body": (CURRENT, f"CREATE OR REPLACE FUNCTION {NOTE} {OTHERWISE}"),
    "noting function stable": (CURRENT, f"ALTER FUNCTION {NOTE} STABLE"),
    "noting function that forgets": (CURRENT, f"ALTER FUNCTION {NOTE} SET usagefix.whole = ''"),
    "noting function with another path": (CURRENT, f"ALTER FUNCTION {NOTE} SET search_path = pg_catalog, public, pg_temp"),
    "noting function security definer": (SECURE, f"ALTER FUNCTION {NOTE} SECURITY DEFINER"),
    "noting function open": (SECURE, f"GRANT EXECUTE ON FUNCTION {NOTE} TO PUBLIC"),
    "noting function dropped": (COUNTED | CURRENT, f"DROP FUNCTION {NOTE} CASCADE"),
    "row trigger dropped": (COUNTED, f"DROP TRIGGER {BY_ROW} ON preset_usage"),
    "row trigger disabled": (COUNTED, f"ALTER TABLE preset_usage DISABLE TRIGGER {BY_ROW}"),
    "row trigger disabled on the whole only": (COUNTED, f"ALTER TABLE ONLY preset_usage DISABLE TRIGGER {BY_ROW}"),
    "row trigger disabled on one with partitions": (COUNTED, f"ALTER TABLE ONLY usage_recent DISABLE TRIGGER {BY_ROW}"),
    "row trigger on replicas only": (COUNTED, f"ALTER TABLE ONLY preset_usage ENABLE REPLICA TRIGGER {BY_ROW}"),
    "row trigger without a condition": (
        COUNTED, replaced(BY_ROW, "AFTER INSERT OR DELETE OR UPDATE", "preset_usage", ROW, each="ROW"),
    ),
    "row trigger that never fires": (
        COUNTED, replaced(BY_ROW, "AFTER INSERT OR DELETE OR UPDATE", "preset_usage", ROW, each="ROW", when="WHEN (false)"),
    ),
    "row trigger of inserts": (COUNTED, replaced(BY_ROW, "AFTER INSERT", "preset_usage", ROW, each="ROW")),
    "row trigger for the statement": (COUNTED, replaced(BY_ROW, "AFTER INSERT OR DELETE OR UPDATE", "preset_usage", ROW)),
    "row trigger with another function": (
        COUNTED,
        f"CREATE FUNCTION another() {OTHERWISE}; "
        + replaced(BY_ROW, "AFTER INSERT OR DELETE OR UPDATE", "preset_usage", "another()", each="ROW"),
    ),
    "row trigger of a partition's own": (
        COUNTED, f"DROP TRIGGER {BY_ROW} ON preset_usage; " + replaced(BY_ROW, "AFTER INSERT", "usage_later", ROW, each="ROW"),
    ),
    "row trigger that is a constraint": (
        COUNTED,
        f"DROP TRIGGER {BY_ROW} ON preset_usage;"
        f" CREATE CONSTRAINT TRIGGER {BY_ROW} AFTER INSERT ON usage_later FOR EACH ROW EXECUTE FUNCTION {ROW}",
    ),
    "enter dropped": (COUNTED, f"DROP TRIGGER {ENTER} ON preset_usage"),
    "leave dropped": (COUNTED, f"DROP TRIGGER {LEAVE} ON preset_usage"),
    "both disabled": (
        COUNTED, f"ALTER TABLE preset_usage DISABLE TRIGGER {ENTER}; ALTER TABLE preset_usage DISABLE TRIGGER {LEAVE}",
    ),
    "enter of one with partitions dropped": (COUNTED, f"DROP TRIGGER {ENTER} ON usage_recent"),
    "leave of one with partitions disabled": (COUNTED, f"ALTER TABLE usage_recent DISABLE TRIGGER {LEAVE}"),
    "enter of inserts": (COUNTED, replaced(ENTER, "BEFORE INSERT", "preset_usage", NOTE)),
    "leave before": (COUNTED, replaced(LEAVE, "BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE", "preset_usage", NOTE)),
    "two ways of counting in a partition": (
        {"partitions_counted"}, f"DROP TRIGGER {TRIGGER} ON usage_old; ALTER TABLE usage_old ENABLE TRIGGER {BY_ROW}",
    ),
    "two ways of counting in a later partition": (
        COUNTED,
        f"CREATE TRIGGER {ADJUSTING}_delete AFTER DELETE ON usage_later REFERENCING OLD TABLE AS old_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION auto_adjust_preset_usage_count()",
    ),
    "own trigger that is a constraint": (
        {"partitions_counted"},
        f"DROP TRIGGER {TRIGGER} ON usage_old;"
        f" CREATE CONSTRAINT TRIGGER {TRIGGER} AFTER INSERT ON usage_old FOR EACH ROW EXECUTE FUNCTION {ROW}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_each_break_is_found_and_repaired(counted: App, what: str) -> None:
    wrong, statement = BROKEN[what]
    later_first = "usage_later" in statement
    if later_first:
        counted.sql(LATER)
    counted.sql(statement)
    assert failing(counted.usagefix("verify", "--format", "json")) == wrong
    mended = counted.usagefix("apply", "--format", "json")
    assert failing(mended) == set(), mended.stderr
    if not later_first:
        counted.sql(LATER)  # what apply left counts a partition that comes after it
    written(counted)
    assert counted.usagefix("verify").code == 0


@pytest.mark.parametrize("function", [ROW, NOTE])
def test_another_owner(counted: App, function: str) -> None:
    with role(counted, "stranger"):
        counted.sql(f"ALTER FUNCTION {function} OWNER TO stranger")
        assert failing(counted.usagefix("verify", "--format", "json")) == SECURE
        assert counted.usagefix("apply").code == 0
        counted.sql(LATER)
        written(counted)


def test_a_second_trigger_that_notes_is_found_and_named(counted: App) -> None:
    """apply does not know what it is for, so a person drops it."""
    counted.sql(f"ALTER TRIGGER {ENTER} ON preset_usage RENAME TO another")
    verified = counted.usagefix("verify", "--format", "json")
    assert failing(verified) == COUNTED
    refused = counted.usagefix("apply")
    assert (refused.code, "another trigger calls auto_note_preset_usage_count() too: another" in refused.stderr) == (
        1,
        True,
    )
    counted.sql("DROP TRIGGER another ON preset_usage")
    assert counted.usagefix("apply").code == 0
    counted.sql(LATER)
    written(counted)


RIGHT = {
    "a default partition": ("CREATE TABLE usage_default PARTITION OF preset_usage DEFAULT", "usage_default", "2095-05-05"),
    "one that has partitions": (SPLIT, "usage_split", "2091-05-05"),
    "a partition of one that came later": (SPLIT, "usage_split_rest", "2091-05-05"),
    "attached": (
        "CREATE TABLE usage_later (LIKE preset_usage INCLUDING ALL); ALTER TABLE preset_usage ATTACH PARTITION usage_later"
        " FOR VALUES FROM ('2090-01-01') TO ('2091-01-01')", "usage_later", "2090-05-05",
    ),
    "attached with its partitions": (
        "CREATE TABLE usage_split (LIKE preset_usage INCLUDING ALL) PARTITION BY LIST (usage_type);"
        " CREATE TABLE usage_split_rest PARTITION OF usage_split DEFAULT;"
        " ALTER TABLE preset_usage ATTACH PARTITION usage_split FOR VALUES FROM ('2091-01-01') TO ('2092-01-01')",
        "usage_split", "2091-05-05",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", RIGHT)
def test_no_false_alarm_over_what_came_later(counted: App, what: str) -> None:
    statement, table, when = RIGHT[what]
    counted.sql(statement)
    for _ in range(2):
        verified = counted.usagefix("verify", "--format", "json")
        assert failing(verified) == set(), [c["detail"] for c in verified.one["checks"] if c["status"] == "failed"]
        for into in ("preset_usage", table):
            counted.sql(insert(into, when))
            counted.sql(f"UPDATE {into} SET preset_id = md5('preset 9')::uuid WHERE preset_id = md5('preset 2')::uuid")
            counted.sql(f"DELETE FROM {into} WHERE preset_id = md5('preset 3')::uuid")
            assert counted.drift() == (0, 0), into
        assert counted.usagefix("apply").code == 0


def test_a_partition_by_row_below_one_with_triggers_of_its_own(counted: App) -> None:
    """Such a table counts statements on it by itself; without these, the rows below it would go uncounted."""
    counted.sql(SPLIT)
    assert counted.usagefix("apply").code == 0
    for trigger in (TRIGGER, *(f"{ADJUSTING}_{event}" for event in ("delete", "update")), ENTER, LEAVE):
        counted.sql(f"DROP TRIGGER {trigger} ON usage_split")
    assert failing(counted.usagefix("verify", "--format", "json")) == COUNTED
    assert counted.usagefix("apply").code == 0
    counted.sql(insert("usage_split", "2091-05-05"))
    assert counted.drift() == (0, 0)
    assert checks(counted.usagefix("verify", "--format", "json"))["partitions_counted"] == "ok"


def test_a_foreign_table_that_became_a_partition_is_named(counted: App) -> None:
    """PostgreSQL refuses what is written there through the whole."""
    counted.sql(
        "DO $$ DECLARE n name; BEGIN FOR n IN SELECT conname FROM pg_constraint WHERE conrelid = 'preset_usage'::regclass"
        " AND contype IN ('p', 'f') LOOP EXECUTE format('ALTER TABLE preset_usage DROP CONSTRAINT %I', n); END LOOP; END $$"
    )
    counted.sql("CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing")
    counted.sql(
        "CREATE FOREIGN TABLE usage_far PARTITION OF preset_usage FOR VALUES FROM ('2095-01-01') TO ('2096-01-01')"
        " SERVER nowhere"
    )
    verified = counted.usagefix("verify", "--only", "partitions_counted", "--format", "json")
    (check,) = verified.one["checks"]
    assert (check["status"], "usage_far (a foreign table)" in check["detail"]) == ("failed", True)
    assert "Detach them first" in check["hint"]
