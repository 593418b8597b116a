"""Plans of apply: each version's statements for one database, in full. Raises Refused if a person must do something
first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from usagefix import catalog
from usagefix.catalog import Face, Migration, MigrationKind, Statement
from usagefix.models.choices import GuardMode
from usagefix.picture.code import routine
from usagefix.picture.objects import Function
from usagefix.planning import saving
from usagefix.planning.partitions import on_partitions
from usagefix.planning.plan import Choices, Edit, Plan, refused, signature_of
from usagefix.planning.rivals import Held, guarding, held_off
from usagefix.planning.scene import Scene
from usagefix.planning.stops import stop_if_changed
from usagefix.planning.together import locked_together
from usagefix.quoting import literal, quoted
from usagefix.reading import Uneditable, with_body

_LOCKING = ("CREATE OR REPLACE TRIGGER", "ALTER TABLE", "DROP INDEX", "DROP TRIGGER")
_MODE = re.compile(r"'ignore'\);?\Z")


def plan(scene: Scene, migration: Migration, choices: Choices, *, with_ledger: bool = True) -> Plan:
    """The statements that apply one version here. Raises Refused."""
    match migration.kind:
        case MigrationKind.COUNTING:
            planned = _counting(scene, migration, choices)
        case MigrationKind.GUARD:
            planned = _guard(scene, migration, choices)
        case unknown:
            assert_never(unknown)
    opening = _ledger(scene) if with_ledger else ()
    return replace(planned, statements=(*opening, *planned.statements), opening=len(opening))


def recorder_edits(scene: Scene, choices: Choices) -> tuple[Edit, ...]:
    """The functions that record uses, as apply leaves them."""
    return tuple(_recorder_edit(scene, function, choices) for function in scene.code.recorders)


def _recorder_edit(scene: Scene, function: Function, choices: Choices) -> Edit:
    if function.oid in choices.recorders:
        body, how = choices.recorders[function.oid]
        return Edit(function, body, how)
    try:
        body = scene.code.reader.edited(routine(function), limit_stays=choices.limit_stays) or function.body
    except Uneditable as error:
        raise refused(function, error) from None
    return Edit(function, body, "edited")


def _ledger(scene: Scene) -> tuple[Statement, ...]:
    """The ledger; what closes it only where something may have opened it."""
    statements = catalog.statements(catalog.ledger(scene.counter))
    return statements if scene.around.closing else statements[:-1]


def _counting(scene: Scene, migration: Migration, choices: Choices) -> Plan:
    roles = ["auto_increment", "auto_adjust", *(["auto_count_row", "auto_note"] if scene.partitioned else [])]
    held = tuple(held_off(scene))
    edits = (*(item for item in held if isinstance(item, Edit)), *recorder_edits(scene, choices))
    triggers = [item for item in held if isinstance(item, Held)]
    changed = [edit for edit in edits if edit.changes]
    saved = saving.entries(scene, migration, roles, triggers, changed)
    statements = list(_in_the_way(scene))
    for statement in _without_by_hand(migration, scene, alone=choices.alone):
        if _records(statement):
            if changed or choices.by_hand:
                statements.append(stop_if_changed(scene, changed, later=choices.by_hand))
            statements += saving.notes(scene, saved)
            statements += on_partitions(scene, migration)
            statements += _taken_over(scene, roles)
            statements += _left_on_others(scene)
            statements += [hold for trigger in triggers for hold in trigger.statements]
            statements += [statement for edit in changed for statement in _edited(edit)]
            statements += [_left_behind(scene, migration, edit) for edit in changed]
            if choices.by_hand and scene.code.limit:
                statements.append(Statement("Drop the daily limit", f"DROP INDEX IF EXISTS {scene.code.limit.name};"))
            if choices.limit_stays:
                statements += saving.kept(scene)
                continue  # the version is recorded when the limit is gone
            statements += saving.kept(scene)
        statements.append(statement)
    remarks = tuple(item.remark for item in triggers) + tuple(
        f"trigger {trigger} also counts: its function {edit.function.signature} keeps the rest of its work"
        for edit in edits
        for trigger in scene.code.counting_triggers
        if trigger.function == edit.function.oid
    )
    remarks += tuple(_of_limit(scene))
    together = locked_together(
        [table.name for table in scene.tree],
        "SHARE ROW EXCLUSIVE",
        "Lock all partitions within one lock_timeout, because writers to the whole table wait meanwhile",
    )
    return Plan(migration, tuple(_in_order(statements, together)), edits, remarks, saved=saved)


def _of_limit(scene: Scene) -> Iterator[str]:
    """What else the daily limit was for, which is to be given to another index."""
    table = scene.counter.child_sql
    extras = scene.code.limit.extras if scene.code.limit else []
    if any(" CLUSTER ON " in extra for extra in extras):
        yield (
            f"CLUSTER ordered {table} by the daily limit, which apply drops: name another index, CLUSTER {table} USING"
        )
    if any(" REPLICA IDENTITY USING INDEX " in extra for extra in extras):
        yield (
            f"apply drops the daily limit, which was the replica identity of {table}: before you publish that"
            f" table, ALTER TABLE {table} REPLICA IDENTITY DEFAULT"
        )


def _guard(scene: Scene, migration: Migration, choices: Choices) -> Plan:
    saved = saving.entries(scene, migration, ["guard"], [], [])
    again = tuple(guarding(scene))
    statements: list[Statement] = []
    for statement in _without_by_hand(migration, scene, alone=choices.alone):
        text = statement.text
        if text.startswith("CREATE OR REPLACE TRIGGER"):
            text = _MODE.sub(f"'{choices.mode}');", text)
            if scene.around.parent_partitioned:  # a row that moves to another partition is inserted there
                text = text.replace("BEFORE INSERT OR UPDATE ON", "BEFORE UPDATE ON")
        if _records(statement):
            statements += saving.notes(scene, saved)
            statements += _taken_over(scene, ["guard"], path=False)
            statements += [hold for trigger in again for hold in trigger.statements]
        statements.append(Statement(statement.purpose, text))
    remarks = tuple(trigger.remark for trigger in again)
    return Plan(migration, tuple(_in_order(statements)), remarks=remarks, saved=saved)


def guard_trigger(scene: Scene, mode: GuardMode) -> str:
    """The statement that puts the guard on the counters' table, in a mode."""
    migration = next(m for m in catalog.migrations() if m.kind is MigrationKind.GUARD)
    statements = _guard(scene, migration, Choices(mode=mode)).statements
    return next(s.text for s in statements if s.text.startswith("CREATE OR REPLACE TRIGGER"))


def finish(scene: Scene, migration: Migration) -> Plan:
    """The statements that run after the daily limit is dropped: functions that record uses, as they are in the end."""
    edits = recorder_edits(scene, Choices())
    changed = [edit for edit in edits if edit.changes]
    first, *_, recorded = migration.statements(Face.APPLY, scene.counter)
    stop = [stop_if_changed(scene, changed, later=False)] if changed else []
    edited = [statement for edit in changed for statement in _edited(edit)]
    edited += [_left_behind(scene, migration, edit) for edit in changed]
    return Plan(migration, (first, *stop, *edited, recorded), edits)


def _without_by_hand(migration: Migration, scene: Scene, *, alone: bool) -> Iterator[Statement]:
    """What of the file a plan takes. ``alone``: no version before it is in the same transaction."""
    for statement in migration.statements(Face.APPLY, scene.counter):
        if not statement.is_by_hand and not (alone and statement.is_lock):
            yield statement


def _records(statement: Statement) -> bool:
    return statement.text.startswith("INSERT INTO usagefix.history")


def _in_order(statements: list[Statement], locks: tuple[Statement, ...] = ()) -> list[Statement]:
    """Statements that record what was there come before those that replace it; the stop comes first. Statements that
    make writers wait come last, after the ``locks`` that they need, before the version is recorded."""
    first = [s for s in statements if s.early]
    last = [s for s in statements if s.text.startswith(_LOCKING) or _records(s)]
    rest = [s for s in statements if s not in first and s not in last]
    return [*rest[:1], *first, *rest[1:], *locks, *last]


def _taken_over(scene: Scene, roles: list[str], *, path: bool = True) -> Iterator[Statement]:
    """Owner, path and grants of our functions, where these are not what a new function has."""
    for role in roles:
        signature, there = signature_of(scene, role), scene.named(scene.counter.objects[role])
        if not scene.owner_runs or (there and there.owner != scene.around.owner):
            yield Statement("", f"ALTER FUNCTION {signature} OWNER TO {scene.around.owner_sql};")
        if path and scene.around.path and role != "auto_note":
            schemas = ", ".join([scene.counter.schema_sql, *scene.around.path, "pg_temp", scene.counter.first_permit])
            yield Statement("", f"ALTER FUNCTION {signature} SET search_path = {schemas};")
        if path and scene.around.mixes_zones:
            yield Statement("", f"ALTER FUNCTION {signature} SET timezone = 'UTC';")
        grantees = sorted({*scene.around.grantees, *(there.grantees if there else [])} - {"PUBLIC"})
        if grantees:
            yield Statement("", f"REVOKE ALL ON FUNCTION {signature} FROM {', '.join(grantees)} CASCADE;")


def _in_the_way(scene: Scene) -> Iterator[Statement]:
    """Constraint triggers under names of ours, which CREATE OR REPLACE TRIGGER does not replace."""
    for trigger in scene.triggers_on("preset_usage", "partition"):
        if trigger.constrains and trigger.name in scene.counter.triggers:
            yield Statement(
                f"Drop constraint trigger {trigger}, which cannot be replaced",
                f"DROP TRIGGER {quoted(trigger.name)} ON {trigger.on_table};",
            )


def _left_on_others(scene: Scene) -> Iterator[Statement]:
    """Our triggers on what was the table of events by the definition before."""
    purpose = "The triggers on the table of events before"
    for trigger in scene.code.triggers if {"child", "child_schema"} & set(scene.renewed) else ():
        if trigger.place == "elsewhere" and trigger.name in scene.counter.triggers and not trigger.cloned:
            yield Statement(purpose, f"DROP TRIGGER {quoted(trigger.name)} ON {trigger.on_table};")
            purpose = ""


def _edited(edit: Edit) -> Iterator[Statement]:
    try:
        text = with_body(routine(edit.function), edit.body).rstrip()
    except Uneditable as error:
        raise refused(edit.function, error) from None
    yield Statement(f"{edit.function.signature}, {edit.how}", f"{text};")
    yield from (Statement("", f"{needed};") for needed in edit.function.needing)


def _left_behind(scene: Scene, migration: Migration, edit: Edit) -> Statement:
    signature = literal(edit.function.signature)
    return Statement(
        "",
        "UPDATE usagefix.saved_objects SET left_behind = prosrc FROM pg_proc\n"  # noqa: S608 - literals of our own
        f"WHERE counter = {literal(scene.counter.slug)} AND version = {literal(migration.version)}\n"
        f"    AND kind = 'function' AND identity = {signature} AND oid = {signature}::regprocedure;",
    )
