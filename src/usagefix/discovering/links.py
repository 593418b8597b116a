"""Which tables may hold the events of which: by foreign keys, by names, by type and id, by equal values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from usagefix.discovering import names
from usagefix.discovering.tables import NUMBERS, SPARSE, TEXTS, Column, Table

_TOO_COMMON = frozenset({"id", "name", "type", "status", "kind", "state", "title", "email", "slug", "code", "position"})
_TYPES = ("type", "class", "kind", "model", "table")  # the ending of the column next to a polymorphic id


class Kind(IntEnum):
    """How a link was found, the surest first."""

    FOREIGN_KEY = 0
    SHARED = 1  # both name the same row of a third table
    TYPED = 2  # a type and an id
    NAMED = 3
    VALUED = 4  # its values are keys of the parent


@dataclass(frozen=True, slots=True)
class Link:
    """Rows of ``child`` that name a row of ``parent``: ``columns`` of it hold what ``key`` of the parent holds.

    ``type_column`` and ``type_value``: only rows where the one holds the other.
    """

    kind: Kind
    parent: Table
    key: tuple[str, ...]
    child: Table
    columns: tuple[str, ...]
    type_column: str | None = None
    type_value: str | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.parent.oid, self.key, self.child.oid, self.columns, self.type_column, self.type_value)


def by_catalog(tables: Sequence[Table]) -> Iterator[Link]:
    """What foreign keys and names say, the surest first, each once; without what needs a look at values."""
    parents = [table for table in tables if table.counting and table.uniques]
    oids = {table.oid: table for table in tables}
    found: dict[tuple[object, ...], Link] = {}
    for link in (*_by_foreign_keys(parents, tables), *_shared(parents, tables, oids), *_named(parents, tables)):
        if link.parent is not link.child or link.key != link.columns:
            found.setdefault(link.identity, link)
    yield from sorted(found.values(), key=lambda link: link.kind)


def _by_foreign_keys(parents: Sequence[Table], tables: Sequence[Table]) -> Iterator[Link]:
    named = {table.oid: table for table in parents}
    for child in tables:
        for key in child.foreign_keys:
            parent = named.get(key.target)
            if parent is not None:
                yield Link(Kind.FOREIGN_KEY, parent, key.target_columns, child, key.columns)


def _shared(parents: Sequence[Table], tables: Sequence[Table], oids: Mapping[int, Table]) -> Iterator[Link]:
    """A table of statistics, one row for each user: events name users, as its own key does."""
    for parent in parents:
        for own in parent.foreign_keys:
            if own.columns not in parent.uniques or own.target == parent.oid:
                continue
            for child in tables:
                for key in child.foreign_keys:
                    if child is not parent and (key.target, key.target_columns) == (own.target, own.target_columns):
                        yield Link(Kind.SHARED, parent, own.columns, child, key.columns)
            target = oids.get(own.target)
            if target is not None:
                yield from (
                    Link(Kind.SHARED, parent, own.columns, child, (column.name,))
                    for child, column in _called_after(target, tables)
                    if child is not parent and _comparable(column, parent.by_name[own.columns[0]])
                )


def _named(parents: Sequence[Table], tables: Sequence[Table]) -> Iterator[Link]:
    for parent in parents:
        single = [parent.by_name[unique[0]] for unique in parent.uniques if len(unique) == 1]
        for child, column in _called_after(parent, tables):
            yield from (
                Link(Kind.NAMED, parent, (key.name,), child, (column.name,))
                for key in single[:2]
                if _comparable(key, column) and column.name not in child.referring
            )
        for unique in parent.uniques:
            if unique[0] in _TOO_COMMON:
                continue
            for child in tables:
                same = [child.by_name.get(name) for name in unique]
                fits = all(c is not None and _comparable(c, parent.by_name[c.name]) for c in same)
                if child is not parent and fits and unique not in child.uniques:
                    yield Link(Kind.NAMED, parent, unique, child, unique)


def _called_after(table: Table, tables: Sequence[Table]) -> Iterator[tuple[Table, Column]]:
    """Columns, of no foreign key, that are called as what names a row of the table."""
    for child in tables:
        for column in child.columns:
            if column.name in child.referring:
                continue
            upward = child is table and names.leads_upward(column.name)
            if upward or (names.names_a_row(column.name, table.name) and (child.name != table.name or child is table)):
                yield child, column


def _comparable(one: Column, other: Column) -> bool:
    alike = [NUMBERS - {"numeric"}, TEXTS - {"enum"}, frozenset({"uuid"})]
    return any(one.type in kinds and other.type in kinds for kinds in alike)


def type_pairs(child: Table) -> Iterator[tuple[Column, Column]]:
    """The columns of a table that name any table's row together: commentable_type and commentable_id."""
    for column in child.columns:
        parts = names.words(column.name)
        if column.type not in TEXTS or not parts or parts[-1] not in _TYPES:
            continue
        for beside in child.columns:
            other = names.words(beside.name)
            if other and other[-1] in ("id", "uuid", "key") and other[:-1] == parts[:-1]:
                yield column, beside


def by_types(parents: Sequence[Table], child: Table, values: Mapping[str, Sequence[str]]) -> Iterator[Link]:
    """The links of a table by type and id. ``values``: some of each column."""
    for kind, beside in type_pairs(child):
        for value in values.get(kind.name, ()):
            for parent in parents:
                key = parent.by_name[parent.uniques[0][0]]
                if len(parent.uniques[0]) == 1 and _comparable(key, beside) and names.is_a_type(value, parent.name):
                    yield Link(Kind.TYPED, parent, (key.name,), child, (beside.name,), kind.name, value)


def sparse_keys(parent: Table) -> Iterator[Column]:
    """Keys of one column whose values say whose they are: text and uuid, which are not equal by chance."""
    for unique in parent.uniques:
        column = parent.by_name[unique[0]]
        if len(unique) == 1 and column.type in SPARSE - {"enum"}:
            yield column
