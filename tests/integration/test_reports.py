"""check-preset, status and sql; the shape of JSON; tables at every width."""

from __future__ import annotations

import re

import pytest
from support import LEDGER, MIGRATION, MIGRATIONS, VERSION, App, run

ENVELOPE = ["schema_version", "command", "target", "ok", "exit_code", "duration_ms", "error"]


def test_no_line_ends_in_blanks(app: App) -> None:
    for command in (("verify",), ("status",), ("doctor",), ("check-preset", "Golden hour", "--recent", "3")):
        printed = app.usagefix(*command).stdout
        assert printed
        assert [line for line in printed.splitlines() if line != line.rstrip()] == []


def test_check_preset_by_id_and_by_name(app: App) -> None:
    by_name = app.usagefix("check-preset", "Neon city", "--format", "json")
    preset = by_name.one["row"]
    by_id = app.usagefix("check-preset", preset["id"].upper(), "--format", "json")
    assert by_id.one["row"] == preset
    displayed, actual = app.sql(
        "SELECT usage_count, (SELECT count(*) FROM preset_usage WHERE preset_id = presets.id) FROM presets WHERE name = 'Neon city'"
    )[0]
    assert (preset["displayed_count"], preset["actual_records"], preset["drift"]) == (
        displayed,
        actual,
        actual - displayed,
    )
    assert by_id.code == (1 if displayed != actual else 0)


def test_check_preset_after_the_fix(fixed: App) -> None:
    result = fixed.usagefix("check-preset", "Neon city", "--recent", "3", "--format", "json")
    assert result.code == 0
    recent = result.one["recent"]
    newest = fixed.sql(
        "SELECT id::text FROM preset_usage WHERE preset_id = %s ORDER BY created_at DESC, id LIMIT 3",
        result.one["row"]["id"],
    )
    assert [event["id"] for event in recent] == [row[0] for row in newest]
    assert result.one["row"]["last_event_at"] == recent[0]["created_at"]


@pytest.mark.parametrize(
    "wanted", ["nothing of that name", "12345", "neon city", "9" * 200, "'; DROP TABLE presets; --", "%s"]
)
def test_no_such_preset(app: App, wanted: str) -> None:
    result = app.usagefix("check-preset", wanted)
    assert result.code == 1
    assert "error: no preset has the id or the name" in result.stderr
    assert "ids are of type uuid" in result.stderr
    assert result.stdout == ""


def test_a_name_that_several_have(app: App) -> None:
    app.sql("UPDATE presets SET name = 'Twin' WHERE name IN ('Neon city', 'Film noir')")
    result = app.usagefix("check-preset", "Twin")
    assert result.code == 2
    assert "2 presets" in result.stderr
    for (preset,) in app.sql("SELECT id::text FROM presets WHERE name = 'Twin'"):
        assert preset in result.stderr


def test_status(app: App) -> None:
    assert app.usagefix("status", "--format", "json").one["migrations"] == [
        {
            "version": version,
            "name": name,
            "state": "pending",
            "applied_at": None,
            "applied_by": None,
            "pushed_by": None,
            "pushed_as": None,
            "rolled_back_at": None,
            "rolled_back_by": None,
        }
        for version, name in (folder.name.split("_", 1) for folder in MIGRATIONS)
    ]
    app.usagefix("apply")
    result = app.usagefix("status", "--format", "json")
    assert {(m["state"], m["applied_by"]) for m in result.one["migrations"]} == {("applied", "postgres")}
    assert result.code == 0
    newest = app.one(
        "SELECT to_char(max(created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM preset_usage"
    )
    assert result.one["newest_event_at"].startswith(newest)
    app.sql("ALTER FUNCTION auto_increment_preset_usage_count() SECURITY INVOKER")
    outdated = app.usagefix("status", "--format", "json")
    assert [m["state"] for m in outdated.one["migrations"]] == ["outdated", "applied"]
    assert outdated.code == 1


def test_status_knows_a_fix_by_hand(app: App) -> None:
    assert app.by_hand().returncode == 0
    states = [m["state"] for m in app.usagefix("status", "--format", "json").one["migrations"]]
    assert states == ["applied"] * 2
    assert app.one("SELECT DISTINCT application FROM usagefix.history") == "psql"


def test_sql_prints_the_files_without_connecting() -> None:
    for face, last in (("apply",) * 2, ("verify", "verify_partitions"), ("backfill",) * 2, ("rollback",) * 2):
        printed = run("sql", VERSION, face).stdout
        assert (MIGRATION / f"{face}.sql").read_text() in printed
        assert printed.endswith((MIGRATION / f"{last}.sql").read_text())
    assert run("sql", VERSION).stdout == "\n".join(
        file.read_text() for file in (LEDGER, MIGRATION / "stops.sql", MIGRATION / "apply.sql")
    )
    assert run("sql", MIGRATION.name).code == 0
    unknown = run("sql", "20200101000000")
    assert unknown.code == 2
    assert VERSION in unknown.stderr


COMMANDS = {
    "verify": ("verify",),
    "doctor": ("doctor",),
    "status": ("status",),
    "check-preset": ("check-preset", "Neon city"),
    "guard": ("guard", "warn"),
    "apply": ("apply",),
    "apply --dry-run": ("apply", "--dry-run"),
    "backfill": ("backfill",),
    "rollback": ("rollback", "--yes"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_one_object_with_the_envelope(fixed: App, name: str) -> None:
    result = fixed.usagefix(*COMMANDS[name], "--format", "json")
    body = result.json
    assert list(body)[: len(ENVELOPE)] == ENVELOPE
    assert body["command"] == COMMANDS[name][0]
    assert body["target"] == {
        "user": "postgres", "host": fixed.host, "port": None, "database": fixed.name,
        "server_version": body["target"]["server_version"], "pooler": False,
    }  # fmt: skip
    assert (body["ok"], body["exit_code"], body["error"]) == (True, 0, None)
    assert result.code == 0


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 160])
@pytest.mark.parametrize("name", COMMANDS)
def test_tables_fit_their_terminal(app: App, name: str, width: int) -> None:
    if name != "apply":
        app.usagefix("apply")
    result = app.usagefix(*COMMANDS[name], COLUMNS=str(width))
    assert result.code == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if not re.search(r"\busagefix [a-z]", line)]  # are pasted
    longest = max(lines, key=len, default="")
    assert len(longest) <= width, longest
    assert "…" not in result.stdout, "nothing is cut off"


def test_text_from_the_database_is_never_markup(app: App) -> None:
    name = "[red]not red[/red] :smile: \\[x] 日本"
    app.sql("UPDATE presets SET name = %s, usage_count = 100000 WHERE name = 'Neon city'", name)
    result = app.usagefix("verify", COLUMNS="160")
    assert name in result.stdout
    assert app.usagefix("check-preset", name, "--format", "json").one["row"]["label"] == name


def test_the_table_says_it_in_words_at_the_end(app: App) -> None:
    lines = app.usagefix("verify").stdout.splitlines()
    assert lines[-2].startswith("not right: 10 checks fail, 3 pass, 7 do not apply;")
    assert lines[-1] == "next: usagefix apply"


def test_what_is_right_is_counted_and_listed_only_where_it_is_asked_for(app: App) -> None:
    def listed(*words: str, text: str) -> int:
        return sum(line.startswith(tuple(f"  {word} " for word in words)) for line in text.splitlines())

    wrong, whole = app.usagefix("verify").stdout, app.usagefix("verify", "--all").stdout
    assert [listed(words, text=wrong) for words in ("ok", "skipped")] == [0, 0]
    assert [listed(words, text=whole) for words in ("ok", "skipped")] == [3, 7]
    assert listed("missing", "failed", "unexpected", text=wrong) == 10
    applied, right = app.usagefix("apply").stdout, app.usagefix("verify").stdout
    lines = right.splitlines()
    assert (lines[0], lines[-1]) == ("Accuracy", "right: 16 checks pass, 4 do not apply; 40 of 40 presets accurate")
    assert len(lines) < 8, "the totals, and the verdict"
    assert listed("ok", "skipped", text=applied) == 0, "apply does not repeat the table"
    assert lines[-1] in applied.splitlines()
    whole = app.usagefix("verify", "--all").stdout
    assert [listed(words, text=whole) for words in ("ok", "skipped")] == [16, 4]
    assert "Most used presets" in whole
    pages = [app.usagefix("verify", *asked, "--format", "markdown").stdout for asked in ((), ("--all",))]
    assert pages[0] == pages[1], "a page tells everything"
