"""What tests share: the application's database as a test sees it, and the command line as a user runs it."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import components
import forked
import psycopg
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[1]
SQL = ROOT / "sql"
APPLICATIONS = ROOT / "tests" / "applications"
LEDGER = SQL / "ledger.sql"
VERSION = "20250930000001"
MIGRATION = SQL / f"{VERSION}_fix_usage_tracking"
GUARD = SQL / "20251101000001_guard_usage_count"
MIGRATIONS = (MIGRATION, GUARD)
TRIGGER = "trigger_auto_increment_preset_usage_count"
ADJUSTING = "trigger_auto_adjust_preset_usage_count"
GUARDING = "zz_trigger_guard_preset_usage_count"
INDEX = "idx_preset_usage_daily_unique"
Connection = psycopg.Connection[tuple[Any, ...]]

# One snapshot: how many presets show something else than they have events, and by how much in all.
DRIFT = """
    SELECT count(*) FILTER (WHERE p.usage_count IS DISTINCT FROM coalesce(e.n, 0)),
        coalesce(sum(abs(coalesce(e.n, 0) - coalesce(p.usage_count, 0))), 0)
    FROM presets p LEFT JOIN (SELECT preset_id, count(*) AS n FROM preset_usage GROUP BY 1) e ON e.preset_id = p.id
"""


# Seconds for what is done at once on an idle machine. One that many share may stop any process for some of them.
LONG = 200.0


def wait_until(condition: Callable[[], object], otherwise: str = "it never came true") -> None:
    """Wait for a condition as long as is reasonable on any machine."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.005)


@cache
def validator(command: str) -> Any:
    """What holds a command's object against its JSON Schema."""
    schema = json.loads((ROOT / "src" / "usagefix" / "schemas" / f"{command}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@dataclass(frozen=True)
class Result:
    """A finished command."""

    code: int
    stdout: str
    stderr: str

    @property
    def one(self) -> dict[str, Any]:
        """What came of the only counter."""
        (entry,) = self.json["counters"]
        assert isinstance(entry, dict)
        return entry

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        validator(str(value["command"])).validate(value)
        return value


def environment(**extra: str) -> dict[str, str]:
    """The process's environment without anything that names a database, and with what a test sets."""
    base = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PG", "GITHUB_")) and not k.lower().endswith(("database_url", "db_url", "_proxy"))
    }
    return base | {"COLUMNS": "100", "PYTHONWARNINGS": "error"} | extra


FORKS = forked.Forks(environment())


def run(*arguments: str, cwd: Path | None = None, stdin: str | None = None, **variables: str) -> Result:
    """``usagefix`` as a process: a fork of one that has begun, where that does the same."""
    if not stdin and FORKS.suits(arguments, environment(**variables)):
        return Result(*FORKS.run(arguments, environment(**variables), cwd or Path("/"), seconds=LONG))
    return process(*arguments, cwd=cwd, stdin=stdin, **variables)


def process(*arguments: str, cwd: Path | None = None, stdin: str | None = None, **variables: str) -> Result:
    """``usagefix`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "usagefix", *arguments],
        cwd=cwd or Path("/"), env=environment(**variables), input=stdin or "", capture_output=True, text=True, check=False,
        timeout=LONG,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


def ended(process: subprocess.Popen[str]) -> Result:
    """How a command ends that runs already."""
    try:
        stdout, stderr = process.communicate(timeout=LONG)
    except subprocess.TimeoutExpired as error:
        process.kill()
        error.add_note("it printed: " + "".join(process.communicate()))
        raise
    return Result(process.returncode, stdout, stderr)


def told(process: subprocess.Popen[str], words: str) -> str:
    """What a running command writes to stderr up to the line with these words."""
    assert process.stderr
    said = ""
    while words not in said:
        line = process.stderr.readline()
        said += line
        assert line, f"it ended without saying {words!r}: {said}"
    return said


@dataclass
class App:
    """The application's database: an autocommit connection, and usagefix pointed at it."""

    host: str
    port: int
    name: str
    binaries: Path
    user: str = "postgres"
    opened: list[Connection] = field(default_factory=list)
    spawned: list[subprocess.Popen[str]] = field(default_factory=list)

    def url(self, user: str | None = None, password: str | None = None) -> str:
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user or self.user}{secret}@/{self.name}?host={quote(self.host, safe='')}"

    def connect(self, *, autocommit: bool = True, user: str | None = None) -> Connection:
        """A further connection; the caller closes it (``with``)."""
        return psycopg.connect(self.url(user), autocommit=autocommit)

    @property
    def db(self) -> Connection:
        """The test's own connection."""
        if not self.opened:
            self.opened.append(psycopg.connect(self.url(), autocommit=True))
        return self.opened[0]

    def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        cursor = self.db.execute(statement.encode(), params or None)
        return cursor.fetchall() if cursor.description else []

    def spoil(self, statement: str, *params: Any) -> None:
        """Change counters past the guard, so that they are wrong."""
        with self.db.transaction():
            self.db.execute("SET LOCAL usagefix.bypass_guard = 'on'")
            self.db.execute(statement.encode(), params or None)

    def one(self, statement: str, *params: Any) -> Any:
        return self.sql(statement, *params)[0][0]

    def usagefix(self, *arguments: str, **variables: str) -> Result:
        return run(*arguments, stdin=None, cwd=None, **({"DATABASE_URL": self.url()} | variables))

    def until_free(self, *arguments: str, **variables: str) -> Result:
        """As a person runs it: again where it says that the database is busy (exit code 4), while others write."""
        for _ in range(5):
            if (result := self.usagefix(*arguments, **variables)).code != 4:
                break
        return result

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """A process that goes on while the test does; it ends with the test, also where that fails."""
        process = subprocess.Popen(
            [sys.executable, "-m", "usagefix", *arguments], env=environment(DATABASE_URL=self.url()), cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.spawned.append(process)
        return process

    def program(self, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """One of PostgreSQL's own programs, on this database."""
        command = [str(components.client(name, self.binaries)), "--dbname", self.url(), *arguments]
        return subprocess.run(
            command, env=environment(**variables), capture_output=True, text=True, errors="surrogateescape", check=False,
            timeout=LONG,
        )  # fmt: skip

    def psql(self, *files: Path, single: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--no-psqlrc", "-v", "ON_ERROR_STOP=1", *(["-1"] if single else [])]
        for path in files:
            arguments += ["-f", str(path)]
        return self.program("psql", *arguments, **variables)

    def by_hand(
        self, *versions: Path, undo: bool = False, options: tuple[str, ...] = (), **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """What a person runs with psql: the scripts that ``usagefix sql --adapt`` prints for this database, one transaction
        each; then the backfill. ``undo``: the rollbacks, the newest first; ``options``: what is printed with."""
        given = {name: value for name, value in variables.items() if name.startswith("USAGEFIX_")}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.CompletedProcess[str]([], 0, "", "")
            wanted = versions or (MIGRATIONS[::-1] if undo else MIGRATIONS)
            steps = [(version.name, "rollback" if undo else "apply") for version in wanted]
            for number, (version, face) in enumerate([*steps, *([] if undo else [(wanted[-1].name, "backfill")])]):
                printed = self.usagefix("sql", version, face, "--adapt", *options, **given)
                if printed.code:
                    return subprocess.CompletedProcess([], printed.code, printed.stdout, printed.stderr)
                script = Path(folder) / f"{number}.sql"
                script.write_text(printed.stdout)
                done = self.psql(script, **variables)
                if done.returncode:
                    return done
            return done

    def dump(self, *options: str) -> str:
        """The schema of everything but the ledger. (Newer versions put a random word in two lines of their own.)"""
        done = self.program("pg_dump", "--schema-only", *(options or ("--exclude-schema", "usagefix")))
        assert done.returncode == 0, done.stderr
        return "\n".join(
            line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
        )

    def dump_all(self) -> str:
        """The schema of everything, the ledger too."""
        return self.dump("--no-sync")

    def drift(self) -> tuple[int, int]:
        """Wrong presets, and the sum of what they are wrong by, in one snapshot."""
        wrong, amount = self.sql(DRIFT)[0]
        return int(wrong), int(amount)

    def preset(self, number: int = 1) -> str:
        return str(self.one("SELECT md5('preset ' || %s)::uuid", number))

    def user_id(self, number: int = 1) -> str:
        return str(self.one("SELECT md5('user ' || %s)::uuid", number))

    def use(
        self, preset: str, *, user: str | None = None, times: int = 1, connection: Connection | None = None
    ) -> None:
        """Direct inserts of events, now."""
        (connection or self.db).execute(
            "INSERT INTO preset_usage (preset_id, user_id, usage_type)"
            " SELECT %s::uuid, %s::uuid, 'showcase_creation' FROM generate_series(1, %s)",
            (preset, user or self.user_id(), times),
        )

    def wait_for(self, condition: str, *params: Any) -> None:
        """Wait until a query's only value is true."""
        wait_until(lambda: self.one(condition, *params), f"never true: {condition}")

    def wait_for_waiter(self, *, application: str = "usagefix") -> None:
        """Wait until usagefix waits for a lock, unless what was started last has ended."""
        waits = (
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = %s AND wait_event_type = 'Lock')"
        )
        running = self.spawned[-1:]
        wait_until(
            lambda: self.one(waits, application) or [one for one in running if one.poll() is not None], "it never waits"
        )
        assert [ended(one) for one in running if one.poll() is not None] == [], "it ended, and did not wait"

    def close(self) -> None:
        for process in self.spawned:
            process.kill()
            process.communicate()
        for connection in self.opened:
            connection.close()


@contextmanager
def role(app: App, name: str, *, options: str = "LOGIN", grants: str = "") -> Iterator[str]:
    """A role for the length of the block; roles belong to the whole server."""
    app.sql(f"CREATE ROLE {name} {options}")
    try:
        if grants:
            app.sql(grants)
        yield name
    finally:
        try:
            app.sql(f"REASSIGN OWNED BY {name} TO postgres")
        except psycopg.errors.InternalError_:  # what a session of the role had for itself goes at this moment
            app.sql(f"REASSIGN OWNED BY {name} TO postgres")
        app.sql(f"DROP OWNED BY {name}")
        app.sql(f"DROP ROLE {name}")


def give_everything_to(app: App, owner: str) -> None:
    """An ordinary role becomes the owner of the application, as on a hosted server."""
    app.sql(f'GRANT CREATE ON DATABASE "{app.name}" TO {owner}')
    app.sql(f"GRANT ALL ON SCHEMA public, auth TO {owner}")
    app.sql(f"GRANT SELECT, REFERENCES ON auth.users TO {owner}")
    for table in ("presets", "preset_usage", "preset_notifications"):
        app.sql(f"ALTER TABLE {table} OWNER TO {owner}")
    for function in ("track_preset_usage", "increment_preset_usage", "notify_usage_milestone", "touch_updated_at"):
        app.sql(f"ALTER FUNCTION {function} OWNER TO {owner}")


@contextmanager
def asked_for_password(app: App, name: str, password: str) -> Iterator[None]:
    """A role that the server asks for its password: it trusts its socket, but for a line above that in pg_hba.conf."""
    hba = Path(str(app.one("SHOW hba_file")))
    original = hba.read_text()
    secret = psycopg.sql.Literal(password).as_string(app.db)
    with role(app, name, options=f"LOGIN PASSWORD {secret}", grants=f"GRANT SELECT ON presets TO {name}"):
        hba.write_text(f"local all {name} scram-sha-256\n{original}")
        try:
            app.sql("SELECT pg_reload_conf()")
            app.wait_for("SELECT exists (SELECT FROM pg_hba_file_rules WHERE user_name = ARRAY[%s])", name)
            yield
        finally:
            hba.write_text(original)
            app.sql("SELECT pg_reload_conf()")


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on, and that no other program is given by chance before it is used."""
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as unused, suppress(OSError):
            unused.bind((address, port))
            return port
    raise AssertionError("there is no free port")


def checks(result: Result) -> dict[str, str]:
    """Check id → status of a verify or apply in JSON."""
    return {check["check_id"]: check["status"] for check in result.one["checks"]}


def failing(result: Result) -> set[str]:
    return {check for check, status in checks(result).items() if status not in ("ok", "skipped")}
