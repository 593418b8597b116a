"""Plans of apply: each version's statements for one database, in full.

Raises Refused for what a person must do first.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from usagefix import catalog
from usagefix.catalog import Face, Migration, MigrationKind, Statement
from usagefix.counter import quoted
from usagefix.errors import Refused
from usagefix.models.choices import GuardMode
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning.scene import EventTable, Scene
from usagefix.planning.trial import literal
from usagefix.reading import Edited, OnlyCounts, Uneditable, with_body

_LOCKING = ("CREATE OR REPLACE TRIGGER", "ALTER TABLE", "DROP INDEX")
_MODE = re.compile(r"'ignore'\);?\Z")
_LINE = 100  # characters, beside what stands before them


@dataclass(frozen=True, slots=True)
class Edit:
    """A function that apply edits. ``how``: edited, repaired, rewritten, or kept as it is."""

    function: Function
    body: str
    how: str

    @property
    def changes(self) -> bool:
        return self.body != self.function.body


@dataclass(frozen=True, slots=True)
class Choices:
    """What was decided before a plan is made. ``limit_stays``: the daily limit is dropped on its own later;
    ``recorders``: bodies, and how they came about, of functions that record uses, by oid, where edited is not what they
    are; ``mode``: the guard's; ``by_hand``: the plan is for psql or a migration tool, so it drops the limit itself;
    ``alone``: each version is a transaction of its own."""

    limit_stays: bool = False
    recorders: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    mode: GuardMode = GuardMode.IGNORE
    by_hand: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply does for one version. ``edits``: functions of the application; ``remarks``: what it has to say;
    ``opening``: how many of the statements open the ledger."""

    migration: Migration
    statements: tuple[Statement, ...]
    edits: tuple[Edit, ...] = ()
    remarks: tuple[str, ...] = ()
    opening: int = 0

    @property
    def without_ledger(self) -> tuple[Statement, ...]:
        """The statements without those that open the ledger."""
        return self.statements[self.opening :]

    @property
    def script(self) -> str:
        """All of it as one text."""
        return text_of(self.statements)


def text_of(statements: tuple[Statement, ...]) -> str:
    """Statements with their comments, as a file; what the first one sets for the transaction is set once."""
    first, *rest = statements
    text = _commented(first)
    for statement in rest:
        if statement != first:
            text += ("\n\n" if statement.purpose else "\n") + _commented(statement)
    return f"{text}\n"


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
        raise _refused(function, error) from None
    return Edit(function, body, "edited")


def _ledger(scene: Scene) -> tuple[Statement, ...]:
    """The ledger; what closes it only where something may have opened it."""
    statements = catalog.statements(catalog.ledger(scene.counter))
    return statements if scene.around.closing else statements[:-1]


def _counting(scene: Scene, migration: Migration, choices: Choices) -> Plan:
    roles = ["auto_increment", "auto_adjust", *(["auto_count_row", "auto_note"] if scene.partitioned else [])]
    held = tuple(_held_off(scene))
    edits = (*(item for item in held if isinstance(item, Edit)), *recorder_edits(scene, choices))
    triggers = [item for item in held if isinstance(item, _Held)]
    changed = [edit for edit in edits if edit.changes]
    statements: list[Statement] = []
    for statement in _without_by_hand(migration, scene, alone=choices.alone):
        if _records(statement):
            if choices.by_hand:
                statements.append(_stop_if_triggered(scene, changed))
            statements += _notes(scene, migration, roles, triggers, changed)
            statements += _on_partitions(scene, migration)
            statements += _taken_over(scene, roles)
            statements += [hold for trigger in triggers for hold in trigger.statements]
            statements += [_edited(edit) for edit in changed]
            statements += [_left_behind(migration, edit) for edit in changed]
            if choices.by_hand and scene.code.limit:
                statements.append(Statement("Lift the daily limit", f"DROP INDEX IF EXISTS {scene.code.limit.name};"))
            if choices.limit_stays:
                continue  # the version is recorded when the limit is gone
        statements.append(statement)
    remarks = tuple(item.remark for item in triggers) + tuple(
        f"trigger {trigger} counts too: its function {edit.function.signature} does the rest of its work without that"
        for edit in edits
        for trigger in scene.code.counting_triggers
        if trigger.function == edit.function.oid
    )
    return Plan(migration, tuple(_in_order(statements)), edits, remarks)


def _guard(scene: Scene, migration: Migration, choices: Choices) -> Plan:
    statements: list[Statement] = []
    for statement in _without_by_hand(migration, scene, alone=choices.alone):
        text = statement.text
        if text.startswith("CREATE OR REPLACE TRIGGER"):
            text = _MODE.sub(f"'{choices.mode}');", text)
            if scene.around.parent_partitioned:  # a row that moves to another partition is inserted there
                text = text.replace("BEFORE INSERT OR UPDATE ON", "BEFORE UPDATE ON")
        if _records(statement):
            statements += _notes(scene, migration, ["guard"], [], [])
            statements += _taken_over(scene, ["guard"], path=False)
        statements.append(Statement(statement.purpose, text))
    return Plan(migration, tuple(_in_order(statements)))


def guard_trigger(scene: Scene, mode: GuardMode) -> str:
    """The statement that puts the guard on the counters' table, in a mode."""
    migration = next(m for m in catalog.migrations() if m.kind is MigrationKind.GUARD)
    statements = _guard(scene, migration, Choices(mode=mode)).statements
    return next(s.text for s in statements if s.text.startswith("CREATE OR REPLACE TRIGGER"))


def finish(scene: Scene, migration: Migration) -> Plan:
    """The statements that are left when the daily limit is gone: functions that record uses as they are in the end."""
    edits = recorder_edits(scene, Choices())
    changed = [edit for edit in edits if edit.changes]
    first, *_, recorded = migration.statements(Face.APPLY, scene.counter)
    stop = [_stop_if_changed(changed)] if changed else []
    edited = [_edited(edit) for edit in changed] + [_left_behind(migration, edit) for edit in changed]
    return Plan(migration, (first, *stop, *edited, recorded), edits)


def _without_by_hand(migration: Migration, scene: Scene, *, alone: bool) -> Iterator[Statement]:
    """What of the file a plan takes. ``alone``: no version before it is in the same transaction."""
    for statement in migration.statements(Face.APPLY, scene.counter):
        if not statement.is_by_hand and not (alone and statement.purpose.startswith("Lock presets")):
            yield statement


def _records(statement: Statement) -> bool:
    return statement.text.startswith("INSERT INTO usagefix.history")


def _in_order(statements: list[Statement]) -> list[Statement]:
    """What notes what was there before goes before what replaces it; the stop, before all. What makes writers wait goes
    last, before the version is recorded."""
    first = [s for s in statements if s.purpose.startswith(("Note what", "Stop "))]
    last = [s for s in statements if s.text.startswith(_LOCKING) or _records(s)]
    rest = [s for s in statements if s not in first and s not in last]
    return [*rest[:1], *first, *rest[1:], *last]


# What was there before.


def _notes(
    scene: Scene, migration: Migration, roles: list[str], triggers: list[_Held], edits: list[Edit]
) -> Iterator[Statement]:
    """Stops where what this version replaces is not what this plan was made for, and notes it."""
    if edits:
        yield _stop_if_changed(edits)
    rows = [
        _saved_function(migration, function)
        for role in roles
        if (function := _foreign(scene, scene.counter.objects[role]))
    ]
    rows += [_saved(migration, "function", f.signature, "NULL", [], "kept") for f in _left_over(scene, roles)]
    rows += [_saved_function(migration, edit.function, how=edit.how) for edit in edits]
    rows += [_saved_trigger(migration, trigger) for trigger in _foreign_triggers(scene, migration)]
    rows += [_saved_trigger(migration, held.trigger) for held in triggers]
    if migration.kind is MigrationKind.COUNTING and scene.code.limit and scene.code.limit.valid:
        rows.append(_saved_limit(scene, migration))
    if rows:
        columns = "version, kind, identity, definition, extras, how, key_columns, key_attributes, predicate"
        yield Statement(
            "Note what was there before; only once, a second run finds what this one made",
            f"INSERT INTO usagefix.saved_objects (\n    {columns})\nVALUES {(',' + chr(10) + '    ').join(rows)}\n"
            "ON CONFLICT DO NOTHING;",
        )


def _saved_function(migration: Migration, function: Function, how: str | None = None) -> str:
    extras = [] if how else function.extras  # of an edited one grants and owner were never touched
    definition = f"pg_get_functiondef({literal(function.signature)}::regprocedure)"
    return _saved(migration, "function", function.signature, definition, extras, how)


def _saved_trigger(migration: Migration, trigger: Trigger) -> str:
    state = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}.get(trigger.enabled, "ENABLE")
    extras = [f"ALTER TABLE {trigger.on_table} {state} TRIGGER {quoted(trigger.name)}"]
    return _saved(migration, "trigger", str(trigger), literal(trigger.definition), extras)


def _saved_limit(scene: Scene, migration: Migration) -> str:
    limit = scene.code.limit
    assert limit is not None  # noqa: S101
    of_index = (limit.key_columns, limit.key_attributes, limit.predicate)
    return _saved(migration, "index", limit.name, literal(limit.definition), limit.extras, None, of_index)


def _saved(
    migration: Migration, kind: str, identity: str, definition: str, extras: list[str], how: str | None = None,
    of_index: tuple[list[str], list[str], str | None] | None = None,
) -> str:  # fmt: skip
    keys, attributes, predicate = of_index or (None, None, None)
    values = [
        literal(migration.version), literal(kind), literal(identity), definition, _array(extras), _optional(how),
        _array(keys), _array(attributes), _optional(predicate),
    ]  # fmt: skip
    return f"({_folded(values)})"


def _folded(values: list[str]) -> str:
    """Values in lines that are read without scrolling."""
    lines = [""]
    for value in values:
        if lines[-1] and len(lines[-1]) + len(value) > _LINE:
            lines.append("")
        lines[-1] += f"{value}, "
    return "\n        ".join(line.rstrip() for line in lines).rstrip(",")


def _array(texts: list[str] | None) -> str:
    return "NULL" if texts is None else f"ARRAY[{', '.join(map(literal, texts))}]::text[]"


def _optional(text: str | None) -> str:
    return "NULL" if text is None else literal(text)


def _foreign(scene: Scene, name: str) -> Function | None:
    """Somebody else's function under a name of ours."""
    function = scene.named(name)
    return function if function and not scene.code.is_released(function) and not _ours_once(scene, function) else None


def _left_over(scene: Scene, roles: list[str]) -> list[Function]:
    """Functions of ours that the ledger knows nothing of: it was lost, and with it what was there before them."""
    there = [scene.named(scene.counter.objects[role]) for role in roles]
    return [f for f in there if f is not None and scene.code.is_released(f) and not _ours_once(scene, f)]


def _ours_once(scene: Scene, function: Function) -> bool:
    """Whether the ledger has this function as one of ours, or as what ours replaced."""
    return any(saved.kind == "function" and saved.identity == function.signature for saved in scene.ledger.saved)


def _foreign_triggers(scene: Scene, migration: Migration) -> Iterator[Trigger]:
    """Triggers under names of ours that do not call functions of ours; the ledger has what was noted before."""
    place = ("presets",) if migration.kind is MigrationKind.GUARD else ("preset_usage", "partition")
    for trigger in scene.triggers_on(*place):
        function = scene.code.function(trigger.function)
        ours = function is not None and (scene.code.is_released(function) or _ours_once(scene, function))
        if trigger.name in scene.counter.triggers and not ours:
            yield trigger


# What ours need beside their file.


def _taken_over(scene: Scene, roles: list[str], *, path: bool = True) -> Iterator[Statement]:
    """Owner, path and grants of our functions, where these are not what a new function has."""
    for role in roles:
        signature, there = _signature(scene, role), scene.named(scene.counter.objects[role])
        if not scene.owner_runs or (there and there.owner != scene.around.owner):
            yield Statement("", f"ALTER FUNCTION {signature} OWNER TO {scene.around.owner_sql};")
        if path and scene.around.path and role != "auto_note":
            schemas = ", ".join([scene.counter.schema_sql, *scene.around.path, "pg_temp"])
            yield Statement("", f"ALTER FUNCTION {signature} SET search_path = {schemas};")
        if path and scene.around.mixes_zones:
            yield Statement("", f"ALTER FUNCTION {signature} SET timezone = 'UTC';")
        grantees = sorted({*scene.around.grantees, *(there.grantees if there else [])} - {"PUBLIC"})
        if grantees:
            yield Statement("", f"REVOKE ALL ON FUNCTION {signature} FROM {', '.join(grantees)} CASCADE;")


def _signature(scene: Scene, role: str) -> str:
    return f"{scene.counter.schema_sql}.{scene.counter.sql(role)}()"


def _on_partitions(scene: Scene, migration: Migration) -> Iterator[Statement]:
    """What counts writes straight into a partition: triggers of its own; row by row where it comes later."""
    if not scene.partitioned:
        return
    yield from migration.partitions(scene.counter)
    for table in scene.tree:
        if table.kind == "p":
            yield from _noting(scene, table)
        if not table.whole:
            yield from _own_triggers(scene, migration, table)


def _noting(scene: Scene, table: EventTable) -> Iterator[Statement]:
    for role, timing in (("trigger_auto_note_enter", "BEFORE"), ("trigger_auto_note_leave", "AFTER")):
        yield Statement(
            f"Statements on the whole of {table.name} are counted as a whole" if timing == "BEFORE" else "",
            f"CREATE OR REPLACE TRIGGER {scene.counter.sql(role)}\n"
            f"    {timing} INSERT OR DELETE OR UPDATE ON {table.name}\n"
            f"    FOR EACH STATEMENT EXECUTE FUNCTION {_signature(scene, 'auto_note')};",
        )


def _own_triggers(scene: Scene, migration: Migration, table: EventTable) -> Iterator[Statement]:
    purpose = f"The triggers of partition {table.name}"
    for statement in migration.statements(Face.APPLY, scene.counter):
        text = statement.text
        if not text.startswith("CREATE OR REPLACE TRIGGER") or ("TRUNCATE" in text and table.kind == "p"):
            continue
        text = text.replace(f" ON {scene.counter.child_sql}", f" ON {table.name}").replace("();", "('partition');")
        yield Statement(purpose, text.replace("AFTER TRUNCATE", "BEFORE TRUNCATE"))
        purpose = ""
    if table.kind == "r":  # it has triggers of its own
        row = scene.counter.sql("trigger_auto_count_row")
        yield Statement("", f"ALTER TABLE {table.name} DISABLE TRIGGER {row};")


# What else counts.


@dataclass(frozen=True, slots=True)
class _Held:
    """A trigger that is held off, with how, and what there is to say of it."""

    trigger: Trigger
    statements: tuple[Statement, ...]
    remark: str


def _held_off(scene: Scene) -> Iterator[_Held | Edit]:
    """What is done about each trigger of others that counts what ours are about to count. One that does nothing else is
    disabled, or narrowed to its other events; out of one that does more the counting is taken."""
    seen: set[int] = set()
    for trigger in scene.code.counting_triggers:
        function = scene.code.function(trigger.function)
        assert function is not None  # noqa: S101
        if scene.code.is_released(function):
            yield _held(trigger)
            continue
        try:
            verdict = scene.code.reader.of_trigger(routine(function))
        except Uneditable as error:
            raise _refused(function, error, trigger) from None
        if isinstance(verdict, OnlyCounts):
            yield _held(trigger)
        elif isinstance(verdict, Edited) and not _serves_others(scene, trigger):
            if function.oid not in seen:
                yield Edit(function, verdict.body, "edited")
            seen.add(function.oid)
        elif isinstance(verdict, Edited):
            raise Refused(
                f"trigger {trigger} counts too, and does more than that",
                hint=f"remove from {function.signature} what changes the counter, then run this again",
            )
        else:
            raise Refused(
                f"trigger {trigger} counts too: {verdict.reason}"
                + (f" (line {verdict.line} of {function.signature})" if verdict.line else ""),
                hint=f"remove from {function.signature} what changes the counter, then run this again",
            )


def _serves_others(scene: Scene, trigger: Trigger) -> bool:
    """Whether its function is that of other triggers too, which may not be triggers of events."""
    return any(
        other.function == trigger.function and not other.cloned and str(other) != str(trigger)
        for other in scene.code.triggers
    )


def _held(trigger: Trigger) -> _Held:
    name = quoted(trigger.name)
    statement = Statement(
        f"Hold off trigger {trigger}, which counts too", f"ALTER TABLE {trigger.on_table} DISABLE TRIGGER {name};"
    )
    return _Held(trigger, (statement,), f"trigger {trigger} counts too: it is held off from now on")


def _stop_if_changed(edits: list[Edit]) -> Statement:
    expected = ",\n            ".join(
        f"({literal(edit.function.signature)},\n            "
        f"{literal(_md5(edit.function.body))}, {literal(_md5(edit.body))})"
        for edit in edits
    )
    return Statement(
        "Stop where a function is not the one that this was written for",
        f"""DO $do$
BEGIN
    IF EXISTS (
        SELECT FROM (VALUES {expected}) AS expected (signature, before, after)
        LEFT JOIN pg_proc AS functions ON functions.oid = to_regprocedure(expected.signature)
        WHERE COALESCE(md5(functions.prosrc), '') NOT IN (expected.before, expected.after)
    ) THEN
        RAISE EXCEPTION 'a function is not the one that this script was written for'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Write the script anew.';
    END IF;
END
$do$;""",
    )


def _stop_if_triggered(scene: Scene, edits: list[Edit]) -> Statement:
    """For a script that runs without a trial, and later: a trigger that was not read may count, too."""
    bodies = {f.oid: [f.body] for f in scene.code.functions}
    for edit in edits:
        bodies[edit.function.oid] = [edit.function.body, edit.body]
    read = [
        f"{trigger.name} {_md5(body)}"
        for trigger in scene.triggers_on("preset_usage")
        if trigger.name not in scene.counter.triggers
        for body in bodies.get(trigger.function, [])
    ]
    return Statement(
        "Stop where an event fires a trigger that was not there, or not the same, when this was written",
        f"""DO $do$
DECLARE
    unread text;
BEGIN
    SELECT string_agg(existing.tgname, ', ') INTO unread
    FROM pg_trigger AS existing JOIN pg_proc AS functions ON functions.oid = existing.tgfoid
    WHERE existing.tgrelid = {literal(scene.counter.child_sql)}::regclass AND NOT existing.tgisinternal
        AND existing.tgname <> ALL ({_array(sorted(scene.counter.triggers))})
        AND concat(existing.tgname, ' ', md5(functions.prosrc)) <> ALL ({_array(read)});
    IF unread IS NOT NULL THEN
        RAISE EXCEPTION 'this script was written before trigger %, which may count, too', unread
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Write the script anew.';
    END IF;
END
$do$;""",  # noqa: S608 - literals of our own
    )


def _edited(edit: Edit) -> Statement:
    try:
        text = with_body(routine(edit.function), edit.body).rstrip()
    except Uneditable as error:
        raise _refused(edit.function, error) from None
    return Statement(f"{edit.function.signature}, {edit.how}", f"{text};")


def _left_behind(migration: Migration, edit: Edit) -> Statement:
    signature = literal(edit.function.signature)
    return Statement(
        "",
        "UPDATE usagefix.saved_objects SET left_behind = prosrc FROM pg_proc\n"  # noqa: S608 - literals of our own
        f"WHERE version = {literal(migration.version)} AND kind = 'function' AND identity = {signature}\n"
        f"    AND oid = {signature}::regprocedure;",
    )


def _refused(function: Function, error: Uneditable, trigger: Trigger | None = None) -> Refused:
    where = f" (line {error.line} of {function.signature})" if error.line else ""
    return Refused((f"trigger {trigger}: " if trigger else "") + error.message + where, hint=error.hint)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _commented(statement: Statement) -> str:
    lines = [f"-- {line}" for line in textwrap.wrap(statement.purpose, 117, break_on_hyphens=False)]
    return "\n".join([*lines, statement.text])
