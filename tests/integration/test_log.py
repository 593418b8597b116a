"""usagefix log: the history that the ledger keeps."""

from __future__ import annotations

import re

import pytest
from support import App, role


def lines(app: App, *arguments: str) -> list[str]:
    """What was done, a line each, without when and by whom."""
    return [
        " ".join(
            filter(None, (entry["action"], entry["version"], entry["rows"] and f"{entry['rows']}:{entry['drift']}"))
        )
        for entry in app.usagefix("log", "--format", "json", *arguments).json["entries"]
    ]


def test_nothing_was_ever_applied(app: App) -> None:
    done = app.usagefix("log")
    assert done.code == 0, done.stderr
    assert "nothing: there is no schema usagefix, because usagefix was never applied here or" in done.stdout
    assert "next: usagefix apply --dry-run" in done.stdout
    assert app.usagefix("log", "--format", "json").json["ledger"] is False


def test_what_was_done(app: App) -> None:
    applied = app.usagefix("apply", COLUMNS="160")
    steps = ("looking", "triggers", "counting", "correcting", "dropping the daily limit", "verifying")
    took = "took: " + ", ".join(rf"{step} \d[\d.]* m?s" for step in steps)
    assert re.search(f"^{took}$", applied.stdout, re.MULTILINE), applied.stdout
    assert applied.stdout.endswith("\nnext: usagefix smoke, then in CI usagefix verify\n")
    app.spoil("UPDATE presets SET usage_count = usage_count + 7 WHERE id = %s", app.preset())
    report = app.usagefix("backfill", "--format", "json").one["backfill"]
    assert report["counted_ms"] > 0 < report["corrected_ms"]
    again = app.usagefix("backfill").stdout
    assert re.search(r"^took: counting [\d.]+ m?s\ndone: .*\nnext: usagefix verify$", again, re.MULTILINE), again
    back = ("rollback", "--yes", "--counters", "restore", "--daily-limit", "skip")
    assert app.usagefix(*back).code == 0
    assert lines(app) == [
        "rollback 20250930000001", "rollback 20251101000001", "give_back 29:-4301", "backfill", "backfill 1:-7",
        "apply 20250930000001", "backfill 29:4308", "apply 20251101000001",
    ]  # fmt: skip
    assert lines(app, "--limit", "1") == ["rollback 20250930000001"]
    (first,) = app.usagefix("log", "--limit", "1", "--format", "json").json["entries"]
    assert (first["by_role"], first["application"]) == ("postgres", "usagefix")
    shown = app.usagefix("log", "--limit", "7", COLUMNS="170").stdout
    for line in (
        "29 counters corrected: drift +4,308 (4,582 up and down together)",
        "the time of the last event of 6 rows corrected",
        "counted: every counter was right",
        "log: 7 entries, the newest first; 1 older: usagefix log --limit 8",
    ):
        assert line in " ".join(shown.split()), shown
    assert len(re.findall(r" \d\d:\d\d:\d\d .* usagefix 0\.", shown)) == 7, "each says when, and with which version"
    for form in ("markdown", "github", "junit"):
        assert app.usagefix("log", "--format", form).code == 0


def test_a_counter_of_several(app: App) -> None:
    assert app.usagefix("apply").code == 0
    app.sql("CREATE TABLE posts (id int PRIMARY KEY, likes int DEFAULT 0)")
    app.sql("CREATE TABLE likes (post_id int REFERENCES posts)")
    app.sql("INSERT INTO posts SELECT generate_series(1, 3); INSERT INTO likes VALUES (1), (1)")
    declared = ("--counter", "posts.likes", "--events", "likes.post_id", "--name", "liked")
    assert app.usagefix("apply", *declared).code == 0
    of_one = ["backfill 1:2", "apply 20251101000001", "apply 20250930000001"]
    slug = app.one("SELECT counter FROM usagefix.counters WHERE counter <> 'preset_usage_count'")
    for name in (slug, "posts.likes", "public.posts.likes"):
        assert lines(app, "--counter", name) == of_one
    assert len(lines(app)) == 6
    assert f" {slug} " in app.usagefix("log").stdout
    unknown = app.usagefix("log", "--counter", "nothing")
    assert unknown.code == 2
    assert f"it has {slug}, preset_usage_count" in unknown.stderr


def test_a_ledger_of_somebody_hostile(fixed: App) -> None:
    nasty = "x\x1b[2J\nright: all is well [bold]<b>|`|::error::x"
    fixed.sql("UPDATE usagefix.history SET by_role = %s, tool = %s, application = %s", nasty, nasty, nasty)
    fixed.sql("ALTER TABLE usagefix.history DROP CONSTRAINT history_action_check")
    fixed.sql("UPDATE usagefix.history SET action = %s, at = 'infinity' WHERE entry = 1", nasty)
    fixed.sql("GRANT INSERT ON usagefix.history TO PUBLIC")
    for form in ("table", "markdown", "github", "junit"):
        for columns in ("40", "100"):
            shown = fixed.usagefix("log", "--format", form, COLUMNS=columns)
            assert shown.code == 0, shown.stderr
            assert "\x1b" not in shown.stdout
            assert not [line for line in shown.stdout.splitlines() if line.startswith(("right:", "::error"))]
    assert "this may be false: PUBLIC may change usagefix.history" in fixed.usagefix("log").stdout
    assert nasty in [entry["tool"] for entry in fixed.usagefix("log", "--format", "json").json["entries"]]
    fixed.sql("ALTER TABLE usagefix.corrections RENAME TO mine")
    gone = fixed.usagefix("log")
    assert (gone.code, "the ledger has no table corrections" in gone.stderr) == (1, True), gone.stderr


def test_a_run_that_was_interrupted(fixed: App) -> None:
    fixed.sql("UPDATE usagefix.backfills SET finished_at = NULL, lease_until = clock_timestamp() + interval '1 hour'")
    assert "the run is going" in fixed.usagefix("log").stdout
    fixed.sql("UPDATE usagefix.backfills SET lease_until = clock_timestamp()")
    assert "the run was interrupted" in fixed.usagefix("log").stdout


@pytest.mark.parametrize("grants", ["", "GRANT USAGE ON SCHEMA usagefix TO reader"])
def test_who_may_not_read_it(fixed: App, grants: str) -> None:
    with role(fixed, "reader", grants=grants):
        done = fixed.usagefix("log", DATABASE_URL=fixed.url("reader"))
        assert (done.code, done.stdout) == (5, ""), done.stderr
        assert "hint: " in done.stderr
