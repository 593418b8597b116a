"""Plans of rollback: what apply replaced comes back, what it made goes, and what changed since stays, with a remark.

What the ledger holds was written by whoever could write there. It is taken for what it should be, one statement of a
known kind, or refused; and it is run as the owner of the tables, never with more rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from usagefix.catalog import Face, Migration, MigrationKind, Statement
from usagefix.errors import NotPermitted
from usagefix.ledger import Saved
from usagefix.models.choices import DailyLimit
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning import expected, remembered
from usagefix.planning.before import body_of, is_its_origin, is_recorder, loose_body
from usagefix.planning.scene import Scene
from usagefix.planning.together import locked_together
from usagefix.quoting import quoted
from usagefix.reading import Uneditable, with_body


@dataclass(frozen=True, slots=True)
class Undoing:
    """What rollback does for one version. ``remarks``: what changed since and stays as it is; ``restoring``: the
    statements, by their text, that bring something of the application back, each with its name; ``of_limit``: those
    that need the daily limit to be there again; ``tables``: those whose triggers change, in the order of the locks."""

    migration: Migration
    statements: tuple[Statement, ...]
    remarks: tuple[str, ...] = ()
    restoring: Mapping[str, str] = field(default_factory=dict)
    of_limit: frozenset[str] = frozenset()
    tables: tuple[str, ...] = ()


def plan(
    scene: Scene, migration: Migration, limit: DailyLimit, *, by_hand: bool = False,
    without: Mapping[str, str] | None = None,
) -> Undoing:  # fmt: skip
    """The statements that undo one version here. ``by_hand``: they build the daily limit, too; ``without``: statements
    that the server refuses, by their text, each with what it says.

    Raises NotPermitted for a ledger that holds something else than apply wrote.
    """
    saved = scene.ledger.of(migration.version)
    for entry in saved:
        expected.require(scene, entry)
    work = _Work(scene, migration, limit, by_hand, without or {})
    statements: list[Statement] = []
    for statement in migration.statements(Face.ROLLBACK, scene.counter):
        if statement.is_by_hand or statement.text.startswith("DROP "):
            continue
        statements.append(statement)
        if len(statements) == 1:
            undone = [*work.replaced(saved), *work.dropped()]
            statements += [*work.locks(), *undone]
    return Undoing(
        migration, tuple(statements), tuple(work.remarks), work.restoring, frozenset(work.of_limit),
        work.in_order({*work.dropping, *work.changing}),
    )  # fmt: skip


@dataclass
class _Work:
    """A plan while it is made. ``back``: what comes back under a name of ours, so that it is not dropped;
    ``dropping``, ``changing``: the tables on which triggers are dropped, or come back."""

    scene: Scene
    migration: Migration
    limit: DailyLimit
    by_hand: bool
    without: Mapping[str, str]
    remarks: list[str] = field(default_factory=list)
    restoring: dict[str, str] = field(default_factory=dict)
    of_limit: set[str] = field(default_factory=set)
    back: set[str] = field(default_factory=set)
    dropping: set[str] = field(default_factory=set)
    changing: set[str] = field(default_factory=set)

    def replaced(self, saved: tuple[Saved, ...]) -> Iterator[Statement]:
        """What apply replaced, as it was."""
        if any(entry.kind == "function" and entry.definition is None and entry.how == "kept" for entry in saved):
            self.remarks.append(
                "the ledger was lost, so usagefix does not know what was there before the fix:"
                f" {self.scene.counter.recorder}() stays as it is, and a daily limit does not come back"
            )
        yield Statement("", "DO $do$ BEGIN PERFORM set_config('check_function_bodies', 'off', true); END $do$;")
        for entry in saved:
            if entry.kind == "index" and entry.definition and self.limit is DailyLimit.RESTORE:
                yield from self._daily(entry)
            elif entry.kind == "function" and entry.left_behind is not None:
                yield from self._edited(entry)
            elif entry.kind == "function" and entry.definition:
                yield from self._under_our_name(entry)
        triggers = [s for e in saved if e.kind == "trigger" and e.definition for s in self._trigger(e)]
        if not triggers or self.scene.owner_runs or not self.scene.around.superuser:
            yield from triggers
            return
        yield Statement("Triggers, as the owner of the tables", f"SET LOCAL ROLE {self.scene.around.owner_sql};")
        yield from triggers
        yield Statement("", "RESET ROLE;")

    def dropped(self) -> Iterator[Statement]:
        """Ours, wherever they are by now; known by what they call, whether the ledger was lost meanwhile or not."""
        functions = remembered.ours(self.scene, self.migration)
        kept = {function.oid for function in functions if function.signature in self.back}
        purpose = "The triggers, then their functions. Readers and writers wait from here to the commit"
        for trigger in self._by_table({function.oid for function in functions}):
            if not remembered.on_our_tables(self.scene, trigger):
                self._in_the_way(trigger, functions)
                kept.add(trigger.function)
            elif str(trigger) not in self.back:
                self.dropping.add(trigger.on_table)
                yield Statement(purpose, f"DROP TRIGGER {quoted(trigger.name)} ON {trigger.on_table};")
                purpose = ""
        for function in functions:
            if function.oid not in kept:
                yield Statement(purpose, f"DROP FUNCTION {function.signature};")
                purpose = ""
        self._not_ours(functions)

    def _restore(self, statement: Statement, what: str) -> Iterator[Statement]:
        """A statement that brings something back; none if the server refuses it."""
        if statement.text in self.without:
            self.remarks.append(f"{what} does not come back: {self.without[statement.text]}")
            return
        self.restoring[statement.text] = what
        yield statement

    def _daily(self, entry: Saved) -> Iterator[Statement]:
        """The daily limit where it is built by hand, and what completes it."""
        there = self.scene.code.limit
        if there is not None and there.valid and there.name != entry.identity:
            self.remarks.append(
                f"a daily limit is there, {there.name}: {entry.identity} does not come back in addition to it"
            )
            return
        if self.by_hand:
            yield Statement("The daily limit", f"{entry.definition};")
        table = self.scene.tree[0]
        for extra in entry.extras:
            if " REPLICA IDENTITY " in extra and table.identity not in (None, entry.identity):
                self.remarks.append(f"{table.name} got another REPLICA IDENTITY later: rollback leaves it as it is")
            elif " CLUSTER ON " in extra and table.clustered not in (None, entry.identity):
                self.remarks.append(
                    f"{table.name} was set to CLUSTER ON {table.clustered} later: rollback leaves it as it is"
                )
            else:
                self.of_limit.add(f"{extra};")
                yield from self._restore(Statement("", f"{extra};"), f"of the daily limit, {extra}")

    def _edited(self, entry: Saved) -> Iterator[Statement]:
        """A function of the application that apply edited: its body comes back, whatever else was altered since stays.

        Its body alone is taken from the ledger. It runs with the rights of its owner: where these are more than those
        of the tables' owner, who may have written to the ledger, only a body that apply would edit to the one that is
        there.
        """
        scene, there = self.scene, remembered.function(self.scene, entry)
        if there is not None and is_recorder(scene, entry, there) and self.limit is DailyLimit.SKIP:
            return
        if there is None or there.body not in {entry.left_behind, loose_body(scene, entry, there)}:
            self.remarks.append(f"{entry.identity} was changed or dropped later: rollback leaves it as it is")
            return
        if there.owner not in scene.around.rights_of_owner and not is_its_origin(scene, entry, there):
            self.remarks.append(
                f"{entry.identity} belongs to {there.owner}, who has more rights than {scene.around.owner}:"
                " rollback leaves it as apply left it"
            )
            return
        if there.signature != entry.identity:
            self.remarks.append(f"{entry.identity} is {there.signature} now: rollback undoes there what apply changed")
        try:
            text = with_body(routine(there), body_of(entry.definition or "")).rstrip()
        except Uneditable:
            self.remarks.append(f"{entry.identity} cannot be read: rollback leaves it as apply left it")
            return
        yield from self._restore(Statement(f"{there.signature}, as it was", f"{text};"), f"{there.signature} as it was")
        for needed in there.needing:
            yield from self._restore(Statement("", f"{needed};"), needed)

    def _under_our_name(self, entry: Saved) -> Iterator[Statement]:
        """A function of somebody else's that ours replaced."""
        there = next((f for f in self.scene.code.functions if f.signature == entry.identity), None)
        main = Statement(f"{entry.identity}, as it was", f"{(entry.definition or '').rstrip()};")
        found = list(self._restore(main, f"{entry.identity} as it was"))
        yield from found
        if not found:
            return
        self.back.add(entry.identity)
        if there is not None and _altered(self.scene, there):
            self.remarks.append(f"{entry.identity} was altered after apply: it comes back as it was before that")
        for extra in entry.extras:
            owner = expected.new_owner(extra)
            if owner is not None and owner not in self.scene.around.roles:
                self.remarks.append(f"{entry.identity} belonged to {owner}, a role that no longer exists")
            elif owner is not None and owner not in self.scene.around.rights_of_owner:
                self.remarks.append(
                    f"{entry.identity} belonged to {owner}, who has more rights than {self.scene.around.owner}"
                )
            else:
                yield from self._restore(Statement("", f"{extra};"), extra)

    def _trigger(self, entry: Saved) -> Iterator[Statement]:
        table = entry.identity.rpartition(" on ")[2]
        if not any(entry.identity.startswith(f"{name} on ") for name in self.scene.counter.triggers):
            yield from self._held_off(entry, table)
            return
        if table not in expected.tables(self.scene):
            self.remarks.append(f"trigger {entry.identity} does not come back: {table} was dropped or renamed later")
            return
        text = (entry.definition or "").replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
        main = Statement(f"Trigger {entry.identity}, as it was", f"{text};")
        found = list(self._restore(main, f"trigger {entry.identity}"))
        yield from found
        if found:
            self.back.add(entry.identity)
            self.changing.add(table)
            for extra in entry.extras:
                yield from self._restore(Statement("", f"{extra};"), extra)

    def _held_off(self, entry: Saved, table: str) -> Iterator[Statement]:
        """A trigger of the application that apply disabled, whatever it is called by now."""
        there = remembered.trigger(self.scene, entry)
        if there is None:
            off = ", ".join(str(t) for t in remembered.theirs(self.scene) if t.enabled == "D")
            self.remarks.append(
                f"trigger {entry.identity}, which apply disabled, was dropped later, or renamed and changed:"
                " rollback does not enable it"
                f" again{f'; if it is one of these, ALTER TABLE ... ENABLE TRIGGER: {off}' if off else ''}"
            )
            return
        if str(there) != entry.identity:
            self.remarks.append(f"trigger {entry.identity} is trigger {there} now: rollback enables it again")
        self.changing.add(there.on_table)
        for extra in entry.extras:
            state = extra.removeprefix(f"ALTER TABLE {table} ").partition(" TRIGGER ")[0]
            text = f"ALTER TABLE {there.on_table} {state} TRIGGER {quoted(there.name)};"
            yield from self._restore(Statement(f"Trigger {there}, as it was", text), f"trigger {there} as it was")

    def _in_the_way(self, trigger: Trigger, functions: list[Function]) -> None:
        function = next(f for f in functions if f.oid == trigger.function)
        self.remarks.append(
            f"{function.signature} stays, because trigger {trigger}, which usagefix did not create, calls it:"
            f" to remove both, DROP TRIGGER {quoted(trigger.name)} ON {trigger.on_table}; DROP FUNCTION"
            f" {function.signature}"
        )

    def _not_ours(self, functions: list[Function]) -> None:
        """Somebody else's under a name of ours that came since: it stays."""
        names = {self.scene.counter.objects[role] for role in _roles(self.scene, self.migration)}
        for function in self.scene.code.functions:
            own = function.schema == self.scene.counter.schema and function.name in names and not function.parameters
            if own and function not in functions and function.signature not in self.back:
                self.remarks.append(f"{function.signature} was replaced later by somebody: it and its triggers stay")

    def locks(self) -> tuple[Statement, ...]:
        """All tables on which triggers are dropped, where that is more than one."""
        return locked_together(
            self.in_order(self.dropping),
            "ACCESS EXCLUSIVE",
            "Lock all partitions within one lock_timeout, because readers and writers wait meanwhile",
        )

    def in_order(self, tables: set[str]) -> tuple[str, ...]:
        """Tables in the order in which writers lock them: the whole of the events, its partitions, others."""
        order = {table.name: place for place, table in enumerate(self.scene.tree)}
        return tuple(sorted(tables, key=lambda table: (order.get(table, len(order)), table)))

    def _by_table(self, functions: set[int]) -> list[Trigger]:
        """The triggers that call these functions, the whole table's before its partitions', as writers lock them."""
        found = [t for t in self.scene.code.triggers if t.function in functions and not t.cloned]
        tables = self.in_order({trigger.on_table for trigger in found})
        return sorted(found, key=lambda trigger: (tables.index(trigger.on_table), trigger.name))


_AS_MADE = {" RETURNS trigger", " LANGUAGE plpgsql", " SECURITY DEFINER"}
_SET = (" SET search_path ", ' SET "TimeZone" ')


def _altered(scene: Scene, there: Function) -> bool:
    """Whether somebody altered a function of ours since: its owner, its grants, its attributes."""
    header = (there.definition or "").partition("\nAS ")[0].splitlines()[1:]
    return (
        bool(there.grantees)
        or there.owner != scene.around.owner
        or any(line not in _AS_MADE and not line.startswith(_SET) for line in header)
    )


def _roles(scene: Scene, migration: Migration) -> tuple[str, ...]:
    """What a version's functions are for, see :attr:`usagefix.counter.Counter.objects`."""
    guards = migration.kind is MigrationKind.GUARD
    return tuple(role for role in scene.counter.roles_of_functions if (role == "guard") == guards)


CONFINED = "pg_temp.usagefix_confined()"


def confined(scene: Scene, question: str) -> str:
    """The statements that make a function of a question, which runs as the owner of the tables and as nobody else:
    SET ROLE is forbidden in it. For text that the ledger holds."""
    owner = f"ALTER FUNCTION {CONFINED} OWNER TO {scene.around.owner_sql};\n" if scene.around.superuser else ""
    tag = "$question$"
    if tag in question:
        raise NotPermitted(
            "the ledger holds something that apply does not write there", hint="usagefix ran nothing of it"
        )
    return (
        f"CREATE FUNCTION {CONFINED} RETURNS pg_catalog.int8 LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp\nAS {tag}BEGIN RETURN ({question}); END{tag};\n{owner}"
    )
