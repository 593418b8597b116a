"""Keys of several columns: what the bundled SQL says of one column, said of all of them.

``preset.id`` and ``event.preset_id`` are a list of columns where they are listed, grouped or ordered by; a ROW where
they are compared with each other, so that an index on the columns is used; and the ROW as text anywhere else: that is
what the key of a row is called in the ledger and in print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usagefix.quoting import array
from usagefix.tokens import Token

_OF_PARENT = frozenset({"preset", "presets", "NEW", "OLD"})
_EQUALS = (["="], ["OPERATOR", "(", "pg_catalog", ".", "=", ")"])
_LISTED = frozenset({",", "SELECT", "BY"})
_PART = re.compile(r'"((?:[^"\\]|\\.|"")*)"|([^",()]*)')
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Keys:
    """The columns of the key, in the parent and in an event, as SQL writes them; ``aliases``: what else than itself is
    written for the word of a table."""

    parent: tuple[str, ...]
    child: tuple[str, ...]
    aliases: Mapping[str, str]

    def edits(self, code: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
        """What to write instead of the tokens from a first until an end."""
        texts = [token.text for token in code]
        for at in range(len(texts) - 2):
            if self._columns(texts, at) and texts[max(at - 1, 0)] != ".":
                yield from self._key(texts, at)

    def doubled(self) -> Keys:
        """The same where ``%`` means something and ``%%`` is a percent sign."""
        parent, child = (tuple(name.replace("%", "%%") for name in names) for names in (self.parent, self.child))
        return Keys(parent, child, {word: alias.replace("%", "%%") for word, alias in self.aliases.items()})

    def _columns(self, texts: list[str], at: int) -> tuple[str, ...]:
        """The columns that are meant where a key is named: behind an alias."""
        if at < 0 or texts[at + 1 : at + 2] != ["."]:
            return ()
        if texts[at + 2 : at + 3] == ["preset_id"]:
            return self.child
        return self.parent if texts[at] in _OF_PARENT and texts[at + 2 : at + 3] == ["id"] else ()

    def _key(self, texts: list[str], at: int) -> Iterator[tuple[int, int, str]]:
        alias = self.aliases.get(texts[at], texts[at])
        columns = [f"{alias}.{column}" for column in self._columns(texts, at)]
        listed, row, end = ", ".join(columns), f"ROW({', '.join(columns)})", at + 3
        before, after = _operator(texts, at, back=True), _operator(texts, end)
        name = _parameter(texts, end + after) if after else ""
        if name and texts[end + after] == "ANY":
            operator = " ".join(texts[end : end + after]).replace(" ", "") if after > 1 else "="
            each = [f"{column} {operator} ANY (%({name}_{n})s)" for n, column in enumerate(columns, 1)]
            whole = f"{row}::pg_catalog.text {operator} ANY (%({name})s::pg_catalog.text[])"
            yield at, end + after + 8, f"({' AND '.join((*each, whole))})"
        elif name:
            given = ", ".join(f"%({name}_{n})s" for n in range(1, len(columns) + 1))
            yield at, end, row
            yield end + after, end + after + 5, f"ROW({given})"
        elif (
            (after and self._columns(texts, end + after))
            or (before and self._columns(texts, at - before - 3))
            or texts[end : end + 1] in (["::"], ["IS"])
            or texts[max(at - 3, 0) : at] == ["IS", "DISTINCT", "FROM"]
        ):
            yield at, end, row
        elif not after and not before and (at == 0 or texts[at - 1] in _LISTED) and texts[end : end + 1] != ["AS"]:
            yield at, end, listed
        else:
            yield at, end, f"{row}::pg_catalog.text"


def _operator(texts: list[str], at: int, *, back: bool = False) -> int:
    """How many tokens the equals sign has that begins there, or that ends there."""
    for equals in _EQUALS:
        first = at - len(equals) if back else at
        if first >= 0 and texts[first : first + len(equals)] == equals:
            return len(equals)
    return 0


def _parameter(texts: list[str], at: int) -> str:
    """The name in ``%(name)s`` or ``ANY (%(name)s)``."""
    first = at + 2 if texts[at : at + 2] == ["ANY", "("] else at
    given = texts[first : first + 2] == ["%", "("] and texts[first + 3 : first + 5] == [")", "s"]
    return texts[first + 2] if given else ""


def parts(query: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the keys among the parameters, where a query asks for them: of ``id`` the first is ``id_1``. Of an
    array of keys these are arrays."""
    found = dict[str, Any]()
    for name, value in params.items():
        if isinstance(value, str) and f"%({name}_1)s" in query:
            many = value.startswith("{")
            texts = [re.sub(r"\\(.)", r"\1", item) for item in _ITEM.findall(value)] if many else [value]
            for n, column in enumerate(zip(*map(columns_of, texts), strict=True), 1):
                found[f"{name}_{n}"] = array(dict.fromkeys(column)) if many else column[0]
            for n in range(1, 33) if not texts else ():
                found[f"{name}_{n}"] = "{}"
    return found


def columns_of(row: str) -> tuple[str, ...]:
    """The columns of a ROW as text."""
    found, at = [], 1
    while at < len(row):
        part = _PART.match(row, at)
        assert part is not None  # noqa: S101 - it matches nothing, too
        found.append(part[2] if part[1] is None else re.sub(r'""|\\(.)', lambda m: m[1] or '"', part[1]))
        at = part.end() + 1
    return tuple(found)
