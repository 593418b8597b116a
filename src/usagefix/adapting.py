"""The complete scripts for exactly one database, to read or to run with psql or a migration tool. Reads only."""

from __future__ import annotations

from usagefix import apply, backfill, catalog, rollback, status
from usagefix.catalog import Face, Migration, Statement
from usagefix.database import Database
from usagefix.exporting.step import Scripts, Step, of_counter
from usagefix.models.choices import DailyLimit, Trust
from usagefix.models.migration import State
from usagefix.planning.ahead import Changes, changes, way_back
from usagefix.planning.plan import Plan, text_of
from usagefix.planning.scene import Scene

# Outside of a transaction the server refuses it, before anything is half done.
_ONE_TRANSACTION = "LOCK TABLE pg_catalog.pg_class IN ACCESS SHARE MODE; -- run all of this as one transaction: psql -1"


def script(
    db: Database,
    migration: Migration,
    face: Face,
    limit: DailyLimit = DailyLimit.RESTORE,
    believed: Trust | None = None,
) -> str:
    """The script for one face of a version, for each counter. ``limit``: what a rollback does about the daily limit;
    ``believed``: the side that a backfill trusts. Raises Refused if a person has something to do first."""
    texts, before, opened = list[str](), list[Changes](), set[str]()
    for counter in reversed(db.counters) if face is Face.ROLLBACK else db.counters:
        db.counter = counter
        if face is Face.APPLY:
            seen, plans = apply.scripts(db, before=before)
            text = text_of(_first(seen, plans[migration], opened))
            before.append(changes(seen, plans[migration]))
        elif face is Face.ROLLBACK:
            text, undone = rollback.script(db, migration, limit, before)
            before.append(undone)
        elif face is Face.BACKFILL:
            text = _backfill(db, migration, believed)
        else:
            text = migration.script(face, counter)
        texts.append(_whatever_is_set(text, face))
    return "\n".join(texts if face is Face.VERIFY else [_ONE_TRANSACTION, *texts])


def _first(seen: Scene, plan: Plan, opened: set[str]) -> tuple[Statement, ...]:
    """The statements of a plan; those that open the ledger in the first script only for the owner of a table."""
    statements = plan.without_ledger if seen.around.owner in opened else plan.statements
    opened.add(seen.around.owner)
    return statements


def _whatever_is_set(text: str, face: Face) -> str:
    """A script that does not depend on the settings of the role, the database or psql."""
    # Quotes would appear in the path of a function, by which the guard recognises a count.
    head = [_local("quote_all_identifiers", "off")] if face is Face.APPLY else []
    if not text.isascii():
        head.append(_local("client_encoding", "UTF8"))
    if face is Face.ROLLBACK:
        head.append(_local("default_tablespace", ""))
    return "\n".join([*head, text])


def _local(name: str, value: str) -> str:
    """``set_config(…, true)`` in place of SET LOCAL, which some pipelines take for their own."""
    return f"DO $do$ BEGIN PERFORM pg_catalog.set_config('{name}', '{value}', true); END $do$;"


def steps(db: Database, to: str | None, believed: Trust | None, limit: DailyLimit) -> list[Step]:
    """What to export for the counters of this database: each version of each is a transaction of its own, with its way
    back. Raises Refused if a person has something to do first."""
    found, before, opened = list[Step](), list[Changes](), set[str]()
    for counter in db.counters:
        db.counter = counter
        seen, plans = apply.scripts(db, to, alone=True, before=before)
        applied = {state.version for state in status.status(db).migrations if state.state is State.APPLIED}
        before += [changes(seen, plan) for plan in plans.values() if plan.migration.version not in applied]
        scripts = {
            migration: Scripts(
                _whatever_is_set(text_of(_first(seen, plan, opened)), Face.APPLY),
                _whatever_is_set(way_back(seen, plan, limit), Face.ROLLBACK),
                migration.version in applied,
            )
            for migration, plan in plans.items()
        }
        backfill = _backfill(db, [*plans][-1], believed)
        found += of_counter(counter, scripts, _whatever_is_set(backfill, Face.BACKFILL), first=not found)
    return found


def _backfill(db: Database, migration: Migration, believed: Trust | None) -> str:
    """The backfill, with statements that keep the application's triggers from firing here."""
    hold = backfill.how_to_hold_off(db)
    setting = [f"DO $do$ BEGIN SET LOCAL {name} = {{}}; END $do$;" for name in hold.settings]
    before = [line.format(value) for line, value in zip(setting, hold.settings.values(), strict=True)]
    after = [line.format("DEFAULT") for line in setting]
    before += [f"{hold.before};"] if hold.before else []
    after += [f"{hold.after};"] if hold.after else []
    opening, *work = (s for s in migration.statements(Face.BACKFILL, db.counter) if not s.is_by_hand)
    off = (
        [Statement("Keep the application's own triggers from firing, because a repair is not a use", "\n".join(before))]
        if before
        else []
    )
    on = [Statement("Let them fire again", "\n".join(after))] if after else []
    return catalog.decided(text_of((opening, *off, *work, *on)), believed)
