"""What a plan is made from: one database as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usagefix import ledger
from usagefix.counter import Counter
from usagefix.database import Database
from usagefix.ledger import Ledger
from usagefix.picture.code import Code, code
from usagefix.picture.objects import Function, Trigger
from usagefix.picture.obstacles import Obstacle, of_tables


@dataclass(frozen=True, slots=True)
class EventTable:
    """The table of events, or a partition of it: its name as SQL writes it, its ``relkind``. ``identity``, its replica
    identity, and ``clustered``: the index, or what pg_class says in a letter; None if there is none."""

    name: str
    kind: str
    whole: bool
    identity: str | None = None
    clustered: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who applies, and what apply has to adapt to: the columns of ``scene.sql``. ``rights_of_owner``: the roles whose
    rights the owner of the counters' table has; ``acting``: as whom a superuser tries uses, which may be one
    (``acting_superuser``); ``acting_lacks``: that role may not lock a row with a counter."""

    owner: str
    owner_sql: str
    acting: str
    acting_superuser: bool
    acting_lacks: bool
    runner: str
    superuser: bool
    rights_of_owner: list[str]
    roles: list[str]
    parent: str
    parent_partitioned: bool
    path: list[str]
    mixes_zones: bool
    grantees: list[str]
    closing: bool
    tree: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One database as it is now. ``renewed``: by which fields the counter counts other events, or rows, than the one
    that the ledger has under its name."""

    counter: Counter
    around: Surroundings
    code: Code
    ledger: Ledger
    obstacles: tuple[Obstacle, ...]
    renewed: tuple[str, ...] = ()

    @property
    def tree(self) -> tuple[EventTable, ...]:
        """The event tables, the whole first, in the order in which writers lock them."""
        return tuple(EventTable(**table) for table in self.around.tree)

    @property
    def partitioned(self) -> bool:
        """Whether the table of events is."""
        return self.tree[0].kind == "p"

    @property
    def owner_runs(self) -> bool:
        """Whether the owner of the counters' table is who runs this."""
        return self.around.owner == self.around.runner

    def triggers_on(self, *places: str) -> tuple[Trigger, ...]:
        """The triggers in these places that PostgreSQL did not make for a partition."""
        return tuple(t for t in self.code.triggers if t.is_on(*places) and not t.cloned)

    def named(self, name: str) -> Function | None:
        """A function of ours, or of somebody else's under that name, that takes no arguments."""
        return next(
            (
                function
                for function in self.code.functions
                if (function.schema, function.name) == (self.counter.schema, name) and not function.parameters
            ),
            None,
        )


def scene(db: Database) -> Scene:
    """One look, within the snapshot or transaction that is open. Raises NotPermitted if the ledger may not be
    read."""
    return db.once("scene", lambda: _scene(db))


def _scene(db: Database) -> Scene:
    written = ledger.read(db)
    return Scene(db.counter, surroundings(db), code(db), written, of_tables(db), ledger.renewed(db, written))


def surroundings(db: Database) -> Surroundings:
    """What is around the two tables."""
    return db.once("surroundings", lambda: db.row(db.query("scene"), Surroundings))
