"""What worked before apply and would not afterwards is refused, whoever uses whose preset in whatever way; the culprit is named."""

from __future__ import annotations

import pytest
from support import App

SIGNATURE = "track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"
INSERT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param)"
COUNT = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid;"


def on_presets(
    what: str, body: str, *, name: str = "culprit", where: str = "presets", row: str = "FOR EACH ROW"
) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$BEGIN {body} END$$;"
        f" CREATE TRIGGER {name} {what} ON {where} {row} EXECUTE FUNCTION {name}();"
    )


NO_RECORDER = "DROP FUNCTION track_preset_usage;"
# By what is said: the trouble, and words of the refusal.
TROUBLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "only the owner may": (
        on_presets("BEFORE UPDATE", "IF auth.uid() IS DISTINCT FROM OLD.user_id THEN RAISE EXCEPTION 'not your preset'; END IF; RETURN NEW;"),
        ("not your preset", "trigger culprit on public.presets", "somebody else's preset", "UPDATE OF")),
    "only the owner may, said afterwards": (
        on_presets("AFTER UPDATE", "IF auth.uid() IS DISTINCT FROM OLD.user_id THEN RAISE EXCEPTION 'not your preset'; END IF; RETURN NULL;"),
        ("not your preset", "trigger culprit on public.presets")),
    "nobody's is frozen": (
        on_presets("BEFORE UPDATE", "IF OLD.user_id IS NULL THEN RAISE EXCEPTION 'frozen'; END IF; RETURN NEW;"),
        ("frozen", "trigger culprit on public.presets", "nobody's")),
    "one's own does not count": (
        on_presets("BEFORE UPDATE", "IF OLD.user_id = auth.uid() THEN RETURN NULL; END IF; RETURN NEW;"),
        ("0 counted, 1 recorded", "trigger culprit on public.presets", "one's own preset")),
    "a setting": (
        on_presets("BEFORE UPDATE", "PERFORM current_setting('app.user_id'); RETURN NEW;"),
        ("unrecognized configuration parameter", "app.user_id", "42704", "trigger culprit on public.presets")),
    "nested updates are dropped": (
        on_presets("BEFORE UPDATE", "IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF; RETURN NEW;"),
        ("does not count right: 0 counted, 1 recorded", "trigger culprit on public.presets")),
    "nested updates are dropped, no recorder": (
        NO_RECORDER + on_presets("BEFORE UPDATE", "IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF; RETURN NEW;"),
        ("a plain INSERT does not count right: 0 counted, 1 recorded", "trigger culprit on public.presets")),
    "a trigger puts the old row back": (
        on_presets("BEFORE UPDATE", "RETURN OLD;"),
        ("0 counted, 1 recorded", "trigger culprit on public.presets")),
    "a trigger writes events first": (
        NO_RECORDER + on_presets("BEFORE UPDATE", "IF pg_trigger_depth() < 3 THEN INSERT INTO preset_usage (preset_id, user_id, usage_type)"
            " SELECT OLD.id, user_id, 'showcase_creation' FROM preset_usage LIMIT 1 ON CONFLICT DO NOTHING; END IF; RETURN NEW;")
        + "DROP INDEX idx_preset_usage_daily_unique;",
        ("already modified", "trigger culprit on public.presets", "make it an AFTER trigger")),
    "a trigger deletes the events of a preset that changes": (
        on_presets("BEFORE UPDATE OF description", "DELETE FROM preset_usage WHERE preset_id = OLD.id; RETURN NEW;"),
        ("an UPDATE of a preset fails", "already modified", "trigger culprit on public.presets", "make it an AFTER trigger")),
    "a trigger deletes the events of a preset that goes": (
        on_presets("BEFORE DELETE", "DELETE FROM preset_usage WHERE preset_id = OLD.id; RETURN OLD;"),
        ("a DELETE of a preset fails", "already modified", "trigger culprit on public.presets", "make it an AFTER trigger")),
    "a check of what follows": (
        "ALTER TABLE preset_notifications ADD CONSTRAINT known CHECK (type IN ('preset_used', 'usage_milestone'));"
        + on_presets("AFTER UPDATE", "IF NEW.user_id IS NOT NULL AND NEW.usage_count > OLD.usage_count THEN INSERT INTO preset_notifications"
            " (preset_id, creator_id, type, title, message) VALUES (NEW.id, NEW.user_id, 'counted', 't', 'm'); END IF; RETURN NULL;"),
        ("23514", "known", "trigger culprit on public.presets")),
    "a check of the counter": (
        "UPDATE presets SET usage_count = 0; ALTER TABLE presets ADD CONSTRAINT still CHECK (usage_count = 0);",
        ("constraint still of public.presets would refuse the next use",)),
    "a deferred trigger": (
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF true THEN RAISE EXCEPTION 'too late' USING DETAIL = 'because'; END IF; END$$;"
        " CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON presets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();",
        ("too late", "DETAIL: because", "trigger late on public.presets")),
    "one kind of use only": (
        on_presets("BEFORE UPDATE", "IF current_setting('app.kind', true) = 'sample_verification' THEN RAISE EXCEPTION 'no such kind'; END IF; RETURN NEW;")
        + on_presets("BEFORE INSERT", "PERFORM set_config('app.kind', NEW.usage_type, true); RETURN NEW;", name="notes", where="preset_usage"),
        ("no such kind", "of kind sample_verification", "culprit on public.presets")),
    "an assertion": (
        on_presets("AFTER UPDATE", "ASSERT OLD.usage_count IS NOT DISTINCT FROM NEW.usage_count, 'counted'; RETURN NULL;"),
        ("counted", "P0004", "trigger culprit on public.presets")),
    "a delete": (
        on_presets("BEFORE UPDATE", "IF NEW.usage_count < OLD.usage_count THEN RAISE EXCEPTION 'never less'; END IF; RETURN NEW;"),
        ("a plain DELETE fails", "never less", "trigger culprit on public.presets")),
}  # fmt: skip


REHEARSED = ("only the owner may", "a check of the counter")


@pytest.mark.parametrize("rename", ["made_by", "created_by; ALTER TABLE presets DROP CONSTRAINT presets_user_id_fkey"])
def test_a_creator_by_another_name(app: App, rename: str) -> None:
    app.sql(NO_RECORDER + "DROP TRIGGER presets_notify_usage_milestone ON presets")
    app.sql(f"ALTER TABLE presets RENAME user_id TO {rename}")
    name = rename.partition(";")[0]
    app.sql(TROUBLE["one's own does not count"][0].replace("user_id", name))
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr + result.stdout
    assert "0 counted, 1 recorded (a use of one's own preset" in " ".join(result.stderr.split())


def test_what_cannot_be_tried_is_said(app: App) -> None:
    app.sql("TRUNCATE presets, preset_usage, preset_notifications, auth.users CASCADE")
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr
    assert "could try no use" in " ".join(result.one["remarks"])


EVERYTHING_TODAY = (
    "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT presets.id, users.id, kind FROM presets, auth.users,"
    " unnest(ARRAY['playground_generation', 'showcase_creation', 'sample_verification']) AS kind ON CONFLICT DO NOTHING"
)


def test_the_daily_limit_hides_nothing(app: App) -> None:
    """When everybody has used everything today, no function records one more use before the limit is gone."""
    app.sql(EVERYTHING_TODAY)
    app.sql(TROUBLE["only the owner may"][0])
    before = app.dump_all()
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr + result.stdout
    assert "a plain INSERT fails: not your preset" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump_all() == before


@pytest.mark.parametrize("what", TROUBLE)
def test_what_worked_before_and_does_not_after_is_refused(app: App, what: str) -> None:
    trouble, words = TROUBLE[what]
    app.sql(trouble)
    before = (
        app.dump_all(),
        app.sql("SELECT count(*), sum(usage_count) FROM presets, (SELECT count(*) FROM preset_usage) AS n"),
    )
    for arguments in (("apply",), ("apply", "--dry-run")) if what in REHEARSED else (("apply",),):
        result = app.usagefix(*arguments)
        assert result.code == 1, result.stderr + result.stdout
        said = " ".join(result.stderr.split())
        assert [word for word in words if word not in said] == [], said
        assert "nothing in the database was changed" in said
        assert "server refused" not in said
    assert (
        app.dump_all(),
        app.sql("SELECT count(*), sum(usage_count) FROM presets, (SELECT count(*) FROM preset_usage) AS n"),
    ) == before


RECORDS = f"CREATE OR REPLACE FUNCTION {SIGNATURE} RETURNS %s LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$%s$$"
ONCE = f"{INSERT} ON CONFLICT DO NOTHING"
# As they stand in textbooks: what it returns, its body, what is left of it.
TEXTBOOK: dict[str, tuple[str, str, str]] = {
    "IF FOUND": ("void", f"BEGIN {ONCE}; IF FOUND THEN {COUNT} END IF; END", "IF FOUND THEN NULL; /* counted by the trigger */ END IF;"),
    "RETURN FOUND": ("boolean", f"BEGIN {ONCE}; IF FOUND THEN {COUNT} END IF; RETURN FOUND; END", "THEN PERFORM FROM presets WHERE id = preset_uuid;"),
    "GET DIAGNOSTICS": ("integer", f"DECLARE n integer; BEGIN {ONCE}; GET DIAGNOSTICS n = ROW_COUNT; IF n > 0 THEN {COUNT} END IF; RETURN n; END", "ROW_COUNT"),
    "IF NOT FOUND THEN RETURN": ("void", f"BEGIN {ONCE}; IF NOT FOUND THEN RETURN; END IF; {COUNT} END", "IF NOT FOUND THEN RETURN; END IF; NULL;"),
    "the preset first": ("void", f"BEGIN {COUNT} IF NOT FOUND THEN RAISE EXCEPTION 'no such preset'; END IF; {ONCE}; END", "PERFORM FROM presets"),
    "unique_violation": ("boolean", f"BEGIN {INSERT}; {COUNT} RETURN true; EXCEPTION WHEN unique_violation THEN RETURN false; END", "unique_violation"),
    "unique_violation, within": ("void", f"BEGIN BEGIN {INSERT}; EXCEPTION WHEN unique_violation THEN RETURN; END; {COUNT} END", "unique_violation"),
    "another column": ("void", f"BEGIN {ONCE}; UPDATE presets SET usage_count = usage_count + 1, description = 'used' WHERE id = preset_uuid; END",
        "SET description = 'used' WHERE"),
}  # fmt: skip


def make(app: App, what: str) -> str:
    returns, body, left = TEXTBOOK[what]
    app.sql("DROP FUNCTION track_preset_usage")
    app.sql(RECORDS % (returns, body))
    return left


@pytest.mark.parametrize("day", ["on a new day", "when everybody has used everything today"])
@pytest.mark.parametrize("what", TEXTBOOK)
def test_textbook_functions_are_accepted_on_any_day(app: App, what: str, day: str) -> None:
    left = make(app, what)
    if day != "on a new day":
        app.sql(EVERYTHING_TODAY)
    before = app.dump()
    result = app.usagefix("apply", "--format", "json")
    assert result.code == 0, result.stderr + result.stdout
    assert left in app.one("SELECT prosrc FROM pg_proc WHERE proname = 'track_preset_usage'")
    app.sql(f"SET request.jwt.claim.sub = '{app.user_id(3)}'")
    events = app.one("SELECT count(*) FROM preset_usage")
    for _ in range(2):
        app.sql("SELECT track_preset_usage(%s, 'showcase_creation')", app.preset())
    assert app.one("SELECT count(*) FROM preset_usage") == events + 2
    assert app.drift() == (0, 0)
    if what == "the preset first":
        with pytest.raises(Exception, match="no such preset"):
            app.sql("SELECT track_preset_usage(gen_random_uuid(), 'showcase_creation')")
    if day == "on a new day":
        app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
        assert app.usagefix("rollback", "--yes").code == 0
        assert app.dump() == before


UNEDITABLE = {
    "a list of columns": (f"BEGIN\n{INSERT};\nUPDATE presets SET (usage_count, last_used_at) = (usage_count + 1, now()) WHERE id = preset_uuid; END", 3),
    "what it counted": (f"DECLARE n integer;\nBEGIN {INSERT};\n\nUPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid RETURNING usage_count INTO n; END", 4),
}  # fmt: skip


@pytest.mark.parametrize("what", UNEDITABLE)
def test_what_apply_will_refuse_verify_and_doctor_foretell(app: App, what: str) -> None:
    """Each names the line of the function, and what to change; none sends anybody to apply for it."""
    body, line = UNEDITABLE[what]
    app.sql("DROP FUNCTION track_preset_usage; DROP INDEX idx_preset_usage_daily_unique")
    app.sql(RECORDS % ("void", body))
    where = f"(line {line} of public.track_preset_usage(uuid,text,jsonb))"
    (check,) = (
        c for c in app.usagefix("verify", "--format", "json").one["checks"] if c["check_id"] == "tracker_inserts_only"
    )
    assert where in check["detail"]
    assert check["hint"].startswith("Remove from it what changes usage_count")
    (finding,) = (
        f for f in app.usagefix("doctor", "--format", "json").one["findings"] if f["finding_id"] == "apply_refuses"
    )
    assert where in finding["evidence"]
    refused = app.usagefix("apply")
    assert refused.code == 1
    assert where in " ".join(refused.stderr.split())
    assert "Remove from it what changes usage_count" in refused.stderr
