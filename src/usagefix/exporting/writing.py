"""Writing files: all of them or none, and no one's file is replaced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from usagefix.exporting.tool import Draft, read


def write(drafts: Sequence[Draft]) -> None:
    """A file gets its name when it is whole, and when all of them are; one that is replaced, last. Raises OSError."""
    # No tool takes such a name for a migration.
    hidden = [(draft, draft.path.with_name(f".{draft.path.name}.{os.getpid()}")) for draft in drafts]
    made: list[Path] = []
    named: list[Path] = []
    try:
        for draft, path in hidden:
            made += _folders(path.parent)
            path.write_text(draft.text, encoding="utf-8", newline="\n")
        for draft, path in sorted(hidden, key=lambda each: each[0].replaces is not None):
            if draft.replaces is not None:
                _replace(draft, path)
                continue
            _give_name(path, draft.path)
            named.append(draft.path)
    except BaseException:
        for path in named:
            path.unlink(missing_ok=True)
        raise
    finally:
        for _, path in hidden:
            path.unlink(missing_ok=True)
        for folder in reversed(made):
            with suppress(OSError):  # a folder that has files stays
                folder.rmdir()


def _folders(folder: Path) -> list[Path]:
    """Make a folder, and what it is in; returns what was made, the outermost first."""
    missing = [each for each in (*reversed(folder.parents), folder) if not each.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _replace(draft: Draft, path: Path) -> None:
    """Put a draft in the place of what it was made from. Raises OSError if that has changed meanwhile."""
    if read(draft.path) != draft.replaces:
        raise OSError(None, f"{draft.path.name} was changed meanwhile")
    path.chmod(draft.path.stat().st_mode & 0o7777)
    path.replace(draft.path)


def _give_name(draft: Path, path: Path) -> None:
    """Give a draft its name, which must be free."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise
        draft.rename(path)
