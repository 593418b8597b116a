"""A counter that is only verified: a query says what is true, and no trigger maintains it."""

from __future__ import annotations

from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.declaration import Declaration
from usagefix.errors import DatabaseRefused
from usagefix.models.figures import plural
from usagefix.picture.declared import NUMBERS, Table, Tables
from usagefix.picture.fitting import number, predicate
from usagefix.picture.obstacles import said as words_of
from usagefix.picture.vetting import Source, Unsound, require_known
from usagefix.quoting import shown

_NO_TABLE = "42P01"


def verified(tables: Tables, declaration: Declaration) -> Counter | None:
    """The counter; None, and noted, where it cannot be. What it has no use for stands for nothing: it has no events."""
    parent = tables.table(declaration, "counter", declaration.parent)
    if parent is None:
        return None
    kind = number(tables, declaration, parent)
    label = tables.column(declaration, "label", parent, declaration.label) if declaration.label else None
    source = Source(parent.sql, "preset", tables.trusted(parent))
    only = predicate(tables, declaration, "only", declaration.only, source)
    key = declaration.key or parent.primary
    if not tables.columns(declaration, "key", parent, key):
        return None
    if len(key) != 1:
        what = f"is not one column of {parent}, which has no such primary key: truth gives one key and one value"
        tables.wrong(declaration, "key", what)
        return None
    tables.require_unique(declaration, parent, key, ())
    _require_truth(tables, declaration, parent, key[0], source)
    return Counter(
        schema=parent.schema,
        parent=parent.name,
        key=key[0],
        column=declaration.column,
        last=None,
        label=label,
        child=parent.name,
        foreign_key=key[0],
        time=None,
        event_id=None,
        user=None,
        kind=None,
        data=None,
        number=kind,
        only=only,
        truth=declaration.truth,
        slug=declaration.name,
        partitioned=False,
        recorder=None,
        incrementer=None,
        daily=None,
        encoding=tables.db.codec,
    )


def tables_read(db: Database) -> tuple[str, ...]:
    """The tables that the truth of the counter in turn reads, also through views, as the server plans it. It does not
    run the query."""
    explained = f"EXPLAIN (VERBOSE, FORMAT JSON) SELECT * FROM ({db.counter.truth}) AS truth"  # noqa: S608 - vetted
    (plans,) = db.values(explained.replace("%", "%%"))
    found: set[str] = set()
    nodes = [plan["Plan"] for plan in plans]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if "Relation Name" in node:
            found.add(f"{shown(node['Schema'])}.{shown(node['Relation Name'])}")
    return tuple(sorted(found))


def _require_truth(tables: Tables, declaration: Declaration, parent: Table, key: str, source: Source) -> None:
    """The query gives a key and a number. The server only reads it."""
    query = str(declaration.truth)
    try:
        require_known(tables.db, query, source, moving=True)
        kinds = tables.db.described(f"SELECT * FROM ({query}) AS truth")  # noqa: S608
    except Unsound as unsound:
        tables.wrong(declaration, "truth", str(unsound))
        return
    except DatabaseRefused as refused:
        hint = "; write each table with its schema: schema.table" if refused.sqlstate == _NO_TABLE else ""
        tables.wrong(declaration, "truth", f"is refused by the server: {words_of(refused)}{hint}")
        return
    if len(kinds) != 2:  # noqa: PLR2004
        tables.wrong(declaration, "truth", f"has {plural(len(kinds), 'column')}, not two: the key, and the value")
        return
    if kinds[1] not in NUMBERS:
        tables.wrong(declaration, "truth", f"has a value of type {kinds[1]}; it should be a whole number or numeric")
    of_parent = parent.columns[key]["type"]
    if not tables.can_be_compared(of_parent, kinds[0]):
        both = f"has a key of type {kinds[0]}, and {parent}.{key} is of type {of_parent}"
        tables.wrong(declaration, "truth", f"{both}: they cannot be compared")
