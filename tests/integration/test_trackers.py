"""A track_preset_usage() that never worked: written anew for the table as it is, where that can be; else left alone, and told."""

from __future__ import annotations

import pytest
from support import App, checks, failing

BROKEN = "INSERT INTO preset_usage (preset_id, user_id, kind) VALUES ($1, auth.uid(), $2)"
SIGNATURE = "track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"


def replace(app: App, definition: str) -> None:
    app.sql("DROP FUNCTION track_preset_usage")
    for statement in definition.split("; CREATE"):
        app.sql(statement if statement.startswith(("SET", "CREATE")) else "CREATE" + statement)
    app.sql("COMMENT ON FUNCTION track_preset_usage IS 'ours'")


WRITABLE = {
    "returns the event": f"CREATE FUNCTION {SIGNATURE} RETURNS uuid LANGUAGE plpgsql AS $$DECLARE e uuid; BEGIN {BROKEN} RETURNING id INTO e; RETURN e; END$$",
    "returns whether": f"CREATE FUNCTION {SIGNATURE} RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN {BROKEN}; RETURN true;"
    " EXCEPTION WHEN OTHERS THEN RETURN false; END$$",
    "returns nothing": f"CREATE FUNCTION {SIGNATURE} RETURNS void LANGUAGE plpgsql AS $$BEGIN {BROKEN}; END$$",
    "arguments without names": f"CREATE FUNCTION track_preset_usage(uuid, text) RETURNS uuid LANGUAGE plpgsql AS $$BEGIN {BROKEN}; RETURN $1; END$$",
    "arguments in another order": "CREATE FUNCTION track_preset_usage(kind text, preset uuid, source text DEFAULT 'web') RETURNS uuid LANGUAGE plpgsql AS"
    f" $$BEGIN {BROKEN.replace('$1', 'preset').replace('$2', '$1')}; RETURN preset; END$$",
    "in SQL": f"SET check_function_bodies = off; CREATE FUNCTION {SIGNATURE} RETURNS uuid LANGUAGE sql AS $$ {BROKEN} RETURNING id $$",
}  # fmt: skip
UNLUCKY = {
    "calls what is not there": f"CREATE FUNCTION {SIGNATURE} RETURNS void LANGUAGE plpgsql AS"
    f" $$BEGIN PERFORM check_quota(preset_uuid); {BROKEN.replace('kind', 'usage_type')}; END$$",
    "names an index that is not there": f"CREATE FUNCTION {SIGNATURE} RETURNS void LANGUAGE plpgsql AS"
    f" $$BEGIN {BROKEN.replace('kind', 'usage_type')} ON CONFLICT (usage_type) DO NOTHING; END$$",
    "needs a setting": f"CREATE FUNCTION {SIGNATURE} RETURNS void LANGUAGE plpgsql AS $$BEGIN"
    " INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ($1, current_setting('app.user_id')::uuid, $2); END$$",
    "turns people away": f"CREATE FUNCTION {SIGNATURE} RETURNS void LANGUAGE plpgsql AS $$BEGIN"
    " IF true THEN RAISE EXCEPTION 'members only' USING ERRCODE = 'P0001'; END IF;"
    f" {BROKEN.replace('kind', 'usage_type')}; END$$",
}  # fmt: skip
LEFT_ALONE = {
    "in SQL, its result cannot be guessed": f"SET check_function_bodies = off; CREATE FUNCTION {SIGNATURE} RETURNS text LANGUAGE sql AS $$ {BROKEN} RETURNING kind $$",
    "its result cannot be guessed": f"CREATE FUNCTION {SIGNATURE} RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN {BROKEN}; RETURN '{{}}'; END$$",
    "it needs more": f"CREATE FUNCTION track_preset_usage(preset uuid, kind text, device inet) RETURNS void LANGUAGE plpgsql AS $$BEGIN {BROKEN}; END$$",
}  # fmt: skip


@pytest.mark.parametrize("what", WRITABLE)
def test_one_that_never_worked_is_written_anew(app: App, what: str) -> None:
    replace(app, WRITABLE[what])
    before = app.dump()
    assert "+" in app.usagefix("apply", "--dry-run", "--format", "json").one["tracker_diff"]
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr + result.stdout
    (remark,) = result.one["remarks"]
    assert "never worked here" in remark
    app.sql(f"SET request.jwt.claim.sub = '{app.user_id(3)}'")
    events = app.one("SELECT count(*) FROM preset_usage")
    arguments = "'showcase_creation', %s::uuid" if "order" in what else "%s::uuid, 'showcase_creation'"
    for _ in range(2):
        app.sql(f"SELECT track_preset_usage({arguments})", app.preset())
    assert app.one("SELECT count(*) FROM preset_usage") == events + 2
    assert app.drift() == (0, 0)
    newest = app.sql("SELECT user_id::text, usage_type FROM preset_usage ORDER BY created_at DESC LIMIT 2")
    assert newest == [(app.user_id(3), "showcase_creation")] * 2
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


def test_nobody_is_let_in_by_it(app: App) -> None:
    replace(app, WRITABLE["returns whether"])
    assert app.usagefix("apply").code == 0
    app.sql("SET request.jwt.claim.sub = ''")
    with pytest.raises(Exception, match="sign in to use a preset"):
        app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", app.preset())


@pytest.mark.parametrize("what", LEFT_ALONE)
def test_one_that_cannot_be_written_is_left_alone_and_told(app: App, what: str) -> None:
    replace(app, LEFT_ALONE[what])
    definition = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
    result = app.usagefix("apply", "--format", "json")
    assert app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)") == definition
    assert result.code == 1
    assert failing(result) == {"tracker_inserts_only"}, "everything else is fixed"
    (check,) = (c for c in result.one["checks"] if c["check_id"] == "tracker_inserts_only")
    assert "lacks: kind" in check["detail"]
    assert "write a new one" in check["hint"]
    assert app.drift() == (0, 0)


@pytest.mark.parametrize("what", UNLUCKY)
def test_one_that_may_work_is_not_rewritten_for_an_unlucky_trial(app: App, what: str) -> None:
    """What it is tried with or without is not what people have: why it fails then is no reason to replace it."""
    replace(app, UNLUCKY[what])
    definition = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr
    assert ["could not be tried" in remark for remark in result.one["remarks"]] == [True]
    assert app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)") == definition


USERS = "CREATE FUNCTION track_preset_usage(p_user_id uuid, origin text, {more}p_preset_id uuid, p_usage_type text DEFAULT 'showcase_creation')"
SAYING = (
    " RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN IF origin <> '100% web' THEN RAISE EXCEPTION 'from where'; END IF;"
    " INSERT INTO preset_usage (preset_id, user_id, usage_type, origin) VALUES (p_preset_id, p_user_id, p_usage_type, origin); END$$"
)


@pytest.mark.parametrize("more", ["", "device inet, "])
def test_one_with_other_arguments_is_tried_or_said_to_be_untried(app: App, more: str) -> None:
    """By apply and by smoke alike: what apply says to run next does not fail for arguments."""
    app.sql("ALTER TABLE preset_usage ADD origin text; UPDATE preset_usage SET origin = '100% web'")
    app.sql("REVOKE INSERT ON preset_usage FROM authenticated")
    replace(app, USERS.format(more=more) + SAYING)
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr
    assert ["to pass as device inet" in remark for remark in result.one["remarks"]] == [True] * bool(more)
    done = app.usagefix("smoke", "--format", "json")
    assert done.code == 0, done.stdout + done.stderr
    steps = {step["step_id"]: step for step in done.one["steps"]}
    assert ("track_preset_usage()" in steps["first_use"]["title"]) is not bool(more)
    assert not more or "device inet" in steps["recorder"]["detail"]


CHECKING = (
    f"CREATE FUNCTION {SIGNATURE} RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$DECLARE e uuid; BEGIN"
    " IF NOT EXISTS (SELECT FROM presets WHERE id = preset_uuid AND (is_public OR user_id = auth.uid())) THEN RAISE EXCEPTION 'not yours'; END IF;"
    " INSERT INTO preset_usage (preset_id, user_id, usage_type, device, usage_data)"
    " VALUES (preset_uuid, auth.uid(), usage_type_param, coalesce(lower('a,b(' || 'c)'), '')::text, '{}') RETURNING id INTO e;"
    " INSERT INTO preset_notifications (preset_id, creator_id, type, title, message) VALUES (preset_uuid, auth.uid(), 't', 't', 'm');"
    " RETURN e; END$$"
)


def test_what_else_it_does_stays(app: App) -> None:
    """Its checks above all: a function that may do more than its caller lets nobody past them."""
    replace(app, CHECKING)
    before = app.dump()
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr
    assert "apply removes them from it" in result.one["remarks"][0]
    app.sql(f"SET request.jwt.claim.sub = '{app.user_id(60)}'")
    notes = app.one("SELECT count(*) FROM preset_notifications")
    app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", app.preset(1))
    assert app.one("SELECT count(*) FROM preset_notifications") == notes + 1
    assert app.one("SELECT usage_data::text FROM preset_usage ORDER BY created_at DESC LIMIT 1") == "{}"
    app.sql("UPDATE presets SET is_public = false, user_id = %s WHERE id = %s", app.user_id(1), app.preset(1))
    with pytest.raises(Exception, match="not yours"):
        app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", app.preset(1))
    assert app.drift() == (0, 0)
    app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    assert app.usagefix("rollback", "--yes").code == 0
    assert app.dump() == before


def test_what_else_it_does_is_not_thrown_away(app: App) -> None:
    """Where taking the columns out is not enough, only one that does nothing else is written anew."""
    replace(app, CHECKING.replace("usage_type, device", "device, kind"))
    definition = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
    result = app.usagefix("apply", "--format", "json")
    assert (result.code, failing(result)) == (1, {"tracker_inserts_only"})
    assert app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)") == definition


NEEDING = {
    "a statement that is parsed already": ("BEGIN ATOMIC {insert}; END", "sql"),
    "dynamic SQL": ("AS $$BEGIN EXECUTE {literal} USING $1, $2; END$$", "plpgsql"),
}


@pytest.mark.parametrize("name", ["track_preset_usage", "use_preset"])
@pytest.mark.parametrize("what", NEEDING)
def test_the_limit_is_not_lifted_under_what_needs_it(app: App, what: str, name: str) -> None:
    body, language = NEEDING[what]
    insert = (
        "INSERT INTO public.preset_usage (preset_id, user_id, usage_type) VALUES ($1, auth.uid(), $2)"
        " ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING"
    )
    app.sql("DROP FUNCTION track_preset_usage")
    literal = "'" + insert.replace("'", "''") + "'"
    app.sql(
        f"CREATE FUNCTION {SIGNATURE.replace('track_preset_usage', name)} RETURNS void LANGUAGE {language} "
        + body.replace("{insert}", insert).replace("{literal}", literal)
    )
    dump = app.dump()
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr
    assert f"{name}(uuid,text,jsonb)" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_one_edited_after_apply_is_not_lost(app: App) -> None:
    replace(app, WRITABLE["returns nothing"])
    assert app.usagefix("apply").code == 0
    body = "BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ($1, auth.uid(), $2); RAISE DEBUG 'mine'; END"
    app.sql(f"CREATE OR REPLACE FUNCTION {SIGNATURE} RETURNS void LANGUAGE plpgsql AS $${body}$$")
    result = app.usagefix("rollback", "--yes")
    assert (result.code, "changed after apply" in result.stderr) == (1, True)
    assert checks(app.usagefix("verify", "--format", "json"))["tracker_inserts_only"] == "ok"
