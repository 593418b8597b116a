"""The time zone of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo


def of_this_machine() -> str:
    """Its name, as Europe/Berlin; UTC where nothing tells."""
    return next((name for name in _told() if _is_there(name)), "UTC")


def _told() -> Iterator[str]:
    if given := os.environ.get("TZ", "").removeprefix(":"):
        yield given
        return
    link = Path("/etc/localtime")
    yield os.path.realpath(link).rpartition("zoneinfo/")[2]
    file = Path("/etc/timezone")
    if file.is_file():
        yield file.read_text(errors="replace").strip()


def _is_there(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError):
        return False
    return True
