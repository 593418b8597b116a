"""What apply would have to remove from a function and cannot, so that a person must. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from usagefix.counter import Counter
from usagefix.picture.code import Code, routine
from usagefix.picture.objects import Trigger
from usagefix.picture.obstacles import Obstacle
from usagefix.quoting import quoted
from usagefix.reading import Refused, Routine, Uneditable, always_raises, returns_nothing
from usagefix.reading.pieces import pieces

_COLUMNS = re.compile(r" UPDATE OF (?P<columns>.+?) ON ")


def of_edits(code: Code) -> tuple[Obstacle, ...]:
    """Each with the line, and what to change."""
    return tuple(dict.fromkeys((*of_recorders(code), *of_triggers(code), *of_needing(code), *of_refusing(code))))


def of_recorders(code: Code) -> Iterator[Obstacle]:
    """Functions that record uses, and count these in a way that cannot be taken out."""
    for function in code.recorders:
        try:
            code.reader.edited(routine(function), limit_stays=False)
        except Uneditable as error:
            yield Obstacle(f"{error.message}{_where(error.line, routine(function))}", error.hint)


def of_triggers(code: Code) -> Iterator[Obstacle]:
    """Triggers that count in addition to the one of the fix, and do more than that."""
    for trigger in code.counting_triggers:
        function = code.function(trigger.function)
        if function is None or code.is_released(function):
            continue
        of = routine(function)
        verdict = code.reader.of_trigger(of)
        if isinstance(verdict, Refused):
            why = f"trigger {trigger} also counts: {verdict.reason}{_where(verdict.line, of)}"
            yield Obstacle(
                why,
                f"remove from {of.signature} what changes the counter or, if it does nothing else, ALTER TABLE"
                f" {trigger.on_table} DISABLE TRIGGER {quoted(trigger.name)}, then run this again",
            )


def of_needing(code: Code) -> Iterator[Obstacle]:
    """Functions that need the daily limit, which apply drops."""
    if not code.limits:
        return
    try:
        needing = code.reader.needing_limit()
    except Uneditable:
        return  # said of the function that records uses
    if needing:
        names = ", ".join(each.signature for each in needing)
        called = any(code.calls(each.name) for each in needing)
        yield Obstacle(
            f"these functions would fail without the daily limit: {names}",
            "remove the ON CONFLICT clause from them (they only need the insert)"
            + ("" if called else f" or, if nothing calls it, DROP FUNCTION {names}")
            + ", then run this again",
        )


def of_refusing(code: Code) -> Iterator[Obstacle]:
    """Triggers on the counters' table that let no count through, whatever row it is of."""
    for trigger in code.watching:
        function = code.function(trigger.function)
        if function is None or "UPDATE" not in trigger.events or trigger.condition is not None:
            continue
        if not _watches(trigger, code.counter):
            continue
        what = "raises an exception" if always_raises(routine(function)) else ""
        if trigger.timing == "BEFORE" and trigger.for_each_row and returns_nothing(routine(function)):
            what = "returns NULL, which drops the update without an error"
        if what:
            yield Obstacle(
                f"trigger {trigger} refuses each count: {function.signature} always {what}",
                f"ALTER TABLE {trigger.on_table} DISABLE TRIGGER {quoted(trigger.name)}, or let it return NEW,"
                " then run this again",
            )


def _watches(trigger: Trigger, counter: Counter) -> bool:
    """Whether an update of the counter fires it, and not only one of other columns."""
    columns = _COLUMNS.search(trigger.definition)
    return columns is None or any(
        piece.text in (counter.column, counter.last) for piece in pieces(columns["columns"]) if piece.is_name
    )


def _where(line: int, of: Routine) -> str:
    return f" (line {line} of {of.signature})" if line else ""
