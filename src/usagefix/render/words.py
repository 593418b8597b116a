"""Words on stderr: the target, steps, errors. Plain text, so that importing it costs nothing."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from usagefix.errors import UsagefixError
from usagefix.models.outcome import NONE, Given
from usagefix.render.folding import fold

# Control characters and the ends of lines (a terminal obeys them), what turns the direction of writing or cannot be
# seen, and bytes that are no text (as surrogates).
OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_BY_NAME = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# What stands for a character that a terminal lacks.
_SPELLED = {
    "\u2190": "<-", "\u2192": "->", "\u2026": "...", "\u2212": "-", "\u00d7": "x", "\u00b7": "-", "\u2013": "-",
    "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2264": "<=", "\u2265": ">=",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ",
}  # fmt: skip
# What the runner of GitHub Actions obeys: a line that begins with ::, and ##[ wherever it stands in one.
_COMMAND = re.compile(r"^(?P<indent>[^\S\n]*):(?=:)|##(?=\[)", re.MULTILINE)
# What begins a command on a database.
_COMMANDS = re.compile(
    r"\busagefix (?=(?P<name>apply|backfill|check|dashboard|discover|doctor|export|guard|heatmap|log|notifications"
    r"|probe-api|rollback|smoke|sql|status|top|trends|verify)\b)"
    r"(?!\w+ --help)"
)
_OWN = re.compile(r"[^,;(]*--counter ")


def harmless(text: str) -> str:
    """One line of text, with what a terminal would obey written out: names and messages come from a database."""
    return OBEYED.sub(_written_out, text)


def harmless_lines(text: str) -> str:
    """The same for data whose lines and tabs are to stay."""
    return OBEYED.sub(lambda match: match[0] if match[0] in "\n\t\u2028\u2029" else _written_out(match), text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - a byte
        return f"\\x{code - 0xDC00:02x}"
    digits = f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
    return _BY_NAME.get(match[0], digits)


def spelled(text: str, encoding: str) -> str:
    """The text in the characters of an encoding, before it is laid out: others are written out."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_in_encoding(character, encoding) for character in text)
    return text


def _in_encoding(character: str, encoding: str) -> str:
    instead = _SPELLED.get(character, character)
    return instead.encode(encoding, "backslashreplace").decode(encoding)


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


def ask(lines: Sequence[str], question: str) -> None:
    """Lines on stderr, and a question whose answer goes behind it; also where people want to read only what goes
    wrong."""
    for line in lines:
        _write(line)
    _write(question, end=" " if question else "")


def _write(line: str, hang: int | None = 2, end: str = "\n") -> None:
    """One line on stderr; lost without complaint where nobody reads. A terminal gets it folded, see :func:`fold`; in a
    pipe and without ``hang`` it stays one line."""
    if sys.stderr is not None:
        text = spelled(harmless(line), sys.stderr.encoding or "ascii").rstrip()
        width = _columns()
        lines = [text] if hang is None or width < 1 else fold(text, width, hang)
        with suppress(OSError, ValueError):
            print(unobeyed("\n".join(lines)), end=end, file=sys.stderr, flush=True)


def _columns() -> int:
    """The width of the terminal that reads stderr; 0 if none does."""
    with suppress(OSError, ValueError):  # no file, or no terminal
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        return int(os.environ.get("COLUMNS") or width)
    return 0


def again(text: str, given: Given = NONE) -> str:
    """A text whose commands are about the same: with the options that said where, and which counters."""

    def same(found: re.Match[str]) -> str:
        names_its_own = _OWN.match(found.string, found.end())
        options = given.place if names_its_own else given.to(found["name"])
        return " ".join(filter(None, ("usagefix", options))) + " "

    return _COMMANDS.sub(same, text)


def fail(error: UsagefixError, changes: str | None, about: str = "", given: Given = NONE) -> None:
    """An error: what happened, ``about`` which counters where there are several, whether the database changed, what to
    do, ``given`` the options that said where, and which counters."""
    message, *further = _lines_of(error.message, error)
    _write(f"error: {about and f'{about}: '}{message}", hang=len("error: "))
    for line in (*further, *error.details, *((changes,) if changes else ())):
        _write(f"       {line}")
    if error.hint:
        hint, *entry = _lines_of(again(error.hint, given), error)
        _write(f"hint: {hint}", hang=len("hint: "))
        for line in entry:
            _write(f"      {line}", hang=None)  # of a file, to be pasted


def _lines_of(text: str, error: UsagefixError) -> list[str]:
    return text.split("\n") if error.in_lines else [text]


def outcome(changes: Sequence[str], left: Sequence[str] = ()) -> str:
    """What a command that failed has left in the database; ``left``: the counters that it did not come to."""
    unbegun = f"; not begun: {', '.join(left)}" if left else ""
    if not changes:
        return f"nothing in the database was changed{unbegun}"
    return f"done before that, and kept: {'; '.join(changes)}{unbegun}"
