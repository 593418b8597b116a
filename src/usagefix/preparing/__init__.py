"""What the functions of some counters do before they count: make parent rows that are not there yet; lock all that any
of several counters of the same parent may change, in one order. Text for the bodies of the counting functions.

It stands in front of comments that the SQL files hold for it, in bodies only, and is nothing for the usual counter.
"""

from __future__ import annotations

from collections.abc import Mapping

from usagefix.counter import Counter
from usagefix.preparing.locking import Locking
from usagefix.preparing.making import Making

_INCREMENT = "    -- Most statements insert one event: then nothing is grouped or sorted.\n"
_ONE_BY_ONE = "    -- Else one by one, in the order of their ids.\n"
_ADJUST = "    -- What the statement changed, preset by preset.\n"
_ROW = "    -- What the row changed, preset by preset.\n"
_GONE = "        CONTINUE WHEN shown IS NULL; -- the preset is gone\n"
_NOTED = "        too_low := too_low OR shown IS NULL; -- what a backfill has still to add to it may not fit any more\n"
_STARTS = "    -- A preset that is new, or gets another id, starts with the events that are there."
_INTERRUPTED = "    -- An interrupted run: what it did is done, what it left is counted anew.\n"
ANCHORS = (_INTERRUPTED, _STARTS, _INCREMENT, _ONE_BY_ONE, _ADJUST, _ROW, _GONE)
"""The comments: where one is missing, functions would count without what goes before."""


def prepared(counter: Counter, text: str) -> str:
    """Rendered SQL with what these functions do first."""
    if not (counter.creates or counter.beside or counter.above):
        return text
    for anchor, added in _additions(counter).items():
        text = text.replace(anchor, added + anchor)
    return text


def making(counter: Counter) -> str:
    """A statement that makes the parent rows which events name and which are not there, each with the counter at 0.
    Parameter: ids, an array as text, the keys that it is about. Returns the key of each row that it made."""
    return Making(counter).statement()


def _additions(counter: Counter) -> Mapping[str, str]:
    made, locked = Making(counter), Locking(counter)
    return {
        _INCREMENT: made.of_insert() * bool(counter.beside) + locked.of_insert(),
        _ONE_BY_ONE: made.of_insert() * (not counter.beside),
        _ADJUST: made.unless_changed() + made.of_update() + locked.of_change(),
        _ROW: made.of_row() + locked.of_row(),
        _GONE: _NOTED * counter.creates,
        _STARTS: made.of_guard(),
        _INTERRUPTED: made.of_backfill(),
    }
