"""The files of `usagefix export` through the real dbmate, Sqitch and Alembic: up, proof, a use, down, as it was.

The Supabase CLI, which has no way back, is in test_supabase.py.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import components
import pytest
from support import LONG, App, environment, run

from usagefix import catalog

MIGRATIONS = catalog.migrations()


class Tool:
    """A tool in the folder of a project, for one database. ``up`` and ``down`` are its command lines."""

    def __init__(self, folder: Path, app: App) -> None:
        self.folder, self.app = folder, app
        self.database = f"postgres@/{app.name}?host={app.host}"
        self.begin()

    def begin(self) -> None:
        """A project with a first migration of its own, not run yet."""

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    downs = 3  # how often, until the fix is gone
    list = ""  # of what has run: its identities

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        psql = components.client("psql", self.app.binaries).parent
        return subprocess.run(
            [components.path(command[0]), *command[1:]], cwd=self.folder, check=False, capture_output=True, text=True,
            env=environment(PATH=f"{psql}{os.pathsep}{os.environ['PATH']}", HOME=str(self.folder), **self.variables()),
            stdin=subprocess.DEVNULL, timeout=LONG,
        )  # fmt: skip

    def variables(self) -> dict[str, str]:
        return {}

    def runs(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def prove(self) -> None:
        """What the tool itself can prove."""


class Dbmate(Tool):
    up, down = ("dbmate", "--no-dump-schema", "up"), ("dbmate", "--no-dump-schema", "rollback")
    list = "SELECT version FROM schema_migrations"

    def begin(self) -> None:
        own = self.folder / "db" / "migrations" / "20250101000000_own.sql"
        own.parent.mkdir(parents=True)
        own.write_text("-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;\n")

    def variables(self) -> dict[str, str]:
        return {"DATABASE_URL": f"postgres://postgres@/{self.app.name}?socket={self.app.host}&sslmode=disable"}


class Sqitch(Tool):
    up, down, downs = ("sqitch", "deploy", "--verify"), ("sqitch", "revert", "-y", "--to", "own"), 1
    list = "SELECT change FROM sqitch.changes"

    def begin(self) -> None:
        self.runs("sqitch", "init", "own", "--engine", "pg", "--target", f"db:pg://{self.database}")
        self.runs("sqitch", "add", "own", "-n", "own")
        (self.folder / "deploy" / "own.sql").write_text("SELECT 1;\n")
        (self.folder / "verify" / "own.sql").write_text("SELECT 1;\n")

    def variables(self) -> dict[str, str]:
        return {"SQITCH_FULLNAME": "A", "SQITCH_EMAIL": "a@b.c"}

    def prove(self) -> None:
        self.runs("sqitch", "verify")
        self.app.spoil("UPDATE presets SET usage_count = 1 WHERE id = %s", self.app.preset())
        assert "Counters equal events: 1 of 40 presets inaccurate" in self.run("sqitch", "verify").stderr
        self.app.spoil("UPDATE presets SET usage_count = 0 WHERE id = %s", self.app.preset())


class Alembic(Tool):
    up, down, downs = ("alembic", "upgrade", "head"), ("alembic", "downgrade", "-3"), 1
    list = "SELECT version_num FROM alembic_version"

    def begin(self) -> None:
        self.runs("alembic", "init", "migrations")
        settings = (self.folder / "alembic.ini").read_text()
        url = f"sqlalchemy.url = postgresql+psycopg://{self.database}"
        (self.folder / "alembic.ini").write_text(re.sub(r"(?m)^sqlalchemy\.url.*$", url, settings))
        self.runs("alembic", "revision", "-m", "own")

    def prove(self) -> None:
        """What it writes for review is what it runs."""
        text = self.runs("alembic", "upgrade", "base:head", "--sql")
        for file in (self.folder / "migrations" / "versions").glob("*.py"):
            names: dict[str, tuple[str, ...]] = {}
            exec("".join(file.read_text().partition("UP = (")[1:]).partition("\n\ndef ")[0], names)
            for statement in names.get("UP", ()):
                assert statement.strip().rstrip(";") in text


TOOLS = {"dbmate": Dbmate, "sqitch": Sqitch, "alembic": Alembic}


@pytest.mark.parametrize("name", [pytest.param(name, marks=components.needs(name)) for name in TOOLS])
def test_up_proof_a_use_and_down(app: App, tmp_path: Path, name: str) -> None:
    tool = TOOLS[name](tmp_path, app)
    tool.runs(*tool.up)
    app.sql("SET session_replication_role = replica; DELETE FROM preset_usage; RESET session_replication_role")
    outside = ("--exclude-schema", "usagefix", "--exclude-schema", "sqitch")
    before, listed = app.dump(*outside), set(app.sql(tool.list))
    exported = run("export", ".", "--adapt", "--trust", "events", cwd=tmp_path, DATABASE_URL=app.url())
    assert exported.code == 0, exported.stderr
    assert f"next: {' '.join(tool.up[:1])}" in exported.stderr

    # A lock in the way: the file leaves nothing, and the next run does it all.
    with app.connect(autocommit=False) as writer:
        app.use(app.preset(), connection=writer)
        stopped = tool.run(*tool.up)
        assert stopped.returncode != 0
        assert "lock timeout" in stopped.stdout + stopped.stderr
        assert app.dump(*outside) == before
        assert set(app.sql(tool.list)) == listed
        writer.rollback()
    tool.runs(*tool.up)
    assert app.drift() == (0, 0)
    verified = app.usagefix("verify")
    assert verified.code == 0, verified.stdout
    tool.prove()

    app.use(app.preset())
    assert app.one("SELECT usage_count FROM presets WHERE id = %s", app.preset()) == 1
    states = app.usagefix("status", "--format", "json").one["migrations"]
    assert {(m["state"], m["pushed_by"]) for m in states} == {("applied", name)}
    assert all(any(m["pushed_as"] in file for file in exported.stdout.splitlines()) for m in states)
    assert run("export", ".", "--adapt", "--trust", "events", cwd=tmp_path, DATABASE_URL=app.url()).stdout == ""

    for _ in range(tool.downs):
        tool.runs(*tool.down)
    assert app.dump(*outside) == before
    assert set(app.sql(tool.list)) == listed
