"""A real hot standby: what reads works there, what writes says at once where it should go, what stands in the way is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import components
import pytest
from conftest import TestServer, load_sample
from support import LONG, App, environment, role, wait_until

from usagefix import embedded
from usagefix.cli import run
from usagefix.database import Database, connect
from usagefix.errors import Busy
from usagefix.target import locate

NAME = "standby_sample"
SETTINGS = {"max_standby_streaming_delay": "100ms", "hot_standby_feedback": "off"}


@contextmanager
def standby_of(primary: embedded.Server) -> Iterator[str]:
    """A standby that streams from the server; yields the folder of its socket."""
    account = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="usagefix-test-"))
    if account:
        shutil.chown(folder, account)
    backup = components.client("pg_basebackup", primary.binaries)
    command = [
        backup,
        "-h",
        primary.host,
        "-p",
        str(primary.port),
        "-U",
        primary.user,
        "-D",
        folder / "data",
        "-R",
        "-X",
        "stream",
    ]
    subprocess.run(
        [*map(str, command), "--checkpoint=fast", "--no-sync"], user=account, cwd=folder, env=environment(), check=True
    )
    settings = {
        "unix_socket_directories": folder,
        "listen_addresses": "",
        "port": primary.port,
        "fsync": "off",
        **SETTINGS,
    }
    command = [primary.binaries / "postgres", "-D", folder / "data"]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), user=account, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        ready = "ready to accept read-only connections"
        wait_until(lambda: ready in (folder / "log").read_text() or process.poll() is not None, "it does not start")
        assert process.poll() is None, (folder / "log").read_text()
        yield str(folder)
    finally:
        process.terminate()
        process.wait(LONG)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def pair(server: TestServer) -> Iterator[tuple[App, App]]:
    """The drifted sample on a primary of its own, and on its standby."""
    with embedded.running(server.binaries, prefix="usagefix-test-") as primary:
        main = App(primary.host, primary.port, "postgres", server.binaries)
        main.sql(f"CREATE DATABASE {NAME}")
        app = App(primary.host, primary.port, NAME, server.binaries)
        load_sample(conninfo=app.url())
        with standby_of(primary) as host:
            there = App(host, primary.port, NAME, server.binaries)
            yield app, there
            there.close()
        app.close()
        main.close()


def caught_up(app: App, there: App) -> None:
    """Wait until the standby has replayed all that the primary has written."""
    there.wait_for("SELECT pg_last_wal_replay_lsn() >= %s", app.one("SELECT pg_current_wal_lsn()"))


REPLAYED = "in the way: a lock of a session on the primary, which this standby replays."
CANCELLED = "the standby cancelled the query, because it delayed changes from the primary"
READING = (
    ("doctor",),
    ("backfill", "--dry-run"),
    ("status",),
    ("log",),
    ("check-preset", "Neon city", "--recent", "2"),
    ("verify",),
    ("trends",),
    ("heatmap",),
    ("top", "users"),
)
WRITING = (
    ("apply",), ("apply", "--dry-run"), ("backfill",), ("rollback", "--yes"), ("guard", "warn"), ("smoke",),
)  # fmt: skip


def test_reading_works_and_writing_says_where_to_go(pair: tuple[App, App]) -> None:
    app, there = pair
    for applied in (False, True):
        for command in READING:
            result = there.usagefix(*command, "--format", "json")
            here = app.usagefix(*command, "--format", "json")
            assert (result.code, result.json["error"]) == (here.code, None), f"{command}: {result.stderr}"
        for command in WRITING:
            result = there.usagefix(*command)
            assert result.code == 5, f"{command}: {result.stderr}"
            assert "error: this is a standby" in result.stderr, result.stderr
            assert "hint: connect to the primary server" in result.stderr
            assert "nothing in the database was changed" in result.stderr
        if not applied:
            assert app.usagefix("apply").code == 0
            caught_up(app, there)
    assert there.usagefix("guard").code == 0, "to look at it is to read"


def test_a_replayed_lock_is_not_a_session_to_end(pair: tuple[App, App]) -> None:
    app, there = pair
    with role(app, "watcher", options="LOGIN BYPASSRLS", grants="GRANT SELECT ON presets, preset_usage TO watcher"):
        caught_up(app, there)
        with app.connect(autocommit=False) as migrating:
            migrating.execute("ALTER TABLE preset_usage ADD COLUMN note text")
            migrating.execute("SELECT pg_switch_wal()")
            there.wait_for("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'preset_usage'::regclass AND granted)")
            db = connect(locate(there.url(), "the test"))
            assert db.name_holders().startswith(REPLAYED)
            db.close()
            # Who may not see what the server's own processes are.
            result = there.usagefix("verify", DATABASE_URL=there.url("watcher"))
            assert result.code == 4, result.stderr
            assert f"hint: {REPLAYED}" in result.stderr
            assert "of role ." not in result.stderr
            assert "end them" not in result.stderr


@pytest.mark.parametrize("busy", [True, False], ids=["in a query", "between two"])
def test_a_recovery_conflict_is_said_and_tried_again(pair: tuple[App, App], busy: bool) -> None:
    """Rows that a snapshot on the standby needs are vacuumed on the primary: the standby cancels who looks, or ends the
    session of who does not just then."""
    app, there = pair
    caught_up(app, there)
    conflicts = there.one("SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts")
    looked, said = threading.Event(), list[str]()

    def read(db: Database) -> str:
        with db.snapshot():
            (events,) = db.values("SELECT count(*) FROM public.preset_usage")
            if not looked.is_set():
                looked.set()
                if busy:
                    db.run("SELECT pg_sleep(60)")
                there.wait_for("SELECT sum(confl_snapshot) > %s FROM pg_stat_database_conflicts", conflicts)
                db.values("SELECT 1")
        return str(events)

    def vacuum() -> None:
        looked.wait()
        app.sql("DELETE FROM preset_usage WHERE id = (SELECT id FROM preset_usage LIMIT 1)")
        app.sql("VACUUM preset_usage")

    there.wait_for("SELECT true")
    cleaning = threading.Thread(target=vacuum)
    cleaning.start()
    db = connect(locate(there.url(), "the test"))
    try:
        if busy:
            assert int(run.again_on_a_standby(read, db, said.append)) > 0
            assert said == [f"{CANCELLED}; attempt 2 of 3"]
        else:
            with pytest.raises(Busy, match=CANCELLED) as caught:
                run.again_on_a_standby(read, db, said.append)
            assert "hot_standby_feedback" in caught.value.hint
    finally:
        cleaning.join()
        db.close()
