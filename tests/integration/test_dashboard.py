"""The page as a command writes it, of a database."""

from __future__ import annotations

import html
import re
import signal
import stat
from pathlib import Path

import pytest
from support import App, ended, role, run, told, wait_until

HOSTILE = "</script><script>alert(1)</script> {{7*7}} \u202e'\"&"


def text(file: Path) -> str:
    """What a person reads of it."""
    body = re.sub(r"<style>.*?</style>|</?(?:bdi|b|span|code|a)\b[^>]*>", "", file.read_text("utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).replace("\u00a0", " ").split())


def test_a_page_says_whose_data_it_holds_and_what_verify_says(app: App, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    done = app.usagefix("dashboard", str(file), "--tz", "Asia/Kolkata")
    assert done.code == 0, done.stderr
    assert re.match(rf"written: {file}, \d+\s+kB\nnot right: ", done.stdout), "drift is said, and is no failure"
    said = text(file)
    assert "Wrong: " in said
    assert f"Database {app.name} on" in said
    assert "times in Asia/Kolkata" in said
    uses = app.one(
        "SELECT count(*) FROM preset_usage WHERE (created_at AT TIME ZONE 'Asia/Kolkata')::date"
        " > (now() AT TIME ZONE 'Asia/Kolkata')::date - 365"
    )
    assert f"Uses, 365 days {uses:,}" in said
    assert file.stat().st_size <= 300_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds data"
    assert app.usagefix("apply").code == 0
    file.chmod(0o644)
    told = app.usagefix("dashboard", str(file), "--format", "json")
    assert (told.json["file"], told.json["bytes"]) == (str(file), file.stat().st_size)
    assert told.one["verified"]["counts"]["inaccurate"] == 0
    assert "Right: " in text(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["usage.html"]


def test_names_of_users_only_where_they_are_asked_for(app: App, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    app.sql("CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users, handle text)")
    app.sql("INSERT INTO profiles SELECT id, %s FROM auth.users", HOSTILE)
    app.sql("UPDATE presets SET name = %s || id", HOSTILE)
    assert app.usagefix("dashboard", str(file)).code == 0
    assert "It shows no names of users" in text(file)
    key = app.one("SELECT user_id::text FROM preset_usage GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    assert key in text(file)
    done = app.usagefix("dashboard", str(file), "--user-label", "profiles.handle")
    assert done.code == 0, done.stderr
    assert "It shows names of users" in text(file)
    page = file.read_text("utf-8")
    assert not re.search(r"<script|\u202e", page)
    assert html.unescape(page).count("{{7*7}} \\u202e'\"&") > 20, "names are text, with nothing that turns the writing"
    assert "@example" not in page, "no address is ever read"


def test_where_no_page_can_be_is_said_before_anything_is_read(app: App, tmp_path: Path) -> None:
    for wrong in (str(tmp_path), str(tmp_path / "absent" / "usage.html")):
        done = run("dashboard", wrong, DATABASE_URL="postgresql://127.0.0.1:1/nowhere")
        assert done.code == 2, done.stderr
    for more in (("--open",), ("--every", "1"), ("--format", "json"), ("--output", str(tmp_path / "report"))):
        done = app.usagefix("dashboard", "-", *more)
        assert (done.code, more[0] in done.stderr) == (2, True), done.stderr
    for odd in ("never", "0", "nan", "2d", "-1"):
        assert app.usagefix("dashboard", str(tmp_path / "x"), f"--every={odd}").code == 2, odd
    assert app.usagefix("dashboard", str(tmp_path / "x"), "--since", "yesterday").code == 2
    assert app.usagefix("dashboard", str(tmp_path / "x"), "--output", str(tmp_path / "x")).code == 2
    assert list(tmp_path.iterdir()) == []


def test_stdout_takes_the_page_alone(app: App) -> None:
    done = app.usagefix("dashboard", "-")
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")


@pytest.mark.parametrize("since", ["24h", "20y"])
def test_any_window(app: App, tmp_path: Path, since: str) -> None:
    file = tmp_path / "usage.html"
    app.use(app.preset())
    assert app.usagefix("dashboard", str(file), "--since", since).code == 0
    step = {"24h": "hour", "20y": "month"}[since]
    assert f"The numbers, by {step}" in text(file)


def test_a_database_without_events(app: App, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    app.sql("TRUNCATE preset_usage")
    assert app.usagefix("dashboard", str(file)).code == 0
    assert "No use in 365 days" in text(file)


def test_several_counters_one_of_which_cannot_be_shown(app: App, tmp_path: Path) -> None:
    app.sql("ALTER TABLE presets ADD likes_count int NOT NULL DEFAULT 0")
    app.sql("CREATE TABLE likes (preset_id uuid REFERENCES presets)")
    declared = tmp_path / "usagefix.toml"
    declared.write_text(
        '[[counter]]\ncounter = "presets.usage_count"\nevents = "preset_usage.preset_id"\n'
        '[[counter]]\ncounter = "presets.likes_count"\nevents = "likes.preset_id"\n'
    )
    file = tmp_path / "usage.html"
    done = app.usagefix("dashboard", str(file), "--config", str(declared), "--format", "json")
    assert done.code != 0
    (shown, failed) = done.json["counters"]
    assert (shown["error"], bool(failed["error"])) == (None, True)
    assert done.json["file"] == str(file), "the page is written all the same"
    said = text(file)
    assert "Not shown preset_likes_count: " in said
    assert "Uses over time" in said


def test_what_a_role_may_not_verify_is_shown_as_not_known(app: App, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    app.sql("ALTER TABLE presets DISABLE ROW LEVEL SECURITY; ALTER TABLE preset_usage DISABLE ROW LEVEL SECURITY")
    with role(app, "reader", grants="GRANT SELECT ON presets, preset_usage TO reader"):
        done = app.usagefix("dashboard", str(file), DATABASE_URL=app.url("reader"))
        assert done.code == 0, done.stderr
    assert "Uses over time" in text(file)


def test_it_is_written_again_until_somebody_ends_it(fixed: App, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    writing = fixed.spawn("dashboard", str(file), "--every", "0.2s")
    wait_until(lambda: file.is_file() and "Right: " in text(file))
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 3 WHERE id = %s", fixed.preset())
    wait_until(lambda: "Wrong: 1 of" in text(file))
    maintenance = App(fixed.host, fixed.port, "postgres", fixed.binaries)
    maintenance.sql(f"ALTER DATABASE {fixed.name} ALLOW_CONNECTIONS false")
    said = told(writing, "stays as it is, and is tried again in 0.2 s")
    assert "Wrong: " in text(file), "the last page stays"
    maintenance.sql(f"ALTER DATABASE {fixed.name} ALLOW_CONNECTIONS true")
    maintenance.close()
    while said.count("is written, and again every 0.2 s") < 2:
        said += told(writing, "is written, and again every 0.2 s")
    writing.send_signal(signal.SIGINT)
    done = ended(writing)
    assert (done.code, done.stdout) == (0, ""), done.stderr
    assert (said + done.stderr).count("target: ") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["usage.html"]


def test_a_browser_opens_it_or_a_person_is_told_to(app: App, tmp_path: Path) -> None:
    file, opened = tmp_path / "my usage.html", tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    program.chmod(0o755)
    assert app.usagefix("dashboard", str(file), "--open", BROWSER=f"{program} %s").code == 0
    assert opened.read_text().strip() == file.as_uri()
    done = app.usagefix("dashboard", str(file), "--open", BROWSER=str(tmp_path / "absent"), PATH="/nowhere", DISPLAY="")
    assert done.code == 0
    assert f"open {file} yourself" in done.stderr


def test_ctrl_c_leaves_no_file(app: App, tmp_path: Path) -> None:
    with app.connect(autocommit=False) as other:
        other.execute("LOCK TABLE preset_usage")
        writing = app.spawn("dashboard", str(tmp_path / "usage.html"))
        app.wait_for_waiter()
        writing.send_signal(signal.SIGINT)
        done = ended(writing)
    assert (done.code, done.stdout) == (130, ""), done.stderr
    assert list(tmp_path.iterdir()) == []
