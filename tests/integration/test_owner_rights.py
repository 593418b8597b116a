"""usagefix counts with the rights of the owner of presets: verify and doctor name each one that is lost, with its GRANT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from support import App, Result, checks, failing, give_everything_to, role

OWNER = "presets_owner"


@dataclass(frozen=True)
class Lost:
    """What a statement takes away: what fails or goes uncounted then, what verify says, and the hint."""

    spoil: str
    said: str
    hint: str
    fails: tuple[str, ...]


NEW = "INSERT INTO presets (name) VALUES ('new')"
KEY = "UPDATE presets SET id = gen_random_uuid() WHERE name = 'unused'"
USE = "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT md5('preset 1')::uuid, md5('user 1')::uuid, 'showcase_creation'"
TRACK = (
    "SELECT set_config('request.jwt.claims', format('{\"sub\": \"%s\"}', md5('user 1')::uuid), true),"
    " track_preset_usage(md5('preset 1')::uuid, 'showcase_creation')"
)
BY_HAND = "UPDATE presets SET usage_count = 7 WHERE name = 'Neon city'"
CHECKED = (
    "CREATE FUNCTION short(name text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT length(name) < 999'; {};"
    "REVOKE EXECUTE ON FUNCTION short FROM PUBLIC"
)
EVENTS = (
    f"{OWNER}, who owns public.presets, lacks SELECT on table public.preset_usage, so a new row of presets is refused"
)
READ = f"GRANT SELECT ON TABLE public.preset_usage TO {OWNER}"

LOST = {
    "events of another owner": Lost(
        "ALTER TABLE preset_usage OWNER TO postgres", EVENTS,
        f"{READ}; GRANT SELECT, INSERT ON TABLE public.preset_usage TO {OWNER}", (NEW, KEY, TRACK),
    ),
    "events that the owner may not read": Lost(f"REVOKE SELECT ON preset_usage FROM {OWNER}", EVENTS, READ, (NEW, KEY)),
    "events of which the owner may read another column": Lost(
        f"REVOKE SELECT ON preset_usage FROM {OWNER}; GRANT SELECT (id) ON preset_usage TO {OWNER}", EVENTS, READ, (NEW, KEY),
    ),
    "presets that the owner may update by columns": Lost(
        f"REVOKE UPDATE ON presets FROM {OWNER}; GRANT UPDATE (usage_count, last_used_at) ON presets TO {OWNER}",
        f"{OWNER}, who owns public.presets, may not UPDATE it", f"GRANT UPDATE ON public.presets TO {OWNER}", (USE,),
    ),
    "a function of a constraint": Lost(
        CHECKED.format("ALTER TABLE presets ADD CONSTRAINT named CHECK (short(name))"),
        "lacks EXECUTE on function public.short(text), which constraint named calls", f"GRANT EXECUTE ON FUNCTION public.short(text) TO {OWNER}", (USE,),
    ),
    "a function of a generated column": Lost(
        CHECKED.format("ALTER TABLE presets ADD short boolean GENERATED ALWAYS AS (short(name)) STORED"),
        "lacks EXECUTE on function public.short(text), which column short calls", f"GRANT EXECUTE ON FUNCTION public.short(text) TO {OWNER}", (USE,),
    ),
    "a function of an index": Lost(
        CHECKED.format("CREATE INDEX shorter ON presets (short(name))"),
        "lacks EXECUTE on function public.short(text), which index public.shorter calls", f"GRANT EXECUTE ON FUNCTION public.short(text) TO {OWNER}", (USE,),
    ),
    "a function of a trigger's condition": Lost(
        CHECKED.format("CREATE TRIGGER touch_short BEFORE UPDATE ON presets FOR EACH ROW WHEN (short(NEW.name)) EXECUTE FUNCTION touch_updated_at()"),
        "lacks EXECUTE on function public.short(text), which trigger touch_short calls", f"GRANT EXECUTE ON FUNCTION public.short(text) TO {OWNER}", (USE,),
    ),
    "a function of PostgreSQL": Lost(
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_trigger_depth() FROM PUBLIC",
        "lacks EXECUTE on function pg_trigger_depth(), which", f"GRANT EXECUTE ON FUNCTION pg_trigger_depth() TO {OWNER}", (USE,),
    ),
    "a catalog": Lost(
        "REVOKE SELECT ON pg_catalog.pg_trigger FROM PUBLIC", "lacks SELECT on table pg_trigger, which functions of usagefix read",
        f"GRANT SELECT ON TABLE pg_trigger TO {OWNER}", (BY_HAND,),
    ),
    "the notes of the guard": Lost(
        f"REVOKE SELECT, INSERT ON usagefix.refused_writes FROM {OWNER}",
        "lacks INSERT, SELECT on table usagefix.refused_writes", f"GRANT INSERT, SELECT ON TABLE usagefix.refused_writes TO {OWNER}", (BY_HAND,),
    ),
    "a sequence of the ledger": Lost(
        f"REVOKE ALL ON SEQUENCE usagefix.unnoted_preset_usage_count FROM {OWNER}",
        "lacks USAGE on sequence usagefix.unnoted_preset_usage_count",
        f"GRANT USAGE ON SEQUENCE usagefix.unnoted_preset_usage_count TO {OWNER}", (),
    ),
    "events hidden by FORCE ROW LEVEL SECURITY": Lost(
        "ALTER TABLE preset_usage FORCE ROW LEVEL SECURITY; ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey",
        f"row level security hides rows of public.preset_usage from {OWNER}", f"ALTER ROLE {OWNER} BYPASSRLS",
        (f"{USE.replace('preset 1', 'later')}; INSERT INTO presets (id, name) VALUES (md5('later')::uuid, 'later')",),
    ),
}  # fmt: skip


@pytest.fixture
def owned(app: App) -> Iterator[App]:
    """Presets and events of an ordinary role; usagefix applied by a superuser, whose the ledger is."""
    with role(app, OWNER):
        give_everything_to(app, OWNER)
        app.sql("INSERT INTO presets (name) VALUES ('unused')")
        applied = app.usagefix("apply")
        assert applied.code == 0, applied.stderr
        assert app.usagefix("verify").code == 0
        yield app


def accepted(result: Result) -> dict[str, str]:
    (check,) = (check for check in result.one["checks"] if check["check_id"] == "uses_accepted")
    return dict(check)


def follow(app: App, verified: Result) -> None:
    """Paste the hint of uses_accepted."""
    app.sql(accepted(verified)["hint"].partition(", then usagefix apply")[0])


def harmless(app: App, statement: str) -> bool:
    """Whether a statement succeeds and every counter is right after it; undone."""
    with app.connect(autocommit=False) as trying:
        try:
            trying.execute(statement.encode())
        except psycopg.Error:
            return False
        wrong = trying.execute(
            "SELECT count(*) FROM presets p WHERE usage_count IS DISTINCT FROM"
            " (SELECT count(*) FROM preset_usage u WHERE u.preset_id = p.id)"
        ).fetchone()
        trying.rollback()
        return wrong == (0,)


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_right_that_the_owner_lost_is_named_with_its_grant(owned: App, lost: Lost) -> None:
    owned.sql(lost.spoil)
    for statement in lost.fails:
        assert not harmless(owned, statement), statement
    verified = owned.usagefix("verify", "--format", "json")
    assert (verified.code, failing(verified)) == (1, {"uses_accepted"}), verified.stderr
    assert lost.said in accepted(verified)["detail"]
    assert lost.hint in accepted(verified)["hint"]
    found = owned.usagefix("doctor", "--format", "json").one["findings"]
    assert [f for f in found if f["finding_id"] == "apply_refuses" and lost.said in f["evidence"]], found
    follow(owned, verified)
    verified = owned.usagefix("verify", "--format", "json")
    assert (verified.code, failing(verified)) == (0, set()), accepted(verified)["detail"]
    for statement in (*lost.fails, NEW, USE, TRACK):
        assert harmless(owned, statement), statement


def test_apply_refuses_where_the_owner_may_not_read_the_events(app: App) -> None:
    with role(app, OWNER):
        give_everything_to(app, OWNER)
        app.sql("ALTER TABLE preset_usage OWNER TO postgres")
        refused = app.usagefix("apply")
        assert refused.code == 1
        assert EVENTS in refused.stderr
        assert READ in refused.stderr
        app.sql(f"GRANT SELECT, INSERT ON preset_usage TO {OWNER}")
        applied = app.usagefix("apply")
        assert applied.code == 0, applied.stderr
        assert harmless(app, NEW)


def test_only_what_is_read_has_to_be_readable(owned: App) -> None:
    owned.sql(f"REVOKE SELECT ON preset_usage FROM {OWNER}; GRANT SELECT (preset_id) ON preset_usage TO {OWNER}")
    assert owned.usagefix("verify").code == 0
    assert harmless(owned, NEW)


def test_row_level_security_that_can_hide_no_event_of_a_new_preset_is_right(owned: App) -> None:
    """A foreign key lets no preset come to events that exist."""
    owned.sql("ALTER TABLE preset_usage FORCE ROW LEVEL SECURITY")
    verified = owned.usagefix("verify", "--format", "json")
    assert (verified.code, checks(verified)["uses_accepted"]) == (0, "ok")
    assert harmless(owned, NEW)
    assert harmless(owned, KEY)


def test_a_partition_of_another_owner_cannot_be_truncated(app: App) -> None:
    with role(app, OWNER):
        for statement in (
            "DROP TABLE preset_usage CASCADE",
            "CREATE TABLE preset_usage (id uuid DEFAULT gen_random_uuid(), preset_id uuid REFERENCES presets ON DELETE CASCADE,"
            " user_id uuid, usage_type text, usage_data jsonb, created_at timestamptz DEFAULT now()) PARTITION BY LIST (usage_type)",
            "CREATE SCHEMA parts",
            "CREATE TABLE parts.creations PARTITION OF preset_usage FOR VALUES IN ('showcase_creation')",
        ):
            app.sql(statement)
        give_everything_to(app, OWNER)
        app.sql(f"GRANT USAGE ON SCHEMA parts TO {OWNER}; GRANT SELECT ON parts.creations TO {OWNER}")
        applied = app.usagefix("apply", "--trust", "events")
        assert applied.code == 0, applied.stderr
        app.sql(USE)
        assert harmless(app, "TRUNCATE parts.creations")
        app.sql(f"REVOKE ALL ON SCHEMA parts FROM {OWNER}; REVOKE ALL ON parts.creations FROM {OWNER}")
        assert not harmless(app, "TRUNCATE parts.creations")
        verified = app.usagefix("verify", "--format", "json")
        assert failing(verified) == {"uses_accepted"}
        follow(app, verified)
        verified = app.usagefix("verify", "--format", "json")
        assert verified.code == 0, accepted(verified)
        assert harmless(app, "TRUNCATE parts.creations")
        app.use(app.preset())
        assert app.drift() == (0, 0)
