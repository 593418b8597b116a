"""What the functions of some counters do before they count: return if no event counts; create missing parent rows; lock
all rows that any counter of the same parent may change, in one order; and count at once the rows that are locked.

The text goes into the bodies of the counting functions, in front of comments that mark the places in the SQL files. The
usual counter needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from usagefix.counter import Counter
from usagefix.preparing.locking import AT_ONCE, COUNTED, Locking
from usagefix.preparing.making import Making

_INCREMENT = "    -- Most statements insert one event: do not group or sort then.\n"
_ONE_BY_ONE = "    -- Otherwise update the presets one by one, in the order of their ids.\n"
_ADJUST = "    -- What the statement changed, for each preset.\n"
_ROW = "    -- What the row changed, for each preset.\n"
_GONE = "        CONTINUE WHEN usagefix_shown IS NULL; -- the preset is gone\n"
_NOTED = "        too_low := too_low OR usagefix_shown IS NULL; -- what a backfill has still to add may not fit now\n"
_STARTS = "    -- A new preset, or one with a new id, starts with the events that exist."
_INTERRUPTED = "    -- An interrupted run: keep what it corrected, and count the rest again.\n"
_OF_ITSELF = "    -- A row of this statement that its events name began with earlier events: they are added below.\n"
# In the words of the SQL files, for events that are rows of the same table.
_STARTED = f"""{_OF_ITSELF}    IF EXISTS (SELECT FROM new_events OFFSET 1) THEN
        FOR used IN SELECT named.key, pg_catalog.sum(named.uses) AS uses
            FROM (
                SELECT written.preset_id AS key, 1 AS uses, true AS names FROM new_events AS written
                UNION ALL SELECT preset.id, 0, false FROM new_events preset
            ) AS named
            GROUP BY named.key HAVING pg_catalog.bool_or(named.names) AND NOT pg_catalog.bool_and(named.names)
        LOOP
            UPDATE public.presets AS preset
            SET usage_count = (SELECT pg_catalog.count(*) AS uses FROM public.preset_usage AS event
                WHERE event.preset_id OPERATOR(pg_catalog.=) preset.id) OPERATOR(pg_catalog.-) used.uses
            WHERE preset.id OPERATOR(pg_catalog.=) used.key;
        END LOOP;
    END IF;
"""  # noqa: S608 - its own words
ANCHORS = (_INTERRUPTED, _STARTS, _INCREMENT, _ONE_BY_ONE, _ADJUST, _ROW, _GONE)
"""The comments: where one is missing, functions would count without what goes before."""


def adapted(counter: Counter, text: str) -> str:
    """The bundled SQL, not yet rendered, with further ways to count: rows that are locked, and rows that are events."""
    if (counter.beside or counter.above) and not counter.more_keys:
        text = text.replace(_ONE_BY_ONE, COUNTED + _ONE_BY_ONE)
    if _starts_anew(counter):
        text = text.replace(_INCREMENT, _STARTED + _INCREMENT)
    return text


def prepared(counter: Counter, text: str) -> str:
    """Rendered SQL, with the code that these functions run first."""
    if not (counter.creates or counter.beside or counter.above or counter.where):
        return text
    for anchor, added in _additions(counter).items():
        text = text.replace(anchor, added + anchor)
    return text


def making(counter: Counter) -> str:
    """A statement that makes the parent rows which events name and which are not there, each with the counter at 0.
    Parameter: ids, an array as text, the keys that it is about. Returns the key of each row that it made."""
    return Making(counter).statement()


def _starts_anew(counter: Counter) -> bool:
    return counter.of_itself and not counter.more_keys


def _additions(counter: Counter) -> Mapping[str, str]:
    made, locked = Making(counter), Locking(counter)
    first = _OF_ITSELF if _starts_anew(counter) else _INCREMENT
    return {
        first: made.unless_any() + made.of_insert() * bool(counter.beside) + locked.of_insert(),
        AT_ONCE if counter.above and not counter.more_keys else _ONE_BY_ONE: made.of_insert() * (not counter.beside),
        _ADJUST: made.unless_gone() + made.unless_changed() + made.of_update() + locked.of_change(),
        _ROW: made.of_row() + locked.of_row(),
        _GONE: _NOTED * counter.creates,
        _STARTS: made.of_guard(),
        _INTERRUPTED: made.of_backfill(),
    }
