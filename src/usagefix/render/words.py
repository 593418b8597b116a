"""Words on stderr: the target, steps, errors. Plain text, so that importing it costs nothing."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from usagefix.errors import UsagefixError

# Control characters (a terminal obeys them), what turns the direction of writing, and bytes that are no text (as
# surrogates).
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\udc80-\udcff]")
# What the runner of GitHub Actions obeys: a line that begins with ::, and ##[ wherever it stands in one.
_COMMAND = re.compile(r"^(?P<indent>[^\S\n]*):(?=:)|##(?=\[)", re.MULTILINE)
# What begins a command about counters that are declared.
_COMMANDS = re.compile(
    r"\busagefix (?=(?:apply|backfill|check|dashboard|doctor|export|guard|heatmap|rollback|smoke|sql|status|top|trends"
    r"|verify)\b)"
    r"(?!\w+ --help)"
)


def harmless(text: str) -> str:
    """The text with what a terminal would obey written out: names and messages come from a database."""
    return _OBEYED.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code:02x}"  # noqa: PLR2004


def unobeyed(text: str) -> str:
    """Lines as a step of GitHub Actions can print them: what its runner would obey is written out. Else as they are.

    Nothing invisible is put in between instead: the runner compares as people read, and passes over that.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    return _COMMAND.sub(lambda match: r"#\x23" if match["indent"] is None else rf"{match['indent']}\x3a", text)


_HUSHED = threading.Event()  # the whole process: a thread that tells of progress, too


def hush() -> None:
    """From now on say only what goes wrong."""
    _HUSHED.set()


def hushed() -> bool:
    """Whether people want to read only what goes wrong."""
    return _HUSHED.is_set()


def say(line: str) -> None:
    """One line on stderr, unless hushed."""
    if not hushed():
        _write(line)


def _write(line: str) -> None:
    """One line on stderr; lost without complaint where nobody reads."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(unobeyed(harmless(line)), file=sys.stderr, flush=True)


def again(text: str, given: str) -> str:
    """A text whose commands about counters are about the same ones: with the options that said which."""
    return _COMMANDS.sub(lambda _: f"usagefix {given} ", text) if given else text


def fail(error: UsagefixError, changes: str | None, about: str = "", given: str = "") -> None:
    """An error: what happened, ``about`` which counters where there are several, whether the database changed, what to
    do, ``given`` the options that said which counters."""
    _write(f"error: {about and f'{about}: '}{error.message}")
    for detail in error.details:
        _write(f"       {detail}")
    if changes:
        _write(f"       {changes}")
    if error.hint:
        _write(f"hint: {again(error.hint, given)}")


def outcome(changes: Sequence[str], left: Sequence[str] = ()) -> str:
    """What a command that failed has left in the database; ``left``: the counters that it did not come to."""
    unbegun = f"; not begun: {', '.join(left)}" if left else ""
    if not changes:
        return f"nothing in the database was changed{unbegun}"
    return f"done before that, and kept: {'; '.join(changes)}{unbegun}"
