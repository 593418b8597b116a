"""Drops and restores the daily limit without stopping anybody: ``DROP`` and ``CREATE INDEX … CONCURRENTLY``. Neither
can run in a transaction, so for a moment the index and the function that relied on it do not fit. Meanwhile
``track_preset_usage()`` says ``ON CONFLICT DO NOTHING``, which works with the index and without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from usagefix import forbidden
from usagefix.database import Database, Limits
from usagefix.errors import Busy, DatabaseRefused, NotPermitted, RollbackRefused, UsagefixError
from usagefix.ledger import Saved
from usagefix.models.figures import plural
from usagefix.picture.code import Limit, routine
from usagefix.picture.objects import Function
from usagefix.picture.obstacles import said
from usagefix.planning import expected, remembered, undoing
from usagefix.planning.before import is_recorder, loose_body
from usagefix.planning.scene import Scene, scene
from usagefix.reading import with_body

WAIT_SECONDS = 20.0
BUILD_SECONDS = 900.0
_WAITS = Limits(attempts=3)
_SKIP = "usagefix rollback --daily-limit skip leaves the limit off, and keeps the present track_preset_usage()"
_BROKEN = f"{_SKIP}; or delete the surplus uses, and run this again"
_REFUSED = f"{_SKIP}; or change that, and run this again"
# Statements on the table that complete an index.
_INDEX_OF_TABLE = re.compile(r"\AALTER TABLE .* (REPLICA IDENTITY USING INDEX|CLUSTER ON) .*\Z", re.DOTALL)


def lifting(name: str) -> str:
    """The statement that drops the index without stopping readers or writers."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


def lift(db: Database, name: str) -> None:
    """Drop the index without stopping readers or writers. Raises Busy if old transactions do not end."""
    db.retrying(lambda: db.run_alone(lifting(name), WAIT_SECONDS), _WAITS, readers=True)
    db.changes.append("the daily limit is gone")


def refuse_if_broken(db: Database, seen: Scene, limit: Saved) -> None:
    """Raise RollbackRefused if later uses violate the limit. The definition in the ledger runs as the owner of the
    tables, in a function that cannot change its role."""
    expected.require(seen, limit)
    keys = ", ".join(limit.key_columns or ())
    where = "true" if "NULLS NOT DISTINCT" in (limit.definition or "") else f"pg_catalog.num_nulls({keys}) = 0"
    where += f" AND ({limit.predicate})" if limit.predicate else ""
    broken = f"SELECT FROM {db.counter.child_sql} WHERE {where} GROUP BY {keys} HAVING pg_catalog.count(*) > 1"
    try:
        with forbidden.named(db), db.transaction(Limits(statement_timeout=0), rollback=True):
            db.run(undoing.confined(seen, f"SELECT pg_catalog.count(*) FROM ({broken}) AS broken"))  # noqa: S608
            (groups,) = db.values(f"SELECT {undoing.CONFINED}")
    except DatabaseRefused as refused:
        if (refused.sqlstate or "")[:2] != "42" or isinstance(refused, NotPermitted):
            raise
        raise _refusal(said(refused), _REFUSED) from None  # a column has another name or type
    if groups:
        raise _refusal(
            f"in {plural(groups, 'case')} one person used a preset more than once on a day, which the limit forbids"
        )


def refuse_if_taken(db: Database, seen: Scene, limit: Saved) -> None:
    """Raise RollbackRefused if another object has the name of the limit now."""
    there = seen.code.limit
    taken = db.values("SELECT pg_catalog.to_regclass(%(name)s) IS NOT NULL", {"name": limit.identity})[0]
    if taken and (there is None or there.name != limit.identity):
        now = present(db)
        if now is not None and now.name == limit.identity:
            raise Busy("another rollback has built the daily limit meanwhile", hint="run this again")
        raise RollbackRefused(
            f"the daily limit cannot come back: {limit.identity} is now the name of another object",
            hint=f"rename that object, then run this again; or {_SKIP}",
        )


def refused_of_copy(db: Database, seen: Scene, extras: Iterable[str]) -> dict[str, str]:
    """Build the limit on an empty copy of the table, and complete it. Returns the statements that the server
    refuses, and why. All of it is undone. Raises RollbackRefused if the limit itself cannot be built."""
    limit, table = seen.ledger.limit, seen.tree[0].name
    assert limit is not None  # noqa: S101
    expected.require(seen, limit)
    tail = (limit.definition or "").partition(f" ON {table} USING ")[2]
    found: dict[str, str] = {}
    with db.transaction(rollback=True):
        if seen.around.superuser and not seen.owner_runs:
            db.run(f"SET LOCAL ROLE {seen.around.owner_sql}")
        try:
            db.run(f"CREATE TEMPORARY TABLE usagefix_copy (LIKE {table})")
        except NotPermitted:
            return found  # nothing can be tried here
        try:
            db.run(f"CREATE UNIQUE INDEX usagefix_copy_limit ON pg_temp.usagefix_copy USING {tail}")
        except DatabaseRefused as refused:
            raise _refusal(said(refused), _REFUSED) from None
        for extra in extras:
            on_copy = extra.replace(f"INDEX {limit.identity} ", "INDEX pg_temp.usagefix_copy_limit ", 1)
            on_copy = _INDEX_OF_TABLE.sub(r"ALTER TABLE pg_temp.usagefix_copy \1 usagefix_copy_limit;", on_copy)
            db.run("SAVEPOINT extra")
            try:
                db.run(on_copy)
            except DatabaseRefused as refused:
                db.run("ROLLBACK TO SAVEPOINT extra")
                found[extra] = said(refused)
    return found


def refuse_if_edited(seen: Scene) -> None:
    """Raise RollbackRefused if somebody edited track_preset_usage() after apply: the old body would lose that edit."""
    for function, saved in _saved_recorders(seen):
        # An interrupted rollback leaves the loose one.
        if function.body not in (saved.left_behind, loose_body(seen, saved, function)):
            raise RollbackRefused(
                f"{function.name}() was changed after apply; rollback would lose that change",
                hint="usagefix rollback --daily-limit skip keeps the present function",
            )


def restore(db: Database, seen: Scene, limit: Saved, limits: Limits | None = None) -> None:
    """Build the index again without stopping writers. If uses violate it meanwhile, nothing of it is left. Raises
    RollbackRefused then."""
    before = len(db.changes)
    db.retrying(lambda: _loosen(db, seen, limits, loose=True), limits)
    db.changes.append("track_preset_usage() works with and without the daily limit")
    try:
        db.retrying(lambda: _build(db, limit), _WAITS)
    except BaseException as error:
        db.changes.append("an unfinished daily limit may be left; usagefix apply removes it")
        with suppress(UsagefixError):
            left, others = present(db), _building(db)
            if not others and (left is None or not left.valid):  # otherwise it is of another rollback
                db.run_alone(lifting(limit.identity), WAIT_SECONDS)
                db.retrying(lambda: _loosen(db, seen, limits, loose=False), limits)
                del db.changes[before:]
        if isinstance(error, DatabaseRefused) and error.sqlstate == "23505":
            raise _refusal("meanwhile somebody used a preset more than once on a day") from None
        raise
    db.changes.append("the daily limit is back")


def _build(db: Database, limit: Saved) -> None:
    """Build the index, unless it is there. Raises Busy while somebody else builds one: the server may end one of two
    that wait for each other as a deadlock, and leave an index that is not valid."""
    if _building(db):
        raise Busy(f"another session builds an index of {db.counter.child}", hint="run this again", sqlstate="55P03")
    left = present(db)
    if left is not None and left.valid:
        return
    if left is not None:
        db.run_alone(lifting(left.name), WAIT_SECONDS)
    db.run_alone(
        (limit.definition or "").replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1), BUILD_SECONDS
    )


def _building(db: Database) -> bool:
    """Whether another session builds an index of the events."""
    return bool(db.values("SELECT pid FROM pg_stat_progress_create_index WHERE relid = to_regclass(%(child)s)"))


def present(db: Database) -> Limit | None:
    """The limit in this database; None if there is none."""
    with db.snapshot():
        return scene(db).code.limit


def _saved_recorders(seen: Scene) -> list[tuple[Function, Saved]]:
    """The functions that record uses and that apply edited, each with what the ledger has of it."""
    saved = [entry for entry in seen.ledger.saved if entry.kind == "function" and entry.left_behind]
    found = [(there, entry) for entry in saved if (there := remembered.function(seen, entry)) is not None]
    return [(there, entry) for there, entry in found if is_recorder(seen, entry, there)]


def _loosen(db: Database, seen: Scene, limits: Limits | None, *, loose: bool) -> None:
    """Put the body that works with and without the limit, or the one that apply left, into track_preset_usage()."""
    with db.transaction(limits):
        db.claim()
        for function, saved in _saved_recorders(seen):
            body = loose_body(seen, saved, function) if loose else saved.left_behind or ""
            if body != function.body or not loose:
                db.run(";\n".join([with_body(routine(function), body), *function.needing]))


def _refusal(what: str, hint: str = _BROKEN) -> RollbackRefused:
    return RollbackRefused(f"the daily limit cannot come back: {what}", hint=hint)
