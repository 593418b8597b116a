"""Lifting and restoring the daily limit without stopping anybody: ``DROP`` and ``CREATE INDEX … CONCURRENTLY``.

Neither can run in a transaction, so for a moment the index and the function that relied on it are out of step.
Meanwhile ``track_preset_usage()`` says ``ON CONFLICT DO NOTHING``, which works with the index and without.
"""

from __future__ import annotations

from contextlib import suppress

from usagefix.database import Database, Limits
from usagefix.errors import DatabaseRefused, RollbackRefused, UsagefixError
from usagefix.ledger import Saved
from usagefix.picture.code import Limit, routine
from usagefix.picture.objects import Function
from usagefix.planning import expected, undoing
from usagefix.planning.scene import Scene, scene
from usagefix.reading import with_body

WAIT_SECONDS = 20.0
BUILD_SECONDS = 900.0
_WAITS = Limits(attempts=3)
_CHOICES = (
    "usagefix rollback --daily-limit skip leaves the limit off, and keeps the track_preset_usage() of now;"
    " or delete the uses that are too many, and run this again"
)


def lifting(name: str) -> str:
    """The statement that drops the index without stopping readers or writers."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


def lift(db: Database, name: str) -> None:
    """Drop the index without stopping readers or writers. Raises Busy when old transactions do not end."""
    db.retrying(lambda: db.run_alone(lifting(name), WAIT_SECONDS), _WAITS, readers=True)
    db.changes.append("the daily limit is gone")


def refuse_if_broken(db: Database, seen: Scene, limit: Saved) -> None:
    """Raise RollbackRefused where uses since then break the limit.

    What the ledger says of it is run as the owner of the tables, in a function that cannot become anybody else.
    """
    expected.require(seen, limit)
    keys = ", ".join(limit.key_columns or ())
    where = "true" if "NULLS NOT DISTINCT" in (limit.definition or "") else f"pg_catalog.num_nulls({keys}) = 0"
    where += f" AND ({limit.predicate})" if limit.predicate else ""
    broken = f"SELECT FROM {db.counter.child_sql} WHERE {where} GROUP BY {keys} HAVING pg_catalog.count(*) > 1"
    with db.transaction(Limits(statement_timeout=0), rollback=True):
        db.run(undoing.confined(seen, f"SELECT pg_catalog.count(*) FROM ({broken}) AS broken"))  # noqa: S608
        (groups,) = db.values(f"SELECT {undoing.CONFINED}")
    if groups:
        cases = "1 case" if groups == 1 else f"{groups} cases"
        raise _refusal(f"in {cases} one person used a preset more than once on a day, which the limit forbids")


def refuse_if_edited(seen: Scene) -> None:
    """Raise RollbackRefused where track_preset_usage() is not the one that apply left: putting back the old one would
    lose somebody's work."""
    for function, saved in _saved_recorders(seen):
        # The loose one is there after a rollback that was interrupted.
        if function.body not in (saved.left_behind, undoing.loose_body(seen, saved, function)):
            raise RollbackRefused(
                f"{seen.counter.recorder}() was changed after apply; going back would lose that change",
                hint="usagefix rollback --daily-limit skip keeps the function of now",
            )


def restore(db: Database, seen: Scene, limit: Saved, limits: Limits | None = None) -> None:
    """Build the index again without stopping writers. Leaves nothing of it behind when uses break it meanwhile.

    Raises RollbackRefused then.
    """
    before = len(db.changes)
    db.retrying(lambda: _loosen(db, seen, limits, loose=True), limits)
    db.changes.append("track_preset_usage() works with and without the daily limit")
    try:
        left = present(db)
        if left is not None:
            lift(db, left.name)
        build = (limit.definition or "").replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1)
        db.run_alone(build, BUILD_SECONDS)
    except BaseException as error:
        db.changes.append("an unfinished daily limit may be left, which usagefix apply removes")
        with suppress(UsagefixError):
            db.run_alone(lifting(limit.identity), WAIT_SECONDS)
            db.retrying(lambda: _loosen(db, seen, limits, loose=False), limits)
            del db.changes[before:]
        if isinstance(error, DatabaseRefused) and error.sqlstate == "23505":
            raise _refusal("meanwhile somebody used a preset more than once on a day") from None
        raise
    db.changes.append("the daily limit is back")


def present(db: Database) -> Limit | None:
    """The limit in this database; None where it is gone."""
    with db.snapshot():
        return scene(db).code.limit


def _saved_recorders(seen: Scene) -> list[tuple[Function, Saved]]:
    """The functions that record uses and that apply edited, each with what the ledger has of it."""
    saved = {entry.identity: entry for entry in seen.ledger.saved if entry.kind == "function" and entry.left_behind}
    return [(function, saved[function.signature]) for function in seen.code.recorders if function.signature in saved]


def _loosen(db: Database, seen: Scene, limits: Limits | None, *, loose: bool) -> None:
    """Put the body that works with and without the limit, or the one that apply left, into track_preset_usage()."""
    with db.transaction(limits):
        db.claim()
        for function, saved in _saved_recorders(seen):
            body = undoing.loose_body(seen, saved, function) if loose else saved.left_behind or ""
            if body != function.body or not loose:
                db.run(with_body(routine(function), body))


def _refusal(what: str) -> RollbackRefused:
    return RollbackRefused(f"the daily limit cannot come back: {what}", hint=_CHOICES)
