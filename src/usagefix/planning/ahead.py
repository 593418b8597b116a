"""The way back of a version that is not applied yet, written down together with it: for migration tools, whose down
files are made before the up files run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from usagefix.catalog import Statement
from usagefix.ledger import Saved
from usagefix.models.choices import DailyLimit
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning import undoing
from usagefix.planning.plan import Plan, signature_of, text_of
from usagefix.planning.scene import Scene
from usagefix.planning.stops import folded
from usagefix.planning.trial import literal
from usagefix.reading import with_body
from usagefix.tokens import code


def way_back(scene: Scene, plan: Plan, limit: DailyLimit) -> str:
    """The script that undoes a plan, or a version that is applied already. It stops where something is not as the plan
    leaves it: then ``usagefix rollback`` knows what to do."""
    version = plan.migration.version
    applied = scene.ledger.of(version)
    after = scene if applied else _after(scene, plan)
    undone = undoing.plan(after, plan.migration, limit, by_hand=True)
    first, *rest = undone.statements
    told = "".join(f"-- {' '.join(remark.split())}\n" for remark in undone.remarks)
    return (f"{told}\n" if told else "") + text_of((first, _stop(scene, version, applied or plan.saved), *rest))


def _stop(scene: Scene, version: str, saved: tuple[Saved, ...]) -> Statement:
    known = folded([entry.identity for entry in saved if entry.definition is not None])
    of = f"counter = {literal(scene.counter.slug)} AND version"
    return Statement(
        "Stop where apply replaced something else than this brings back, or what it left was changed since",
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
        RAISE EXCEPTION 'nothing was changed, since this file is not enough here: %', why
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'usagefix rollback does it.';
    END IF;
END $do$;""",  # noqa: S608 - literals of our own
    )


def _after(scene: Scene, plan: Plan) -> Scene:
    """The scene as the plan leaves it."""
    here, edited = scene.code, {edit.function.oid: edit.body for edit in plan.edits if edit.changes}
    ours = tuple(_ours(scene, plan))
    taken = {function.signature for function in ours}
    functions = [
        replace(f, body=edited[f.oid], definition=with_body(routine(f), edited[f.oid])) if f.oid in edited else f
        for f in here.functions
        if f.signature not in taken
    ]
    triggers = tuple(_triggers(scene, plan, {function.name: function.oid for function in ours}))
    made = {str(trigger) for trigger in triggers}
    seen = replace(
        here,
        functions=(*functions, *ours),
        triggers=(*(t for t in here.triggers if str(t) not in made), *triggers),
        limits=tuple(limit for limit in here.limits if limit.constraint_name is not None),
    )
    return replace(scene, code=seen, ledger=replace(scene.ledger, saved=(*scene.ledger.saved, *plan.saved)))


def _ours(scene: Scene, plan: Plan) -> Iterator[Function]:
    """The functions that the plan makes, each under an oid that nothing has."""
    for place, role in enumerate(scene.counter.roles_of_functions):
        name, signature = scene.counter.objects[role], signature_of(scene, role)
        if f"FUNCTION {signature} RETURNS" in plan.script:
            there = scene.named(name)
            yield Function(
                oid=-1 - place, schema=scene.counter.schema, name=name,
                signature=there.signature if there else signature, language="plpgsql", owner=scene.around.owner,
                security_definer=True, search_path=None, is_trigger=True, arguments=[], executors=[],
                owner_passes_rls=True, owner_may_count=True, attached=True, body="usagefix", kind="f", trusted=True,
                atomic=False, definition=None, returns="trigger", returns_set=False, parameters=[], grantees=[],
                extras=[], needing=[],
            )  # fmt: skip


def _triggers(scene: Scene, plan: Plan, functions: dict[str, int]) -> Iterator[Trigger]:
    """The triggers that the plan makes."""
    tables = {_names(name): name for name in (scene.around.parent, *(table.name for table in scene.tree))}
    for statement in plan.statements:
        if statement.text.startswith("CREATE OR REPLACE TRIGGER "):
            said = [token.name for token in code(statement.text)]
            on, runs = said.index("on"), len(said) - said[::-1].index("execute")
            table = tables[said[on + 1], said[on + 3]]
            yield Trigger(
                name=said[4], on_table=table, place="presets" if table == scene.around.parent else "preset_usage",
                enabled="O", for_each_row=False, timing="", events=[], function=functions[said[runs + 3]],
                condition=None, cloned=False, constrains=False, definition=statement.text, needing=[],
            )  # fmt: skip


def _names(table: str) -> tuple[str, ...]:
    return tuple(token.name for token in code(table) if token.name)
