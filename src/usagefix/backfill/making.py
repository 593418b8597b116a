"""Creates the parent rows that events name and that are missing, before it counts anything, with the counter at 0. A
row at 0 lacks exactly what a missing one lacked, so it may come at any time: the triggers add later events to it,
and the next count finds the rest."""

from __future__ import annotations

from dataclasses import replace

from usagefix.database import Database, Limits
from usagefix.errors import Busy, DatabaseRefused, NotPermitted
from usagefix.models.correction import Unrepaired
from usagefix.picture.obstacles import said
from usagefix.preparing import making
from usagefix.quoting import array

AT_ONCE = 100
# Shorter than deadlock_timeout: a session that waits for us in a circle is not cancelled.
PATIENCE = 50


def make_rows(db: Database, limits: Limits | None = None) -> tuple[Unrepaired, ...]:
    """Create the rows in small transactions; none if the counter ignores missing rows. Returns those that the server
    refuses."""
    if not db.counter.creates:
        return ()
    with db.snapshot():
        keys = db.values(db.query("missing"))
    refused = list[Unrepaired]()
    made = 0
    for start in range(0, len(keys), AT_ONCE):
        batch = keys[start : start + AT_ONCE]
        try:
            made += _make(db, batch, replace(limits or Limits(), lock_timeout=PATIENCE))
        except (Busy, DatabaseRefused) as error:
            if isinstance(error, NotPermitted) and error.sqlstate is None:  # usagefix refuses, and not for one row
                raise
            for key in batch:  # it holds no other row while it waits for one
                try:
                    made += db.retrying(lambda key=key: _make(db, [key], limits), limits)  # type: ignore[misc]
                except DatabaseRefused as error:
                    refused.append(Unrepaired(key, said(error)))
    if made:
        db.changes.append(f"{made} missing rows of {db.counter.parent_sql} created, with the counter at 0")
    return tuple(refused)


def _make(db: Database, keys: list[str], limits: Limits | None) -> int:
    with db.transaction(limits):
        owner = db.values(db.query("owner"))[0]
        return len(db.act(making(db.counter), {"ids": array(keys)}, role=owner))
