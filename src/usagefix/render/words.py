"""Words on stderr: the target, steps, errors. Plain text, so that importing it costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from usagefix.errors import UsagefixError


def say(line: str) -> None:
    """One line on stderr; lost without complaint where nobody reads."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def fail(error: UsagefixError, changes: str | None) -> None:
    """An error: what happened, whether the database changed, what to do."""
    say(f"error: {error.message}")
    if changes:
        say(f"       {changes}")
    if error.hint:
        say(f"hint: {error.hint}")


def outcome(changes: Sequence[str]) -> str:
    """What a command that failed has left in the database."""
    if not changes:
        return "nothing in the database was changed"
    return f"done before that, and kept: {'; '.join(changes)}"
