"""Functions of the application as they were before apply edited them."""

from __future__ import annotations

from dataclasses import replace

from usagefix.ledger import Saved
from usagefix.picture.code import routine
from usagefix.picture.objects import Function
from usagefix.planning.scene import Scene
from usagefix.reading import Reader, Routine, Uneditable
from usagefix.tokens import Kind, code


def body_of(definition: str) -> str:
    """The body in the text of pg_get_functiondef()."""
    literals = [token for token in code(definition) if token.kind is Kind.DOLLAR]
    return literals[-1].content if literals else ""


def is_recorder(scene: Scene, entry: Saved, there: Function) -> bool:
    """Whether a function that apply edited records uses, whatever it is called by now."""
    if scene.counter.recorder is None:
        return False
    name = f"{scene.counter.schema_sql}.{scene.counter.sql('recorder')}("
    return there in scene.code.recorders or entry.identity.startswith(name)


def loose_body(scene: Scene, entry: Saved, there: Function) -> str:
    """A recorder's body that works with the daily limit and without: the old one, with a clause that needs no index.
    If that is impossible, the one that apply left."""
    old, reader = _before(scene, entry, there)
    try:
        made = {
            "edited": lambda: reader.edited(old, limit_stays=True),
            "repaired": lambda: reader.repaired(old, limit_stays=True),
            "rewritten": lambda: reader.fresh(old, limit_stays=True),
        }.get(entry.how or "", lambda: None)()
    except Uneditable:
        made = None
    return made or entry.left_behind or ""


def is_its_origin(scene: Scene, entry: Saved, there: Function) -> bool:
    """Whether the saved definition, edited again, gives the present one: then nobody has changed that."""
    old, reader = _before(scene, entry, there)
    try:
        return reader.edited(old, limit_stays=False) == there.body
    except Uneditable:
        return False


def _before(scene: Scene, entry: Saved, there: Function) -> tuple[Routine, Reader]:
    """A function as it was before apply, and a reader that knows the daily limit of that time."""
    definition, limit = entry.definition or "", scene.ledger.limit
    reader = scene.code.reader
    events = replace(reader.events, limit_columns=tuple((limit and limit.key_attributes) or ()))
    return replace(routine(there), body=body_of(definition), definition=definition), replace(reader, events=events)
