"""The files of `usagefix export` through the real Supabase CLI, on a plain server.

The CLI speaks TCP only, and the tests' server a Unix socket: a bridge carries the bytes, and can break off in the middle.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import components
import psycopg
import pytest
from support import LONG, SQL, App, environment, run, wait_until

from usagefix import catalog

if TYPE_CHECKING:
    pass

MIGRATIONS = catalog.migrations()
VERSIONS = {migration.version for migration in MIGRATIONS}
OURS = [*(migration.name for migration in MIGRATIONS), "backfill_usage_count"]
WRITERS = 3

pytestmark = components.needs("supabase")


@dataclass
class Bridge:
    """A port of this machine that leads to the server's socket. ``break_at``: where the client's words hold this, both
    ends are hung up, and the server never hears them."""

    server: str
    listener: socket.socket
    break_at: bytes = b""
    broken: bool = False
    ends: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.server)
                self.ends += [client, server]
                for way in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._carry, args=way, daemon=True).start()

    def _carry(self, source: socket.socket, to: socket.socket, asks: bool) -> None:
        last = b""
        with suppress(OSError):
            while chunk := source.recv(4096):
                if asks and self.break_at and self.break_at in last + chunk:
                    self.broken = True
                    break
                to.sendall(chunk)
                last = chunk
        for end in (source, to):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def bridge(host: str) -> Iterator[Bridge]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bridge = Bridge(f"{host}/.s.PGSQL.5432", listener)
        thread = threading.Thread(target=bridge.serve, daemon=True)
        thread.start()
        yield bridge
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for end in bridge.ends:
        end.close()


@dataclass
class Project:
    """A folder as `supabase init` makes it, and the database that it belongs to."""

    folder: Path
    app: App
    bridge: Bridge

    @property
    def migrations(self) -> Path:
        return self.folder / "supabase" / "migrations"

    def supabase(self, *arguments: str, remote: bool = True) -> subprocess.CompletedProcess[str]:
        # Without TLS: the test's server has none, and some versions insist on it unless told otherwise.
        url = f"postgresql://postgres:none@127.0.0.1:{self.bridge.port}/{self.app.name}?sslmode=disable"
        option = [f"{remote_option()}={url}"] if remote else []
        return subprocess.run(
            [components.path("supabase"), *arguments, *option, "--workdir", str(self.folder)],
            env=environment(SUPABASE_TELEMETRY_DISABLED="1", HOME=str(self.folder), SUPABASE_YES="1"),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=LONG,
        )  # fmt: skip

    def push(self) -> str:
        """A push that goes well: what it said."""
        done = self.supabase("db", "push", "--yes")
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def fails_to_push(self) -> str:
        done = self.supabase("db", "push", "--yes")
        assert done.returncode != 0, done.stderr
        return done.stdout + done.stderr

    def export(self) -> list[Path]:
        result = run("export", "supabase/migrations", "--adapt", cwd=self.folder, DATABASE_URL=self.app.url())
        assert result.code == 0, result.stderr
        return [self.folder / line for line in result.stdout.splitlines()]

    def listed(self) -> dict[str, str]:
        """What the CLI has noted: version → name."""
        if not self.app.one("SELECT to_regclass('supabase_migrations.schema_migrations') IS NOT NULL"):
            return {}
        return dict(self.app.sql("SELECT version, name FROM supabase_migrations.schema_migrations"))

    def assert_whole(self) -> None:
        """A file has done all of its work and is listed, or has done nothing and is not: whatever happened."""
        applied = {name for name in self.listed().values() if name in OURS}
        recorded: set[str] = set()
        if self.app.one("SELECT to_regclass('usagefix.history') IS NOT NULL"):
            recorded = {version for (version,) in self.app.sql("SELECT version FROM usagefix.history")}
        assert recorded == {m.version for m in MIGRATIONS if m.name in applied}
        assert sorted(applied, key=OURS.index) == OURS[: len(applied)]
        assert (OURS[-1] in applied) == (self.app.drift() == (0, 0)), "the backfill, too"
        assert (self.app.one("SELECT to_regnamespace('usagefix') IS NOT NULL")) == bool(applied)


@cache
def remote_option() -> str:
    """From version 3 on --remote, before that --db-url."""
    page = subprocess.run(
        [components.path("supabase"), "db", "push", "--help"], capture_output=True, text=True, check=True
    ).stdout
    return "--remote" if "--remote" in page else "--db-url"


@pytest.fixture
def project(empty: App, tmp_path: Path) -> Iterator[Project]:
    """The application, drifted, as its own migrations made it; with those in the list of the CLI."""
    with bridge(empty.host) as opened:
        project = Project(tmp_path, empty, opened)
        done = project.supabase("init", "--yes", remote=False)
        assert done.returncode == 0, done.stderr
        project.migrations.mkdir(exist_ok=True)
        for number, name in enumerate(("schema", "data")):
            shutil.copy(SQL / "sample" / f"{name}.sql", project.migrations / f"2025010100000{number}_{name}.sql")
        project.push()
        assert empty.drift() != (0, 0)
        yield project


@contextmanager
def writers(app: App) -> Iterator[list[int]]:
    """People who use the application: how many events each has written, and nobody is refused. The files, too, wait
    for a lock as long as the database says."""
    app.sql(f"ALTER DATABASE {app.name} SET lock_timeout = '1min'")
    written, stop = [0] * WRITERS, threading.Event()
    failures: list[str] = []

    def write(number: int) -> None:
        try:
            with app.connect() as connection:
                while not stop.is_set():
                    written[number] += connection.execute(
                        "INSERT INTO preset_usage (preset_id, user_id, usage_type, created_at)"
                        " SELECT md5('preset ' || 1 + (random() * 39)::int)::uuid, md5('user ' || %s::int)::uuid,"
                        " 'showcase_creation', now() - random() * interval '900 days' ON CONFLICT DO NOTHING",
                        (number + 1,),
                    ).rowcount
                    stop.wait(0.002)
        except psycopg.Error as error:
            failures.append(str(error))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        app.sql(f"ALTER DATABASE {app.name} RESET lock_timeout")
    assert failures == []


def test_from_export_to_rollback(project: Project) -> None:
    app, events = project.app, project.app.one("SELECT count(*) FROM preset_usage")
    files = project.export()
    assert [file.name[15:-4] for file in files] == OURS
    with writers(app) as written:
        wait_until(lambda: sum(written) > 0)
        before = sum(written)
        said = project.push()
        assert sum(written) > before, "they must write while the files are pushed"
        app.wait_for("SELECT count(*) > %s FROM preset_usage", events + before + 20)
    assert all(file.name in said for file in files)
    assert app.one("SELECT count(*) FROM preset_usage") == events + sum(written), "no event is lost"
    assert app.drift() == (0, 0)
    project.assert_whole()

    verified = app.usagefix("verify", "--format", "json")
    assert (verified.code, verified.one["counts"]["drift_total"]) == (0, 0), verified.stdout
    local = {path.name.split("_")[0] for path in project.migrations.iterdir()}
    rows = re.findall(r"`?(\d{14})`?\W+`?(\d{14})`?\s", project.supabase("migration", "list").stdout)
    assert {a for a, _ in rows} == {b for _, b in rows} == local
    assert all(a == b for a, b in rows)

    states = app.usagefix("status", "--format", "json").one["migrations"]
    assert [(m["state"], m["pushed_as"]) for m in states] == [("applied", file.name[:14]) for file in files[:-1]]
    assert "up to date" in project.push()
    assert project.export() == []

    rolled_back = app.usagefix("rollback", "--yes", "--daily-limit", "skip")
    assert rolled_back.code == 0, rolled_back.stderr
    assert app.drift() == (0, 0)
    assert "up to date" in project.push(), "the list of the CLI is not ours to change"
    assert app.usagefix("apply").code == 0
    states = app.usagefix("status", "--format", "json").one["migrations"]
    assert {(m["state"], m["pushed_as"]) for m in states} == {("applied", None)}


def test_the_cli_splits_the_files_as_they_are_meant(project: Project) -> None:
    """Dollar quotes, and comments with semicolons and apostrophes: what it ran is what catalog.statements() says."""
    files = project.export()
    project.push()
    for file in files:
        (ran,) = project.app.sql(
            "SELECT statements FROM supabase_migrations.schema_migrations WHERE version = %s", file.name[:14]
        )[0]
        meant = [statement.text.rstrip(";") for statement in catalog.statements(file.read_text())]
        assert [re.sub(r"\A(\s*--[^\n]*\n)*\s*", "", text) for text in ran] == meant


def test_files_pushed_again_change_nothing(project: Project) -> None:
    """As further files: what an export writes where an older text is there."""
    for file in project.export():
        file.write_text(f"{file.read_text()}-- edited\n")
    project.push()
    before = project.app.dump()
    assert [file.name[15:-4] for file in project.export()] == OURS
    project.push()
    assert project.app.dump() == before
    assert project.app.usagefix("verify").code == 0
    assert project.export() == []


def test_a_lock_in_the_way(project: Project) -> None:
    """lock_timeout is over after a second: the file leaves nothing, and the next push does it all."""
    project.export()
    before = project.app.dump()
    with project.app.connect(autocommit=False) as writer:
        project.app.use(project.app.preset(), connection=writer)
        said = project.fails_to_push()
        assert "55P03" in said
        project.assert_whole()
        assert project.app.dump() == before
        assert not set(OURS) & set(project.listed().values())
    project.push()
    project.assert_whole()
    assert project.app.usagefix("verify").code == 0


def test_a_trigger_that_came_after_the_export(project: Project) -> None:
    """Whatever it does: nobody has read it."""
    project.export()
    app = project.app
    app.sql(
        "CREATE FUNCTION count_too() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"  # in words that usagefix does not find
        " EXECUTE format('UPDATE presets SET %I = usage_count + 1 WHERE id = %L', 'usage_count', NEW.preset_id); RETURN NULL; END$$"
    )
    app.sql("CREATE TRIGGER count_too AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION count_too()")
    before = app.dump()
    assert "written before trigger count_too, which may count, too" in project.fails_to_push()
    project.assert_whole()
    assert app.dump() == before
    refused = run("export", "supabase/migrations", "--adapt", cwd=project.folder, DATABASE_URL=app.url())
    assert refused.code == 1, "and one that is read is refused, where it cannot be told what it does"
    assert "count_too" in refused.stderr
    app.sql("DROP TRIGGER count_too ON preset_usage")
    project.push()
    project.assert_whole()


BREAKS = [
    f"INSERT INTO usagefix.history (counter, version, action) VALUES ('preset_usage_count'::name, '{version}'"
    for version in sorted(VERSIONS)
]


@pytest.mark.parametrize(
    "place", ["INSERT INTO usagefix.saved_objects", *BREAKS, "INSERT INTO usagefix.backfills", *OURS]
)
def test_a_connection_that_breaks(project: Project, place: str) -> None:
    """At a statement of each file, and where the CLI lists it: the files before it are done, it and the others are not,
    and the next push does the rest."""
    project.export()
    # Parameters of the insert into its list are the version and the name, each after its length.
    project.bridge.break_at = len(place).to_bytes(4, "big") + place.encode() if place in OURS else place.encode()
    with writers(project.app):
        project.fails_to_push()
        assert project.bridge.broken, "the place was never reached"
    project.app.wait_for(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE '%%sql-pg%%' AND datname = current_database()"
    )
    project.bridge.break_at = b""
    project.assert_whole()
    with writers(project.app):
        project.push()
    project.assert_whole()
    assert project.app.drift() == (0, 0)
    assert project.app.usagefix("verify").code == 0


def test_a_file_that_comes_too_late_is_refused(project: Project) -> None:
    """Why timestamps come after all others."""
    project.export()
    project.push()
    (project.migrations / "20250101000005_late.sql").write_text("SELECT 1;\n")
    assert "--include-all" in project.fails_to_push()


def test_the_project_s_newest_file_may_be_of_the_future(project: Project) -> None:
    (project.migrations / "20990101000000_own.sql").write_text("SELECT 1;\n")
    project.push()
    files = project.export()
    assert files[0].name.startswith("20990101000001_")
    project.push()
    assert project.app.usagefix("verify").code == 0
