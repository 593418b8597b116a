"""Writes a file as a whole or not at all: a reader sees either the old file or the new one."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from usagefix.errors import ConfigurationError

_AS_USUAL, _PRIVATE = 0o666, 0o600


def require_writable(path: Path) -> None:
    """Raise ConfigurationError where it is plain that no file can be written there: before there is work to lose."""
    try:
        there = _there(path)
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise ConfigurationError(f"{path} is a folder", hint=f"name a file in it: {path / 'FILE'}")
        folder = path.resolve().parent
        folder.stat()
    except (OSError, ValueError, RuntimeError) as error:  # a name with a null byte, a link to itself
        raise _unwritable(path, error) from None
    if (there is None or stat.S_ISREG(there.st_mode)) and not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(path, f"usagefix cannot write in {folder}")


def _there(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def write_whole(path: Path, text: str | bytes, *, private: bool = False) -> None:
    """Write a file at once, in the place of one that is there, which keeps its mode; a link is followed.

    ``private``: a new one is for its owner alone; else it gets the mode that the shell gives. What is no file (a pipe,
    a device) is written to as it is. Raises ConfigurationError; nothing is left behind then, and a file that was there
    is as it was.
    """
    data = text if isinstance(text, bytes) else text.encode(errors="backslashreplace")
    require_writable(path)
    try:
        there = _there(path)
        if there is not None and not stat.S_ISREG(there.st_mode):
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data, there, _PRIVATE if private else _AS_USUAL)
    except OSError as error:
        raise _unwritable(path, error) from None


def _replace(file: Path, data: bytes, there: os.stat_result | None, mode: int) -> None:
    written = file.with_name(f".usagefix-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as new:
            new.write(data)
            if there is not None:
                with suppress(PermissionError):  # a file of another owner, which this person may replace nevertheless
                    os.fchown(new.fileno(), there.st_uid, there.st_gid)
                os.fchmod(new.fileno(), stat.S_IMODE(there.st_mode))
            new.flush()
            os.fsync(new.fileno())
        written.replace(file)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # a file system that cannot sync folders
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _unwritable(path: Path, error: Exception | str) -> ConfigurationError:
    why = getattr(error, "strerror", None) or str(error)
    return ConfigurationError(
        f"{path} cannot be written: {why}", hint="name a file in a folder where you may write; usagefix changed no file"
    )
