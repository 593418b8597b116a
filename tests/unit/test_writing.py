"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from usagefix.cli.writing import require_writable, write_whole
from usagefix.errors import ConfigurationError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _usual_mask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_file_has_the_mode_of_the_shell_or_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "usual", "café 🎨\n")
    write_whole(tmp_path / "own", b"\xff", private=True)
    assert ((tmp_path / "usual").read_text("utf-8"), mode(tmp_path / "usual")) == ("café 🎨\n", 0o644)
    assert ((tmp_path / "own").read_bytes(), mode(tmp_path / "own")) == (b"\xff", 0o600)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own", "usual"], "nothing beside them"


def test_one_that_is_there_keeps_its_mode_and_a_link_is_followed(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to("file")
    write_whole(link, "after", private=True)
    assert link.is_symlink()
    assert (file.read_text(), mode(file)) == ("after", 0o640)
    (tmp_path / "ahead").symlink_to("new")
    write_whole(tmp_path / "ahead", "made")
    assert (tmp_path / "new").read_text() == "made"


def test_who_reads_meanwhile_finds_the_one_before_or_the_new_one(tmp_path: Path) -> None:
    file, seen, done = tmp_path / "file", set(), threading.Event()
    write_whole(file, "a" * 100_000)

    def read() -> None:
        while not done.is_set():
            text = file.read_text()
            seen.add((len(text), text[:1]))

    reader = threading.Thread(target=read)
    reader.start()
    for letter in "bcdef" * 5:
        write_whole(file, letter * 100_000)
    done.set()
    reader.join()
    assert {length for length, _ in seen} == {100_000}


def test_one_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def stopped(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        write_whole(file, "after")
    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, "after")
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "before"


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "through")
    reader.join()
    assert found == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode), "a device must never be replaced by a file"


def test_where_none_can_be_is_refused_before_there_is_work_to_lose(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path, tmp_path / "absent" / "file", tmp_path / "circle", tmp_path / "file" / "x", Path("a\0b")):
        with pytest.raises(ConfigurationError):
            require_writable(wrong)
        with pytest.raises(ConfigurationError):
            write_whole(wrong, "")
