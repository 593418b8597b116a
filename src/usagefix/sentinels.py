"""The bundled SQL, written for one database.

The SQL files use the names of the usual application, and run there unchanged. For another database these names are
sentinels: :func:`render` replaces them token by token, in code only. A word in a comment, in a literal or between
double quotes stays. A line that ends in ``--? presets.last_used_at`` needs this column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from usagefix.counter import STANDARD, Counter
from usagefix.keys import Keys
from usagefix.preparing import adapted, prepared
from usagefix.quoting import literal
from usagefix.rendering import PARAMETER, Column, Renderer
from usagefix.sources import WEIGHT, Fragments

# The columns by the word that stands for their table. Of NEW and OLD only the guard reads an id: that of the parent.
_OF_PARENT = {"id": "key", "name": "label", "last_used_at": "last"}
_OF_CHILD = {"id": "event_id", "user_id": "user", "usage_type": "kind", "usage_data": "data", "created_at": "time"}
_OF_ROWS = {**_OF_CHILD, **_OF_PARENT}
# In a trigger the time of a use that has none is the time when it is recorded.
_RECORDED = frozenset({"written", "come", "gone", "event", "NEW", "OLD"})
_TABLES: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("presets", "preset"), _OF_PARENT),
    **dict.fromkeys(("preset_usage", "written", "come", "gone", "event"), _OF_CHILD),
    **dict.fromkeys(("NEW", "OLD"), _OF_ROWS),
}

_ANYWHERE = (
    *("schema", "parent", "column", "last", "child", "foreign_key", "time", "recorder", "incrementer", "daily"),
    *("permit", "first_permit", "slug"),
)  # what is a name anywhere in code


def render(counter: Counter, text: str) -> str:
    """The bundled SQL in the names of a counter; the same text where they are those of the files.

    A ``%`` in a name is doubled where the text takes parameters.
    """
    renderer = _renderer(counter, "%%" if PARAMETER.search(text) else "%")
    return prepared(counter, renderer.render(adapted(counter, text)))


@cache
def _renderer(counter: Counter, percent: str) -> Renderer:
    """``percent``: how a percent sign in a name is written."""
    words = {
        # A column that is not there keeps its name where a query gives that to something of its own.
        word: word if counter.plain(what) is None else counter.sql(what).replace("%", percent)
        for word, what in _sentinels().items()
    }
    columns = {
        table: {word: _column(counter, what, table, percent) for word, what in of_table.items()}
        for table, of_table in _TABLES.items()
    }
    needed = {
        "partitions": counter.partitioned,
        "baselines": counter.baselines,
        "daily": counter.daily is not None,
        "counted": counter.weight is None,
        "whole": counter.only is None,
    }
    needless = frozenset(word for word, is_there in needed.items() if not is_there)
    keys = Keys(
        *counter.keys_sql,
        {word: counter.sql(what) for word, what in ((STANDARD.parent, "parent"), (STANDARD.child, "child"))},
    )
    parts = keys.child if counter.more_keys else ()
    fragments = Fragments(counter.where, counter.weight, counter.only, parts)
    if counter.truth is not None:
        named = f"({', '.join(keys.child)}, {WEIGHT})"
        source = f"(SELECT * FROM ({counter.truth}) AS truth {named})"  # noqa: S608 - a person's own, read only
        fragments = replace(fragments, weight=WEIGHT, truth=source)
    elsewhere = counter.sql("child_schema").replace("%", percent) if counter.child_schema is not None else None
    return Renderer(
        STANDARD.schema,
        words,
        columns,
        needless,
        fragments.doubled() if percent == "%%" else fragments,
        dict.fromkeys((STANDARD.child, str(STANDARD.daily)), elsewhere) if elsewhere else {},
        (keys.doubled() if percent == "%%" else keys) if counter.more_keys else None,
        {} if counter.usual else _said(counter),
    )


def _said(counter: Counter) -> dict[str, str]:
    """The words of the guard about ``presets.usage_count``, each with those about this counter."""
    said = ("the guard refused a write of the counter {}: ", "the guard left the counter {} as it was: ")
    hint = "The triggers on {} count each event: remove {} from the statement."
    usual, column = STANDARD.column, counter.column
    return {
        **{literal(f"{of.format(usual)}%"): literal(f"{of.format(column.replace('%', '%%'))}%") for of in said},
        literal(usual): literal(column),
        literal(hint.format(STANDARD.child, usual)): literal(hint.format(counter.child, column)),
    }


def _column(counter: Counter, what: str, table: str, percent: str) -> Column:
    """What is written for a column behind the word for its table."""
    name, missing = counter.sql(what).replace("%", percent), counter.plain(what) is None
    recorded = missing and what == "time" and table in _RECORDED
    return Column(name, "pg_catalog.now()" if recorded else name, missing)


@cache
def _sentinels() -> dict[str, str]:
    """The words of the files that are names anywhere in code, each with what it is."""
    return {str(STANDARD.plain(what)): what for what in (*_ANYWHERE, *STANDARD.objects)}
