"""The scripts for exactly one database, in full, to read or to run with psql or a migration tool. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from usagefix import apply, backfill, catalog, rollback, status
from usagefix.catalog import Face, Migration, Statement
from usagefix.database import Database
from usagefix.exporting.step import Scripts, Step, of_counter
from usagefix.models.choices import DailyLimit, Trust
from usagefix.models.migration import State
from usagefix.planning.ahead import way_back
from usagefix.planning.plan import text_of


def script(
    db: Database,
    migration: Migration,
    face: Face,
    limit: DailyLimit = DailyLimit.RESTORE,
    believed: Trust | None = None,
) -> str:
    """What to run for a face of a version here. ``limit``: what a rollback does about the daily limit; ``believed``:
    the side that a backfill takes for true.

    Raises Refused where a person has something to do first.
    """
    return _whatever_is_set(_script(db, migration, face, limit, believed), face)


def _whatever_is_set(text: str, face: Face) -> str:
    """A script that means the same whatever the role, the database or psql is set to."""
    # Quotes would also stand in the path of a function, by which the guard knows a count.
    head = [_local("quote_all_identifiers", "off")] if face is Face.APPLY else []
    if not text.isascii():
        head.append(_local("client_encoding", "UTF8"))
    if face is Face.ROLLBACK:
        head.append(_local("default_tablespace", ""))
    return "\n".join([*head, text])


def _local(name: str, value: str) -> str:
    """Not SET LOCAL, which some pipelines take for their own."""
    return f"DO $do$ BEGIN PERFORM pg_catalog.set_config('{name}', '{value}', true); END $do$;"


def _script(db: Database, migration: Migration, face: Face, limit: DailyLimit, believed: Trust | None) -> str:
    match face:
        case Face.APPLY:
            return apply.scripts(db)[1][migration].script
        case Face.ROLLBACK:
            return rollback.script(db, migration, limit)
        case Face.BACKFILL:
            return catalog.decided(text_of(_backfill(db, migration)), believed)
        case Face.VERIFY:
            return migration.read(face, db.counter)
        case unknown:
            assert_never(unknown)


def steps(
    db: Database, to: str | None, believed: Trust | None, limit: DailyLimit, *, first: bool = True
) -> Iterator[Step]:
    """What to export for a counter of this database: each version is a transaction of its own, with its way back.
    ``first``: the ledger is in the first of them. Raises Refused where a person has something to do first."""
    seen, plans = apply.scripts(db, to, alone=True)
    applied = {state.version for state in status.status(db).migrations if state.state is State.APPLIED}
    scripts = {
        migration: Scripts(
            _whatever_is_set(text_of(plan.statements if first and place == 0 else plan.without_ledger), Face.APPLY),
            _whatever_is_set(way_back(seen, plan, limit), Face.ROLLBACK),
            migration.version in applied,
        )
        for place, (migration, plan) in enumerate(plans.items())
    }
    backfill = script(db, [*plans][-1], Face.BACKFILL, believed=believed)
    return of_counter(db.counter, scripts, backfill, first=first)


def _backfill(db: Database, migration: Migration) -> tuple[Statement, ...]:
    """The backfill, with the application's triggers held off as it works here."""
    hold = backfill.how_to_hold_off(db)
    setting = [f"DO $do$ BEGIN SET LOCAL {name} = {{}}; END $do$;" for name in hold.settings]
    before = [line.format(value) for line, value in zip(setting, hold.settings.values(), strict=True)]
    after = [line.format("DEFAULT") for line in setting]
    before += [f"{hold.before};"] if hold.before else []
    after += [f"{hold.after};"] if hold.after else []
    opening, *work = (s for s in migration.statements(Face.BACKFILL, db.counter) if not s.is_by_hand)
    off = (
        [Statement("Hold the application's own triggers off: a repair is no use", "\n".join(before))] if before else []
    )
    on = [Statement("Let them go", "\n".join(after))] if after else []
    return (opening, *off, *work, *on)
