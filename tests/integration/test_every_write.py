"""What is taken away is taken off: deletes, cascades, moves, TRUNCATE; on counters that are right, and on wrong ones."""

from __future__ import annotations

import time
from contextlib import nullcontext

import psycopg
import pytest
from support import ADJUSTING, GUARD, LEDGER, LONG, MIGRATION, App, give_everything_to, role

ONE, TWO = "md5('preset 1')::uuid", "md5('preset 2')::uuid"
WRITES = {
    "one event": "DELETE FROM preset_usage WHERE id = (SELECT id FROM preset_usage LIMIT 1)",
    "many events of many presets": "DELETE FROM preset_usage WHERE created_at > now() - interval '100 days'",
    "all events": "DELETE FROM preset_usage",
    "no event": "DELETE FROM preset_usage WHERE false",
    "using another table": f"DELETE FROM preset_usage USING presets WHERE presets.id = preset_id AND presets.id = {ONE}",
    "cascade from one preset": f"DELETE FROM presets WHERE id = {ONE}",
    "cascade from all presets": "DELETE FROM presets",
    "cascade from a user": "DELETE FROM auth.users WHERE id = md5('user 3')::uuid",
    "moved to another preset": f"UPDATE preset_usage SET preset_id = {TWO} WHERE preset_id = {ONE}",
    "moved in a ring": "UPDATE preset_usage SET preset_id = CASE preset_id"
    f" WHEN {ONE} THEN {TWO} WHEN {TWO} THEN md5('preset 3')::uuid ELSE {ONE} END"
    f" WHERE preset_id IN ({ONE}, {TWO}, md5('preset 3')::uuid)",
    "the same number there and back": "WITH few AS ("
    f" (SELECT id, {TWO} AS new FROM preset_usage WHERE preset_id = {ONE} LIMIT 5) UNION ALL"
    f" (SELECT id, {ONE} FROM preset_usage WHERE preset_id = {TWO} LIMIT 5))"
    " UPDATE preset_usage SET preset_id = new FROM few WHERE few.id = preset_usage.id",
    "another column": "UPDATE preset_usage SET usage_data = '{\"seen\": true}'",
    "on conflict do update that moves": "INSERT INTO preset_usage (id, preset_id, user_id, usage_type)"
    f" SELECT id, preset_id, user_id, usage_type FROM preset_usage LIMIT 9 ON CONFLICT (id) DO UPDATE SET preset_id = {TWO}",
    "in one query with inserts": "WITH gone AS (DELETE FROM preset_usage WHERE created_at > now() - interval '9 days' RETURNING *)"
    f" INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT {TWO}, user_id, usage_type FROM gone",
    "truncate": "TRUNCATE preset_usage",
    "truncate cascade from presets": "TRUNCATE presets CASCADE",
    "truncate only": "TRUNCATE ONLY preset_usage RESTART IDENTITY",
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITES)
def test_write_paths(fixed: App, kind: str) -> None:
    fixed.sql(WRITES[kind])
    assert fixed.drift() == (0, 0)
    fixed.use(fixed.preset(5)) if fixed.one("SELECT count(*) FROM presets") else None
    assert fixed.drift() == (0, 0)


@pytest.mark.parametrize("kind", ["many events of many presets", "moved to another preset", "truncate"])
def test_what_is_not_adjusted_is_caught(fixed: App, kind: str) -> None:
    for event in ("delete", "update", "truncate"):
        fixed.sql(f"ALTER TABLE preset_usage DISABLE TRIGGER {ADJUSTING}_{event}")
    fixed.sql(WRITES[kind])
    assert fixed.drift() != (0, 0), "the tests above would not notice what is not counted"


def test_a_preset_that_gets_another_id_takes_its_counter_along(fixed: App) -> None:
    fixed.sql(
        "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey,"
        " ADD FOREIGN KEY (preset_id) REFERENCES presets ON UPDATE CASCADE ON DELETE CASCADE"
    )
    fixed.sql(f"UPDATE presets SET id = gen_random_uuid() WHERE id IN ({ONE}, {TWO})")
    assert fixed.drift() == (0, 0)
    fixed.sql("UPDATE preset_usage SET preset_id = md5('preset 4')::uuid WHERE preset_id = md5('preset 6')::uuid")
    fixed.sql("DELETE FROM presets WHERE id = md5('preset 5')::uuid")
    assert fixed.drift() == (0, 0)


def test_events_that_outlive_their_preset(fixed: App) -> None:
    fixed.sql("ALTER TABLE preset_usage ALTER preset_id DROP NOT NULL, DROP CONSTRAINT preset_usage_preset_id_fkey")
    fixed.sql("ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets ON DELETE SET NULL")
    fixed.sql(f"DELETE FROM presets WHERE id = {ONE}")
    assert fixed.drift() == (0, 0)
    fixed.sql(f"UPDATE preset_usage SET preset_id = {TWO} WHERE preset_id IS NULL")
    assert fixed.drift() == (0, 0)


def test_merge_that_deletes_and_moves(fixed: App) -> None:
    if fixed.db.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    fixed.sql(
        "MERGE INTO preset_usage t USING (SELECT id, row_number() OVER () AS n FROM preset_usage LIMIT 90) s ON s.id = t.id"
        " WHEN MATCHED AND n % 3 = 0 THEN DELETE"
        f" WHEN MATCHED AND n % 3 = 1 THEN UPDATE SET preset_id = {TWO} WHEN MATCHED THEN DO NOTHING"
    )
    assert fixed.drift() == (0, 0)


def test_undone_with_the_transaction(fixed: App) -> None:
    with fixed.connect(autocommit=False) as connection:
        connection.execute("SAVEPOINT before")
        connection.execute("TRUNCATE preset_usage")
        connection.execute("ROLLBACK TO before")
        connection.execute("DELETE FROM preset_usage WHERE created_at > now() - interval '50 days'")
        connection.commit()
    assert fixed.drift() == (0, 0)


def test_the_last_use_stays_when_events_go_and_follows_when_they_come(fixed: App) -> None:
    used = "SELECT last_used_at FROM presets WHERE id = %s"
    one, never = fixed.preset(1), fixed.preset(38)
    before = fixed.one(used, one)
    fixed.sql("DELETE FROM preset_usage WHERE preset_id = %s", one)
    assert fixed.one(used, one) == before
    assert fixed.usagefix("verify").code == 0
    fixed.sql("UPDATE preset_usage SET preset_id = %s WHERE preset_id = %s", never, fixed.preset(2))
    assert fixed.one(used, never) == fixed.one("SELECT max(created_at) FROM preset_usage WHERE preset_id = %s", never)
    fixed.sql("UPDATE preset_usage SET created_at = now() WHERE preset_id = %s", never)
    assert fixed.usagefix("verify").code == 0, "an event that became a later one moves it, too"


def test_nothing_is_written_where_nothing_changes(fixed: App) -> None:
    fixed.sql("CREATE TEMPORARY TABLE before AS SELECT id, xmin::text AS version FROM presets")
    fixed.sql(WRITES["another column"])
    fixed.sql(WRITES["the same number there and back"])
    fixed.sql(WRITES["no event"])
    assert fixed.one("SELECT count(*) FROM presets p JOIN before USING (id) WHERE p.xmin::text <> version") == 0


NOTICES = "SELECT count(*) FROM preset_notifications"
NOTED = "SELECT count(*) FROM usagefix.held_at_zero"


def test_a_counter_that_is_too_low_stops_at_zero_and_is_noted(fixed: App) -> None:
    """A CHECK (usage_count >= 0) must not refuse the user's delete."""
    fixed.spoil("UPDATE presets SET usage_count = 3 WHERE id = %s", fixed.preset(1))
    fixed.sql(
        "DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = %s LIMIT 5)",
        fixed.preset(1),
    )
    assert fixed.one("SELECT usage_count FROM presets WHERE id = %s", fixed.preset(1)) == 0
    assert fixed.one(NOTED) == 1
    assert fixed.usagefix("backfill").code == 0
    assert fixed.drift() == (0, 0)
    assert fixed.one(NOTED) == 0


def test_it_does_without_the_ledger(fixed: App) -> None:
    fixed.sql("DROP SCHEMA usagefix CASCADE")
    fixed.spoil("UPDATE presets SET usage_count = 3 WHERE id = %s", fixed.preset(1))
    fixed.sql("DELETE FROM preset_usage WHERE preset_id = %s", fixed.preset(1))
    fixed.sql("TRUNCATE preset_usage")
    assert fixed.drift() == (0, 0)


def test_a_stranger_who_makes_such_a_table_gets_nothing_run(fixed: App) -> None:
    """The function runs as the owner of presets: it must not touch a table that somebody else may have prepared."""
    fixed.sql("DROP SCHEMA usagefix CASCADE")
    fixed.sql("CREATE ROLE trapper")
    try:
        fixed.sql("ALTER FUNCTION auto_adjust_preset_usage_count() OWNER TO service_role")
        fixed.sql("CREATE SCHEMA usagefix AUTHORIZATION trapper")
        fixed.sql("CREATE TABLE usagefix.held_at_zero (at timestamptz)")
        fixed.sql("ALTER TABLE usagefix.held_at_zero OWNER TO trapper")
        fixed.sql("GRANT USAGE ON SCHEMA usagefix TO PUBLIC")
        fixed.sql("GRANT INSERT ON usagefix.held_at_zero TO PUBLIC")
        fixed.sql("TRUNCATE preset_usage")
        assert fixed.one(NOTED) == 0
    finally:
        fixed.sql("DROP OWNED BY trapper CASCADE")
        fixed.sql("DROP ROLE trapper")


@pytest.mark.parametrize(
    "change", ["DELETE FROM preset_usage", "TRUNCATE preset_usage", "UPDATE preset_usage SET preset_id = " + TWO]
)
def test_while_the_backfill_has_counted_and_not_yet_added(fixed: App, change: str) -> None:
    """The counters are too low, the deltas are stored; now events go, so the deltas no longer fit."""
    fixed.spoil("UPDATE presets SET usage_count = least(usage_count, 2)")
    with fixed.connect(autocommit=False) as blocker:
        blocker.execute("SELECT FROM presets FOR UPDATE")
        process = fixed.spawn("backfill", "--format", "json")
        fixed.wait_for("SELECT EXISTS (SELECT FROM usagefix.corrections WHERE applied_at IS NULL)")
        blocker.execute(change.encode())
        blocker.commit()
    stdout, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 0, stderr
    assert '"rounds": 2' in stdout, "one round cannot be right here"
    assert fixed.drift() == (0, 0)
    assert fixed.usagefix("verify").code == 0


def test_all_are_truncated_between_two_batches(fixed: App) -> None:
    """The truncation is not committed while the next preset is corrected: it must hold that preset, or set it back."""
    fixed.spoil(f"UPDATE presets SET usage_count = 0 WHERE id IN ({ONE}, {TWO})")
    newest = fixed.one("SELECT max(run) FROM usagefix.backfills")
    with fixed.connect(autocommit=False) as other:
        process = fixed.spawn("backfill", "--batch-size", "1", "--pause", "1.5")
        fixed.wait_for("SELECT count(applied_at) = 1 FROM usagefix.corrections WHERE run > %s", newest)
        other.execute("TRUNCATE preset_usage")
        waiting = (
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'usagefix'"
            " AND wait_event_type = 'Lock')"
        )
        while process.poll() is None and not fixed.one(waiting):
            time.sleep(0.01)
        other.commit()
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 0, stderr
    assert fixed.drift() == (0, 0)


def test_by_hand_version_by_version(app: App) -> None:
    assert app.by_hand(MIGRATION).returncode == 0
    assert app.drift() == (0, 0)
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '100 days'")
    assert app.drift() == (0, 0)
    assert app.by_hand(GUARD).returncode == 0
    assert app.usagefix("verify").code == 0
    app.sql("DELETE FROM preset_usage")
    assert app.drift() == (0, 0)


@pytest.mark.parametrize("owner", ["superuser", "plain owner"])
def test_by_hand_a_repair_is_no_news(app: App, owner: str) -> None:
    """The application's triggers are held off as the command does it, also where no setting may do so."""
    app.sql("UPDATE presets SET user_id = md5('user 1')::uuid")
    before = app.one(NOTICES)
    states = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'presets'::regclass AND NOT tgisinternal"
    enabled = app.sql(states)
    with role(app, "plain_owner") if owner == "plain owner" else nullcontext():
        if owner == "plain owner":
            give_everything_to(app, "plain_owner")
            app.user = "plain_owner"
        done = app.by_hand()
        app.user = "postgres"
        assert done.returncode == 0, done.stderr
        assert app.drift() == (0, 0)
        assert app.one(NOTICES) == before
        assert set(enabled) <= set(app.sql(states))
        app.use(app.preset(36), times=10)
        assert app.one(NOTICES) > before, "a use is"
        app.sql("DROP SCHEMA usagefix CASCADE")


def test_the_guard_not_before_the_counting(app: App) -> None:
    done = app.psql(LEDGER, GUARD / "apply.sql")
    assert done.returncode != 0
    assert "20250930000001 is not applied" in done.stderr
    app.usagefix("apply")
    dump = app.dump_all()
    back = app.psql(MIGRATION / "rollback.sql")
    assert back.returncode != 0
    assert "later version" in back.stderr
    assert app.dump_all() == dump


def test_as_an_application_role(fixed: App) -> None:
    """A user without rights on presets deletes; the counter follows, and nobody may call the function."""
    fixed.sql("GRANT DELETE ON preset_usage TO authenticated")
    fixed.sql("CREATE POLICY own ON preset_usage FOR DELETE USING (user_id = auth.uid())")
    fixed.sql("SET ROLE authenticated")
    fixed.sql(f"SET request.jwt.claim.sub = '{fixed.user_id(3)}'")
    fixed.sql("DELETE FROM preset_usage")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        fixed.sql("SELECT auto_adjust_preset_usage_count()")
    fixed.sql("RESET ROLE")
    assert fixed.one("SELECT count(*) FROM preset_usage") > 0
    assert fixed.drift() == (0, 0)
