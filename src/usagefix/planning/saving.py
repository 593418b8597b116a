"""What was there before a version, noted in the ledger for rollback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from usagefix import definition
from usagefix.catalog import Migration, MigrationKind, Statement
from usagefix.ledger import Saved
from usagefix.picture.code import Limit
from usagefix.picture.objects import Function, Trigger
from usagefix.planning.plan import Edit, array
from usagefix.planning.rivals import Held
from usagefix.planning.scene import Scene
from usagefix.quoting import literal, quoted

_LINE = 100  # characters, beside what stands before them
_RENEWED = "Forget what belongs to the former definition: baselines, pending deltas"


def kept(scene: Scene) -> Iterator[Statement]:
    """Notes what the counter is, with the functions that count by it; where other events or rows are counted than were
    before, what was noted by that is forgotten."""
    slug = literal(scene.counter.slug)
    if scene.renewed:
        yield Statement(_RENEWED, f"DELETE FROM usagefix.baselines WHERE counter = {slug};")  # noqa: S608
        yield Statement("", f"DELETE FROM usagefix.corrections WHERE counter = {slug} AND applied_at IS NULL;")  # noqa: S608
        yield Statement(
            "",
            "UPDATE usagefix.backfills SET finished_at = clock_timestamp()\n"  # noqa: S608
            f"WHERE counter = {slug} AND finished_at IS NULL;",
        )
    texts = [f"{json.dumps(name)}: {value}" for name, value in definition.entries(scene.counter).items()]
    made = "{" + _folded(texts) + "}"
    yield Statement(
        "Record what is counted",
        f"INSERT INTO usagefix.counters (counter, definition)\nVALUES ({slug}, {literal(made)})\n"
        "ON CONFLICT (counter) DO UPDATE SET definition = excluded.definition, at = clock_timestamp()\n"
        "WHERE counters.definition <> excluded.definition;",
        early=True,
    )


def entries(
    scene: Scene, migration: Migration, roles: list[str], triggers: list[Held], edits: list[Edit]
) -> tuple[Saved, ...]:
    """What this version replaces, as the ledger is to keep it."""
    saved = [
        _function(migration, function) for role in roles if (function := _foreign(scene, scene.counter.objects[role]))
    ]
    saved += [replace(_function(migration, f, "kept"), definition=None) for f in _left_over(scene, roles)]
    saved += [replace(_function(migration, e.function, e.how), left_behind=e.body) for e in edits]
    saved += [_trigger(migration, trigger) for trigger in _foreign_triggers(scene, migration)]
    saved += [_trigger(migration, held.trigger) for held in triggers]
    if migration.kind is MigrationKind.COUNTING and scene.code.limit and scene.code.limit.valid:
        saved.append(_limit(scene.code.limit, migration))
    return tuple(saved)


def notes(scene: Scene, saved: tuple[Saved, ...]) -> Iterator[Statement]:
    """Notes it."""
    if saved:
        rows = (_row(scene, entry) for entry in saved)
        columns = "counter, version, kind, identity, definition, extras, how, key_columns, key_attributes, predicate"
        yield Statement(
            "Record what was there before, once: a second run would find what this one created",
            f"INSERT INTO usagefix.saved_objects (\n    {columns})\n"
            f"VALUES {(',' + chr(10) + '    ').join(rows)}\nON CONFLICT DO NOTHING;",
            early=True,
        )


def _function(migration: Migration, function: Function, how: str | None = None) -> Saved:
    # Of an edited one grants and owner were never touched.
    extras = [] if how else [*function.needing, *function.extras]
    return _saved(migration, "function", function.signature, function.definition, extras, how)


def _trigger(migration: Migration, trigger: Trigger) -> Saved:
    state = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}.get(trigger.enabled, "ENABLE")
    extras = [f"ALTER TABLE {trigger.on_table} {state} TRIGGER {quoted(trigger.name)}", *trigger.needing]
    return _saved(migration, "trigger", str(trigger), trigger.definition, extras)


def _limit(limit: Limit, migration: Migration) -> Saved:
    saved = _saved(migration, "index", limit.name, limit.definition, limit.extras)
    keys, attributes = limit.key_columns, limit.key_attributes
    return replace(saved, key_columns=keys, key_attributes=attributes, predicate=limit.predicate)


def _saved(
    migration: Migration, kind: str, identity: str, definition: str | None, extras: list[str], how: str | None = None
) -> Saved:
    return Saved(migration.version, kind, identity, definition, extras, None, how, None, None, None)


def _row(scene: Scene, saved: Saved) -> str:
    definition = _optional(saved.definition)
    if saved.kind == "function" and saved.definition is not None:
        definition = f"pg_get_functiondef({literal(saved.identity)}::regprocedure)"
    values = [
        literal(scene.counter.slug), literal(saved.version), literal(saved.kind), literal(saved.identity), definition,
        array(saved.extras), _optional(saved.how), array(saved.key_columns), array(saved.key_attributes),
        _optional(saved.predicate),
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
