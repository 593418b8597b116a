"""The JSON Schemas of what commands print with ``--format json``, one file a command, made by ``docs/generate.py``."""

from __future__ import annotations

from pathlib import Path

from usagefix.errors import ConfigurationError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The commands that have one."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def text(command: str) -> str:
    """The schema of a command's object. Raises ConfigurationError if there is none."""
    if command not in names():
        raise ConfigurationError(f"there is no schema of {command!r}", hint=f"schemas: {', '.join(names())}")
    return (_FOLDER / f"{command}.json").read_text(encoding="utf-8")
