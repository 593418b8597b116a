"""After the fix every new use counts at once, by whatever statement it is written."""

from __future__ import annotations

import psycopg
import pytest
from support import App, failing

ONE = "(preset_id, user_id, usage_type) "


def test_track_preset_usage_counts_each_use_of_a_day(fixed: App) -> None:
    preset, user = fixed.preset(2), fixed.user_id(40)
    before = fixed.one("SELECT usage_count FROM presets WHERE id = %s", preset)
    fixed.sql(f"SET request.jwt.claim.sub = '{user}'")
    ids = {
        fixed.one("SELECT track_preset_usage(preset_uuid => %s, usage_type_param => 'showcase_creation')", preset)
        for _ in range(3)
    }
    assert len(ids - {None}) == 3, "each use is an event of its own"
    count, used = fixed.sql("SELECT usage_count, last_used_at FROM presets WHERE id = %s", preset)[0]
    assert count == before + 3
    assert used == fixed.one("SELECT max(created_at) FROM preset_usage WHERE preset_id = %s", preset)
    assert fixed.drift() == (0, 0)


def test_track_preset_usage_keeps_what_else_it_did(fixed: App) -> None:
    preset = fixed.preset(1)
    creator = fixed.one("SELECT user_id FROM presets WHERE id = %s", preset)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="sign in"):
        fixed.sql("SELECT track_preset_usage(%s, 'showcase_creation')", preset)
    notified = "SELECT count(*) FROM preset_notifications WHERE type = 'preset_used' AND creator_id = %s"
    fixed.sql(f"SET request.jwt.claim.sub = '{creator}'")
    fixed.sql("SELECT track_preset_usage(%s, 'showcase_creation')", preset)
    assert fixed.one(notified, creator) == 0, "one's own use is no news"
    fixed.sql(f"SET request.jwt.claim.sub = '{fixed.user_id(41)}'")
    fixed.sql("SELECT track_preset_usage(%s, 'showcase_creation')", preset)
    assert fixed.one(notified, creator) == 1


def test_track_preset_usage_keeps_owner_grants_and_comment(app: App) -> None:
    facts = (
        "SELECT proowner, proacl::text, obj_description(oid), prosecdef, proconfig, proargnames, oid"
        " FROM pg_proc WHERE proname = 'track_preset_usage'"
    )
    before = app.sql(facts)
    app.usagefix("apply")
    assert app.sql(facts) == before


WRITES = {
    "single row": f"INSERT INTO preset_usage {ONE} SELECT p, u, 'showcase_creation' FROM one",
    "several rows of several presets": f"INSERT INTO preset_usage {ONE}"
    " SELECT md5('preset ' || n %% 10 + 1)::uuid, u, 'showcase_creation' FROM one, generate_series(1, 500) n",
    "insert … select": f"INSERT INTO preset_usage {ONE} SELECT preset_id, user_id, usage_type FROM preset_usage LIMIT 999",
    "no rows": f"INSERT INTO preset_usage {ONE} SELECT p, u, 'showcase_creation' FROM one WHERE false",
    "on conflict do nothing": "INSERT INTO preset_usage (id, preset_id, user_id, usage_type)"
    " SELECT e.id, p, u, 'showcase_creation' FROM one, (SELECT id FROM preset_usage LIMIT 5) e ON CONFLICT (id) DO NOTHING",
    "on conflict do update": "INSERT INTO preset_usage (id, preset_id, user_id, usage_type)"
    " SELECT e.id, e.preset_id, u, 'showcase_creation' FROM one, (SELECT * FROM preset_usage LIMIT 5) e"
    " UNION ALL SELECT gen_random_uuid(), p, u, 'showcase_creation' FROM one"
    " ON CONFLICT (id) DO UPDATE SET usage_data = '{\"again\": true}'",
    "in a query with other writes": f"WITH a AS (INSERT INTO preset_usage {ONE} SELECT p, u, 'showcase_creation' FROM one),"
    f" b AS (INSERT INTO preset_usage {ONE} SELECT p, u, 'sample_verification' FROM one) SELECT 1",
}


@pytest.mark.parametrize("kind", WRITES)
def test_write_paths(fixed: App, kind: str) -> None:
    one = f"WITH one AS (SELECT '{fixed.preset(3)}'::uuid AS p, '{fixed.user_id(5)}'::uuid AS u)"
    statement = WRITES[kind].replace("%%", "%")
    fixed.sql(f"{one}, {statement.removeprefix('WITH ')}" if statement.startswith("WITH") else f"{one} {statement}")
    assert fixed.drift() == (0, 0)


def test_copy(fixed: App) -> None:
    events = fixed.one("SELECT count(*) FROM preset_usage")
    preset, user = fixed.preset(4), fixed.user_id(6)
    with (
        fixed.db.cursor() as cursor,
        cursor.copy("COPY preset_usage (preset_id, user_id, usage_type) FROM STDIN") as copy,
    ):
        for _ in range(1000):
            copy.write_row((preset, user, "showcase_creation"))
    assert fixed.one("SELECT count(*) FROM preset_usage") == events + 1000
    assert fixed.drift() == (0, 0)


def test_merge(fixed: App) -> None:
    if fixed.db.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    fixed.sql(
        f"MERGE INTO preset_usage t USING (SELECT '{fixed.preset(5)}'::uuid AS p, '{fixed.user_id(5)}'::uuid AS u,"
        " generate_series(1, 3)) s ON false"
        " WHEN NOT MATCHED THEN INSERT (preset_id, user_id, usage_type) VALUES (s.p, s.u, 'showcase_creation')"
    )
    assert fixed.drift() == (0, 0)


def test_an_undone_use_is_not_counted(fixed: App) -> None:
    with fixed.connect(autocommit=False) as connection:
        fixed.use(fixed.preset(), connection=connection)
        connection.rollback()
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (%s, %s, 'nonsense')",
                (fixed.preset(), fixed.user_id()),
            )
    assert fixed.drift() == (0, 0)


def test_last_used_never_moves_back(fixed: App) -> None:
    used = fixed.one("SELECT last_used_at FROM presets WHERE id = %s", fixed.preset())
    fixed.sql(
        "INSERT INTO preset_usage (preset_id, user_id, usage_type, created_at) VALUES (%s, %s, 'showcase_creation',"
        " now() - interval '3 years')",
        fixed.preset(),
        fixed.user_id(),
    )
    assert fixed.one("SELECT last_used_at FROM presets WHERE id = %s", fixed.preset()) == used
    assert fixed.drift() == (0, 0)


def test_a_null_counter_counts_from_zero(fixed: App) -> None:
    preset = fixed.preset(40)
    fixed.spoil("UPDATE presets SET usage_count = NULL WHERE id = %s", preset)
    fixed.use(preset, times=2)
    assert fixed.one("SELECT usage_count FROM presets WHERE id = %s", preset) == 2


def test_the_applications_triggers_fire_for_new_uses(fixed: App) -> None:
    preset = fixed.preset(36)  # never used; has a creator
    fixed.use(preset, times=10)
    assert (
        fixed.one("SELECT count(*) FROM preset_notifications WHERE preset_id = %s AND type = 'usage_milestone'", preset)
        == 1
    )


@pytest.mark.parametrize("path", ["''", "pg_catalog", "auth"])
def test_the_applications_triggers_find_their_tables_whatever_the_callers_path(fixed: App, path: str) -> None:
    fixed.sql(f"SET search_path = {path}")
    fixed.sql(
        "INSERT INTO public.preset_usage (preset_id, user_id, usage_type)"
        f" SELECT '{_md5('preset 36')}'::uuid, '{_md5('user 1')}'::uuid, 'showcase_creation' FROM generate_series(1, 10)"
    )
    fixed.sql("RESET search_path")
    assert fixed.one("SELECT count(*) FROM preset_notifications WHERE type = 'usage_milestone'") == 1
    assert fixed.drift() == (0, 0)


def test_an_empty_search_path_in_the_function_would_break_the_application(fixed: App) -> None:
    """The wrong way, to show that the test above would notice it."""
    fixed.sql("ALTER FUNCTION auto_increment_preset_usage_count() SET search_path = ''")
    with pytest.raises(psycopg.errors.UndefinedTable):
        fixed.use(fixed.preset(36), times=10)


def test_the_path_follows_the_databases_configuration(app: App) -> None:
    """An application trigger that finds its table in another schema, through the database's own search_path."""
    app.sql("CREATE SCHEMA extra")
    app.sql("ALTER TABLE preset_notifications SET SCHEMA extra")
    app.sql("CREATE SCHEMA plantable")
    app.sql("GRANT CREATE ON SCHEMA plantable TO PUBLIC")
    app.sql(f'ALTER DATABASE "{app.name}" SET search_path = "$user", public, plantable, extra')
    assert app.usagefix("apply").code == 0
    (settings,) = app.sql("SELECT proconfig FROM pg_proc WHERE proname = 'auto_increment_preset_usage_count'")[0]
    assert settings == ["search_path=public, extra, pg_temp, pg_usagefix_preset_usage_count_1"], (
        "what anybody may create in is left out"
    )
    app.use(app.preset(36), times=10)
    assert app.one("SELECT count(*) FROM extra.preset_notifications WHERE type = 'usage_milestone'") == 1
    assert app.usagefix("verify").code == 0
    app.sql(
        "ALTER FUNCTION auto_increment_preset_usage_count() SET search_path = public, pg_temp,"
        " pg_usagefix_preset_usage_count_1"
    )
    with pytest.raises(psycopg.errors.UndefinedTable):
        app.use(app.preset(37), times=10)
    verified = app.usagefix("verify", "--format", "json")
    assert failing(verified) == {"function_current"}
    assert "its search_path lacks extra, where triggers on presets may look" in verified.stdout
    assert app.usagefix("apply").code == 0
    app.use(app.preset(37), times=10)
    app.sql(f'ALTER DATABASE "{app.name}" RESET search_path')
    assert app.usagefix("verify").code == 0, "a restored database has no settings; the path still serves"


def _md5(text: str) -> str:
    import hashlib

    return hashlib.md5(text.encode()).hexdigest()
