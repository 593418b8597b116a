"""Finding again what the ledger names, whatever it is called by now; and what is usagefix's own, wherever it is.

The ledger holds no oids, since a restored or upgraded database has others. A renamed function is known by the body that
apply left in it, a renamed trigger by what it does and when.
"""

from __future__ import annotations

from dataclasses import replace

from usagefix.catalog import Migration, MigrationKind
from usagefix.errors import RollbackRefused
from usagefix.ledger import Saved
from usagefix.picture.objects import Function, Trigger
from usagefix.planning.before import loose_body
from usagefix.planning.scene import Scene
from usagefix.tokens import Kind, code, tokens


def here(scene: Scene) -> Scene:
    """The scene with what the ledger holds in the name that the application's schema has by now.

    Raises RollbackRefused if it is the ledger of the tables of another schema, which are there, too.
    """
    now, names = scene.around.parent.rpartition(".")[0], {f"{name}()" for name in scene.counter.functions}
    own = (s.identity for s in scene.ledger.saved if s.kind == "function" and _name(s.identity) in names)
    there = next((identity.rpartition(".")[0] for identity in own), now)
    if there == now:
        return scene
    if there.strip('"') in scene.code.parent.elsewhere:
        raise RollbackRefused(
            f"the ledger of this database, schema usagefix, serves schema {there}",
            hint=f"usagefix --schema {there} rollback",
        )
    saved = (
        replace(
            entry,
            identity=_moved(entry.identity, there, now),
            definition=entry.definition and _moved(entry.definition, there, now),
            extras=[_moved(extra, there, now) for extra in entry.extras],
        )
        for entry in scene.ledger.saved
    )
    return replace(scene, ledger=replace(scene.ledger, saved=tuple(saved)))


def function(scene: Scene, entry: Saved) -> Function | None:
    """The function that apply edited: of this name, or the only other one with the body that apply left, or that an
    interrupted rollback did."""
    named = next((f for f in scene.code.functions if f.signature == entry.identity), None)
    known = {saved.identity for saved in scene.ledger.saved}
    others = [f for f in scene.code.functions if f.signature not in known and not scene.code.is_released(f)]
    same = [f for f in others if f.body in (entry.left_behind, loose_body(scene, entry, f))] if named is None else []
    return named or (same[0] if len(same) == 1 else None)


def trigger(scene: Scene, entry: Saved) -> Trigger | None:
    """The trigger that apply held off: of this name, or the only other one that is off and does the same."""
    there = theirs(scene)
    named = next((t for t in there if str(t) == entry.identity), None)
    known = {saved.identity for saved in scene.ledger.saved}
    shape = _shape(entry.definition or "")
    same = [t for t in there if t.enabled == "D" and str(t) not in known and _shape(t.definition) == shape]
    return named or (same[0] if len(same) == 1 else None)


def theirs(scene: Scene) -> list[Trigger]:
    """The triggers on the two tables that have no name of ours."""
    found = scene.triggers_on("presets", "preset_usage", "partition")
    return [trigger for trigger in found if trigger.name not in scene.counter.triggers]


def ours(scene: Scene, migration: Migration) -> list[Function]:
    """The functions that a version made, also where somebody renamed or moved one, or the ledger was lost."""
    guards = migration.kind is MigrationKind.GUARD
    roles = [role for role in scene.counter.roles_of_functions if (role == "guard") == guards]
    names = {scene.counter.objects[role] for role in roles}
    made = {saved.identity for saved in scene.ledger.saved if saved.kind == "function" and saved.definition is None}
    places = ("presets",) if guards else ("preset_usage", "partition", "elsewhere")
    called = {t.function for t in scene.code.triggers if t.is_on(*places)}
    return [
        f for f in scene.code.functions
        if not f.parameters and "usagefix" in f.body
        and (
            (f.name in names and (f.schema == scene.counter.schema or f.signature in made))
            or (f.oid in called and (f.name in names or (scene.code.is_released(f) and f.is_trigger)))
        )
    ]  # fmt: skip


def on_our_tables(scene: Scene, trigger: Trigger) -> bool:
    """Whether a trigger that calls a function of ours is ours: on the two tables, or left on one that was part of
    them."""
    return trigger.place != "elsewhere" or trigger.name in scene.counter.triggers


def _name(identity: str) -> str:
    return identity.rpartition(".")[2].replace('"', "")


def _moved(text: str, there: str, now: str) -> str:
    """A text with another schema before its names; what stands in literals stays."""
    found = list(tokens(text))
    follows = [token.text for token in found[1:]] + [""]
    return "".join(
        now if token.text == there and after == "." else token.text for token, after in zip(found, follows, strict=True)
    )


def _shape(definition: str) -> tuple[str, ...]:
    """A trigger's definition without names that somebody can change: its own, its table's, its function's."""
    words: list[str] = []
    passing = False
    for token in code(definition):
        keyword = token.text if token.kind is Kind.WORD else ""
        if passing and (token.text == "(" or keyword in _AFTER_NAMES):
            passing = False
        if not passing:
            words.append(token.text)
        if keyword in ("TRIGGER", "ON", "FUNCTION"):
            passing = True
    return tuple(words)


# The keywords that can follow the name of a trigger or of its table.
_AFTER_NAMES = {"BEFORE", "AFTER", "INSTEAD", "FROM", "NOT", "DEFERRABLE", "INITIALLY", "REFERENCING", "FOR"}
