"""Before it changes a database that is not on this machine, each command asks a person who is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import App, role
from terminals import elsewhere, typed

CTRL_C, CTRL_D = b"\x03", b"\x04"
UNTOUCHED = "SELECT to_regnamespace('usagefix') IS NULL"


@pytest.mark.parametrize("answer", [b"n\n", b"\n", CTRL_C, CTRL_D, b"what\nno\n"])
def test_anything_but_yes_changes_nothing(app: App, answer: bytes) -> None:
    with elsewhere(app) as url:
        done = typed("apply", answer=answer, DATABASE_URL=url)
    said = {CTRL_C: "interrupted", CTRL_D: "not applied: nobody said yes"}.get(answer, "not applied: you said no")
    assert (done.code, done.stdout) == (130 if answer == CTRL_C else 1, ""), done.stderr
    assert f"error: {said}\n       nothing in the database was changed\n" in done.stderr
    assert app.one(UNTOUCHED)


def test_each_command_asks_and_names_what_is_ahead(app: App) -> None:
    with elsewhere(app) as url:

        def asked(*arguments: str, answer: bytes, code: int, shown: str) -> str:
            done = typed(*arguments, answer=answer, DATABASE_URL=url)
            assert done.code == code, done.stderr
            assert " on db.example.com (127.0.0.1):" in done.stderr
            assert shown in " ".join(done.stderr.split())
            return done.stderr

        refused = typed("backfill", DATABASE_URL=url).stderr
        assert "are not counted yet" in refused
        assert "[y/N]" not in refused, "there is nothing to agree to"
        shown = asked("apply", answer=b"YES\n", code=0, shown="corrects 29 presets: drift +4,308 (4,582 up")
        for line in (
            "applies 20250930000001_fix_usage_tracking and 20251101000001_guard_usage_count",
            "changes your function public.track_preset_usage(",
            "drops the daily limit public.idx_preset_usage_daily_unique",
            "locks preset_usage and presets against writers for an instant",
        ):
            assert f"\n  {line}" in shown
        assert "asks" not in typed("apply", DATABASE_URL=url).stderr, "nothing is left to do"
        app.spoil("UPDATE presets SET usage_count = usage_count + 1 WHERE id = %s", app.preset())
        asked("backfill", answer=b"n\n", code=1, shown="1 preset would be corrected: drift -1")
        assert app.drift() == (1, 1)
        asked("guard", "reject", answer=b"n\n", code=1, shown="to reject: a statement that writes the counter fails")
        asked("notifications", "collapse", answer=b"n\n", code=1, shown="adds a new row of preset_notifications")
        assert app.usagefix("guard", "--format", "json").one["mode"] == "ignore"
        asked("rollback", "--to", "20250930000001", answer=b"n\n", code=1, shown="no longer guards presets.usage_count")
        asked("rollback", answer=CTRL_C, code=130, shown="refuses a second use by one person on one day again")
        restores = ("rollback", "--counters", "restore", "--daily-limit", "skip", "--purge")
        shown = asked(*restores, answer=b"y\n", code=0, shown="gives each counter back what it showed before apply")
        assert "keeps the daily limit off" in shown
        assert "drops schema usagefix" in shown
        assert app.one(UNTOUCHED)


def test_it_asks_once_of_several_counters(app: App, tmp_path: Path) -> None:
    app.sql("CREATE TABLE posts (id int PRIMARY KEY, likes int DEFAULT 0, views int DEFAULT 5)")
    app.sql("CREATE TABLE likes (post_id int REFERENCES posts); INSERT INTO posts SELECT generate_series(1, 30)")
    app.sql("INSERT INTO likes VALUES (1), (1)")
    count = "BEGIN UPDATE posts SET likes = likes + 1 WHERE id = NEW.post_id; RETURN NULL; END"
    app.sql(f"CREATE FUNCTION count_like() RETURNS trigger LANGUAGE plpgsql AS $${count}$$")
    app.sql("CREATE TRIGGER on_like AFTER INSERT ON likes FOR EACH ROW EXECUTE FUNCTION count_like()")
    file = tmp_path / "usagefix.toml"
    counters = {"likes": "likes.post_id", "views": "likes.post_id"}
    file.write_text("".join(f"[[counter]]\ncounter = 'posts.{c}'\nevents = '{e}'\n" for c, e in counters.items()))
    arguments = ("apply", "--config", str(file))
    with elsewhere(app) as url:
        shown = typed(*arguments, answer=b"n\n", DATABASE_URL=url).stderr
        assert "    corrects 1 row: drift +2\n" in shown
        assert "    may be refused: the counters do not look like what these events count" in shown
        assert "    trigger on_like on public.likes also counts: apply disables it\n" in shown
        assert shown.count("[y/N]") == 1
        shown = typed(*arguments, "--trust", "counters", answer=b"y\n", DATABASE_URL=url).stderr
        assert "    148 events that 30 counters showed in addition to their events would become baselines\n" in shown
        done = typed(*arguments, "--trust", "events", answer=b"y\n", DATABASE_URL=url)
        assert done.code == 0, done.stderr
        assert "    30 rows would be corrected: drift -148" in done.stderr, "though every counter was right"
        assert "    30 baselines of 148 events would be forgotten" in done.stderr
        done = typed("rollback", "--config", str(file), answer=b"y\n", DATABASE_URL=url)
        assert done.code == 0, done.stderr
        assert done.stderr.count("no longer counts events: the triggers go") == 2
    left = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'likes'::regclass AND NOT tgisinternal"
    assert app.sql(left) == [("on_like", "O")]


def test_rollback_undoes_no_more_than_it_asked(app: App) -> None:
    app.usagefix("apply", "--to", "20250930000001")
    done = typed("rollback", answer=b"y\n", meanwhile=lambda: app.usagefix("apply"), DATABASE_URL=app.url())
    assert (done.code, "another version was applied after rollback asked you" in done.stderr) == (1, True), done.stderr
    assert app.usagefix("verify").code == 0


def test_an_error_is_folded_at_a_terminal_and_what_is_pasted_stays_whole(app: App) -> None:
    with role(app, "reader_of_neither") as reader:
        refused = typed("verify", DATABASE_URL=app.url(reader), COLUMNS="36").stderr
    told = """error: role reader_of_neither may
       not read public.presets; and
       role reader_of_neither may
       not read public.preset_usage
       nothing in the database was
         changed
hint:
      GRANT SELECT ON public.presets TO reader_of_neither,
      or connect as postgres, who
      owns it;
      GRANT SELECT ON public.preset_usage TO reader_of_neither,
      or connect as postgres, who
      owns it
"""
    assert refused.endswith(told), refused


def test_it_asks_nobody_else(fixed: App) -> None:
    mode = ("guard", "warn")
    with elsewhere(fixed) as url:
        assert fixed.usagefix(*mode, DATABASE_URL=url).code == 0, "in a pipe"
        for arguments, to, ci, yes in (
            (mode, url, "true", ""),
            ((*mode, "--yes"), url, "", ""),
            (mode, url, "", "1"),
            (("guard",), url, "", ""),
            (("apply", "--dry-run"), url, "", ""),
            (("notifications", "collapse", "--dry-run"), url, "", ""),
            (("backfill",), url, "", ""),
            (mode, fixed.url(), "", ""),
        ):
            done = typed(*arguments, DATABASE_URL=to, CI=ci, USAGEFIX_YES=yes)
            assert done.code == 0, done.stderr
        in_ci = typed("rollback", DATABASE_URL=url, CI="true")
        assert (in_ci.code, "pass --yes" in in_ci.stderr) == (2, True), in_ci.stderr
    here = typed("rollback", answer=b"n\n", DATABASE_URL=fixed.url())
    assert (here.code, f"Roll back in database {fixed.name} on /" in here.stderr) == (1, True), here.stderr


def test_probe_api_asks_before_people_are_notified(fixed: App) -> None:
    probe = ("probe-api", "--url", "http://127.0.0.1:9", "--token", "x", "--preset", "Golden hour", "--count", "2")
    with elsewhere(fixed) as url:
        done = typed(*probe, answer=b"n\n", DATABASE_URL=url, COLUMNS="300")
        assert "error: not posted: you said no\n" in done.stderr
        assert "\n  2 uses of Golden hour will be posted to http://127.0.0.1:9/api/presets/" in done.stderr
        assert "\n  each use is real and stays: it may notify people by preset_notifications (" in done.stderr
        done = typed(*probe, answer=b"y\n", DATABASE_URL=url, COLUMNS="300")
        assert (done.code, done.stderr.count("each use is real")) == (3, 1), done.stderr
        assert typed(*probe, "--yes", DATABASE_URL=url).code == 3
