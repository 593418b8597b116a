"""What event triggers forbid: names them, and tries before apply begins what apply can do only late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from usagefix.database import Database, Limits, context_of
from usagefix.errors import Busy, DatabaseRefused, Refused
from usagefix.picture.obstacles import said

_DROP = "DROP INDEX"


@dataclass(frozen=True, slots=True)
class _EventTrigger:
    """An event trigger: the columns of ``event_triggers.sql``."""

    name: str
    function: str


@contextmanager
def named(db: Database, tag: str | None = None) -> Iterator[None]:
    """Within the block, what an event trigger forbids is Refused, by its name; ``tag``: the command that is run."""
    try:
        yield
    except Busy:
        raise
    except DatabaseRefused as refused:
        there = db.rows(db.query("event_triggers"), _EventTrigger, {"tag": tag})
        where = context_of(refused)
        guilty = [trigger.name for trigger in there if f"function {trigger.function}(" in where.replace("public.", "")]
        if not guilty:
            raise
        names = ", ".join(guilty)
        ways = "; ".join(f"ALTER EVENT TRIGGER {name} DISABLE" for name in guilty)
        raise Refused(
            f"event trigger {names} forbids {tag or 'this statement'}: {said(refused)}",
            hint=f"{ways}, run this again, then ENABLE it; or make its function allow this",
            sqlstate=refused.sqlstate,
        ) from None


def require_droppable(db: Database, limits: Limits | None) -> None:
    """An index of this schema can be dropped. The daily limit goes when uses are counted already, which would be late
    to find out; tried with an index of nothing, where an event trigger looks at that. Raises Refused."""
    if not db.rows(db.query("event_triggers"), _EventTrigger, {"tag": _DROP}):
        return
    table = f"{db.counter.schema_sql}.usagefix_attempt"
    index = f"{db.counter.schema_sql}.usagefix_attempt_index"
    try:
        with db.transaction(limits, rollback=True):
            try:
                db.run(f"CREATE TABLE {table} (n pg_catalog.int4)")
                db.run("CREATE INDEX usagefix_attempt_index ON " + table + " (n)")
            except DatabaseRefused:
                return  # then this says nothing of an index
            db.run(f"DROP INDEX {index}")
    except DatabaseRefused as refused:
        with named(db, _DROP):
            raise refused from refused.__cause__
