"""`usagefix export`: the files it writes, what it leaves alone, and how `status` knows them. No tool needed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlparse
from support import ROOT, SQL, VERSION, App, Result, role, run

from usagefix import __version__, catalog, exporting
from usagefix.catalog import Face
from usagefix.counter import STANDARD
from usagefix.errors import ConfigurationError
from usagefix.exporting import stamped
from usagefix.exporting.step import plain
from usagefix.exporting.tool import checksum
from usagefix.models.choices import MigrationTool

MIGRATIONS = catalog.migrations()
NAMES = [*(migration.name for migration in MIGRATIONS), "backfill_usage_count"]
FIRST, NEWEST = MIGRATIONS[0], MIGRATIONS[-1]
STEPS = plain([STANDARD], None, None)
AT_REVIEW = 605  # lines that the owner of the sample reads before usagefix changes it; the aim is 450


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def exported(folder: Path, *arguments: str) -> list[Path]:
    """The files that one export writes, in its order."""
    result = run("export", str(folder), *arguments)
    assert result.code == 0, result.stderr
    files = [Path(line) for line in result.stdout.splitlines()]
    assert all(file.is_file() for file in files)
    return files


def said(result: Result, *words: str) -> None:
    for word in words:
        assert word in result.stderr, result.stderr


def as_time(path: Path) -> datetime:
    return datetime.strptime(path.name[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def test_what_to_do_with_the_files(tmp_path: Path) -> None:
    for folder, following in (("review", "read the files; then usagefix apply, or "), ("supabase/migrations", "")):
        absent = run("export", str(tmp_path / folder))
        assert absent.code == 2
        said(absent, "or make this one first")
        (tmp_path / folder).mkdir(parents=True)
        said(run("export", str(tmp_path / folder)), f"next: {following}supabase db push, then usagefix verify\n")


def test_a_file_for_each_version_and_one_for_the_backfill(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    files = exported(tmp_path)
    assert [file.name[15:-4] for file in files] == NAMES
    assert [file.name for file in files] == names(tmp_path), "and nothing else; their order is that of their digits"
    times = [as_time(file) for file in files]
    assert before <= times[0] <= datetime.now(UTC)
    assert times == [times[0] + timedelta(seconds=n) for n in range(len(times))]
    texts = [file.read_text() for file in files]
    assert texts[0].endswith(f"\n\n{FIRST.script(Face.APPLY)}")
    for text, migration in zip(texts[1:], MIGRATIONS[1:], strict=False):
        assert text.endswith(f"\n\n{migration.read(Face.APPLY)}")
        assert "CREATE SCHEMA usagefix" not in text, "the ledger is in the first file only"
    assert texts[-1].endswith(f"\n\n{NEWEST.read(Face.BACKFILL)}")
    for text, title in zip(texts, [*map(str, MIGRATIONS), f"backfill of {NEWEST}"], strict=True):
        header = text.split("\n\n", 1)[0]
        assert header.startswith(f"-- usagefix {__version__}: {title}")
        assert "safe to run again" in header
        assert "usagefix verify" in header


def adapted(app: App, folder: Path, **variables: str) -> list[Path]:
    """The files for this very database."""
    folder.mkdir(exist_ok=True)
    result = app.usagefix("export", str(folder), "--adapt", **variables)
    assert result.code == 0, result.stderr
    return [Path(line) for line in result.stdout.splitlines()]


def run_each(app: App, files: list[Path], database_url: str | None = None) -> None:
    """With psql, a transaction each, as `supabase db push` runs them."""
    for file in files:
        options = ["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-1", "-f", str(file)]
        done = app.program("psql", *options, *(["--dbname", database_url] if database_url else []))
        assert done.returncode == 0, done.stderr


def test_no_statement_that_a_pipeline_does_not_take(app: App, partitioned: App, tmp_path: Path) -> None:
    """Nor one that would end the transaction in which the CLI lists the file."""
    (tmp_path / "plain").mkdir()
    files = exported(tmp_path / "plain")
    files += [file for n, each in enumerate((app, partitioned)) for file in adapted(each, tmp_path / str(n))]
    for file in files:
        statements = [sqlparse.format(text, strip_comments=True).strip() for text in sqlparse.split(file.read_text())]
        assert len(statements) >= 1
        for statement in statements:
            forbidden = r"LOCK|SET|BEGIN|START|COMMIT|END|ROLLBACK|SAVEPOINT|PREPARE|VACUUM|CLUSTER|REINDEX|\\"
            assert not re.match(rf"(?i)({forbidden})\b", statement), statement[:80]
            assert not re.match(r"(?is)\w+\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY", statement), statement[:80]


def test_the_plain_files_fix_what_needs_no_edit(app: App, tmp_path: Path) -> None:
    """An application without a function that records uses."""
    app.sql("DROP FUNCTION track_preset_usage")
    files = exported(tmp_path)
    assert app.drift() != (0, 0)
    for _ in range(2):  # safe to run again
        run_each(app, files)
        assert app.usagefix("verify").code == 0
    assert app.drift() == (0, 0)
    rolled_back = app.usagefix("rollback", "--yes", "--daily-limit", "skip")
    assert rolled_back.code == 0, rolled_back.stderr


def test_the_plain_files_stop_where_something_must_be_edited(app: App, tmp_path: Path) -> None:
    before = app.dump_all()
    done = app.psql(exported(tmp_path)[0])
    assert done.returncode == 3
    assert "nothing was changed" in done.stderr
    assert "track_preset_usage(uuid,text,jsonb) may count, or need the daily limit" in done.stderr
    assert f"usagefix sql {VERSION} apply --adapt" in done.stderr
    assert app.dump_all() == before


def test_the_files_for_a_database_fix_it_in_a_transaction_each(app: App, tmp_path: Path) -> None:
    before = app.dump()
    files = adapted(app, tmp_path)
    assert app.dump_all() == before, "it only reads"
    assert [file.name[15:-4] for file in files] == NAMES
    fired = "SELECT count(*) FROM preset_notifications", "SELECT max(updated_at) FROM presets"
    fires = [app.one(query) for query in fired]
    for _ in range(2):  # safe to run again
        run_each(app, files)
        assert app.usagefix("verify").code == 0
        assert app.drift() == (0, 0)
    assert [app.one(query) for query in fired] == fires, "a repair is not a use"
    assert app.usagefix("smoke").code == 0
    assert {m["state"] for m in app.usagefix("status", "--format", "json").one["migrations"]} == {"applied"}
    rolled_back = app.usagefix("rollback", "--yes", "--daily-limit", "skip")
    assert rolled_back.code == 0, rolled_back.stderr


def test_what_apply_makes_and_what_the_files_make_is_the_same(app: App, fixed: App, tmp_path: Path) -> None:
    run_each(app, adapted(app, tmp_path))
    assert app.dump() == fixed.dump()


def test_the_files_for_a_partitioned_table(partitioned: App, counted: App, tmp_path: Path) -> None:
    files = adapted(partitioned, tmp_path)
    for _ in range(2):
        run_each(partitioned, files)
        assert partitioned.usagefix("verify").code == 0
    assert partitioned.drift() == (0, 0)
    assert partitioned.dump() == counted.dump()


def test_rollback_after_the_files_gives_back_what_was_there(app: App, tmp_path: Path) -> None:
    app.sql("DELETE FROM preset_usage")  # so that the daily limit fits
    app.sql(
        "SET session_replication_role = replica; UPDATE presets SET usage_count = 0; RESET session_replication_role"
    )
    before = app.dump()
    run_each(app, adapted(app, tmp_path))
    rolled_back = app.usagefix("rollback", "--yes")
    assert rolled_back.code == 0, rolled_back.stderr
    assert app.dump() == before


def test_the_files_of_an_empty_database(app: App, tmp_path: Path) -> None:
    app.sql("TRUNCATE preset_usage, presets CASCADE")
    files = adapted(app, tmp_path)
    for _ in range(2):
        run_each(app, files)
    assert app.usagefix("verify").code == 0


def test_a_branch_replays_the_files_from_nothing(app: App, tmp_path: Path) -> None:
    """The application's own schema, then the files; its rows come later, and count."""
    files = adapted(app, tmp_path)
    app.sql(f"CREATE DATABASE {app.name}_branch")
    branch = App(app.host, app.port, f"{app.name}_branch", app.binaries)
    try:
        branch.db.execute((SQL / "sample" / "schema.sql").read_bytes())
        run_each(branch, files)
        assert branch.usagefix("verify").code == 0
        branch.db.execute((SQL / "sample" / "data.sql").read_bytes())
        assert branch.usagefix("backfill").code == 0, "what the rows of the sample bring is drift of their own"
        assert branch.usagefix("verify").code == 0
        assert branch.drift() == (0, 0)
    finally:
        branch.close()
        app.sql(f"DROP DATABASE {app.name}_branch")


@contextmanager
def as_owner(app: App) -> Iterator[str]:
    """The owner of the tables and functions is no superuser, who may not set session_replication_role: their URL."""
    name = f"owner_{app.name}"
    with role(app, name, options="LOGIN BYPASSRLS"):
        app.sql(f"GRANT CREATE ON DATABASE {app.name} TO {name}; GRANT CREATE, USAGE ON SCHEMA public TO {name}")
        app.sql(f"GRANT USAGE ON SCHEMA auth TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA auth TO {name}")
        app.sql(
            f"ALTER TABLE presets OWNER TO {name}; ALTER TABLE preset_usage OWNER TO {name};"
            f" ALTER TABLE preset_notifications OWNER TO {name}; ALTER FUNCTION track_preset_usage OWNER TO {name}"
        )
        yield app.url(name)


@pytest.mark.parametrize("plainly", [True, False], ids=["plain", "adapted"])
def test_the_files_of_an_owner_who_is_no_superuser(app: App, tmp_path: Path, plainly: bool) -> None:
    """The backfill holds the triggers of presets off one by one."""
    with as_owner(app) as url:
        if plainly:
            app.sql("DROP FUNCTION track_preset_usage")
        states = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'presets'::regclass AND NOT tgisinternal"
        before, touched = app.sql(states), app.one("SELECT max(updated_at) FROM presets")
        files = exported(tmp_path) if plainly else adapted(app, tmp_path, DATABASE_URL=url)
        for _ in range(2):
            run_each(app, files, url)
            assert app.drift() == (0, 0)
        assert set(before) <= set(app.sql(states)), "the triggers are as they were"
        assert app.one("SELECT max(updated_at) FROM presets") == touched, "and did not fire"
        verified = app.usagefix("verify", DATABASE_URL=url)
        assert verified.code == 0, verified.stdout + verified.stderr


def at_review(app: App, folder: Path) -> dict[str, int]:
    return {file.name[15:-4]: len(file.read_text().splitlines()) for file in adapted(app, folder)}


def test_what_an_owner_reads_does_not_grow(app: App, tmp_path: Path) -> None:
    lines = at_review(app, tmp_path)
    assert sum(lines.values()) <= AT_REVIEW, lines


def in_other_line_ends(text: str) -> str:
    return text.replace("\n", "\r\n")


def without_header(text: str) -> str:
    return text.split("\n\n", 1)[1]


def with_blank_lines(text: str) -> str:
    return f"{text}\n\n"


@pytest.mark.parametrize("change", [str, in_other_line_ends, without_header, with_blank_lines])
def test_what_is_there_is_not_written_again(tmp_path: Path, change: Any) -> None:
    for file in exported(tmp_path):
        file.write_bytes(change(file.read_text()).encode())
        file.rename(tmp_path / f"2{file.name[1:14]}7_{file.name[15:]}")  # recognised by content, whatever the timestamp
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run("export", str(tmp_path))
    assert (result.code, result.stdout) == (0, "")
    said(result, "nothing to write: every file is there already")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("BEGIN\n", "BEGIN \n", 1),
        lambda text: f"{text}DROP TABLE x;\n",
        lambda text: text[:900],
    ],
)
@pytest.mark.parametrize("which", [0, 1, -1])
def test_an_edited_file_stays_and_the_fix_is_written_after_it(tmp_path: Path, edit: Any, which: int) -> None:
    files = exported(tmp_path)
    text = edit(files[which].read_text())
    assert text != files[which].read_text()
    files[which].write_text(text)
    result = run("export", str(tmp_path))
    said(result, f"{files[which]} was edited after an export")
    written = [Path(line) for line in result.stdout.splitlines()]
    assert [file.name[15:-4] for file in written] == NAMES[which:], "what follows comes again, in order"
    assert as_time(written[0]) > as_time(files[-1])
    assert files[which].read_text() == text
    again = run("export", str(tmp_path))
    assert again.stdout == ""
    assert "edited" not in again.stderr


def test_a_file_of_an_older_usagefix_stays_and_the_fix_is_written_after_it(tmp_path: Path) -> None:
    files = exported(tmp_path)
    older = (
        files[0]
        .read_text()
        .replace("lock_timeout", "lock_timeout ")
        .replace(f"usagefix {__version__}", "usagefix 0.0.1")
    )
    header, sql = older.split("\n\n", 1)
    files[0].write_text(re.sub(r"[0-9a-f]{64}", checksum(sql), header) + "\n\n" + sql)
    result = run("export", str(tmp_path))
    said(result, f"{files[0]} is of another usagefix")
    assert len(result.stdout.splitlines()) == len(NAMES)
    assert run("export", str(tmp_path)).stdout == ""


def test_the_application_s_own_file_of_that_name_is_not_ours(tmp_path: Path) -> None:
    own = tmp_path / f"20250101000000_{FIRST.name}.sql"
    own.write_text("SELECT 1;\n")
    result = run("export", str(tmp_path))
    assert "edited" not in result.stderr
    assert len(result.stdout.splitlines()) == len(NAMES)
    assert own.read_text() == "SELECT 1;\n"


def test_a_missing_file_is_written_with_all_that_follow(tmp_path: Path) -> None:
    files = exported(tmp_path)
    files[-1].unlink()
    assert [file.name[15:-4] for file in exported(tmp_path)] == NAMES[-1:]
    files[1].unlink()
    assert [file.name[15:-4] for file in exported(tmp_path)] == NAMES[1:]


def test_up_to_a_version_and_on_from_there(tmp_path: Path) -> None:
    assert [file.name[15:-4] for file in exported(tmp_path, "--to", VERSION)] == [FIRST.name, NAMES[-1]]
    assert [file.name[15:-4] for file in exported(tmp_path)] == NAMES[1:], "and the backfill of the newest"
    assert exported(tmp_path, "--to", VERSION) == []
    unknown = run("export", str(tmp_path), "--to", "20200101000000")
    assert unknown.code == 2
    said(unknown, VERSION)


@pytest.mark.parametrize(
    ("newest", "next_version"),
    [("20991231235959", "21000101000000"), ("20990101", "20990101000001"), ("209901010000009", "20990101000001"), ("0001", None), ("20200101000000", None)],
)  # fmt: skip
def test_timestamps_come_after_every_other(tmp_path: Path, newest: str, next_version: str | None) -> None:
    (tmp_path / f"{newest}_later.sql").write_text("SELECT 1;\n")
    (tmp_path / "99999999999999-notes.sql").write_text("no migration")
    (tmp_path / "99999999999999_folder.sql").mkdir()
    files = exported(tmp_path)
    assert [file.name[:14] for file in files] == sorted({file.name[:14] for file in files})
    assert all(file.name[:14] > newest for file in files)
    if next_version:
        assert files[0].name[:14] == next_version
    else:
        assert abs(as_time(files[0]) - datetime.now(UTC)) < timedelta(seconds=60)


@pytest.mark.parametrize("newest", ["9", "99991231235959", "30001399000000"])
def test_where_no_timestamp_can_follow(tmp_path: Path, newest: str) -> None:
    (tmp_path / f"{newest}_last.sql").write_text("SELECT 1;\n")
    result = run("export", str(tmp_path))
    assert (result.code, result.stdout) == (2, "")
    said(result, newest, "rename that file")
    assert names(tmp_path) == [f"{newest}_last.sql"]


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for wrong in ("nowhere", "file"):
        result = run("export", wrong, cwd=tmp_path)
        assert (result.code, result.stdout) == (2, "")
        said(result, f"{wrong} cannot be read", "project's root", "supabase/migrations")
    assert names(tmp_path) == ["file"]


def test_a_folder_that_takes_no_files() -> None:
    result = run("export", "/proc")
    assert (result.code, result.stdout) == (2, "")
    said(result, "cannot be written to /proc", "usagefix wrote nothing")


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("at", range(len(NAMES)))
@pytest.mark.parametrize("step", ["write_text", "hardlink_to"])
def test_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, at: int, step: str
) -> None:
    (tmp_path / "20250101000000_own.sql").write_text("SELECT 1;\n")
    real, calls = getattr(Path, step), []

    def failing(self: Path, *arguments: Any, **options: Any) -> Any:
        calls.append(self)
        if len(calls) > at:
            if step == "write_text":
                real(self, "half", **options)
            raise failure
        return real(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, failing)
        if isinstance(failure, OSError) and step == "hardlink_to":
            assert len(exporting.export(tmp_path, STEPS).files) == len(NAMES), "without links, the other way is taken"
            return
        with pytest.raises((KeyboardInterrupt, ConfigurationError)):
            exporting.export(tmp_path, STEPS)
    assert names(tmp_path) == ["20250101000000_own.sql"]


@pytest.mark.parametrize("links", [True, False])
def test_no_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Not even one that comes between looking and writing."""
    taken = tmp_path / f"20300101000001_{NAMES[1]}.sql"

    def timestamps(*_: Any) -> list[str]:
        taken.write_text("SELECT 1;\n")
        return [f"2030010100000{n}" for n in range(len(NAMES))]

    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(stamped, "timestamps", timestamps)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(ConfigurationError):
        exporting.export(tmp_path, STEPS)
    assert names(tmp_path) == [taken.name]
    assert taken.read_text() == "SELECT 1;\n"


def test_as_json(tmp_path: Path) -> None:
    first = run("export", str(tmp_path), "--format", "json")
    body = first.json
    assert (first.code, body["command"], body["target"], body["ok"], body["there"]) == (0, "export", None, True, [])
    assert [Path(path).name for path in body["files"]] == names(tmp_path)
    again = run("export", str(tmp_path), "--format", "json").json
    assert (again["files"], again["there"]) == ([], body["files"])
    wrong = run("export", str(tmp_path / "nowhere"), "--format", "json")
    assert (wrong.code, wrong.json["exit_code"], wrong.json["command"]) == (2, 2, "export")


def test_a_path_is_one_line_however_long(tmp_path: Path) -> None:
    folder = tmp_path / ("long " * 30) / ("x" * 100)
    folder.mkdir(parents=True)
    assert len(run("export", str(folder), COLUMNS="40").stdout.splitlines()) == len(NAMES)


# The other tools: what their documentation says of names and forms. Those that are tried for real are in tests/servers.

TOOLS: dict[str, tuple[str, dict[str, str]]] = {  # where the files go, and what is there before
    "supabase": ("supabase/migrations", {"supabase/migrations/20250101000000_own.sql": "SELECT 1;\n"}),
    "dbmate": ("db/migrations", {"db/migrations/20250101000000_own.sql": "-- migrate:up\nSELECT 1;\n"}),
    "sqitch": (".", {"sqitch.plan": "%syntax-version=1.0.0\n%project=own\n\nown 2025-01-01T00:00:00Z A <a@b.c> # Own\n",
                     "sqitch.conf": "[core]\n\tengine = pg\n\t# top_dir = .\n", "deploy/own.sql": "SELECT 1;\n"}),
    "flyway": ("sql", {"flyway.toml": '[flyway]\nlocations = ["filesystem:sql"]\n', "sql/V007__own.sql": "SELECT 1;\n",
                       "sql/R__own.sql": "SELECT 1;\n"}),
    "golang-migrate": ("migrations", {"migrations/000007_own.up.sql": "SELECT 1;\n", "migrations/000007_own.down.sql": ""}),
    "prisma": ("prisma/migrations", {"prisma/migrations/migration_lock.toml": 'provider = "postgresql"\n',
                                     "prisma/migrations/20250101000000_own/migration.sql": "SELECT 1;\n"}),
    "alembic": ("migrations/versions", {"alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n", "migrations/env.py": "",
                                        "migrations/versions/a1_own.py": 'revision: str = "a1"\ndown_revision: str | None = None\n',
                                        "migrations/versions/b2_own.py": "revision = 'b2'\ndown_revision = 'a1'\n"}),
}  # fmt: skip


def project(folder: Path, tool: str) -> Path:
    """A project that uses the tool; returns where its migrations are."""
    for name, text in TOOLS[tool][1].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / TOOLS[tool][0]


def told(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


FORMS = {  # of the names of the files; those of a step side by side
    "supabase": [r"\d{14}_NAME\.sql"],
    "dbmate": [r"\d{14}_NAME\.sql"],
    "sqitch": [r"deploy/NAME\.sql", r"revert/NAME\.sql", r"verify/NAME\.sql"],
    "flyway": [r"V0(08|09|10)__NAME\.sql", r"U0(08|09|10)__NAME\.sql"],
    "golang-migrate": [r"0000(08|09|10)_NAME\.up\.sql", r"0000(08|09|10)_NAME\.down\.sql"],
    "prisma": [r"\d{14}_NAME/migration\.sql", r"\d{14}_NAME/down\.sql"],
    "alembic": [r"[0-9a-f]{12}_NAME\.py"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_names_that_a_tool_reads(tmp_path: Path, tool: str) -> None:
    """Found from the project's root and from the folder; known again, and written anew where one was edited."""
    home, own = project(tmp_path, tool), set(told(tmp_path))
    files = [str(file.relative_to(home)) for file in exported(tmp_path)]
    expected = [form.replace("NAME", name) for name in NAMES for form in FORMS[tool]]
    assert [file for file in files if file != "sqitch.plan"] == sorted(files, key=files.index)[: len(expected)]
    for file, form in zip(files, expected, strict=False):
        assert re.fullmatch(form, file), (file, form)
    assert len({file.split("__")[0].split("_")[0] for file in files if not file.endswith("plan")}) in (3, 6, 7, 9)
    before = told(tmp_path)
    assert own < set(before)
    assert run("export", str(home)).stdout == "", "the folder says the same as the root"
    assert run("export", str(tmp_path), "--for", tool).stdout == ""
    assert told(tmp_path) == before
    edited = home / files[len(FORMS[tool])]
    edited.write_text(edited.read_text().replace("lock_timeout", "lock_timeout "))
    again = run("export", str(tmp_path))
    said(again, f"{edited} was edited after an export")
    written = [Path(line) for line in again.stdout.splitlines()]
    assert len([file for file in written if file.name != "sqitch.plan"]) == 2 * len(FORMS[tool])
    assert not {str(file.relative_to(tmp_path)) for file in written} - {"sqitch.plan"} & set(before)


def test_a_sqitch_plan_goes_on(tmp_path: Path) -> None:
    project(tmp_path, "sqitch")
    (tmp_path / "sqitch.conf").write_text(
        "[core]\n\ttop_dir = db\n\tplan_file = sqitch.plan\n[deploy]\n\tverify = true\n"
    )
    before = (tmp_path / "sqitch.plan").read_text()
    exported(tmp_path)
    plan = (tmp_path / "sqitch.plan").read_text()
    assert plan.startswith(before)
    line = r"(\w+)( \[\w+\])? \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [^<]+ <[^>]+> # .+"
    added = [re.fullmatch(line, text) for text in plan.removeprefix(before).splitlines()]
    assert [match and match[1] for match in added] == NAMES
    for name in NAMES:
        deploy, revert, verify = (
            (tmp_path / "db" / kind / f"{name}.sql").read_text() for kind in ("deploy", "revert", "verify")
        )
        for text, end in ((deploy, "COMMIT;"), (revert, "COMMIT;"), (verify, "ROLLBACK;")):
            statements = [sqlparse.format(part, strip_comments=True).strip() for part in sqlparse.split(text)]
            assert (statements[0], statements[-1]) == ("BEGIN;", end)


def test_alembic_revisions_follow_the_head(tmp_path: Path) -> None:
    versions = project(tmp_path, "alembic")
    below = "b2"
    for file in exported(tmp_path):
        names: dict[str, Any] = {}
        text = file.read_text()
        exec(text[: text.index("from alembic")], names)
        assert names["down_revision"] == below
        below = names["revision"]
        assert file.name.startswith(below)
    (versions / "c3.py").write_text("revision = 'c3'\ndown_revision = 'b2'\n")
    two = run("export", str(tmp_path))
    assert (two.code, two.stdout) == (2, "")
    said(two, "has several heads", "c3", "alembic merge heads")
    (versions / "d4.py").write_text(f"revision = 'd4'\ndown_revision = ('c3', '{below}')\n")
    assert run("export", str(tmp_path)).stdout == "", "what is behind a merge is known, too"


@pytest.mark.parametrize(
    ("tool", "newest", "following"),
    [
        ("flyway", "V7__a.sql", "V8"),
        ("flyway", "V1.9__a.sql", "V1.10"),
        ("flyway", "V2_1__a.sql", "V2_2"),
        ("flyway", "V20990101000000__a.sql", "V20990101000001"),
        ("golang-migrate", "99_a.up.sql", "100"),
        ("golang-migrate", "4102444800_a.up.sql", "4102444801"),
        ("golang-migrate", "20990101000000_a.up.sql", "20990101000001"),
    ],
)
def test_numbers_go_on_as_they_are(tmp_path: Path, tool: str, newest: str, following: str) -> None:
    (tmp_path / newest).write_text("SELECT 1;\n")
    assert exported(tmp_path, "--for", tool)[0].name.startswith(following + "_")
    assert len(exported(tmp_path, "--for", tool)) == 0


def test_a_folder_of_two_tools(tmp_path: Path) -> None:
    project(tmp_path, "prisma")
    project(tmp_path, "flyway")
    before = told(tmp_path)
    result = run("export", str(tmp_path))
    assert (result.code, result.stdout) == (2, "")
    said(result, "flyway and prisma", "--for flyway")
    assert told(tmp_path) == before
    assert run("export", str(tmp_path), "--for", "prisma").code == 0


@pytest.mark.parametrize("tool", [*TOOLS])
def test_where_a_tool_has_no_folder(tmp_path: Path, tool: str) -> None:
    result = run("export", "nowhere", "--for", tool, cwd=tmp_path)
    assert (result.code, result.stdout) == (2, "")
    said(result, "cannot be read")
    assert names(tmp_path) == []


def test_flyway_replaces_nothing_in_a_file(app: App, tmp_path: Path) -> None:
    """What it takes for a placeholder stands in a function of the application."""
    app.sql(app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)").replace("BEGIN", "BEGIN -- ${user}", 1))
    (tmp_path / "V1__own.sql").write_text("SELECT 1;\n")
    files = [file.name for file in adapted(app, tmp_path)]
    assert [f"{name}.conf" in files for name in files if not name.endswith(".conf")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert (tmp_path / f"{files[0]}.conf").read_text() == "placeholderReplacement=false\n"


@pytest.mark.parametrize("case", ["app", "partitioned", "counted_twice", "owner"])
def test_the_way_back_is_written_with_the_way_there(request: pytest.FixtureRequest, tmp_path: Path, case: str) -> None:
    """As golang-migrate runs it: each file one query. What differs by then is not lost: it stops."""
    app: App = request.getfixturevalue("app" if case in ("owner", "counted_twice") else case)
    if case == "counted_twice":
        for part in ("by_hand", "counted_twice"):
            app.sql((ROOT / "tests" / "applications" / f"{part}.sql").read_text())
    with as_owner(app) if case == "owner" else nullcontext(app.url()) as url:
        alone(app)
        (tmp_path / "1_own.up.sql").write_text("SELECT 1;\n")
        before = app.dump()
        files = adapted(app, tmp_path, DATABASE_URL=url, USAGEFIX_TRUST="events")
        there, back = ([file for file in files if file.name.endswith(end)] for end in (".up.sql", ".down.sql"))
        for n in (1, 2):
            run_queries(app, there, url)
            assert app.drift() == (0, 0)
            app.sql(
                f"INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT id, '{app.user_id(n)}', 'showcase_creation' FROM presets"
            )
            assert app.drift() == (0, 0)
            left = stopped_where_changed(app, back) if case == "app" else back[::-1]
            run_queries(app, left, url)
            assert app.dump() == before


def stopped_where_changed(app: App, back: list[Path]) -> list[Path]:
    """The first of them while the last is applied, and after somebody edited a function: that which is left to run."""
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="a later version is applied"):
        run_queries(app, back[:1])
    run_queries(app, back[:0:-1])
    there = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
    app.sql(there.replace("BEGIN", "BEGIN -- edited", 1))
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=r"track_preset_usage.* was changed"):
        run_queries(app, back[:1])
    app.sql(there)
    return back[:1]


def run_queries(app: App, files: list[Path], url: str | None = None) -> None:
    for file in files:
        with psycopg.connect(url or app.url(), autocommit=True) as connection:
            connection.execute(file.read_bytes())


def alone(app: App) -> None:
    """Without uses that a daily limit would refuse on the way back."""
    app.sql("SET session_replication_role = replica; TRUNCATE preset_usage; RESET session_replication_role")


# How status knows that a version came by a tool.

LISTS = {  # made as the tool does, and what it notes for a file
    "supabase": ("CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text)",
                 "INSERT INTO supabase_migrations.schema_migrations VALUES (%s)", "20260101000000"),
    "dbmate": ("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)", "INSERT INTO schema_migrations VALUES (%s)", "20260101000000"),
    "sqitch": ("CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text, project text)",
               "INSERT INTO sqitch.changes VALUES ('a', %s, 'own')", FIRST.name),
    "flyway": ("CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), type varchar(20), success boolean)",
               "INSERT INTO flyway_schema_history VALUES (1, replace(%s, '_', '.'), 'SQL', true)", "1_2"),
    "golang-migrate": ("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)", "INSERT INTO schema_migrations VALUES (%s::bigint + 2, false)", "8"),
    "prisma": ("CREATE TABLE _prisma_migrations (migration_name varchar(255), finished_at timestamptz, rolled_back_at timestamptz)",
               "INSERT INTO _prisma_migrations VALUES (%s, now())", f"20260101000000_{FIRST.name}"),
    "alembic": ("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)", "INSERT INTO alembic_version VALUES ('later' || left(%s, 0))", "0123456789ab"),
}  # fmt: skip


def push(app: App, tool: str, *, listed: bool = True) -> str:
    """What a tool does with the first file; what it lists that as."""
    make, note, version = LISTS[tool]
    app.sql(make)
    printed = app.usagefix("sql", VERSION, "apply", "--adapt")
    assert printed.code == 0, printed.stderr
    with app.connect(autocommit=False) as connection:
        connection.execute(f"SET LOCAL usagefix.tool = '{tool} {version}'")
        connection.execute(printed.stdout.encode())
    if listed:
        app.sql(note, version)
    return version


def pushed(app: App, **variables: str) -> tuple[str | None, str | None]:
    result = app.usagefix("status", "--format", "json", **variables)
    assert result.code == 0, result.stderr
    (state, *others) = result.one["migrations"]
    assert all(other["pushed_as"] is other["pushed_by"] is None for other in others)
    return state["pushed_by"], state["pushed_as"]


@pytest.mark.parametrize("tool", LISTS)
def test_status_names_the_tool_whose_list_has_the_file(app: App, tool: str) -> None:
    version = push(app, tool)
    assert pushed(app) == (tool, version)
    for width in (40, 160):
        page = " ".join(app.usagefix("status", COLUMNS=str(width)).stdout.split())
        assert f"pushed: {VERSION} by {tool}, as {version}" in page
    (listing,) = re.findall(r"CREATE TABLE (\S+)", LISTS[tool][0])
    app.sql(f"DELETE FROM {listing}")
    assert pushed(app) == (None, None), "the list has it no more"


def test_status_believes_only_the_file_of_this_very_entry(app: App) -> None:
    push(app, "dbmate")
    app.usagefix("rollback", "--yes", "--daily-limit", "skip")
    assert pushed(app) == (None, None)
    app.usagefix("apply", "--to", VERSION)
    assert pushed(app) == (None, None), "applied by usagefix, though the tool lists it still"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE schema_migrations RENAME version TO another",
        "ALTER TABLE schema_migrations RENAME TO another; CREATE VIEW schema_migrations AS SELECT version FROM another",
        "CREATE TYPE mood AS ENUM ('20260101000000'); ALTER TABLE schema_migrations ALTER version TYPE mood USING version::mood",
        "UPDATE usagefix.history SET tool = 'dbmate'; UPDATE schema_migrations SET version = ''; DROP TABLE schema_migrations",
        "UPDATE usagefix.history SET tool = 'golang-migrate x'; ALTER TABLE schema_migrations ADD dirty boolean, ALTER version TYPE bigint USING 1",
        "DROP TABLE schema_migrations",
    ],
)
def test_a_list_that_is_not_as_we_know_it(app: App, change: str) -> None:
    push(app, "dbmate")
    app.sql(change)
    assert pushed(app) == (None, None)


@pytest.mark.parametrize("grants", ["", "GRANT USAGE ON SCHEMA lists TO looking", "GRANT SELECT ON lists.schema_migrations TO looking",
    "GRANT USAGE ON SCHEMA lists TO looking; GRANT SELECT ON lists.schema_migrations TO looking; ALTER TABLE lists.schema_migrations ENABLE ROW LEVEL SECURITY"])  # fmt: skip
def test_a_list_that_may_not_be_read(app: App, grants: str) -> None:
    push(app, "dbmate")
    app.sql("CREATE SCHEMA lists; ALTER TABLE schema_migrations SET SCHEMA lists")
    app.sql("CREATE ROLE looking LOGIN BYPASSRLS" if "ROW LEVEL" not in grants else "CREATE ROLE looking LOGIN")
    try:
        app.sql("ALTER TABLE presets OWNER TO looking; ALTER TABLE preset_usage OWNER TO looking")
        for function in ("auto_increment_preset_usage_count", "auto_adjust_preset_usage_count"):
            app.sql(f"ALTER FUNCTION {function}() OWNER TO looking")
        app.sql("GRANT USAGE ON SCHEMA usagefix TO looking; GRANT SELECT ON ALL TABLES IN SCHEMA usagefix TO looking")
        assert pushed(app) == ("dbmate", "20260101000000")
        app.sql(grants or "SELECT")
        assert pushed(app, DATABASE_URL=app.url("looking")) == (None, None)
    finally:
        app.sql("REASSIGN OWNED BY looking TO postgres; DROP OWNED BY looking; DROP ROLE looking")


def test_nothing_is_written_there(tmp_path: Path) -> None:
    """In the SQL and in the code, the lists of the tools are named where they are read only."""
    root = Path(catalog.__file__).parent
    found = subprocess.run(
        ["grep", "-rlIE", "--include=*.py", "--include=*.sql", "schema_migrations|flyway_schema_history|_prisma_migrations|alembic_version",
         str(root), str(catalog.root())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    tools = {f"{tool.replace('-', '_')}.py" for tool in MigrationTool} - {"sqitch.py"}
    assert {Path(line).name for line in found.stdout.split()} == {"pushes.sql", *tools}
