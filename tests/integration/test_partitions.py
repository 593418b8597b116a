"""Partitioned events: every path counts once, straight into a partition too, also into one that came later."""

from __future__ import annotations

import psycopg
import pytest
from support import ADJUSTING, LEDGER, MIGRATION, TRIGGER, App, checks, failing

BY_ROW = "trigger_auto_count_row_preset_usage_count"

LATER = "CREATE TABLE usage_later PARTITION OF preset_usage FOR VALUES FROM ('2090-01-01') TO ('2091-01-01')"
COLUMNS = "(preset_id, user_id, usage_type, created_at)"


def insert(table: str, when: str, rows: int = 30, kind: str = "showcase_creation") -> str:
    return (
        f"INSERT INTO {table} {COLUMNS} SELECT md5('preset ' || 1 + n % 7)::uuid, md5('user 3')::uuid, '{kind}',"
        f" '{when}'::timestamptz FROM generate_series(1, {rows}) n"
    )


def test_absent_present_absent(partitioned: App) -> None:
    before = partitioned.dump()
    dry = partitioned.usagefix("apply", "--dry-run")
    assert dry.code == 0, dry.stderr
    assert partitioned.dump() == before
    assert partitioned.usagefix("apply").code == 0
    assert partitioned.usagefix("verify").code == 0
    assert partitioned.usagefix("apply", "--format", "json").one["migrations"] == []
    partitioned.sql(LATER)
    partitioned.sql("ALTER TABLE preset_usage DETACH PARTITION usage_old")
    partitioned.sql("DROP TABLE usage_later")
    partitioned.sql("ALTER TABLE preset_usage ATTACH PARTITION usage_old FOR VALUES FROM (MINVALUE) TO ('2020-01-01')")
    assert partitioned.usagefix("rollback", "--yes").code == 0
    assert partitioned.dump() == before


WRITES = {
    "into the whole": insert("preset_usage", "2026-01-01"),
    "into the whole, one row": insert("preset_usage", "2026-01-01", rows=1),
    "into the whole, over partitions": insert("preset_usage", "2026-01-01") + " UNION ALL SELECT md5('preset 9')::uuid,"
    " md5('user 1')::uuid, 'sample_verification', '2018-01-01'",
    "into a partition": insert("usage_old", "2019-01-01"),
    "into a partition that has partitions": insert("usage_recent", "2026-01-01"),
    "into a partition of a partition": insert("usage_recent_samples", "2026-01-01", kind="sample_verification"),
    "deleted from the whole": "DELETE FROM preset_usage WHERE preset_id = md5('preset 1')::uuid",
    "deleted from a partition": "DELETE FROM usage_old WHERE preset_id <> md5('preset 1')::uuid",
    "deleted from a partition of a partition": "DELETE FROM usage_recent_rest WHERE created_at > now() - interval '60 days'",
    "moved in the whole": "UPDATE preset_usage SET preset_id = md5('preset 2')::uuid WHERE preset_id = md5('preset 1')::uuid",
    "moved to another partition, too": "UPDATE preset_usage SET preset_id = md5('preset 2')::uuid, created_at = '2019-02-02', id = gen_random_uuid()"
    " WHERE preset_id = md5('preset 1')::uuid",
    "moved to another partition only": "UPDATE preset_usage SET usage_type = 'sample_verification'",
    "moved in a partition": "UPDATE usage_old SET preset_id = md5('preset 2')::uuid",
    "moved within a partition's partitions": "UPDATE usage_recent SET usage_type = 'sample_verification', preset_id = md5('preset 4')::uuid",
    "cascade": "DELETE FROM presets WHERE id IN (md5('preset 1')::uuid, md5('preset 2')::uuid)",
    "truncate": "TRUNCATE preset_usage",
    "truncate a partition": "TRUNCATE usage_old",
    "truncate a partition that has partitions": "TRUNCATE usage_recent",
    "truncate a partition and the whole": "TRUNCATE usage_recent_rest, preset_usage",
    "truncate cascade from presets": "TRUNCATE presets CASCADE",
    "in one query with a partition": f"WITH a AS ({insert('usage_old', '2019-01-01')}) {insert('preset_usage', '2026-01-01')}",
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITES)
def test_write_paths(counted: App, kind: str) -> None:
    counted.sql(WRITES[kind])
    assert counted.drift() == (0, 0)


LATER_WRITES = {
    "straight into it": insert("usage_later", "2090-05-05"),
    "through the whole": insert("preset_usage", "2090-05-05"),
    "through the whole, over partitions": insert("preset_usage", "2090-05-05") + " UNION ALL SELECT md5('preset 9')::uuid,"
    " md5('user 1')::uuid, 'sample_verification', '2018-01-01'",
    "deleted from it": insert("usage_later", "2090-05-05") + "; DELETE FROM usage_later WHERE preset_id = md5('preset 1')::uuid",
    "deleted through the whole": insert("usage_later", "2090-05-05") + "; DELETE FROM preset_usage",
    "moved in it": insert("usage_later", "2090-05-05") + "; UPDATE usage_later SET preset_id = md5('preset 12')::uuid",
    "moved into it": "UPDATE preset_usage SET created_at = '2090-03-03', id = gen_random_uuid(), preset_id = md5('preset 4')::uuid"
    " WHERE preset_id = md5('preset 1')::uuid",
    "both ways in one transaction": insert("preset_usage", "2090-05-05", 1) + ";" + insert("usage_later", "2090-05-05", 1) + ";"
    + insert("preset_usage", "2026-05-05", 1) + ";" + insert("usage_later", "2090-05-05", 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", LATER_WRITES)
def test_a_partition_that_came_later(counted: App, kind: str) -> None:
    """PostgreSQL gives it the trigger for rows; apply gives it its own, once."""
    counted.sql(LATER)
    counted.sql(LATER_WRITES[kind])
    assert counted.drift() == (0, 0)
    verified = counted.usagefix("verify", "--format", "json")
    by_row = {check["check_id"]: check for check in verified.one["checks"]}["partitions_counted"]
    assert (by_row["status"], "row by row: 1" in by_row["detail"]) == ("ok", True)
    counted.sql("DELETE FROM usage_later")
    assert counted.usagefix("apply").code == 0
    counted.sql(LATER_WRITES[kind])
    assert counted.drift() == (0, 0)
    counted.sql("TRUNCATE usage_later")
    assert counted.drift() == (0, 0)


def test_two_sessions_truncate_a_partition_each(counted: App) -> None:
    """Each reads its own only: with a lock on the other one, too, they would end in a deadlock."""
    with counted.connect(autocommit=False) as one, counted.connect(autocommit=False) as other:
        other.execute("LOCK TABLE usage_recent_rest")
        one.execute("SET LOCAL lock_timeout = '1min'")
        one.execute("TRUNCATE usage_old")
        one.commit()
        other.execute("TRUNCATE usage_recent_rest")
    assert counted.drift() == (0, 0)


def test_a_counter_that_is_too_low_stops_at_zero_and_is_noted(counted: App) -> None:
    """Row by row as well: a pending delta of a backfill does not fit any more."""
    counted.sql(LATER)
    counted.sql(insert("usage_later", "2090-05-05", 3))
    counted.spoil("UPDATE presets SET usage_count = 0")
    counted.sql("DELETE FROM usage_later")
    assert counted.one("SELECT count(*) FROM usagefix.held_at_zero") > 0
    assert counted.usagefix("backfill").code == 0
    assert counted.drift() == (0, 0)


def test_written_to_by_a_trigger_while_the_whole_is(counted: App) -> None:
    """A statement inside a statement: each is counted by itself."""
    counted.sql(LATER)
    counted.sql(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() < 3 THEN"
        f" {insert('usage_later', '2090-01-02', 2)}; {insert('preset_usage', '2090-01-02', 3)};"
        " END IF; RETURN NULL; END $$"
    )
    counted.sql("CREATE TRIGGER again AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION again()")
    counted.sql(insert("preset_usage", "2026-05-05", 4))
    counted.sql(insert("usage_later", "2090-05-05", 4))
    assert counted.one("SELECT count(*) FROM usage_later") > 50
    assert counted.drift() == (0, 0)


def test_an_undone_statement_leaves_no_trace(counted: App) -> None:
    counted.sql(LATER)
    with counted.connect(autocommit=False) as connection:
        connection.execute("SAVEPOINT s")
        connection.execute(
            "DO $$ BEGIN INSERT INTO preset_usage VALUES (NULL, NULL); EXCEPTION WHEN OTHERS THEN NULL; END $$"
        )
        connection.execute(insert("usage_later", "2090-05-05", 3).encode())
        connection.commit()
    assert counted.drift() == (0, 0)


def test_events_of_a_detached_partition_leave_and_are_not_counted_any_more(counted: App) -> None:
    counted.sql("ALTER TABLE preset_usage DETACH PARTITION usage_old")
    assert counted.usagefix("verify").code == 1, "its events have left"
    assert counted.usagefix("backfill").code == 0
    counted.sql(insert("usage_old", "2019-01-01"))
    counted.sql("UPDATE usage_old SET preset_id = md5('preset 3')::uuid")
    counted.sql("DELETE FROM usage_old")
    assert counted.drift() == (0, 0)


BROKEN = {
    "no trigger on a partition": ({"partitions_counted"}, f"DROP TRIGGER {TRIGGER} ON usage_old"),
    "deletes not counted": ({"partition_changes_counted"}, f"ALTER TABLE usage_recent_rest DISABLE TRIGGER {ADJUSTING}_delete"),
    "moves not counted": ({"partition_changes_counted"}, f"DROP TRIGGER {ADJUSTING}_update ON usage_recent"),
    "truncate not counted": ({"partition_changes_counted"}, f"DROP TRIGGER {ADJUSTING}_truncate ON usage_recent_rest"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_verify_finds_a_partition_that_is_not_counted_once(counted: App, what: str) -> None:
    wrong, statement = BROKEN[what]
    counted.sql(statement)
    result = counted.usagefix("verify", "--format", "json")
    assert failing(result) == wrong
    assert all("usage_" in c["detail"] for c in result.one["checks"] if c["check_id"] in wrong)
    mended = counted.usagefix("apply", "--format", "json")
    assert failing(mended) == set(), mended.stderr
    assert {checks(mended)[check] for check in wrong} == {"ok"}
    for write in (WRITES["in one query with a partition"], LATER, LATER_WRITES["both ways in one transaction"]):
        counted.sql(write)
        assert counted.drift() == (0, 0)


AWAY_AND_BACK = {
    "detached and attached": (
        "ALTER TABLE preset_usage DETACH PARTITION usage_old",
        "ALTER TABLE preset_usage ATTACH PARTITION usage_old FOR VALUES FROM (MINVALUE) TO ('2020-01-01')",
    ),
    "all triggers off and on": (
        "ALTER TABLE usage_old DISABLE TRIGGER ALL", "ALTER TABLE preset_usage DISABLE TRIGGER ALL",
        "ALTER TABLE preset_usage ENABLE TRIGGER ALL", "ALTER TABLE usage_old ENABLE TRIGGER ALL",
    ),
    "renamed": ("ALTER TABLE usage_old RENAME TO usage_older", "ALTER TABLE usage_older RENAME TO usage_old"),
    "moved": ("CREATE SCHEMA cold", "ALTER TABLE usage_old SET SCHEMA cold", "ALTER TABLE cold.usage_old SET SCHEMA public"),
}  # fmt: skip


@pytest.mark.parametrize("what", AWAY_AND_BACK)
def test_a_partition_that_went_and_came_is_counted_once(counted: App, what: str) -> None:
    for statement in AWAY_AND_BACK[what]:
        counted.sql(statement)
    for write in (
        "into a partition",
        "moved in a partition",
        "deleted from a partition",
        "into the whole",
        "truncate a partition",
    ):
        counted.sql(WRITES[write])
        assert counted.drift() == (0, 0), write
    assert counted.usagefix("verify").code == 0


NOTES = {
    "set by hand": ("SET usagefix.whole = '0'", insert("usage_later", "2090-05-05")),
    "left over": (insert("preset_usage", "2026-05-05"), insert("usage_later", "2090-05-05"), "RESET ALL", insert("usage_later", "2090-05-05")),
    "reset, then the whole": ("BEGIN", insert("preset_usage", "2090-05-05"), "RESET ALL", insert("preset_usage", "2090-05-05"), "COMMIT"),
    "other strings": (
        "SET standard_conforming_strings = off", "BEGIN", insert("preset_usage", "2090-05-05"), insert("usage_later", "2090-05-05"), "COMMIT",
    ),
    "an undone statement": (
        "BEGIN", "SAVEPOINT s", "DO $$ BEGIN INSERT INTO preset_usage VALUES (NULL, NULL); EXCEPTION WHEN OTHERS THEN NULL; END $$",
        insert("usage_later", "2090-05-05"), "COMMIT",
    ),
    "truncating, set by hand": ("SET usagefix.whole = '0'", "SET usagefix.truncating = 'on'", "TRUNCATE usage_old"),
}  # fmt: skip


@pytest.mark.parametrize("what", NOTES)
def test_a_note_means_nothing_to_another_statement(counted: App, what: str) -> None:
    counted.sql(LATER)
    for statement in NOTES[what]:
        counted.sql(statement)
    assert counted.drift() == (0, 0)


def test_a_note_that_is_lost_within_its_statement_is_no_miscount(counted: App) -> None:
    counted.sql(LATER)
    counted.sql(
        "CREATE FUNCTION lost() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RESET ALL; RETURN 'showcase_creation'; END $$"
    )
    statement = insert("preset_usage", "2090-05-05", 2).replace("'showcase_creation'", "lost()")
    with pytest.raises(psycopg.errors.RaiseException, match=r"must not set or reset usagefix.whole"):
        counted.sql(statement)
    assert counted.drift() == (0, 0)


def test_what_one_statement_writes_both_ways_is_found(counted: App) -> None:
    """The whole, and straight into a partition that came later: after apply it is exact."""
    counted.sql(LATER)
    both = f"WITH a AS ({insert('usage_later', '2090-05-05', 3)}) {insert('preset_usage', '2090-05-06', 2)}"
    counted.sql(both)
    assert counted.usagefix("verify").code == (1 if counted.drift() != (0, 0) else 0)
    assert counted.usagefix("apply").code == 0
    counted.sql(both)
    assert counted.drift() == (0, 0)
    assert counted.usagefix("verify").code == 0


def test_a_partitioned_table_that_was_swapped_away_does_not_count(counted: App) -> None:
    counted.sql(LATER)
    counted.sql("ALTER TABLE preset_usage RENAME TO gone")
    counted.sql("CREATE TABLE preset_usage (LIKE gone INCLUDING ALL)")
    counted.sql("INSERT INTO preset_usage SELECT * FROM gone")
    for statement in (
        insert("usage_old", "2019-01-01"), insert("usage_later", "2090-01-01"), insert("gone", "2090-01-01"), "DELETE FROM usage_later",
        "UPDATE usage_old SET preset_id = md5('preset 2')::uuid", "TRUNCATE usage_recent", "TRUNCATE gone",
    ):  # fmt: skip
        counted.sql(statement)
        assert counted.drift() == (0, 0), statement


def test_a_partition_whose_later_trigger_is_disabled(counted: App) -> None:
    counted.sql(LATER)
    counted.sql(f"ALTER TABLE usage_later DISABLE TRIGGER {BY_ROW}")
    result = counted.usagefix("verify", "--format", "json")
    assert failing(result) == {"partitions_counted", "partition_changes_counted"}, "it counts whatever is written"
    assert counted.usagefix("apply").code == 0


REFUSED = {
    "partition or child of public.above": (
        "CREATE TABLE above (LIKE preset_usage) PARTITION BY RANGE (created_at)",
        "ALTER TABLE above ATTACH PARTITION preset_usage FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
    ),
    "foreign tables": (
        "DO $$ DECLARE n name; BEGIN FOR n IN SELECT conname FROM pg_constraint WHERE conrelid = 'preset_usage'::regclass AND contype IN ('p', 'f') LOOP"
        " EXECUTE format('ALTER TABLE preset_usage DROP CONSTRAINT %I', n); END LOOP; END $$",
        "CREATE FOREIGN DATA WRAPPER nothing",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
        "CREATE FOREIGN TABLE usage_far PARTITION OF preset_usage FOR VALUES FROM ('2095-01-01') TO ('2096-01-01') SERVER nowhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_counted_is_refused(partitioned: App, what: str) -> None:
    for statement in REFUSED[what]:
        partitioned.sql(statement)
    before = partitioned.dump_all()
    for result in (partitioned.usagefix("apply"), partitioned.usagefix("sql", MIGRATION.name, "apply", "--adapt")):
        assert result.code == 1
        assert what in result.stderr
    plain = partitioned.psql(LEDGER, MIGRATION / "stops.sql", MIGRATION / "apply.sql")
    assert plain.returncode != 0
    assert "partitioned or inherited" in plain.stderr
    assert partitioned.dump_all() == before


def test_tables_that_inherit_are_refused(app: App) -> None:
    app.sql("CREATE TABLE usage_archive () INHERITS (preset_usage)")
    result = app.usagefix("apply")
    assert result.code == 1
    assert "inherit from public.preset_usage: public.usage_archive" in result.stderr


def test_a_partition_of_a_partition_that_came_later(counted: App) -> None:
    counted.sql("CREATE TABLE usage_recent_later PARTITION OF usage_recent FOR VALUES IN ('later')")
    for table in ("preset_usage", "usage_recent", "usage_recent_later"):
        counted.sql(insert(table, "2026-01-01", kind="later"))
        assert counted.drift() == (0, 0), table
    for table in ("usage_recent_later", "usage_recent", "preset_usage"):
        counted.sql(f"UPDATE {table} SET preset_id = md5('preset 3')::uuid WHERE preset_id = md5('preset 2')::uuid")
        counted.sql(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE preset_id = md5('preset 3')::uuid LIMIT 2)"
        )
        assert counted.drift() == (0, 0), table
    assert counted.usagefix("verify").code == 0
    assert counted.usagefix("apply").code == 0
    counted.sql("TRUNCATE usage_recent_later")
    assert counted.drift() == (0, 0)
