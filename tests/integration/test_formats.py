"""Every format of every report, read by what reads it: a schema and a reader of JUnit, a Markdown parser, the runner."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from support import ROOT, App, Result, environment, process, run
from workflow import Command, obeyed

from usagefix import backfill, catalog
from usagefix.database import connect
from usagefix.errors import UsagefixError
from usagefix.models.advice import Step
from usagefix.models.outcome import Outcome
from usagefix.models.verification import RowCount, RowReport
from usagefix.render.markdown import markdown
from usagefix.render.progress import progress_shown
from usagefix.render.words import harmless
from usagefix.target import locate

FORMATS = ("table", "json", "markdown", "github", "junit")
SCHEMA = xmlschema.XMLSchema(ROOT / "tests" / "schemas" / "junit-10.xsd")
WELL = {
    "verify": ("verify",),
    "verify --only": ("verify", "--only", "counters_accurate"),
    "status": ("status",),
    "check-preset": ("check-preset", "Neon city", "--recent", "2"),
    "doctor": ("doctor",),
    "backfill": ("backfill",),
    "backfill --dry-run": ("backfill", "--dry-run"),
    "apply": ("apply",),
    "apply --dry-run": ("apply", "--dry-run"),
    "rollback": ("rollback", "--yes"),
    "guard": ("guard",),
    "guard reject": ("guard", "reject"),
    "notifications": ("notifications",),
    "notifications collapse": ("notifications", "collapse"),
    "smoke": ("smoke",),
    "export": ("export", "."),
}
# What the drifted sample says, and its exit code.
ILL = {
    "verify": (("verify",), 1),
    "status": (("status",), 0),
    "check-preset": (("check-preset", "Golden hour"), 1),
    "check-preset, none": (("check-preset", "no such preset"), 1),
    "doctor": (("doctor",), 1),
    "backfill": (("backfill",), 1),
    "apply --dry-run": (("apply", "--dry-run"), 0),
    "guard": (("guard",), 1),
    "smoke": (("smoke",), 1),
}
MISUSED = {
    "unknown option": ("verify", "--nonsense"),
    "unknown command": ("verifi",),
    "no argument": ("check-preset",),
    "not a number": ("verify", "--top", "many"),
    "no such version": ("apply", "--to", "20200101000000"),
    "no such folder": ("export", "nowhere"),
}
NASTY = (
    "::error::injected",
    "first\n::error::second",
    "first\r::warning::second",
    "\u00a0 ::add-mask::a",
    "%0A::error::x %25 %3A",
    "a, b: c]=d;e::f",
    "x ##[error]y",
    "##[add-path]/somewhere",
    "##[warning]]",
    "\x1b[31m😀\x07 \u202e",
    "word " * 30 + "::error::far away " + "::error::further" * 9,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def report(app: App, *arguments: str, form: str, folder: Path, **variables: str) -> Result:
    return run(*arguments, "--format", form, cwd=folder, **({"DATABASE_URL": app.url()} | variables))


def name_presets(app: App, *names: str) -> dict[str, str]:
    """Names presets so, and makes their counters wrong. Name → id."""
    app.sql("ALTER TABLE presets ALTER name TYPE text")
    ids = [row[0] for row in app.sql("SELECT id::text FROM presets ORDER BY id LIMIT %s", len(names))]
    for preset, name in zip(ids, names, strict=True):
        app.spoil("UPDATE presets SET name = %s, usage_count = 1000000 WHERE id = %s::uuid", name, preset)
    return dict(zip(names, ids, strict=True))


# JUnit


def cases(text: str) -> Counter[str]:
    """How many cases of each kind there are, by the reader; the suite's own totals agree."""
    SCHEMA.validate(text)
    (suite,) = JUnitXml.fromstring(text.encode())
    kinds = Counter({"tests": len(list(suite)), "failures": 0, "errors": 0, "skipped": 0})
    for case in suite:
        for result in case.result:
            kinds[{"Failure": "failures", "Error": "errors", "Skipped": "skipped"}[type(result).__name__]] += 1
    assert kinds == {kind: int(getattr(suite, kind)) for kind in kinds}
    assert len({(case.classname, case.name) for case in suite}) == kinds["tests"], "readers take two of a name for one"
    assert kinds["tests"] > 0, "nothing is not a pass"
    return kinds


def expected(body: dict[str, Any]) -> dict[str, int]:
    """The same, by the report in JSON."""
    body = body | {key: value for part in body.get("counters", ()) for key, value in part.items()}
    tests, failures, errors, skipped = 1, int(not body["ok"]), 0, 0
    checks = body.get("checks") or body.get("before", {}).get("checks")
    if body["error"]:
        failures, errors = 0, 1
    elif checks:
        done = [*body.get("migrations", ()), *(["the backfill"] if "backfill" in body else [])]
        found = Counter(check["status"] for check in checks)
        tests, skipped = len(checks) + len(done), found["skipped"]
        failures = 0 if body.get("dry_run") else len(checks) - found["ok"] - skipped
    elif body["command"] == "status":
        tests = len(body["migrations"])
        failures = sum(migration["state"] in ("outdated", "foreign") for migration in body["migrations"])
    elif body["command"] == "doctor":
        tests, failures = len(body["findings"]) or 1, body["counts"]["error"]
    elif body["command"] == "smoke":
        found = Counter(step["status"] for step in body["steps"])
        tests, failures, skipped = len(body["steps"]), found["failed"], found["skipped"]
    elif body["command"] == "export":
        tests = len(body["files"]) + len(body["there"])
    return {"tests": tests, "failures": failures, "errors": errors, "skipped": skipped}


def assert_same(as_json: Result, as_junit: Result) -> None:
    found = cases(as_junit.stdout)
    assert found == expected(as_json.json)
    assert as_json.code == as_junit.code
    assert (as_junit.code == 0) == (found["failures"] + found["errors"] == 0)


@pytest.mark.parametrize("name", WELL)
def test_junit_agrees_with_json_where_all_is_well(fixed: App, name: str, folder: Path) -> None:
    as_json = report(fixed, *WELL[name], form="json", folder=folder)
    if name == "rollback":
        fixed.usagefix("apply")
    as_junit = report(fixed, *WELL[name], form="junit", folder=folder)
    assert as_json.code == 0, as_json.stderr
    assert_same(as_json, as_junit)


@pytest.mark.parametrize("name", ILL)
def test_junit_agrees_with_json_where_it_is_not(app: App, name: str, folder: Path) -> None:
    arguments, code = ILL[name]
    as_json, as_junit = (report(app, *arguments, form=form, folder=folder) for form in ("json", "junit"))
    assert as_json.code == code, as_json.stderr
    assert_same(as_json, as_junit)


def test_junit_of_a_first_apply(app: App, folder: Path) -> None:
    found = cases(report(app, "apply", form="junit", folder=folder).stdout)
    verified = report(app, "verify", form="json", folder=folder).one["checks"]
    assert found["tests"] == len(verified) + len(catalog.migrations()) + len(("the backfill",))
    assert found["failures"] == found["errors"] == 0


def test_junit_of_what_is_not_as_released(fixed: App, folder: Path) -> None:
    fixed.sql("ALTER FUNCTION auto_increment_preset_usage_count() SECURITY INVOKER")
    for command in ("status", "verify"):
        as_json, as_junit = (report(fixed, command, form=form, folder=folder) for form in ("json", "junit"))
        assert as_json.code == 1
        assert_same(as_json, as_junit)
    assert cases(report(fixed, "status", form="junit", folder=folder).stdout)["failures"] == 1


def test_junit_of_a_refused_rollback(fixed: App, folder: Path) -> None:
    fixed.use(fixed.preset(), times=2)
    as_json, as_junit = (report(fixed, "rollback", "--yes", form=form, folder=folder) for form in ("json", "junit"))
    assert as_json.code == 1
    assert_same(as_json, as_junit)


def test_junit_holds_any_text(app: App, folder: Path) -> None:
    for name, preset in name_presets(app, *NASTY, "a\x0bb ]]> <b>&amp; é 日本").items():
        text = report(app, "check-preset", preset, form="junit", folder=folder).stdout
        assert cases(text)["failures"] == 1
        (case,) = next(iter(JUnitXml.fromstring(text.encode())))
        shown = harmless(name)
        assert case.name == f"counter_accurate: {shown}: the counter equals the events"


# JSON


def test_json_is_one_object_however_it_ends(app: App, folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"postgresql://u@127.0.0.1:{unused.getsockname()[1]}/db"
    failing = [
        (report(app, "verify", form="json", folder=folder, DATABASE_URL=""), 2),
        (report(app, "verify", form="json", folder=folder, DATABASE_URL=nobody), 3),
        *((report(app, *arguments, form="json", folder=folder), 2) for arguments in MISUSED.values()),
        (report(app, *ILL["backfill"][0], form="json", folder=folder), 1),
        (run("sql", "nothing", USAGEFIX_FORMAT="json"), 2),
        (run("--schema", "no;schema", "verify", "--format=json"), 2),
        (run(USAGEFIX_FORMAT="json"), 2),
    ]
    for result, code in failing:
        assert result.code == code, result.stderr
        body = json.loads(result.stdout)
        assert (body["ok"], body["exit_code"], set(body["error"])) == (
            False,
            code,
            {"sqlstate", "message", "changes", "hint"},
        )
        assert body["error"]["message"]
        assert body["error"]["hint"]


@pytest.mark.parametrize("form", ["junit", "github", "markdown"])
def test_errors_come_in_the_format_asked_for(app: App, form: str, folder: Path) -> None:
    failing = [report(app, *arguments, form=form, folder=folder) for arguments in MISUSED.values()]
    failing.append(report(app, "verify", form=form, folder=folder, DATABASE_URL=""))
    for result in failing:
        assert result.code == 2
        (said,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
        message = said.removeprefix("error: ")
        match form:
            case "junit":
                assert cases(result.stdout) == {"tests": 1, "failures": 0, "errors": 1, "skipped": 0}
                (case,) = next(iter(JUnitXml.fromstring(result.stdout.encode())))
                assert message in case.result[0].message
            case "github":
                (command,) = obeyed(result.stdout)
                assert (command.name, command.title) == ("error", "usagefix error: The command failed")
                assert command.message.startswith(f"{message}; nothing in the database was changed. hint: ")
            case "markdown":
                assert any(row[0] == "error" and row[3].startswith(message) for row in rows(result.stdout))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_data_is_whole_in_any_encoding(app: App, encoding: str) -> None:
    name = "é 日本 😀"
    (preset,) = name_presets(app, name).values()
    for form in ("json", "junit"):
        arguments = ("check-preset", preset, "--format", form)
        result = process(*arguments, DATABASE_URL=app.url(), PYTHONIOENCODING=encoding)
        if form == "json":
            assert result.one["row"]["label"] == name
        else:
            assert name in next(iter(next(iter(JUnitXml.fromstring(result.stdout.encode()))))).name


# GitHub Actions


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_never_a_command(app: App, name: str, folder: Path) -> None:
    (preset,) = name_presets(app, name).values()
    result = report(app, "check-preset", preset, form="github", folder=folder, GITHUB_ACTIONS="true")
    (command,) = obeyed(result.stdout, result.stderr)
    shown = harmless(name)
    assert (command.name, command.title) == (
        "error",
        f"usagefix counter_accurate: {shown}: the counter equals the events",
    )
    assert command.message.startswith(preset)
    assert "file" not in command.properties


@pytest.mark.parametrize(
    ("form", "width"),
    [*(("table", width) for width in ("40", "60", "100", "160")), ("json", ""), ("markdown", ""), ("junit", "")],
)
def test_no_name_is_a_command_in_other_formats(app: App, form: str, width: str, folder: Path) -> None:
    presets = name_presets(app, *NASTY)
    step = {"GITHUB_ACTIONS": "true", "COLUMNS": width}
    results = [report(app, "verify", "--top", "50", form=form, folder=folder, **step)]
    results += [report(app, "check-preset", preset, form=form, folder=folder, **step) for preset in presets.values()]
    assert obeyed(*(result.stdout for result in results)) == []
    assert obeyed(*(result.stderr for result in results)) == []
    if form == "json":
        assert [result.one["row"]["label"] for result in results[1:]] == list(presets)


@pytest.mark.parametrize("form", [*FORMATS, None])
def test_no_object_is_a_command(fixed: App, form: str | None, folder: Path) -> None:
    for name in ("::error::x", "##[error]x", "a\n::warning::x"):
        quoted = name.replace('"', '""')
        fixed.sql(
            f'CREATE FUNCTION "{quoted}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN'
            " UPDATE public.presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id; RETURN NEW; END $$"
        )
        fixed.sql(f'CREATE TRIGGER "{quoted}" AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION "{quoted}"()')
    formatted = () if form is None else ("--format", form)
    codes = []
    for command in (("doctor",), ("verify",), ("apply", "--dry-run"), ("apply",)):
        result = fixed.usagefix(*command, *formatted, GITHUB_ACTIONS="true")
        codes.append(result.code)
        told = obeyed(result.stdout, result.stderr)
        assert all(said.title.startswith("usagefix ") for said in told), told
        assert form in ("github", None) or told == []
    assert codes[:2] == [1, 1]


@pytest.mark.parametrize("form", FORMATS)
def test_no_argument_is_a_command(app: App, form: str, folder: Path) -> None:
    for wanted in ("x\n::error::y", "x ##[error]y", "::error::y"):
        result = report(app, "check-preset", wanted, form=form, folder=folder, GITHUB_ACTIONS="true")
        assert result.code == 1
        assert len(obeyed(result.stdout, result.stderr)) == (1 if form == "github" else 0)


def test_a_terminal_obeys_no_partition(partitioned: App) -> None:
    (name,) = partitioned.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'preset_usage'::regclass"
    )[0]
    partitioned.sql(f'ALTER TABLE {name} RENAME TO "wiped\x1b[2J"')
    planned = partitioned.usagefix("apply", "--dry-run")
    assert planned.code == 0, planned.stderr
    assert r"wiped\x1b[2J" in planned.stdout
    assert "\x1b" not in planned.stdout + planned.stderr


def test_each_finding_is_an_annotation(app: App, folder: Path) -> None:
    failed = {
        check["check_id"]: check
        for check in report(app, "verify", form="json", folder=folder).one["checks"]
        if check["status"] not in ("ok", "skipped")
    }
    told = obeyed(report(app, "verify", form="github", folder=folder).stdout)
    assert len(told) == len(failed) == 10
    for command in told:
        check = failed.pop(command.title.split(": ")[0].removeprefix("usagefix "))
        assert command.name == "error"
        assert command.title.endswith(check["title"])
        assert check["detail"] in command.message
        assert check["hint"] in command.message
    assert failed == {}
    app.usagefix("apply")
    assert obeyed(report(app, "verify", form="github", folder=folder).stdout) == []


def sources(folder: Path, number: int) -> None:
    for place in range(number):
        path = folder / "app" / f"route {place:02}, a:b.ts"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"{'// above' + chr(10)}" * place + "await db.query('UPDATE presets SET usage_count = usage_count + 1')\n"
        )


@pytest.mark.parametrize("number", [9, 10, 11, 30])
def test_no_more_than_ten_of_a_kind(fixed: App, number: int, folder: Path) -> None:
    before = report(fixed, "doctor", form="json", folder=folder).one["counts"]
    sources(folder, number)
    counts = report(fixed, "doctor", "--source", ".", form="json", folder=folder).one["counts"]
    assert counts["warning"] == before["warning"] + number
    told = obeyed(report(fixed, "doctor", "--source", ".", form="github", folder=folder).stdout)
    warnings = [command for command in told if command.name == "warning"]
    assert len(warnings) == min(counts["warning"], 10)
    if counts["warning"] > 10:
        assert warnings[-1].message.startswith(f"{counts['warning'] - 9} more: ")


@pytest.mark.parametrize(
    ("source", "started_in", "checkout"),
    [("app", ".", None), (".", ".", None), ("ABSOLUTE", ".", None), ("../app", "elsewhere", "."), (".", "app", ".")],
)
def test_findings_in_source_have_their_place(
    fixed: App, source: str, started_in: str, checkout: str | None, folder: Path
) -> None:
    sources(folder, 3)
    (folder / "elsewhere").mkdir()
    step = {} if checkout is None else {"GITHUB_WORKSPACE": str(folder)}
    where = str(folder / "app") if source == "ABSOLUTE" else source
    result = report(fixed, "doctor", "--source", where, form="github", folder=folder / started_in, **step)
    placed = [command.properties for command in obeyed(result.stdout) if "file" in command.properties]
    assert {(place["file"], place["line"]) for place in placed} == {
        (f"app/route {number:02}, a:b.ts", str(number + 1)) for number in range(3)
    }


def step_of_actions(summary: Path, **more: str) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)} | more


def test_a_step_without_a_format_has_table_annotations_and_summary(app: App, folder: Path) -> None:
    summary = folder / "summary.md"
    table = app.usagefix("verify", "--format", "table").stdout
    annotated = obeyed(app.usagefix("verify", "--format", "github").stdout)
    result = app.usagefix("verify", **step_of_actions(summary))
    assert result.stdout.startswith(table)
    assert obeyed(result.stdout) == annotated
    assert len(result.stdout[len(table) :].splitlines()) == len(annotated)
    assert ["Counters equal events", "presets.usage_count"] in [row[1:3] for row in rows(summary.read_text())]


@pytest.mark.parametrize(
    "how", [{"USAGEFIX_FORMAT": "table"}, {"GITHUB_ACTIONS": ""}, {"GITHUB_ACTIONS": "false"}, None]
)
def test_annotations_can_be_switched_off(app: App, how: dict[str, str] | None, folder: Path) -> None:
    summary = folder / "summary.md"
    asked = ("--format", "table") if how is None else ()
    result = app.usagefix("verify", *asked, **(step_of_actions(summary) | (how or {})))
    assert result.stdout == app.usagefix("verify").stdout
    assert not summary.exists()


def test_an_error_of_a_step_is_an_annotation(folder: Path) -> None:
    summary = folder / "summary.md"
    result = run("verify", "--nonsense", cwd=None, stdin=None, **step_of_actions(summary))
    (command,) = obeyed(result.stdout)
    assert command.name == "error"
    assert "nonsense" in command.message
    assert any("nonsense" in row[3] for row in rows(summary.read_text()))


def test_summaries_follow_one_another(app: App, folder: Path) -> None:
    summary = folder / "summary.md"
    summary.write_text("# Of another command\n")
    for command in ("verify", "status"):
        app.usagefix(command, **step_of_actions(summary))
    text = summary.read_text()
    assert text.startswith("# Of another command\n")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## usagefix verify: not right", "## usagefix status: pending"]
    assert len([row for row in rows(text) if row[0] == "pending"]) == len(catalog.migrations())


def test_a_summary_that_cannot_be_written_changes_nothing_else(app: App, folder: Path) -> None:
    with_summary = app.usagefix("verify", **step_of_actions(folder / "summary.md"))
    without = app.usagefix("verify", **step_of_actions(folder))
    assert (without.stdout, without.code) == (with_summary.stdout, with_summary.code)
    assert "summary cannot be written" in without.stderr
    assert without.stderr.count("\n") == with_summary.stderr.count("\n") + 1


@pytest.mark.parametrize("room", [0, 100, 700, 5_000])
def test_a_summary_stays_within_what_a_step_may_have(app: App, room: int, folder: Path) -> None:
    summary = folder / "summary.md"
    summary.write_bytes(b"x" * ((1 << 20) - room - 1) + b"\n")
    name_presets(app, *(f"{number} " + "é" * 3_000 for number in range(5)))
    assert app.usagefix("verify", **step_of_actions(summary)).code == 1
    added = summary.read_bytes()[(1 << 20) - room :]
    assert len(added) <= room
    assert added.decode() == "" or "left out" in added.decode()
    assert bool(added) == (room > 100)


def test_an_argument_that_is_no_text_ends_in_order(app: App, folder: Path) -> None:
    summary = folder / "summary.md"
    for arguments in (("check-preset", "a\udcffb"), ("export", "a\udcffb")):
        result = process(*arguments, cwd=None, stdin=None, **step_of_actions(summary, DATABASE_URL=app.url()))
        assert result.code == 2, result.stderr
        (command,) = obeyed(result.stdout)
        assert command.title.startswith("usagefix error: ")
    assert "\\udcff" in summary.read_text()


# Markdown

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
# What pages add to Markdown once it is HTML, by the text that is shown: links, mentions, references, emoji.
TAKEN_UP = re.compile(
    r"//\w|\bmailto:|\bwww\.\w|(?<!\w)@\w|\w@\w|(?<!\w)#\d|\bgh-\d|:(?:smile|\+1|100|8ball):", re.IGNORECASE
)
MARKED = "<b>|x|</b> [l](http://e) @all \\` *a*"


def cell(tokens: list[Token]) -> str:
    """The text of a cell as a page shows it; fails where anything in it is more than text."""
    shown = ""
    for token in tokens:
        if token.type in ("text", "strong_open", "strong_close"):
            shown += token.content
        elif token.type == "html_inline" and token.content == "<br>":
            shown += "\n"
        else:
            raise AssertionError(f"{token.type}: {token.content}")
    assert not TAKEN_UP.search(shown), shown
    return shown.replace("\u200b", "")


def rows(text: str) -> list[list[str]]:
    """Every row of every table."""
    found: list[list[str]] = []
    inside = False
    for token in MARKDOWN.parse(text):
        if token.type == "tr_open":
            found.append([])
        inside = token.type in ("td_open", "th_open") or (inside and token.type == "inline")
        if inside and token.type == "inline":
            found[-1].append(cell(token.children or []))
    return found


def preset_in_markdown(name: str) -> tuple[str, str]:
    """As title of the result, and in a table of its own."""
    outcome = Outcome(
        "check-preset",
        report=RowReport(RowCount("7", name, 1, 2, 1, None), next=Step("usagefix backfill", "drift")),
    )
    text = markdown(outcome)
    assert not [token for token in MARKDOWN.parse(text) if token.type in ("html_block", "fence", "code_block", "hr")]
    _, result, _, preset = rows(text)
    assert (len(result), len(preset)) == (5, 6)
    return result[1].removesuffix(": the counter equals the events"), preset[0]


@pytest.mark.parametrize(
    "name",
    [
        MARKED, "\\|", "\\\\|\\", "|", "`a` ``b``", "a@b.example", "mailto:a@b.example //x.example", "@someone", "#12 GH-12 gh-3", "www.example.com",
        "HTTPS://x ftp://y", ":smile: :+1: :100:", "1. one", "2) two", "- minus", "=== under", "~~gone~~ $x$ _u_ __v__",
        "&lt;b&gt; &#64;", "![i](x) [r][x] [^1]", "<!-- no --> <script>", "::error::x", "12:30:45",
    ],
)  # fmt: skip
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    assert preset_in_markdown(name) == (name, name)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab1 \\|`*_~<>&#@:/.-+=[]()!{}$w'\"é😀"), min_size=1, max_size=12))
def test_markdown_shows_any_name_as_it_is(name: str) -> None:
    name = name.strip() or "a"  # white space at the ends of a cell is not shown
    assert preset_in_markdown(name) == (name, name)


@pytest.mark.parametrize(
    "message", ["- a", "1. a", "12) a", "=== a", "::error line=1::a", "# a", "> a", "+ a", "| a |", "~~~ a"]
)
def test_markdown_begins_nothing_with_a_message(message: str) -> None:
    text = markdown(Outcome("verify", error=UsagefixError(message, hint=message)))
    heading, _, _, opened, paragraph, *_ = MARKDOWN.parse(text)
    assert (heading.type, opened.type) == ("heading_open", "paragraph_open")
    assert cell(paragraph.children or []) == message
    assert obeyed(text) == []


def test_markdown_of_a_database(app: App, folder: Path) -> None:
    name_presets(app, MARKED)
    verified = report(app, "verify", form="markdown", folder=folder).stdout
    (headings,) = (row for row in rows(verified) if row[0] == "name")
    (row,) = (row for row in rows(verified) if row[0] == MARKED)
    assert dict(zip(headings, row, strict=True))["displayed"] == "1,000,000"
    checked = report(app, "check-preset", MARKED, form="markdown", folder=folder).stdout
    assert MARKED in [row[0] for row in rows(checked)]


@pytest.mark.parametrize("name", WELL)
def test_markdown_of_every_command(fixed: App, name: str, folder: Path) -> None:
    result = report(fixed, *WELL[name], form="markdown", folder=folder)
    assert result.code == 0, result.stderr
    tokens = MARKDOWN.parse(result.stdout)
    assert tokens[1].content.startswith(f"usagefix {WELL[name][0]}: ")
    assert len(rows(result.stdout)) >= 2
    assert {"html_block", "fence", "code_block"}.isdisjoint(token.type for token in tokens)


# Progress


def test_a_log_shows_how_far_a_backfill_is(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    app.usagefix("apply")
    app.spoil("UPDATE presets SET usage_count = 1 WHERE name IS NOT NULL")
    wrong, _ = app.drift()
    db = connect(locate(app.url(), "the test"))
    try:
        with progress_shown(first=0.0, then=0.0) as on_progress:
            backfill.backfill(db, batch_size=10, pause=0.01, on_progress=on_progress)
        every = capsys.readouterr().err.splitlines()
        app.spoil("UPDATE presets SET usage_count = 1 WHERE name IS NOT NULL")
        with progress_shown(first=0.3, then=60.0) as on_progress:
            backfill.backfill(db, batch_size=10, pause=0.2, on_progress=on_progress)
        one = capsys.readouterr().err.splitlines()
    finally:
        db.close()
    assert every == [f"corrected {done} of {wrong} presets" for done in range(0, wrong, 10)]
    assert len(one) == 1
    assert re.fullmatch(rf"corrected [1-3]0 of {wrong} presets", one[0])


@pytest.mark.parametrize("form", ["json", "junit"])
def test_a_long_run_speaks_on_stderr_whatever_the_format(fixed: App, form: str, folder: Path) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 100000")
    wrong, _ = fixed.drift()
    pause = str(round(7 / wrong, 2))
    result = report(
        fixed, "backfill", "--trust", "events", "--batch-size", "1", "--pause", pause, form=form, folder=folder
    )
    assert result.code == 0
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("corrected "))
    assert line.endswith(f" of {wrong} presets")
    assert "corrected" in result.stdout or result.one["backfill"]["rows_changed"] == wrong


def test_a_terminal_keeps_its_bar(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 100000")
    terminal, end = pty.openpty()
    arguments = ("backfill", "--trust", "events", "--batch-size", "10", "--pause", "0.3")
    shown = b""
    with subprocess.Popen(
        [sys.executable, "-m", "usagefix", *arguments], cwd="/", env=environment(DATABASE_URL=fixed.url(), TERM="xterm"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=end,
    ) as running:  # fmt: skip
        os.close(end)
        with suppress(OSError):  # how Linux tells that the other end is closed
            while chunk := os.read(terminal, 1 << 16):
                shown += chunk
    os.close(terminal)
    assert running.returncode == 0
    assert b"correcting presets" in shown
    assert b"corrected " not in shown


def test_a_quick_run_is_quiet(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 100000")
    assert "corrected" not in fixed.usagefix("backfill", "--trust", "events").stderr


def test_the_parser_of_commands_obeys() -> None:
    assert obeyed("  ::error file=a%3Ab,line=3,title=x%2Cy::m%0An%2525") == [
        Command("error", "m\nn%25", {"file": "a:b", "line": "3", "title": "x,y"})
    ]
    assert obeyed("in a line ##[error]x", "::nothing::x", "a ::error::x") == [Command("error", "x")]
