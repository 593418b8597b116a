"""What looks like ours, and is not: other indexes, other schemas' tables, readers of the counter. It is left alone."""

from __future__ import annotations

import pytest
from support import App, checks, failing

INDEXES = {
    "another date": (
        "ALTER TABLE preset_usage ADD COLUMN day_of_release date DEFAULT now() - random() * interval '9999 days'",
        "CREATE UNIQUE INDEX other ON preset_usage (preset_id, day_of_release, id)",
    ),
    "an idempotency key": (
        "ALTER TABLE preset_usage ADD COLUMN request_id uuid DEFAULT gen_random_uuid()",
        "CREATE UNIQUE INDEX other ON preset_usage (preset_id, request_id, ((created_at AT TIME ZONE 'UTC')::date))",
    ),
    "the preset is only carried along": (
        "ALTER TABLE preset_usage ADD COLUMN licence uuid DEFAULT gen_random_uuid()",
        "CREATE UNIQUE INDEX other ON preset_usage (licence, ((created_at AT TIME ZONE 'UTC')::date)) INCLUDE (preset_id)",
    ),
    "to the microsecond": ("CREATE UNIQUE INDEX other ON preset_usage (preset_id, user_id, created_at, id)",),
}


@pytest.mark.parametrize("what", INDEXES)
def test_another_unique_index_stays(app: App, what: str) -> None:
    for statement in INDEXES[what]:
        app.sql(statement)
    before = app.dump()
    assert app.usagefix("apply").code == 0
    assert app.one("SELECT to_regclass('other') IS NOT NULL")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


def test_two_daily_limits_are_too_many(app: App) -> None:
    app.sql(
        "CREATE UNIQUE INDEX second_daily ON preset_usage (preset_id, user_id, usage_type, (date_trunc('day', created_at AT TIME ZONE 'UTC')))"
    )
    dump = app.dump()
    result = app.usagefix("apply")
    assert result.code == 1
    assert "second_daily" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_the_limit_comes_back_with_what_hangs_on_it(app: App) -> None:
    app.sql("DROP INDEX idx_preset_usage_daily_unique")
    app.sql("ALTER TABLE preset_usage ADD COLUMN on_day date NOT NULL DEFAULT current_date")
    app.sql("UPDATE preset_usage SET on_day = created_at")
    app.sql(
        "CREATE UNIQUE INDEX idx_preset_usage_daily_unique ON preset_usage (preset_id, user_id, usage_type, on_day)"
    )
    app.sql("ALTER TABLE preset_usage REPLICA IDENTITY USING INDEX idx_preset_usage_daily_unique")
    app.sql("DROP FUNCTION track_preset_usage")
    before = app.dump()
    assert app.usagefix("apply").code == 0
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


READERS = {
    "a threshold": "UPDATE presets SET is_public = true WHERE id = NEW.preset_id AND usage_count >= 100",
    "another column from it": "UPDATE presets SET technical_settings = to_jsonb(usage_count * 2), is_public = true WHERE id = NEW.preset_id",
    "another schema's counter": "UPDATE stats.presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id",
    "another table's counter": "UPDATE stats.totals SET usage_count = usage_count + 1",
}


@pytest.mark.parametrize("what", READERS)
def test_a_trigger_that_does_not_count_here_goes_on(app: App, what: str) -> None:
    app.sql("CREATE SCHEMA stats")
    app.sql("CREATE TABLE stats.presets AS SELECT id, 0 AS usage_count FROM presets")
    app.sql("CREATE TABLE stats.totals AS SELECT 0 AS usage_count")
    app.sql(f"CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {READERS[what]}; RETURN NULL; END$$")
    app.sql("CREATE TRIGGER other AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION other()")
    before = app.dump()
    result = app.usagefix("apply", "--format", "json")
    assert (result.code, result.one["remarks"]) == (0, []), result.stderr
    assert app.one("SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'other'") == "O"
    app.use(app.preset(1), times=3)
    counted = app.one(
        "SELECT (SELECT sum(usage_count) FROM stats.presets) + (SELECT sum(usage_count) FROM stats.totals)"
    )
    assert counted == (3 if "another schema's" in what or "another table's" in what else 0)
    assert app.drift() == (0, 0)
    assert failing(app.usagefix("verify", "--format", "json")) == set()
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


COUNTER = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id;"


def counting(app: App, more: str = "", kind: str = "TRIGGER") -> None:
    app.sql(f"CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {COUNTER} {more} RETURN NULL; END$$")
    app.sql(f"CREATE {kind} other AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION other()")


@pytest.mark.parametrize("kind", ["TRIGGER", "CONSTRAINT TRIGGER"])
@pytest.mark.parametrize("cleaned", ["DROP TRIGGER other ON preset_usage", "DROP FUNCTION other() CASCADE"])
def test_a_held_off_trigger_that_was_cleaned_up_stays_away(app: App, kind: str, cleaned: str) -> None:
    counting(app, kind=kind)
    assert app.usagefix("apply").code == 0
    app.sql(cleaned)
    result = app.usagefix("rollback", "--yes")
    assert result.code == 0, result.stderr
    assert app.one("SELECT count(*) FROM pg_trigger WHERE tgname = 'other'") == 0
    assert app.one("SELECT to_regclass('idx_preset_usage_daily_unique') IS NOT NULL")


def test_a_trigger_function_changed_after_apply_is_not_overwritten(app: App) -> None:
    app.sql("CREATE TABLE log (preset_id uuid)")
    counting(app, "INSERT INTO log VALUES (NEW.preset_id);")
    assert app.usagefix("apply").code == 0
    app.sql(
        "CREATE OR REPLACE FUNCTION other() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS"
        " $$BEGIN INSERT INTO public.log VALUES (NEW.preset_id); RAISE DEBUG 'new'; RETURN NULL; END$$"
    )
    app.sql("REVOKE ALL ON FUNCTION other() FROM PUBLIC")
    definition = "SELECT pg_get_functiondef('other'::regproc), proacl::text FROM pg_proc WHERE proname = 'other'"
    now = app.sql(definition)
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.sql(definition) == now


def test_a_trigger_with_an_awkward_name_is_held_off(app: App) -> None:
    name = '"AFTER INSERT OR my ""trigger"'
    app.sql(f"CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {COUNTER} RETURN NULL; END$$")
    app.sql(
        f"CREATE TRIGGER {name} AFTER INSERT OR UPDATE OF preset_id ON preset_usage FOR EACH ROW EXECUTE FUNCTION other()"
    )
    app.sql(f"ALTER TABLE preset_usage ENABLE ALWAYS TRIGGER {name}")
    before = app.dump()
    assert app.usagefix("apply").code == 0
    assert app.one("SELECT tgenabled::text FROM pg_trigger WHERE tgname LIKE 'AFTER%'") == "D"
    assert checks(app.usagefix("verify", "--format", "json"))["counted_once"] == "ok"
    app.use(app.preset(1))
    app.sql("UPDATE preset_usage SET preset_id = %s WHERE preset_id = %s", app.preset(2), app.preset(3))
    assert app.drift() == (0, 0)
    app.sql("DELETE FROM preset_usage")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


REFUSED = {
    "a limit that is a constraint": (
        "ALTER TABLE preset_usage ADD COLUMN on_day date GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED;"
        ' ALTER TABLE preset_usage ADD CONSTRAINT "Once a day" UNIQUE (preset_id, user_id, usage_type, on_day)',
        1, 'DROP CONSTRAINT "Once a day"',
    ),
    "a generated counter": (
        "DROP TRIGGER presets_notify_usage_milestone ON presets; ALTER TABLE presets DROP COLUMN usage_count;"
        " ALTER TABLE presets ADD COLUMN usage_count integer GENERATED ALWAYS AS (5) STORED",
        1, "a generated or identity column",
    ),
    "a small counter": ("DROP TRIGGER presets_notify_usage_milestone ON presets; ALTER TABLE presets ALTER usage_count TYPE smallint", 2, "smallint"),
    "keys with an equality of their own": (
        "CREATE TYPE pair AS (hash integer); ALTER TABLE preset_notifications DROP CONSTRAINT preset_notifications_preset_id_fkey;"
        " ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey; DROP FUNCTION track_preset_usage;"
        " ALTER TABLE presets ALTER id DROP DEFAULT; ALTER TABLE presets ALTER id TYPE pair USING ROW(hashtext(id::text))::pair;"
        " ALTER TABLE preset_usage ALTER preset_id TYPE pair USING ROW(hashtext(preset_id::text))::pair",
        1, "pair",
    ),
    "ids that are not unique": (
        "ALTER TABLE preset_notifications DROP CONSTRAINT preset_notifications_preset_id_fkey;"
        " ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey; ALTER TABLE presets DROP CONSTRAINT presets_pkey",
        1, "not unique",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_counted_exactly_is_refused(app: App, what: str) -> None:
    make, code, said = REFUSED[what]
    for statement in make.split("; "):
        app.sql(statement.removesuffix(";"))
    dump = app.dump()
    result = app.usagefix("apply")
    assert result.code == code, result.stderr
    assert said in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_purge_spares_what_hangs_on_the_ledger(fixed: App) -> None:
    fixed.sql("CREATE VIEW corrections_report AS SELECT * FROM usagefix.corrections")
    result = fixed.usagefix("rollback", "--yes", "--purge")
    assert result.code == 1, result.stderr
    assert "corrections_report" in result.stderr + result.stdout or "depends on it" in result.stderr
    assert fixed.one("SELECT to_regclass('corrections_report') IS NOT NULL")
    fixed.sql("DROP VIEW corrections_report")
    assert fixed.usagefix("rollback", "--yes", "--purge").code == 0


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_times_without_a_zone_are_in_one_zone(app: App, zone: str) -> None:
    app.sql("ALTER TABLE presets ALTER last_used_at TYPE timestamp USING last_used_at AT TIME ZONE 'UTC'")
    assert app.usagefix("apply").code == 0
    app.sql(f"SET timezone = '{zone}'")
    app.use(app.preset(1))
    assert (
        abs(
            app.one(
                "SELECT extract(epoch FROM last_used_at - now() AT TIME ZONE 'UTC') FROM presets WHERE id = %s",
                app.preset(1),
            )
        )
        < 60
    )
    assert failing(app.usagefix("verify", "--format", "json")) == set()


@pytest.mark.parametrize(
    "odd",
    [
        "ALTER TABLE presets ALTER last_used_at TYPE date",
        "ALTER TABLE presets ALTER last_used_at TYPE text",
        "DROP INDEX idx_preset_usage_daily_unique; DROP FUNCTION track_preset_usage;"
        " ALTER TABLE preset_usage ALTER created_at DROP DEFAULT, ALTER created_at TYPE text",
        "DROP INDEX idx_preset_usage_daily_unique; DROP FUNCTION track_preset_usage; ALTER TABLE preset_usage ALTER created_at TYPE date",
    ],
)
def test_columns_that_are_no_times_are_left_alone(app: App, odd: str) -> None:
    for statement in odd.split("; "):
        app.sql(statement)
    before = app.dump()
    for changed in (True, False):  # what is right is not written again
        result = app.usagefix("apply", "--format", "json")
        assert result.code == 0, result.stderr + result.stdout
        assert (result.one["backfill"]["rows_changed"] > 0) is changed
    by_hand = app.usagefix("sql", "20250930000001", "backfill", "--adapt")
    app.sql(by_hand.stdout)
    assert (
        app.one("SELECT count(*) FROM usagefix.corrections WHERE run = (SELECT max(run) FROM usagefix.backfills)") == 0
    )
    app.use(app.preset(1), times=2)
    app.sql("UPDATE preset_usage SET preset_id = %s WHERE preset_id = %s", app.preset(2), app.preset(3))
    assert app.drift() == (0, 0)
    for command in (("verify",), ("status",), ("doctor",), ("check-preset", "Neon city", "--recent", "2")):
        assert app.usagefix(*command).code == 0
    app.sql("TRUNCATE preset_usage")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before
