"""Everything that goes wrong: one clear error, a hint, the exit code of the contract, nothing changed, no secret."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from support import LONG, App, Result, asked_for_password, environment, free_port, role, run

SECRET = "s3cr3t-W0rd"
REPORTING = ("verify", "apply", "backfill", "rollback", "status", "check-preset")


def arguments(command: str) -> tuple[str, ...]:
    return (command, "x") if command == "check-preset" else (command,)


def assert_clear(result: Result, code: int, *words: str) -> None:
    assert result.code == code, result.stderr
    lines = result.stderr.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, result.stderr
    assert sum(line.startswith("hint: ") for line in lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert SECRET not in result.stderr + result.stdout
    for word in words:
        assert word in result.stderr, result.stderr


@pytest.mark.parametrize("command", REPORTING)
def test_no_database_named(command: str, tmp_path: Path) -> None:
    assert_clear(run(*arguments(command), cwd=tmp_path), 2, "no database is named", "DATABASE_URL")
    failed = run(*arguments(command), "--format", "json", cwd=tmp_path)
    body = failed.json
    assert (body["ok"], body["exit_code"], body["target"], body["command"]) == (False, 2, None, command)
    assert set(body["error"]) == {"sqlstate", "message", "changes", "hint"}


@pytest.mark.parametrize(
    "url",
    [
        SECRET,
        f"mysql://u:{SECRET}@localhost/db",
        f"postgresql://u:{SECRET}@x%40@localhost/db",
        f"postgresql://u:5432/{SECRET}@localhost",
        f"postgresql://u:{SECRET}/x@/db",
        f"postgresql://u:{SECRET}@localhost/db?application_name=a@b&pool=1",
        f"postgresql://u:p@x?{SECRET}=1@localhost/db",
        f"postgresql://u:p@localhost/db?{SECRET}",
        f"postgresql://u:p@localhost/db?ssl={SECRET}",
        f"postgresql://u:p@localhost/db?schema='{SECRET}",
        f"postgresql://u:{SECRET}@localhost:port/db",
        f"postgresql://u:{SECRET}@localhost/db?nonsense=1",
        f"postgresql://u:{SECRET}@localhost/db?sslmodee=verify-full",
        f"jdbc:postgresql://localhost:5432/db?user=u&password={SECRET}",
        f"https://{SECRET}.supabase.co",
        f"postgresql://postgres:[YOUR-PASSWORD]@{SECRET}/db",
        f"postgresql://u:{SECRET} {SECRET}@local host/db",
        f"host=localhost password={SECRET} nonsense",
        f"host=localhost password='{SECRET}",
        f"host=localhost password=x {SECRET}=1",
        f"postgresql://u@[::1:{SECRET}/db",
        "   ",
    ],
)
def test_malformed_url(url: str) -> None:
    for result in (run("--database-url", url, "verify"), run("verify", "--format", "json", DATABASE_URL=url)):
        assert result.code == 2, result.stderr
        assert SECRET not in result.stderr + result.stdout
    assert_clear(run("--database-url", url, "verify"), 2)


@pytest.mark.parametrize(
    ("at", "arguments"),
    [
        ("usagefix.cli", ("verify", "--format", "json")),
        ("usagefix.cli", ("--version",)),
        ("usagefix.verify", ("verify", "--format", "json")),
        ("usagefix.verify", ("verify",)),
    ],
)
def test_interrupted_before_a_command_begins(at: str, arguments: tuple[str, ...]) -> None:
    """Ctrl-C while usagefix is being imported, or what the command needs; Python notes one that falls into an exec()."""
    code = (
        "import builtins, runpy, sys\nreal, armed = builtins.__import__, [True]\n"
        "def first(name, *rest, **named):\n"
        f"    if name.startswith({at!r}) and armed.pop() if armed else False:\n        exec('raise KeyboardInterrupt')\n"
        "    return real(name, *rest, **named)\n"
        "builtins.__import__ = first\nsys.argv[0] = 'usagefix'\n"
        "runpy.run_module('usagefix', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    result = Result(done.returncode, done.stdout, done.stderr)
    assert_clear(result, 130, "interrupted")
    if "json" in arguments:
        assert (result.json["exit_code"], result.json["command"]) == (130, "verify")


def test_an_interrupt_that_python_swallows_comes_again() -> None:
    code = (
        "import signal, time\nfrom usagefix.__main__ import obey\nobey()\nclass Last:\n    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGTERM)\nLast()\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('obeyed')"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "obeyed\n", "")


def test_who_may_not_write_is_told_so_first(app: App) -> None:
    """Not, one after the other, which grants it would take to read."""
    with role(app, "reader"):
        for command in (("apply",), ("backfill",), ("rollback", "--yes"), ("guard", "reject")):
            result = app.usagefix(*command, DATABASE_URL=app.url("reader"))
            assert_clear(result, 5, "role reader does not own table public.presets; its owner is postgres")


def test_a_version_that_is_set_for_apply_does_not_stop_a_rollback_half_way(fixed: App) -> None:
    back = fixed.usagefix("rollback", "--yes", "--format", "json", USAGEFIX_TO="20250930000001")
    assert back.one["remains"] is None
    assert "--to" in run("rollback", "--help").stdout


def test_closed_port_and_unknown_host() -> None:
    port = free_port()
    url = f"postgresql://u:{SECRET}@127.0.0.1:{port}/db"
    assert_clear(run("verify", DATABASE_URL=url), 3, "cannot connect", "refused", "check that the server runs")
    url = f"postgresql://u:{SECRET}@no-such-host.invalid/db"
    assert_clear(run("verify", DATABASE_URL=url), 3, "cannot connect", "check the host name")


def test_wait_gives_up_in_time(tmp_path: Path) -> None:
    url = f"postgresql://u@/db?host={quote(str(tmp_path), safe='')}"
    assert_clear(run("--wait", "0.5", "verify", DATABASE_URL=url), 3, "cannot connect")


def test_unknown_database_and_role(app: App) -> None:
    assert_clear(run("verify", DATABASE_URL=app.url().replace(f"/{app.name}?", "/nowhere?")), 3, "does not exist")
    assert_clear(run("verify", DATABASE_URL=app.url("nobody_here")), 3, "does not exist")


def test_wrong_password(app: App) -> None:
    with asked_for_password(app, "sesame", SECRET):
        wrong = run("--wait", "30", "verify", DATABASE_URL=app.url("sesame", f"{SECRET}x"))
        assert_clear(wrong, 3, "password authentication failed", "check the user and the password")
        none = run("verify", DATABASE_URL=app.url("sesame"))
        assert_clear(none, 3, "check the user and the password")
        right = run("verify", DATABASE_URL=app.url("sesame", SECRET))
        assert_clear(right, 5, "sesame")


@pytest.mark.parametrize("command", REPORTING)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DROP TABLE preset_usage", "no table public.preset_usage"),
        ("DROP TABLE preset_usage, presets CASCADE", "no table public.presets"),
        ("ALTER TABLE presets RENAME usage_count TO uses", "public.presets has no column usage_count"),
        ("ALTER TABLE preset_usage RENAME preset_id TO preset", "public.preset_usage has no column preset_id"),
        (
            "ALTER TABLE presets DROP CONSTRAINT presets_usage_count_check; DROP TRIGGER presets_notify_usage_milestone ON presets;"
            " ALTER TABLE presets ALTER usage_count DROP DEFAULT, ALTER usage_count TYPE text",
            "usage_count is of type text",
        ),
        (
            "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey, ALTER preset_id TYPE text",
            "preset_id is of type text, public.presets.id of type uuid",
        ),
        ("ALTER TABLE presets RENAME TO p; CREATE VIEW presets AS SELECT * FROM p", "no table public.presets"),
    ],
)
def test_not_the_database_that_usagefix_knows(app: App, command: str, damage: str, words: str) -> None:
    for statement in damage.split("; "):
        app.sql(statement)
    dump = app.dump()
    if command == "rollback" and words[:8] != "no table":  # it needs no column, and nothing is applied
        assert "nothing to do" in app.usagefix(*arguments(command)).stdout
    else:
        assert_clear(app.usagefix(*arguments(command)), 2, words, "nothing in the database was changed")
    assert app.dump() == dump


def test_each_missing_right_is_named(app: App) -> None:
    with role(app, "guest"):
        url = app.url("guest")
        assert_clear(
            run("verify", DATABASE_URL=url), 5,
            "role guest may not read public.presets", "GRANT SELECT ON public.presets TO guest",
            "role guest may not read public.preset_usage", "GRANT SELECT ON public.preset_usage TO guest",
        )  # fmt: skip
        app.sql("ALTER ROLE guest BYPASSRLS")
        app.sql("GRANT SELECT ON presets, preset_usage TO guest")
        app.sql("CREATE SCHEMA other; CREATE TABLE other.uses (preset uuid); GRANT USAGE ON SCHEMA other TO guest")
        elsewhere = run("verify", "--counter", "presets.usage_count", "--events", "other.uses.preset", DATABASE_URL=url)
        assert_clear(elsewhere, 5, "role guest may not read other.uses", "GRANT SELECT ON other.uses TO guest")
        app.sql("DROP SCHEMA other CASCADE")
        dump = app.dump()
        for command in ("apply", "backfill"):
            assert_clear(
                run(command, DATABASE_URL=url), 5, "guest does not own table public.presets", "connect as postgres"
            )
        app.sql("ALTER TABLE presets OWNER TO guest")
        assert_clear(
            run("apply", DATABASE_URL=url),
            5,
            "public.preset_usage; its owner is postgres",
            "the rights of both (guest, postgres)",
        )
        app.sql("ALTER TABLE preset_usage OWNER TO guest")
        dump = app.dump()
        result = run("apply", DATABASE_URL=url)
        assert_clear(
            result,
            5,
            "CREATE on schema public",
            "CREATE on database",
            "ownership of function",
            "nothing in the database",
        )
        assert app.dump() == dump


def test_a_server_that_takes_no_writes(app: App) -> None:
    """What a role or a database is set to is a default, tried in test_settings; this is meant."""

    def new_sessions_are(setting: str) -> None:
        app.sql("SELECT pg_reload_conf()")
        while True:
            with app.connect() as other:
                if other.execute("SHOW default_transaction_read_only").fetchall() == [(setting,)]:
                    return

    app.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        new_sessions_are("on")
        for command in (("apply",), ("backfill",), ("rollback", "--yes"), ("guard", "warn"), ("smoke",)):
            assert_clear(app.usagefix(*command), 5, "takes no writes", "for the whole of it", "the disk is full")
        assert app.usagefix("verify").code == 1, "reading works"
    finally:
        app.sql("ALTER SYSTEM RESET default_transaction_read_only")
        new_sessions_are("off")


def test_a_session_that_is_to_take_no_writes(app: App) -> None:
    mine = {"PGOPTIONS": "-c default_transaction_read_only=on"}
    assert_clear(app.usagefix("apply", **mine), 5, "takes no writes", "in this session", "PGOPTIONS")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("apply", "--to", "1"), "no version '1'"),
        (("rollback", "--to", "nonsense", "--yes"), "no version 'nonsense'"),
        (("verify", "--only", "nonsense"), "no check 'nonsense'"),
    ],
)
def test_unknown_names_list_the_known_ones(app: App, command: tuple[str, ...], words: str) -> None:
    assert_clear(app.usagefix(*command), 2, words, "hint: ")


@pytest.mark.parametrize(
    "command",
    [
        ("nonsense",), ("verify", "--nonsense"), ("backfill", "--batch-size", "0"), ("backfill", "--batch-size", "many"),
        ("check-preset",), ("verify", "--format", "xml"), ("rollback", "--daily-limit", "maybe"), ("--wait", "-1", "verify"),
    ],
)  # fmt: skip
def test_usage_errors(command: tuple[str, ...]) -> None:
    assert_clear(run(*command), 2, "--help")


def test_a_usage_error_is_one_json_object_too() -> None:
    body = run("verify", "--format", "json", "--nonsense").json
    assert (body["command"], body["exit_code"], body["ok"]) == ("verify", 2, False)


def test_env_file(app: App, tmp_path: Path) -> None:
    assert_clear(run("--env-file", "absent.env", "verify", cwd=tmp_path), 2, "absent.env")
    (tmp_path / ".env").write_text(f"DATABASE_URL='{app.url()}'\n")
    assert run("status", cwd=tmp_path).code == 0
    assert_clear(run("status", cwd=tmp_path, DATABASE_URL="postgresql://u@127.0.0.1:1/x"), 3)  # the environment wins
    (tmp_path / "other.env").write_text(f"export SUPABASE_DB_URL={app.url()}\r\n")
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://u@127.0.0.1:1/x\n")
    assert run("--env-file", "other.env", "status", cwd=tmp_path).code == 0
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    assert_clear(run("status", cwd=tmp_path), 2, ".env")


def test_libpq_variables(app: App) -> None:
    assert run("status", PGHOST=app.host, PGUSER="postgres", PGDATABASE=app.name).code == 0
    assert_clear(run("status", PGSERVICE="no_such_service"), 2, "PGSERVICE")


@pytest.mark.parametrize(
    "command", [("verify",), ("verify", "--format", "json"), ("status",), ("sql", "20250930000001")]
)
def test_a_closed_pipe(app: App, command: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "usagefix", *command], env=environment(DATABASE_URL=app.url()),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(LONG) == (1 if command[0] == "verify" else 0), "the result is the result, read or not"
    assert "Traceback" not in stderr
    assert "Broken" not in stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_apply_waits(app: App, how: signal.Signals) -> None:
    dump = app.dump()
    with app.connect(autocommit=False) as blocker:
        blocker.execute("LOCK TABLE preset_usage IN ROW EXCLUSIVE MODE")
        process = app.spawn("apply", "--format", "json")
        app.wait_for_waiter()
        process.send_signal(how)
        stdout, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 130
    assert json.loads(stdout)["exit_code"] == 130
    assert_clear(Result(130, stdout, stderr), 130, "interrupted", "nothing in the database was changed")
    assert app.dump() == dump


def test_the_connection_is_cut(app: App) -> None:
    dump = app.dump()
    with app.connect(autocommit=False) as blocker:
        blocker.execute("LOCK TABLE preset_usage IN ROW EXCLUSIVE MODE")
        process = app.spawn("apply")
        app.wait_for_waiter()
        app.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'usagefix'")
        stdout, stderr = process.communicate(timeout=LONG)
    assert_clear(Result(process.returncode, stdout, stderr), 3, "the connection was lost")
    assert app.dump() == dump


def test_a_function_that_cannot_be_edited_stops_it(app: App) -> None:
    app.sql(
        "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb"
        " DEFAULT '{}') RETURNS uuid LANGUAGE plpgsql AS $$BEGIN INSERT INTO preset_usage (preset_id) VALUES (preset_uuid)"
        " ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date))"
        " DO UPDATE SET usage_data = '{}'; RETURN NULL; END$$"
    )
    dump = app.dump()
    for command in (("apply",), ("apply", "--dry-run")):
        assert_clear(app.usagefix(*command), 1, "cannot take out", "by hand", "nothing in the database was changed")
        assert app.dump() == dump
        assert app.one("SELECT to_regnamespace('usagefix')") is None


def test_a_schema_that_has_the_tables_is_named(app: App) -> None:
    app.sql("CREATE SCHEMA shop")
    app.sql("ALTER TABLE presets SET SCHEMA shop")
    app.sql("ALTER TABLE preset_usage SET SCHEMA shop")
    result = app.usagefix("verify")
    assert (result.code, "run this again with --schema shop" in result.stderr) == (2, True)
    nowhere = app.usagefix("--schema", "nope", "verify")
    assert (nowhere.code, "schema shop has both tables" in nowhere.stderr) == (2, True)
    app.sql('CREATE SCHEMA "A b" CREATE TABLE presets () CREATE TABLE preset_usage ()')
    nowhere = app.usagefix("--schema", "nope", "verify")
    assert "the schemas A b, shop have both tables: run this again with --schema 'A b'" in nowhere.stderr
    assert app.usagefix("--schema", "shop", "verify").code == 1
    assert app.usagefix("--schema", "nope", "verify", "--schema", "shop").code == 1
    for wrong in ('x"; DROP TABLE presets', "", "a'b", "usagefix.history"):
        assert app.usagefix("--schema", wrong, "verify").code == 2


def test_sessions_that_fire_no_trigger(app: App) -> None:
    app.sql(f'ALTER DATABASE "{app.name}" SET session_replication_role = replica')
    for command in ("apply", "smoke"):
        assert_clear(
            app.usagefix(command), 1, "no trigger fires", "RESET session_replication_role", "nothing in the database"
        )
