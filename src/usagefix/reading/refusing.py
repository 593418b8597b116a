"""What a trigger's function surely does to each write that fires it: drops it, or refuses it."""

from __future__ import annotations

from usagefix.reading.pieces import pieces, word
from usagefix.reading.routine import Routine

_HARMLESS = {"debug", "log", "info", "notice", "warning"}


def returns_nothing(routine: Routine) -> bool:
    """Whether it always returns NULL. Before a row is written, that drops the write without an error."""
    words = _words(routine)
    after = [words[at + 1 : at + 3] for at, word in enumerate(words) if word == "return"]
    return bool(after) and all(found == ["null", ";"] for found in after)


def always_raises(routine: Routine) -> bool:
    """Whether the first that it does is to raise an exception."""
    words = _words(routine)
    first = words[words.index("begin") + 1 :][:2] if "begin" in words else []
    return first[:1] == ["raise"] and first[-1] not in _HARMLESS and "when" not in words


def _words(routine: Routine) -> list[str]:
    if routine.language != "plpgsql":
        return []
    found = pieces(routine.body)
    return [word(found, index) for index in range(len(found))]
