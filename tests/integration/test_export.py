"""`usagefix export`: the files it writes, what it leaves alone, and how `status` knows them. No Supabase CLI needed."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlparse
from support import SQL, VERSION, App, Result, role, run

from usagefix import __version__, catalog, export
from usagefix.catalog import Face
from usagefix.errors import ConfigurationError

MIGRATIONS = catalog.migrations()
NAMES = [*(migration.name for migration in MIGRATIONS), "backfill_usage_count"]
FIRST, NEWEST = MIGRATIONS[0], MIGRATIONS[-1]
AT_REVIEW = 568  # lines that the owner of the sample reads before usagefix changes it; the aim is 450


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
    assert {m["state"] for m in app.usagefix("status", "--format", "json").json["migrations"]} == {"applied"}
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


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "adapted"])
def test_the_files_of_an_owner_who_is_no_superuser(app: App, tmp_path: Path, plain: bool) -> None:
    """Who may not set session_replication_role: the backfill holds the triggers of presets off one by one."""
    name = f"owner_{app.name}"
    with role(app, name, options="LOGIN BYPASSRLS"):
        app.sql(f"GRANT CREATE ON DATABASE {app.name} TO {name}; GRANT CREATE, USAGE ON SCHEMA public TO {name}")
        app.sql(f"GRANT USAGE ON SCHEMA auth TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA auth TO {name}")
        app.sql(
            f"ALTER TABLE presets OWNER TO {name}; ALTER TABLE preset_usage OWNER TO {name};"
            f" ALTER TABLE preset_notifications OWNER TO {name}"
        )
        app.sql("DROP FUNCTION track_preset_usage" if plain else f"ALTER FUNCTION track_preset_usage OWNER TO {name}")
        states = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'presets'::regclass AND NOT tgisinternal"
        before, touched = app.sql(states), app.one("SELECT max(updated_at) FROM presets")
        files = exported(tmp_path) if plain else adapted(app, tmp_path, DATABASE_URL=app.url(name))
        for _ in range(2):
            run_each(app, files, app.url(name))
            assert app.drift() == (0, 0)
        assert set(before) <= set(app.sql(states)), "the triggers are as they were"
        assert app.one("SELECT max(updated_at) FROM presets") == touched, "and did not fire"
        verified = app.usagefix("verify", DATABASE_URL=app.url(name))
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
    [lambda text: text.replace("END\n", "END ;\n", 1), lambda text: f"{text}DROP TABLE x;\n", lambda text: text[:900]],
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
    files[0].write_text(re.sub(r"[0-9a-f]{64}", export._checksum(sql), header) + "\n\n" + sql)
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
    said(result, "cannot be written to /proc", "nothing was written")


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
            assert len(export.export(tmp_path).files) == len(NAMES), "without links, the other way is taken"
            return
        with pytest.raises((KeyboardInterrupt, ConfigurationError)):
            export.export(tmp_path)
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

    monkeypatch.setattr(export, "_timestamps", timestamps)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(ConfigurationError):
        export.export(tmp_path)
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


# How status knows that a version came by a push.

LIST = """
    CREATE SCHEMA supabase_migrations;
    CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text);
"""
PUSH = "INSERT INTO supabase_migrations.schema_migrations (version, name, statements) VALUES (%s, %s, %s)"


def push(app: App, *, name: str = FIRST.name, edit: Any = lambda statement: statement, apart: bool = False) -> None:
    """What the CLI does with the first file."""
    printed = app.usagefix("sql", VERSION, "apply", "--adapt")
    assert printed.code == 0, printed.stderr
    statements = [edit(statement.text) for statement in catalog.statements(printed.stdout)]
    with app.connect(autocommit=False) as connection:
        connection.execute(printed.stdout.encode())
        if apart:
            connection.commit()
        connection.execute(PUSH, ("20260101000000", name, statements))


def pushed_as(app: App, **variables: str) -> str | None:
    result = app.usagefix("status", "--format", "json", **variables)
    assert result.code == 0, result.stderr
    (state, *others) = result.json["migrations"]
    assert all(other["pushed_as"] is None for other in others)
    assert state["state"] == "applied"
    value = state["pushed_as"]
    assert value is None or isinstance(value, str)
    return value


def test_every_version_has_the_insert_that_status_looks_for() -> None:
    for migration in MIGRATIONS:
        insert = (
            "INSERT INTO usagefix.history (counter, version, action)"
            f" VALUES ('preset_usage_count'::name, '{migration.version}', 'apply')"
        )
        assert re.search(rf"^\s*{re.escape(insert)}", migration.read(Face.APPLY), re.MULTILINE)


def test_status_names_the_push(app: App) -> None:
    app.sql(LIST)
    push(app)
    assert pushed_as(app) == "20260101000000"
    for width in (40, 80, 160):
        page = " ".join(app.usagefix("status", COLUMNS=str(width)).stdout.split())
        assert f"pushed: {VERSION} by supabase db push, as 20260101000000" in page


def test_status_believes_only_a_push_of_this_very_entry(app: App) -> None:
    app.sql(LIST)
    push(app)
    app.usagefix("rollback", "--yes", "--daily-limit", "skip")
    assert {m["pushed_as"] for m in app.usagefix("status", "--format", "json").json["migrations"]} == {None}
    app.usagefix("apply", "--to", VERSION)
    assert pushed_as(app) is None, "applied by usagefix, though the CLI lists it still"


@pytest.mark.parametrize(
    "different",
    [
        {"name": "another"},
        {
            "edit": lambda statement: statement.replace(
                "INSERT INTO usagefix.history", "-- INSERT INTO usagefix.history"
            )
        },
        {"edit": lambda statement: statement.replace(f"'{VERSION}', 'apply'", "'20990101000000', 'apply'")},
        {"apart": True},
    ],
    ids=["another name", "insert in a comment", "insert of another version", "another transaction"],
)
def test_what_is_not_that_push(app: App, different: dict[str, Any]) -> None:
    app.sql(LIST)
    push(app, **different)
    assert pushed_as(app) is None


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE supabase_migrations.schema_migrations DROP COLUMN name",
        "ALTER TABLE supabase_migrations.schema_migrations DROP COLUMN statements",
        "ALTER TABLE supabase_migrations.schema_migrations ALTER version TYPE bigint USING version::bigint",
        "DROP TABLE supabase_migrations.schema_migrations",
        "DROP SCHEMA supabase_migrations CASCADE",
    ],
)
def test_a_list_that_is_not_as_we_know_it(app: App, change: str) -> None:
    app.sql(LIST)
    push(app)
    app.sql(change)
    assert pushed_as(app) is None


@pytest.mark.parametrize(
    "grants",
    [
        "",
        "GRANT USAGE ON SCHEMA supabase_migrations TO looking",
        "GRANT USAGE ON SCHEMA supabase_migrations TO looking; GRANT SELECT (version, name) ON supabase_migrations.schema_migrations TO looking",
        "GRANT USAGE ON SCHEMA supabase_migrations TO looking; GRANT SELECT ON supabase_migrations.schema_migrations TO looking;"
        " ALTER TABLE supabase_migrations.schema_migrations ENABLE ROW LEVEL SECURITY",
    ],
    ids=["no schema", "no table", "not all columns", "row level security"],
)
def test_a_list_that_may_not_be_read(app: App, grants: str) -> None:
    app.sql(LIST)
    push(app)
    app.sql("CREATE ROLE looking LOGIN BYPASSRLS" if "ROW LEVEL" not in grants else "CREATE ROLE looking LOGIN")
    try:
        app.sql("ALTER TABLE presets OWNER TO looking; ALTER TABLE preset_usage OWNER TO looking")
        for function in ("auto_increment_preset_usage_count", "auto_adjust_preset_usage_count"):
            app.sql(f"ALTER FUNCTION {function}() OWNER TO looking")
        app.sql("GRANT USAGE ON SCHEMA usagefix TO looking; GRANT SELECT ON ALL TABLES IN SCHEMA usagefix TO looking")
        assert pushed_as(app) == "20260101000000"
        app.sql(grants or "SELECT")
        assert pushed_as(app, DATABASE_URL=app.url("looking")) is None
    finally:
        app.sql("REASSIGN OWNED BY looking TO postgres; DROP OWNED BY looking; DROP ROLE looking")


def test_nothing_is_written_there(app: App, tmp_path: Path) -> None:
    """In the SQL and in the code, the schema of the CLI is named where it is read only."""
    root = Path(catalog.__file__).parent
    names = subprocess.run(
        ["grep", "-rlI", "--include=*.py", "--include=*.sql", "supabase_migrations", str(root), str(catalog.root())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {Path(line).name for line in names.stdout.split()} == {"export.py", "pushes.sql", "pushes_readable.sql"}
