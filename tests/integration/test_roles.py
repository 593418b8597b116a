"""As on Supabase: the tables belong to a role that is no superuser, row level security is on, and people come as others."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from support import App, Result, role

OWNER = "app_owner"


@pytest.fixture
def owned(app: App) -> Iterator[App]:
    """The sample application, owned by an ordinary role which may create schemas, and has no say over ``auth``."""
    with role(app, OWNER):
        app.sql(f"ALTER SCHEMA public OWNER TO {OWNER}")
        app.sql(f'GRANT CREATE, TEMPORARY ON DATABASE "{app.name}" TO {OWNER}')
        app.sql(f"GRANT USAGE ON SCHEMA auth TO {OWNER}")
        for (relation,) in app.sql(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ):
            app.sql(f"ALTER TABLE {relation} OWNER TO {OWNER}")
        for (function,) in app.sql(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ):
            app.sql(f"ALTER FUNCTION {function} OWNER TO {OWNER}")
        yield app
        app.sql("ALTER SCHEMA public OWNER TO postgres")
        app.sql("DROP SCHEMA IF EXISTS usagefix CASCADE")


def as_owner(app: App, *arguments: str) -> Result:
    return app.usagefix(*arguments, DATABASE_URL=app.url(user=OWNER))


def test_the_owner_needs_no_superuser(owned: App) -> None:
    before = owned.dump()
    assert as_owner(owned, "apply", "--dry-run").code == 0
    done = as_owner(owned, "apply")
    assert done.code == 0, done.stderr
    assert owned.drift() == (0, 0)
    assert done.stdout.splitlines()[-1] == f"next: usagefix smoke --as {OWNER}, then in CI usagefix verify"
    assert as_owner(owned, "smoke", "--as", OWNER).code == 0
    assert as_owner(owned, "verify").code == 0
    owned.sql("SET session_replication_role = replica")
    owned.sql("UPDATE presets SET usage_count = 7")
    owned.sql("RESET session_replication_role")
    assert as_owner(owned, "backfill", "--trust", "events").code == 0
    assert owned.drift() == (0, 0)
    assert as_owner(owned, "rollback", "--yes").code == 0
    assert owned.dump() == before


def test_create_on_the_database_is_needed_for_the_schema_only(owned: App) -> None:
    """Where somebody else has made it, and after apply, it is not."""
    before = owned.dump()
    owned.sql(f'CREATE SCHEMA usagefix AUTHORIZATION {OWNER}; REVOKE CREATE ON DATABASE "{owned.name}" FROM {OWNER}')
    assert as_owner(owned, "apply").code == 0
    owned.sql("DROP TRIGGER zz_trigger_guard_preset_usage_count ON presets")
    for command in (("apply",), ("verify",), ("rollback", "--yes")):
        done = as_owner(owned, *command)
        assert done.code == 0, done.stderr
    assert owned.dump() == before


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        ('REVOKE CREATE, TEMPORARY ON DATABASE "{name}" FROM app_owner; REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC', "or CREATE SCHEMA usagefix AUTHORIZATION app_owner"),
        ("ALTER SCHEMA public OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC, app_owner", "GRANT CREATE ON SCHEMA public"),
        ("ALTER TABLE preset_usage OWNER TO postgres", "the rights of both (app_owner, postgres)"),
        ("ALTER FUNCTION track_preset_usage OWNER TO postgres", "ALTER FUNCTION"),
        ("ALTER TABLE presets FORCE ROW LEVEL SECURITY", "BYPASSRLS"),
    ],
    ids=("database", "schema", "table", "function", "forced row level security"),
)  # fmt: skip
def test_what_a_role_lacks_is_named_before_anything_changes(owned: App, taken: str, named: str) -> None:
    for statement in taken.replace("{name}", owned.name).split("; "):
        owned.sql(statement)
    dump = owned.dump()
    result = as_owner(owned, "apply")
    assert result.code == 5, result.stderr
    assert named in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert owned.dump() == dump


@pytest.fixture
def client(owned: App) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session of the application, after apply; a test says as whom."""
    done = as_owner(owned, "apply")
    assert done.code == 0, done.stderr
    with owned.connect() as connection:
        connection.execute(f"SET request.jwt.claim.sub = '{owned.user_id(7)}'")
        yield connection


EVENT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (%s, %s, 'showcase_creation')"
INTERNAL = (
    "TABLE usagefix.history", "TABLE usagefix.saved_objects", "DELETE FROM usagefix.corrections", "INSERT INTO usagefix.held_at_zero (counter) VALUES ('preset_usage_count')",
    "SELECT auto_increment_preset_usage_count()", "SELECT auto_adjust_preset_usage_count()", "SELECT guard_preset_usage_count()",
    "TABLE usagefix.refused_writes", "SELECT nextval('usagefix.rejected_preset_usage_count')", "SELECT nextval('usagefix.unnoted_preset_usage_count')",
)  # fmt: skip


def test_as_authenticated(owned: App, client: psycopg.Connection[tuple[object, ...]]) -> None:
    preset, user = owned.preset(1), owned.user_id(7)
    client.execute("SET ROLE authenticated")
    client.execute("SELECT track_preset_usage(%s, 'showcase_creation')", (preset,))
    client.execute("SELECT track_preset_usage(%s, 'showcase_creation')", (preset,))
    client.execute(EVENT, (preset, user))
    assert owned.drift() == (0, 0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        client.execute(EVENT, (preset, owned.user_id(8)))  # somebody else's
    mine = owned.preset(6)
    wrote = client.execute("UPDATE presets SET usage_count = 99, description = 'mine' WHERE id = %s", (mine,))
    assert wrote.rowcount == 1, "the rest of the statement succeeds"
    assert owned.one("SELECT description FROM presets WHERE id = %s", mine) == "mine"
    for statement in INTERNAL:
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
            client.execute(statement.encode())
    assert owned.drift() == (0, 0)


def test_as_anon(owned: App, client: psycopg.Connection[tuple[object, ...]]) -> None:
    client.execute("SET ROLE anon")
    for statement in (f"SELECT track_preset_usage('{owned.preset(1)}', 'showcase_creation')", "DELETE FROM preset_usage",
                      "UPDATE presets SET usage_count = 5", EVENT.replace("%s", f"'{owned.preset(1)}'"), *INTERNAL):  # fmt: skip
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
            client.execute(statement.encode())
    assert owned.drift() == (0, 0)
