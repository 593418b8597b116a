"""verify, doctor and apply agree on what counts: they ask one reader of code, and a trial where reading cannot tell."""

from __future__ import annotations

import pytest
from support import App, checks, failing

COUNT = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id"
# Each counts every event a second time. What only blanks comments and literals one after the other misreads them.
READ: dict[str, str] = {
    "a literal that looks like a comment": f"RAISE DEBUG 'a -- b'; {COUNT}; RETURN NULL;",
    "a literal that opens a comment": f"RAISE DEBUG 'a /* b'; {COUNT}; RETURN NULL; /* c */",
    "a comment with a quote in it": f"-- it's\n {COUNT}; RETURN NULL; -- it's",
    "a comment in a comment": f"/* one /* two */ ' */ {COUNT}; RETURN NULL; -- '",
    "an escaped quote": rf"RAISE DEBUG E'it\'s -- here'; {COUNT}; RETURN NULL;",
    "a dollar quote in a literal": f"RAISE DEBUG '$q$'; {COUNT}; RAISE DEBUG '$q$'; RETURN NULL;",
}
LATER = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = $1"
UNEDITABLE: dict[str, str] = {
    "dynamic SQL in one literal": f"EXECUTE '{LATER}' USING NEW.preset_id; RETURN NULL;",
    "dynamic SQL by format()": "EXECUTE format($f$UPDATE %I SET usage_count = usage_count + 1 WHERE id = %L$f$, 'presets', NEW.preset_id); RETURN NULL;",
}
# Nothing in its text names the counter: only what it does tells.
HIDDEN = "EXECUTE 'UPDATE pre' || 'sets SET usage' || '_count = usage' || '_count + 1 WHERE id = $1' USING NEW.preset_id; RETURN NULL;"


def another(app: App, body: str) -> None:
    app.sql(
        "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS"
        f" $body$BEGIN {body}\nEND$body$"
    )
    app.sql("REVOKE ALL ON FUNCTION another() FROM PUBLIC")
    app.sql("CREATE TRIGGER another AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()")


def said_twice(app: App) -> tuple[bool, bool]:
    """Whether verify and doctor say that the trigger counts, and name it."""
    (check,) = (c for c in app.usagefix("verify", "--format", "json").one["checks"] if c["check_id"] == "counted_once")
    findings = app.usagefix("doctor", "--format", "json").one["findings"]
    twice = [f for f in findings if f["finding_id"] == "counted_twice"]
    named = "another on public.preset_usage"
    return check["status"] != "ok" and named in check["detail"], bool(twice) and named in str(twice)


@pytest.mark.parametrize("what", READ)
def test_after_apply_all_three_agree(fixed: App, what: str) -> None:
    another(fixed, READ[what])
    assert said_twice(fixed) == (True, True)
    again = fixed.usagefix("apply", "--format", "json")
    assert again.code == 0, again.stderr
    assert "another on public.preset_usage" in " ".join(again.one["remarks"])
    assert failing(again) == set()
    assert said_twice(fixed) == (False, False)
    fixed.sql("ALTER TABLE presets DISABLE TRIGGER zz_trigger_guard_preset_usage_count")  # it would hide a second count
    fixed.use(fixed.preset(1), times=3)
    assert fixed.drift() == (0, 0)
    fixed.sql("ALTER TABLE presets ENABLE TRIGGER zz_trigger_guard_preset_usage_count")
    fixed.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    assert fixed.usagefix("rollback", "--yes").code == 0
    definition = fixed.one("SELECT prosrc FROM pg_proc WHERE proname = 'another'")
    assert definition == f"BEGIN {READ[what]}\nEND"
    assert fixed.one("SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'another'") == "O"


@pytest.mark.parametrize("what", UNEDITABLE)
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_cannot_be_edited_is_named_and_nothing_changed(
    request: pytest.FixtureRequest, what: str, when: str
) -> None:
    app: App = request.getfixturevalue("app" if when == "before" else "fixed")
    another(app, UNEDITABLE[what])
    dump = app.dump()
    (check,) = (c for c in app.usagefix("verify", "--format", "json").one["checks"] if c["check_id"] == "counted_once")
    assert check["status"] == ("unexpected" if when == "before" else "failed")
    assert "another on public.preset_usage" in check["detail"]
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr
    assert "trigger another on public.preset_usage" in result.stderr
    assert "track_preset_usage" not in result.stderr, "it is not to blame"
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump


def test_what_no_reader_sees_a_trial_tells(app: App) -> None:
    another(app, HIDDEN)
    dump = app.dump()
    assert checks(app.usagefix("verify", "--format", "json"))["counted_once"] == "ok", "its text tells nothing"
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr
    assert "does not count right: " in result.stderr
    assert "trigger another on public.preset_usage" in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.dump() == dump
    assert app.drift()[0] > 0
