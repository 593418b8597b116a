"""Plans of rollback: what apply replaced comes back, what it made goes, and what changed since stays, with a remark.

What the ledger holds was written by whoever could write there. It is taken for what it should be, one statement of a
known kind, or refused; and it is run as the owner of the tables, never with more rights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from usagefix.catalog import Face, Migration, MigrationKind, Statement
from usagefix.counter import quoted
from usagefix.errors import NotPermitted
from usagefix.ledger import Saved
from usagefix.models.choices import DailyLimit
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning import expected
from usagefix.planning.scene import Scene
from usagefix.reading import Reader, Routine, Uneditable, with_body
from usagefix.tokens import Kind, code


@dataclass(frozen=True, slots=True)
class Undoing:
    """What rollback does for one version. ``remarks``: what changed since and stays as it is."""

    migration: Migration
    statements: tuple[Statement, ...]
    remarks: tuple[str, ...] = ()


def plan(scene: Scene, migration: Migration, limit: DailyLimit, *, by_hand: bool = False) -> Undoing:
    """The statements that undo one version here. ``by_hand``: they build the daily limit, too.

    Raises NotPermitted for a ledger that holds something else than what apply wrote.
    """
    remarks: list[str] = []
    saved = scene.ledger.of(migration.version)
    for entry in saved:
        expected.require(scene, entry)
    statements: list[Statement] = []
    for statement in migration.statements(Face.ROLLBACK, scene.counter):
        if statement.is_by_hand or statement.text.startswith("DROP "):
            continue
        statements.append(statement)
        if len(statements) == 1:
            statements += _replaced(scene, saved, limit, remarks, by_hand=by_hand)
            statements += _dropped(scene, migration, saved)
    return Undoing(migration, tuple(statements), tuple(remarks))


def body_of(definition: str) -> str:
    """The body in the text of pg_get_functiondef()."""
    literals = [token for token in code(definition) if token.kind is Kind.DOLLAR]
    return literals[-1].content if literals else ""


def _replaced(
    scene: Scene, saved: tuple[Saved, ...], limit: DailyLimit, remarks: list[str], *, by_hand: bool
) -> Iterator[Statement]:  # fmt: skip
    """What apply replaced, as it was."""
    if any(entry.kind == "function" and entry.definition is None and entry.how == "kept" for entry in saved):
        remarks.append(
            f"the ledger was lost before, so what was there before the fix is not known: {scene.counter.recorder}()"
            " stays as it is, and a daily limit does not come back"
        )
    yield Statement("", "DO $do$ BEGIN PERFORM set_config('check_function_bodies', 'off', true); END $do$;")
    for entry in saved:
        if entry.kind == "index" and entry.definition and limit is DailyLimit.RESTORE:
            if by_hand:
                yield Statement("The daily limit", f"{entry.definition};")
            yield from (Statement("", f"{extra};") for extra in entry.extras)
        elif entry.kind == "function" and entry.left_behind is not None:
            yield from _edited(scene, entry, limit, remarks)
        elif entry.kind == "function" and entry.definition:
            yield from _under_our_name(scene, entry, remarks)
    triggers = [
        s for entry in saved if entry.kind == "trigger" and entry.definition for s in _trigger(scene, entry, remarks)
    ]
    if not triggers or scene.owner_runs or not scene.around.superuser:
        yield from triggers
        return
    yield Statement("Triggers, as the owner of the tables", f"SET LOCAL ROLE {scene.around.owner_sql};")
    yield from triggers
    yield Statement("", "RESET ROLE;")


def _edited(scene: Scene, entry: Saved, limit: DailyLimit, remarks: list[str]) -> Iterator[Statement]:
    """A function of the application that apply edited: its body comes back, whatever else was altered since stays.

    Its body alone is taken from the ledger. It runs with the rights of its owner: where these are more than those of
    the tables' owner, who may have written to the ledger, only a body that apply would edit to the one that is there.
    """
    there = next((f for f in scene.code.functions if f.signature == entry.identity), None)
    if there is not None and there in scene.code.recorders and limit is DailyLimit.SKIP:
        return
    if there is None or there.body not in {entry.left_behind, loose_body(scene, entry, there)}:
        remarks.append(f"{entry.identity} was changed or dropped since: it stays as it is")
        return
    if there.owner not in scene.around.rights_of_owner and not _is_its_origin(scene, entry, there):
        remarks.append(
            f"{entry.identity} belongs to {there.owner}, who has more rights than {scene.around.owner}: it stays as"
            " apply left it"
        )
        return
    try:
        text = with_body(routine(there), body_of(entry.definition or "")).rstrip()
    except Uneditable:
        remarks.append(f"{entry.identity} cannot be read: it stays as apply left it")
        return
    yield Statement(f"{entry.identity}, as it was", f"{text};")


def _under_our_name(scene: Scene, entry: Saved, remarks: list[str]) -> Iterator[Statement]:
    """A function of somebody else's that ours replaced."""
    yield Statement(f"{entry.identity}, as it was", f"{(entry.definition or '').rstrip()};")
    for extra in entry.extras:
        owner = expected.new_owner(extra)
        if owner is not None and owner not in scene.around.rights_of_owner:
            remarks.append(f"{entry.identity} belonged to {owner}, who has more rights than {scene.around.owner}")
            continue
        yield Statement("", f"{extra};")


def loose_body(scene: Scene, entry: Saved, there: Function) -> str:
    """A recorder's body that works with the daily limit and without: the old one, with a clause that needs no index.
    Where that cannot be made, the one that apply left."""
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


def _is_its_origin(scene: Scene, entry: Saved, there: Function) -> bool:
    """Whether the saved definition, edited again, gives what is there: then nobody has put anything into it."""
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


def _trigger(scene: Scene, entry: Saved, remarks: list[str]) -> Iterator[Statement]:
    there = next((t for t in scene.code.triggers if str(t) == entry.identity and not t.cloned), None)
    under_our_name = any(entry.identity.startswith(f"{name} on ") for name in scene.counter.triggers)
    if not under_our_name and there is None:
        remarks.append(f"trigger {entry.identity} was dropped or renamed since: it stays as it is")
        return
    if under_our_name:
        definition = (entry.definition or "").replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
        yield Statement(f"Trigger {entry.identity}, as it was", f"{definition};")
    yield from (
        Statement("" if under_our_name else f"Trigger {entry.identity}, as it was", f"{extra};")
        for extra in entry.extras
    )


def _dropped(scene: Scene, migration: Migration, saved: tuple[Saved, ...]) -> Iterator[Statement]:
    """Ours, wherever they are by now; known by what they call, whether the ledger was lost meanwhile or not."""
    names = [scene.counter.objects[role] for role in roles(migration)]
    replaced = {entry.identity for entry in saved if entry.kind == "function" and entry.definition}
    functions = [f for name in names if (f := scene.named(name)) is not None]
    kept = {entry.identity for entry in saved if entry.kind == "trigger" and entry.definition}
    purpose = "The triggers, then their functions. Readers and writers wait from here to the commit"
    for trigger in _by_table(scene, {function.oid for function in functions}):
        if str(trigger) not in kept:
            yield Statement(purpose, f"DROP TRIGGER {quoted(trigger.name)} ON {trigger.on_table};")
            purpose = ""
    for function in functions:
        if function.signature not in replaced:
            yield Statement(purpose, f"DROP FUNCTION {function.signature};")
            purpose = ""


def _by_table(scene: Scene, functions: set[int]) -> list[Trigger]:
    """The triggers that call these functions, the whole table's before its partitions', as writers lock them."""
    order = {table.name: place for place, table in enumerate(scene.tree)}
    found = [t for t in scene.code.triggers if t.function in functions and not t.cloned]
    return sorted(found, key=lambda trigger: (order.get(trigger.on_table, len(order)), trigger.name))


def roles(migration: Migration) -> tuple[str, ...]:
    """What a version's functions are for, see :attr:`usagefix.counter.Counter.objects`."""
    if migration.kind is MigrationKind.GUARD:
        return ("guard",)
    return ("auto_increment", "auto_adjust", "auto_count_row", "auto_note")


CONFINED = "pg_temp.usagefix_confined()"


def confined(scene: Scene, question: str) -> str:
    """The statements that make a function of a question, which runs as the owner of the tables and as nobody else:
    SET ROLE is forbidden in it. For text that the ledger holds."""
    owner = f"ALTER FUNCTION {CONFINED} OWNER TO {scene.around.owner_sql};\n" if scene.around.superuser else ""
    tag = "$question$"
    if tag in question:
        raise NotPermitted("the ledger holds something else than apply writes there", hint="nothing of it was run")
    return (
        f"CREATE FUNCTION {CONFINED} RETURNS pg_catalog.int8 LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp\nAS {tag}BEGIN RETURN ({question}); END{tag};\n{owner}"
    )
