"""Counters that are applied and no longer declared: named, with the declaration that they had, and rolled back by their
names. The SQL that the ledger holds of them is printed, and never run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from usagefix import definition
from usagefix.counter import Counter
from usagefix.declaration import Declaration
from usagefix.declaring import Declared, is_usual
from usagefix.declaring.files import FILE
from usagefix.errors import ConfigurationError
from usagefix.quoting import quoted

if TYPE_CHECKING:
    from usagefix.database import Database

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def undeclared(wanted: Declared, schema: str, applied: Sequence[Counter]) -> tuple[Counter, ...]:
    """Those that are applied and that nobody declares, so that triggers keep them. None if options declare one: then
    no file is read."""
    if wanted.by is None and not is_usual(wanted.counters[0]):
        return ()
    known = {(d.parent.schema or schema, d.parent.table, d.column) for d in wanted.counters if d.truth is None}
    return tuple(of for of in applied if (of.schema, of.parent, of.column) not in known)


def asked_for(wanted: Declared, of: Counter) -> frozenset[str]:
    """By which names one that is applied and not declared is asked for."""
    names = {declaration.name for declaration in wanted.counters}
    own = {of.slug, f"{of.parent}.{of.column}", f"{of.schema}.{of.parent}.{of.column}"}
    return frozenset(own.intersection(wanted.selected) - names)


class Undeclared(ConfigurationError):
    """A counter is applied and not declared; the hint is the entry that declares it."""

    in_lines = True


def require_declared(wanted: Declared, missing: Sequence[Counter]) -> None:
    """Raise Undeclared where a counter is asked for that is applied and not declared."""
    for of in missing:
        if asked_for(wanted, of):
            who = f"{wanted.by} does not declare it" if wanted.by else "nothing declares it"
            raise Undeclared(
                f"{of.slug} is applied here, but {who}",
                hint=f"declare it as it was applied, in {wanted.by or FILE}, and run this again:\n{entry(of)}",
            )


def as_applied(asked: Sequence[Declaration], schema: str, applied: Sequence[Counter]) -> tuple[Counter, ...]:
    """What these were when they were applied, of the same two tables; none if one of them never was."""
    places = {_tables(schema, one) for one in asked}
    found = tuple(
        of for of in applied if (of.schema, of.parent, of.column, of.child_schema or of.schema, of.child) in places
    )
    return found if len(found) == len(asked) else ()


def recalled(db: Database, wanted: Declared, asked: Sequence[Counter]) -> tuple[Counter, ...]:
    """Those that are asked for, for a rollback: as the ledger has their names. None of their fragments becomes part of
    a statement, and other tables than those of one owner are none that the ledger may name."""
    from usagefix import picture

    found = []
    for of in asked:
        counter = picture.look_up(db, definition.recalled(of))
        db.counter = counter
        parent, events = picture.tables(db)
        if parent.present and events.present and parent.owner != events.owner:
            require_declared(wanted, [of])
        found.append(counter)
    return tuple(found)


def entry(of: Counter) -> str:
    """The ``[[counter]]`` of one that is applied."""
    key, foreign_key = map(_columns, zip(*of.keys, strict=True))
    written = of.written
    values = {
        "counter": f"{_name(of.schema)}.{_name(of.parent)}.{_name(of.column)}",
        "events": f"{_name(of.child_schema or of.schema)}.{_name(of.child)}.{foreign_key}",
        "where": written.get("where"),
        "sum": written.get("weight"),
        "key": key,
        "missing": "create" if of.creates else None,
        "only": written.get("only"),
        "label": of.label and _name(of.label),
        "recorder": of.recorder and _name(of.recorder),
        "name": of.slug,
    }
    lines = [f"{name} = {_text(value)}" for name, value in values.items() if value is not None]
    if of.last is not None and of.time is not None:
        lines.append(f"last = {{ column = {_text(_name(of.last))}, from = {_text(_name(of.time))} }}")
    return "\n".join(["[[counter]]", *lines])


def _tables(schema: str, one: Declaration) -> tuple[str, str, str, str, str]:
    beside = one.parent.schema or schema
    events = one.events or one.parent
    return beside, one.parent.table, one.column, events.schema or beside, events.table


def _columns(names: Sequence[str]) -> str:
    return _name(names[0]) if len(names) == 1 else f"({', '.join(map(_name, names))})"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quoted(name)


def _text(value: str) -> str:
    """A string of TOML, on one line."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
