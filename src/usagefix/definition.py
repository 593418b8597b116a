"""What the ledger keeps of a counter: its names, its fragments and what a person wrote, as JSON and back. A role
with fewer rights than the reader may have written it. So usagefix takes it for names and texts, and never puts a
fragment of it into a statement: it compares it with what is declared, and with the bodies of functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from usagefix.counter import Counter
from usagefix.errors import ConfigurationError, NotPermitted

# Facts of the database at that time, and what is never applied.
_LEFT_OUT = frozenset({"slug", "partitioned", "baselines", "encoding", "truth", "stored", "recalled"})
_FRAGMENTS = ("where", "weight", "only")
_EVENTS = ("key", "more_keys", "foreign_key", "child", "constants")
_CERTAIN = frozenset({"schema", "parent", "key", "column", "child", "foreign_key", "number"})
_KEPT = tuple(field for field in fields(Counter) if field.name not in _LEFT_OUT)


def entries(counter: Counter) -> dict[str, str]:
    """Each field that says something, with its JSON; what is not there says nothing: no such column, no filter."""
    values = {field.name: getattr(counter, field.name) for field in _KEPT}
    return {name: json.dumps(value) for name, value in values.items() if value not in (None, False, ())}


def counter_of(slug: str, definition: Mapping[str, Any]) -> Counter:
    """The counter that was written so. Raises NotPermitted for what usagefix would not have written."""
    try:
        return Counter(slug=slug, **{field.name: _value(field.name, definition.get(field.name)) for field in _KEPT})
    except (ConfigurationError, TypeError, ValueError):
        raise NotPermitted(
            f"the ledger holds something that apply does not write there, for the counter {slug}",
            hint="look at usagefix.counters; usagefix ran nothing of it",
        ) from None


def _value(name: str, found: Any) -> Any:
    """A field's value as the class has it. Raises TypeError for another kind of value."""
    default = next(field.default for field in _KEPT if field.name == name)
    value: Any
    if isinstance(default, bool):
        fits, value = found in (None, True), bool(found)
    elif isinstance(default, tuple):
        fits = found is None or (isinstance(found, list) and all(_fits(name, item) for item in found))
        value = tuple(tuple(item) if isinstance(item, list) else item for item in found or ()) if fits else ()
    else:
        fits, value = isinstance(found, str) or (found is None and name not in _CERTAIN), found
    if not fits:
        raise TypeError(name)
    return value


def _fits(name: str, item: Any) -> bool:
    """Whether it is one column, or a pair of texts, as the field has them."""
    if name == "beside":
        return isinstance(item, str)
    if name == "above":
        return isinstance(item, list) and all(type(text) is str for text in item)
    return isinstance(item, list) and [type(text) for text in item] == [str, str]


def same_place(one: Counter, other: Counter) -> bool:
    """Whether two are the same column of the same table: then they are one counter, whatever they are called."""
    return (one.schema, one.parent, one.column) == (other.schema, other.parent, other.column)


def settled(wanted: Counter, stored: Counter) -> Counter:
    """A declared counter as it was applied: under the name that it got then. Where its fragments are written as they
    were, those that the server made of them tell its functions from others."""
    same = wanted.written == stored.written
    return replace(wanted, slug=stored.slug, stored=_fragments(stored) if same else ())


def recalled(stored: Counter) -> Counter:
    """A counter that the ledger alone knows. Nothing of its fragments is left but what tells its functions from others;
    what is weighed stays so."""
    weight = None if stored.weight is None else "0"
    return replace(stored, where=None, weight=weight, only=None, stored=_fragments(stored), recalled=True)


def _fragments(stored: Counter) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name in _FRAGMENTS if (value := getattr(stored, name)) is not None)


def changed(wanted: Counter, stored: Counter, gone: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The fields by which another set of events, or of rows, is counted than was: then a baseline means nothing any
    more. ``gone``: fields whose stored name is of something that is no longer there, so that it was renamed.

    How a fragment is written does not matter where the server makes the same of it.
    """
    names = [name for name in _EVENTS if name not in gone and getattr(wanted, name) != getattr(stored, name)]
    if "child" not in gone and (wanted.child_schema or wanted.schema) != (stored.child_schema or stored.schema):
        names.append("child_schema")
    names += [
        name
        for name in _FRAGMENTS
        if getattr(wanted, name) != getattr(stored, name) and wanted.written.get(name) != stored.written.get(name)
    ]
    return tuple(names)
