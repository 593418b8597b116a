"""Every command line in README and docs runs, and prints what it is said to print."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import components
import pytest
import typer
from api_server import TOKEN, serving
from documents import PAGES, Block, blocks, mentions, missing
from support import LONG, ROOT, App, environment

from usagefix.cli import app as command_line
from usagefix.models.diagnosis import DOCS, PAGE

BLOCKS = list(blocks())
DATABASES = {"drifted": "app", "fixed": "fixed", "locked": "app", "plain": "plain", "api": "fixed"}
API = "http://localhost:3000"  # in the pages
# What runs elsewhere: the words of its lines, and the test that runs them.
ELSEWHERE = {
    "git clone": ".ci/run",
    "make demo": "tests/packaging/test_demo.py",
    "make test": ".ci/run",
    "pip install": "tests/packaging/test_install.py",
    "export DATABASE_URL": "tests/unit/test_settings.py",
    "supabase db push": "tests/servers/test_supabase.py",
    "usagefix demo": "tests/packaging/test_demo.py",
    "usagefix probe-api": "tests/integration/test_probe.py",
}
ROUTE = "await supabase.rpc('increment_preset_usage', { preset_id: id })\n"


@pytest.fixture
def folder(tmp_path: Path, server: object) -> Path:
    """Where commands are typed: a project with the application's source, the SQL, and usagefix on PATH."""
    (tmp_path / "sql").symlink_to(ROOT / "sql")
    for migrations in ("supabase/migrations", "db/migrations"):
        (tmp_path / migrations).mkdir(parents=True)
    route = tmp_path / "app" / "api" / "use" / "route.ts"
    route.parent.mkdir(parents=True)
    route.write_text("//\n//\n//\n" + ROUTE)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "usagefix"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m usagefix "$@"\n')
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def plain(app: App) -> App:
    """The sample where nothing of the application must be edited."""
    app.sql("DROP FUNCTION track_preset_usage; DROP INDEX idx_preset_usage_daily_unique")
    return app


@contextmanager
def held(app: App, *, really: bool) -> Iterator[None]:
    """Somebody is in the middle of an insert."""
    with app.connect(autocommit=False) as holder:
        if really:
            holder.execute("SET application_name = 'psql'")
            holder.execute("LOCK TABLE preset_usage IN ROW EXCLUSIVE MODE")
        yield


def typed(command: str, app: App, folder: Path, columns: int) -> subprocess.CompletedProcess[str]:
    variables = environment(DATABASE_URL=app.url(), COLUMNS=str(columns), USAGEFIX_TOKEN=TOKEN)
    psql = components.client("psql", app.binaries).parent
    variables["PATH"] = f"{folder / 'bin'}:{psql}:{variables['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command], cwd=folder, env=variables,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=LONG,
    )  # fmt: skip


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.where in DATABASES], ids=str)
def test_a_block(block: Block, folder: Path, request: pytest.FixtureRequest) -> None:
    app: App = request.getfixturevalue(DATABASES[block.where])
    with held(app, really=block.where == "locked"), serving("counts", app.url()) as api:
        for command, expected in block.commands:
            done = typed(_here(command, app, api.url), app, folder, block.columns)
            assert done.returncode == block.code, done.stdout + done.stderr
            absent = missing(expected, done.stdout.replace(api.url, API), done.stderr)
            assert absent == [], f"{block} says that it prints this, but it prints:\n{done.stdout}{done.stderr}"


def _here(command: str, app: App, api: str) -> str:
    """The command with the addresses of this test's servers for those of the page."""
    named = re.sub(r"postgresql://postgres\.abcd:\S+?(?=')", lambda _: app.url(), command)
    return ("unset DATABASE_URL\n" if named != command else "") + named.replace(API, api)


def test_every_block_runs_somewhere() -> None:
    assert len(BLOCKS) > 20
    for block in BLOCKS:
        if block.where in DATABASES:
            continue
        assert block.where == "elsewhere", f"{block} names no database that there is: {block.where}"
        for line in block.text.splitlines():
            assert any(words in line for words in ELSEWHERE), f"nothing runs {block}: {line}"
    for test in ELSEWHERE.values():
        assert (ROOT / test).is_file(), test


def test_every_mention_is_a_command() -> None:
    group = typer.main.get_command(command_line)
    seen = 0
    for page, line in mentions():
        words = shlex.split(line.replace("…", "").replace("[", " ").replace("]", " "))[1:]
        before = {option for p in group.params for option in p.opts}
        while words and words[0].startswith("-"):
            assert words[0] in before, (page, line)
            words = words[1:] if words[0] == "--version" else words[2:]
        if not words or words[0] in ("COMMAND", "OPTIONS"):
            continue
        command = group.commands.get(words[0])  # type: ignore[attr-defined]
        assert command is not None, (page, line)
        known = {option for p in (*command.params, *group.params) for option in p.opts} | {"--help"}
        options = [word.split("=")[0] for word in words[1:] if re.match(r"--\w", word)]
        assert set(options) <= known, (page, line)
        seen += 1
    assert seen > 40


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            assert file.exists(), (page.name, target)
            if anchor:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in anchors, (page.name, target)


def test_every_finding_is_explained_where_it_says() -> None:
    """And the address is that of the package's own documentation."""
    found = set()
    for source in (ROOT / "src" / "usagefix" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "Finding"
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(node.args[0].value)
    page = (ROOT / "docs" / PAGE).read_text()
    assert set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE)) == found != set()
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert urls["Documentation"].replace("/tree/", "/blob/") == DOCS
