"""Lifting and restoring the daily limit without stopping anybody: ``DROP`` and ``CREATE INDEX … CONCURRENTLY``.

Neither can run in a transaction, so for a moment the index and the function that relied on it are out of step.
Meanwhile ``track_preset_usage()`` says ``ON CONFLICT DO NOTHING``, which works with the index and without.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from usagefix.database import Database, Limits
from usagefix.errors import DatabaseRefused, RollbackRefused, UsagefixError

VERSION = "20250930000001"  # the migration that lifts it
WAIT_SECONDS = 20.0
BUILD_SECONDS = 900.0
_WAITS = Limits(attempts=3)
_CHOICES = (
    "usagefix rollback --daily-limit skip leaves the limit off, and keeps the track_preset_usage() of now;"
    " or delete the uses that are too many, and run this again"
)


@dataclass(frozen=True, slots=True)
class Index:
    """The limit as it is now: the columns of ``daily_limit.sql``. ``name`` is written as SQL needs it."""

    name: str
    valid: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """The limit as apply found it: the columns of ``saved_limit.sql``."""

    name: str
    definition: str
    key_columns: list[str]
    predicate: str | None


def present(db: Database) -> Index | None:
    """The limit in this database; None where it is gone."""
    found = db.rows(db.query("daily_limit"), Index)
    return found[0] if found else None


def saved(db: Database) -> Saved | None:
    """The limit that apply recorded; None where there was none."""
    found = db.rows(db.query("saved_limit"), Saved)
    return found[0] if found else None


def lifting(name: str) -> str:
    """The statement that drops the index without stopping readers or writers."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


def lift(db: Database, limit: Index) -> None:
    """Drop the index without stopping readers or writers. Raises Busy when old transactions do not end."""
    db.retrying(lambda: db.run_alone(lifting(limit.name), WAIT_SECONDS), _WAITS, readers=True)
    db.changes.append("the daily limit is gone")


def refuse_if_broken(db: Database, limit: Saved) -> None:
    """Raise RollbackRefused where uses since then break the limit."""
    keys = ", ".join(limit.key_columns)
    where = "true" if "NULLS NOT DISTINCT" in limit.definition else f"num_nulls({keys}) = 0"
    where += f" AND ({limit.predicate})" if limit.predicate else ""
    with db.snapshot():
        (groups,) = db.tuple(
            # The names come from the catalog's own text of the index.
            f"SELECT count(*) FROM (SELECT FROM {db.counter.child_sql} WHERE {where}"  # noqa: S608
            f" GROUP BY {keys} HAVING count(*) > 1) AS broken"
        )
    if groups:
        cases = "1 case" if groups == 1 else f"{groups} cases"
        raise _refusal(f"in {cases} one person used a preset more than once on a day, which the limit forbids")


def refuse_if_edited(db: Database) -> None:
    """Raise RollbackRefused where track_preset_usage() is not the one that apply left: putting back the old one would
    lose somebody's work."""
    for tracker in db.rows(db.query("tracker"), Tracker):
        # The loose one is there after a rollback that was interrupted.
        if tracker.left_by_apply is not None and tracker.body not in (tracker.left_by_apply, tracker.loose):
            raise RollbackRefused(
                "track_preset_usage() was changed after apply; going back would lose that change",
                hint="usagefix rollback --daily-limit skip keeps the function of now",
            )


def restore(db: Database, limit: Saved, limits: Limits | None = None) -> None:
    """Build the index again without stopping writers. Leaves nothing of it behind when uses break it meanwhile.

    Raises RollbackRefused then.
    """
    before = len(db.changes)
    db.retrying(lambda: _loosen(db, limits, loose=True), limits)
    db.changes.append("track_preset_usage() works with and without the daily limit")
    try:
        left = present(db)
        if left is not None:
            lift(db, left)
        build = limit.definition.replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1)
        db.run_alone(build, BUILD_SECONDS)
    except BaseException as error:
        db.changes.append("an unfinished daily limit may be left, which usagefix apply removes")
        with suppress(UsagefixError):
            db.run_alone(lifting(limit.name), WAIT_SECONDS)
            db.retrying(lambda: _loosen(db, limits, loose=False), limits)
            del db.changes[before:]
        if isinstance(error, DatabaseRefused) and error.sqlstate == "23505":
            raise _refusal("meanwhile somebody used a preset more than once on a day") from None
        raise
    db.changes.append("the daily limit is back")


@dataclass(frozen=True, slots=True)
class Tracker:
    """A track_preset_usage(): the columns of ``tracker.sql``. ``left_by_apply`` is None where apply recorded none."""

    oid: int
    body: str
    before_apply: str | None
    loose: str | None
    left_by_apply: str | None
    in_the_end: str | None


def _loosen(db: Database, limits: Limits | None, *, loose: bool) -> None:
    """Put the body that works with and without the limit, or the one that apply left, into track_preset_usage()."""
    with db.transaction(limits):
        db.claim()
        for tracker in db.rows(db.query("tracker"), Tracker):
            body = tracker.loose if loose else tracker.left_by_apply
            db.run("SELECT usagefix.replace_body(%(oid)s::bigint::oid, %(body)s)", {"oid": tracker.oid, "body": body})


def _refusal(what: str) -> RollbackRefused:
    return RollbackRefused(f"the daily limit cannot come back: {what}", hint=_CHOICES)
