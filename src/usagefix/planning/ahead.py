"""The future state of a database once a plan has run: for migration tools, whose files are all written before the
first of them runs. So usagefix writes the way back with the way there, and plans of later counters start from the
edits of earlier ones."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from usagefix.catalog import Migration, Statement
from usagefix.ledger import Saved
from usagefix.models.choices import DailyLimit
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning import remembered, undoing
from usagefix.planning.before import body_of
from usagefix.planning.plan import Plan, signature_of, text_of
from usagefix.planning.scene import Scene
from usagefix.planning.stops import folded
from usagefix.quoting import literal
from usagefix.reading import with_body
from usagefix.tokens import code


def way_back(scene: Scene, plan: Plan, limit: DailyLimit) -> str:
    """The script that undoes a plan, or a version that is applied already. It stops if something is not as the plan
    leaves it; use ``usagefix rollback`` then."""
    version = plan.migration.version
    applied = scene.ledger.of(version)
    after = scene if applied else _undoable(scene, plan)
    undone = undoing.plan(after, plan.migration, limit, by_hand=True)
    first, *rest = undone.statements
    told = "".join(f"-- {' '.join(remark.split())}\n" for remark in undone.remarks)
    return (f"{told}\n" if told else "") + text_of((first, _stop(scene, version, applied or plan.saved), *rest))


def _stop(scene: Scene, version: str, saved: tuple[Saved, ...]) -> Statement:
    known = folded([entry.identity for entry in saved if entry.definition is not None])
    of = f"counter = {literal(scene.counter.slug)} AND version"
    return Statement(
        "Stop if apply replaced something that this does not restore, or if what it left has changed since",
        f"""DO $do$ DECLARE
    why text;
BEGIN
    SELECT string_agg(reasons.why, '; ') INTO why FROM (
        SELECT 'a later version is applied' AS why WHERE EXISTS (
            SELECT FROM usagefix.saved_objects WHERE {of} > '{version}')
        UNION ALL SELECT 'nothing is recorded of this version' WHERE NOT EXISTS (
            SELECT FROM usagefix.saved_objects WHERE {of} = '{version}')
        UNION ALL SELECT format('apply replaced %s', identity) FROM usagefix.saved_objects
        WHERE {of} = '{version}' AND definition IS NOT NULL
            AND identity <> ALL ({known})
        UNION ALL SELECT format('%s was changed or dropped since', identity) FROM usagefix.saved_objects
        LEFT JOIN pg_proc ON pg_proc.oid = to_regprocedure(identity)
        WHERE {of} = '{version}' AND kind = 'function'
            AND left_behind IS NOT NULL AND prosrc IS DISTINCT FROM left_behind
    ) AS reasons;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'nothing was changed, because this file is not enough here: %', why
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'usagefix rollback does it.';
    END IF;
END $do$;""",  # noqa: S608 - literals of our own
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """What a plan makes of a database: the bodies of functions that it edits, by oid; what is ours."""

    edited: Mapping[int, str]
    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]


def changes(scene: Scene, plan: Plan) -> Changes:
    """What a plan is going to change."""
    edited = {edit.function.oid: edit.body for edit in plan.edits if edit.changes}
    ours = tuple(_functions(scene, plan))
    return Changes(edited, ours, tuple(_triggers(plan, {function.name: function.oid for function in ours})))


def undone(scene: Scene, migration: Migration) -> Changes:
    """What a rollback of a version is going to bring back in functions that apply edited."""
    saved = [entry for entry in scene.ledger.of(migration.version) if entry.left_behind is not None]
    found = [(remembered.function(scene, entry), entry) for entry in saved]
    back = {f.oid: body_of(entry.definition or "") for f, entry in found if f and f.body == entry.left_behind}
    return Changes(back, (), ())


def after(scene: Scene, made: Changes) -> Scene:
    """The scene, of that counter or of another, once these changes are made."""
    tables = {_names(scene.around.parent): ("presets", scene.around.parent)}
    tables |= {_names(t.name): ("preset_usage" if t.whole else "partition", t.name) for t in scene.tree}
    triggers = tuple(
        replace(trigger, place=place, on_table=table)
        for trigger in made.triggers
        for place, table in [tables.get(_names(trigger.on_table), ("elsewhere", trigger.on_table))]
    )
    new, replaced = {str(t) for t in triggers}, {f.signature for f in made.functions}
    functions = [
        replace(f, body=made.edited[f.oid], definition=with_body(routine(f), made.edited[f.oid]))
        if f.oid in made.edited
        else f
        for f in scene.code.functions
        if f.signature not in replaced
    ]
    return replace(
        scene,
        code=replace(
            scene.code,
            functions=(*functions, *made.functions),
            triggers=(*(t for t in scene.code.triggers if str(t) not in new), *triggers),
        ),
    )


def _undoable(scene: Scene, plan: Plan) -> Scene:
    """The scene as the plan leaves it, with what the ledger has of it by then."""
    seen = after(scene, changes(scene, plan))
    limits = tuple(limit for limit in seen.code.limits if limit.constraint_name is not None)
    saved = replace(scene.ledger, saved=(*scene.ledger.saved, *plan.saved))
    return replace(seen, code=replace(seen.code, limits=limits), ledger=saved)


def _functions(scene: Scene, plan: Plan) -> Iterator[Function]:
    """The functions that the plan makes, each under an oid that nothing has."""
    roles = {f"CREATE OR REPLACE FUNCTION {signature_of(scene, r)} ": r for r in scene.counter.roles_of_functions}
    for statement in plan.statements:
        role = next((role for begins, role in roles.items() if statement.text.startswith(begins)), None)
        if role is not None:
            name = scene.counter.objects[role]
            there, signature = scene.named(name), signature_of(scene, role)
            yield Function(
                oid=-zlib.crc32(signature.encode()), schema=scene.counter.schema, name=name,
                signature=there.signature if there else signature, language="plpgsql", owner=scene.around.owner,
                security_definer=True, search_path=None, is_trigger=True, arguments=[], executors=[],
                owner_passes_rls=True, owner_may_count=True, attached=True, body=body_of(statement.text), kind="f",
                trusted=True, atomic=False, definition=None, returns="trigger", returns_set=False, parameters=[],
                grantees=[], extras=[], needing=[],
            )  # fmt: skip


def _triggers(plan: Plan, functions: dict[str, int]) -> Iterator[Trigger]:
    """The triggers that the plan makes."""
    for statement in plan.statements:
        if statement.text.startswith("CREATE OR REPLACE TRIGGER "):
            found = code(statement.text)
            said = [token.name for token in found]
            on, runs = said.index("on"), len(said) - said[::-1].index("execute")
            yield Trigger(
                name=said[4], on_table="".join(token.text for token in found[on + 1 : on + 4]), place="elsewhere",
                enabled="O", for_each_row=False, timing="", events=[], function=functions[said[runs + 3]],
                condition=None, cloned=False, constrains=False, definition=statement.text, needing=[],
            )  # fmt: skip


def _names(table: str) -> tuple[str, ...]:
    return tuple(token.name for token in code(table) if token.name)
