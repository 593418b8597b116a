"""The question before a change: at a terminal, of a database that is not on this machine. The one place that asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from usagefix.cli.turns import MANY, Way, in_turn
from usagefix.errors import ConfigurationError, Refused, UsagefixError
from usagefix.models.outcome import Outcome
from usagefix.nouns import nouns
from usagefix.render import words

if TYPE_CHECKING:
    from usagefix.database import Database

_DONE = {
    "apply": ("Apply this to", "applied"),
    "backfill": ("Correct counters in", "corrected"),
    "rollback": ("Roll back in", "rolled back"),
    "guard": ("Switch the guard in", "switched"),
    "notifications": ("Change this in", "changed"),
    "probe-api": ("Post to the application of", "posted"),
}
_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}
_NO = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Question:
    """``ahead``: what the command is going to do with the counter in turn, a sentence a line and the most important
    ones first; none where it changes nothing. ``yes``: nobody is to be asked. ``always``: also on this machine, and
    nothing is done where nobody is there to answer."""

    ahead: Callable[[Database], Sequence[str]]
    yes: bool
    always: bool = False


def ask(
    db: Database, outcome: Outcome, question: Question, way: Way, failed: Callable[[BaseException], UsagefixError]
) -> None:
    """Ask where that is to be done, of all counters at once. Raises Refused for anything but yes, ConfigurationError
    where it always asks and nobody is there to answer, and what a look at what is ahead raises."""
    there = somebody_is_there(os.environ)
    if question.yes or not (question.always or (there and not db.is_here)):
        return
    told = _ahead(db, outcome, question, way, failed)
    if not any(told.values()):
        return
    command = outcome.command
    if not there:
        raise ConfigurationError(f"{command} asks before it acts, and nobody is there to answer", hint="pass --yes")
    where = f"database {db.target.database} on {db.target.place.server}"
    asks, done = _DONE[command]
    lines = (f"  {line}" for line in _lines(told, about_many=len(db.counters) > 1))
    heading = f"usagefix {command} changes {where}, as {db.target.user}:"
    _require_yes((heading, *lines), f"{asks} {where}? [y/N] ", f"not {done}")


def somebody_is_there(environment: Mapping[str, str]) -> bool:
    """Whether a person reads and can answer: at a terminal, and not in CI, which may have one."""
    streams = (sys.stdin, sys.stderr)
    in_ci = environment.get("CI", "").lower() not in _NO
    return not in_ci and all(stream is not None and stream.isatty() for stream in streams)


def _ahead(
    db: Database, outcome: Outcome, question: Question, way: Way, failed: Callable[[BaseException], UsagefixError]
) -> dict[str, Sequence[str]]:
    """What is ahead of each counter, by its name. No transaction is open afterwards, while a person thinks."""
    if not outcome.about_counters:
        return {"": question.ahead(db)}
    told: dict[str, Sequence[str]] = {}

    def look(db: Database) -> None:
        try:
            ahead = question.ahead(db)
        except Refused as refused:
            if not told:
                raise
            # It may be otherwise once the counters before it are changed, which it may add up.
            ahead = (f"may be refused: {refused.message}",)
        told[nouns(db.counter).counter] = ahead

    in_turn(db, outcome, look, replace(way, snapshot=False), failed)
    outcome.parts.clear()
    return told


def _lines(told: Mapping[str, Sequence[str]], *, about_many: bool) -> Iterator[str]:
    """All of it; of many counters a line each, with what matters most."""
    for counter, lines in told.items():
        if about_many and len(told) >= MANY:
            yield f"{counter}: {'; '.join(lines[:2]) or 'nothing'}"
        elif about_many:
            yield from (f"{counter}:", *(f"  {line}" for line in lines or ("nothing",)))
        else:
            yield from lines


def _require_yes(lines: Sequence[str], question: str, not_done: str) -> None:
    """Raise Refused unless the answer is yes; Ctrl-C and SIGTERM stay what they are."""
    answer, why = None, "you said no"
    try:
        while answer is None:
            answer = _ANSWERS.get(_answer(lines, question))
            lines = ()
    except KeyboardInterrupt:
        words.ask([""], "")
        raise
    except EOFError:
        words.ask([""], "")
        why = "nobody said yes"
    if not answer:
        raise Refused(f"{not_done}: {why}", hint="usagefix status shows the present state")


def _answer(lines: Sequence[str], question: str) -> str:
    """What a person types after the question; what was typed before it does not answer it."""
    with suppress(ImportError):  # Windows has no such module
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
    words.ask(lines, question)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip().lower()
