"""What is around the counter and the events in one database, as :mod:`usagefix.picture.look` finds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from usagefix.models.amount import Amount
from usagefix.models.guarding import RefusedWrite
from usagefix.models.verification import Doubt
from usagefix.picture import Table

if TYPE_CHECKING:
    from usagefix.picture.code import Code
    from usagefix.picture.obstacles import Obstacle

_SCHEMAS = re.compile(r'"((?:[^"]|"")*)"|([^,\s]+)')


@dataclass(frozen=True, slots=True)
class Index:
    """An index of one of the two tables: the columns of ``picture_indexes.sql``."""

    on_table: str
    name: str
    definition: str
    method: str
    is_unique: bool
    is_primary: bool
    valid: bool
    partial: bool
    constraint_name: str | None
    keys: list[str | None]
    columns: list[str]
    daily: bool
    size: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger: the columns of ``picture_triggers.sql``. ``place``: presets, preset_usage, partition or elsewhere, or
    both where the events are of the table itself;
    ``cloned``: PostgreSQL made it for a partition; ``function``: its oid; ``needing``: the extensions with which it
    goes, as statements, which a CREATE OR REPLACE forgets."""

    name: str
    on_table: str
    place: str
    enabled: str
    for_each_row: bool
    timing: str
    events: list[str]
    function: int
    condition: str | None
    cloned: bool
    constrains: bool
    definition: str
    needing: list[str]

    def is_on(self, *places: str) -> bool:
        """Whether it is in one of these places."""
        return self.place in places or (self.place == "both" and not {"presets", "preset_usage"}.isdisjoint(places))

    @property
    def fires(self) -> bool:
        """Enabled, and not only on replicas."""
        return self.enabled in ("O", "A")

    def __str__(self) -> str:
        return f"{self.name} on {self.on_table}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function that has to do with the counter or the events: the columns of ``picture_functions.sql``.

    ``executors``: which of PUBLIC, anon and authenticated may call it; ``owner_passes_rls`` and ``owner_may_count``:
    what its owner can do to the counter; ``attached``: a trigger of the two tables calls it. ``parameters``: those that
    a call gives, see :class:`usagefix.reading.Argument`; ``extras``: its grants and its owner, as statements;
    ``needing``: the extensions with which it goes, as statements, which a CREATE OR REPLACE forgets;
    ``trusted``: its owner has the rights of the tables' owner, or more. ``events_facts.sql`` knows the last four.
    """

    oid: int
    schema: str
    name: str
    signature: str
    language: str
    owner: str
    security_definer: bool
    search_path: str | None
    is_trigger: bool
    arguments: list[str]
    executors: list[str]
    body: str
    kind: str
    atomic: bool
    definition: str | None
    returns: str
    returns_set: bool
    parameters: list[dict[str, Any]]
    grantees: list[str]
    extras: list[str]
    needing: list[str]
    owner_passes_rls: bool = False
    owner_may_count: bool = False
    trusted: bool = False
    attached: bool = False

    @property
    def torn(self) -> bool:
        """Whether the body is of the snapshot, and the definition, which the server makes, of a later commit."""
        if self.signature.isdigit():  # its oid: dropped meanwhile
            return True
        return not self.atomic and self.definition is not None and self.body not in self.definition

    @property
    def everybody(self) -> bool:
        """Whether somebody who is not signed in may call it."""
        return bool({"PUBLIC", "anon"} & set(self.executors))

    @property
    def schemas(self) -> tuple[str, ...]:
        """The schemas of its own search_path, in their order; that of the role whose rights it has is ``$user``."""
        return tuple(quoted.replace('""', '"') or plain for quoted, plain in _SCHEMAS.findall(self.search_path or ""))


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of ``preset_usage.preset_id``."""

    name: str
    to_presets: bool
    validated: bool
    definition: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The columns of ``picture_surroundings.sql``. ``sees_…`` is None if there is nothing to see;
    ``path``: the schemas on a search_path that is configured for the database or a role, as SQL writes them;
    ``triggerless``: whose sessions fire no trigger, as ALTER names them; ``event_rows``, ``event_pages``: about how
    large the events are; ``correlations``: how far they lie in the order of a column, by its name."""

    application_roles: list[str]
    superuser: bool
    bypasses_rls: bool
    sees_subscriptions: bool
    sees_jobs: bool | None
    sees_refused: bool | None
    sees_applied: bool | None
    schemas: list[str]
    path: list[str]
    events_unlogged: bool
    triggerless: list[str]
    updates: int
    hot_updates: int
    event_rows: int
    event_pages: int
    correlations: dict[str, Amount]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that brings events (``events``), or of which that is not known yet."""

    name: str
    enabled: bool
    events: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A job of pg_cron."""

    name: str
    schedule: str
    command: str


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger of the application on presets that a changed counter fires."""

    name: str
    enabled: str
    for_each_row: bool
    conditional: bool


@dataclass(frozen=True, slots=True)
class Creator:
    """A role without special trust that may CREATE in a schema, or in the database (``schema`` is None): the columns of
    ``picture_creators.sql``. ``quoted`` and ``role``: as SQL writes them; ``acts_as``: the roles that it can be."""

    schema: str | None
    quoted: str | None
    role: str
    owner: bool
    acts_as: list[str]


@dataclass(frozen=True, slots=True)
class Grant:
    """A right to write the counter, or to execute a function: the columns of ``picture_grants.sql``.

    ``through``: table, column, owner, every table or function (then ``function`` is its oid); names as SQL writes them.
    """

    role: str
    through: str
    function: int | None
    members: list[str]


@dataclass(frozen=True, slots=True)
class Relying:
    """A role that may execute a function, or create in a schema, only because PUBLIC may, and seems to need it: the
    columns of ``picture_relying.sql``. ``function``: an oid; None where it is about the schema."""

    function: int | None
    schema: str
    role: str


@dataclass(frozen=True, slots=True)
class View:
    """A view that reads the counter, or, where it is materialised, the events: the columns of ``picture_views.sql``.

    ``name``, ``through`` and ``owner`` are as SQL writes them.
    """

    name: str
    materialised: bool
    populated: bool
    counter: bool
    through: list[str]
    keyed: bool
    owner: str
    owned: bool

    @property
    def refresh(self) -> str:
        """The statement that refreshes a materialised view, without stopping readers if that is possible."""
        return f"REFRESH MATERIALIZED VIEW {'CONCURRENTLY ' if self.keyed and self.populated else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Reader:
    """A role that reads the whole application, and not the ledger: ``picture_readers.sql``."""

    role: str

    @property
    def remedy(self) -> str:
        """What lets pg_dump succeed as this role."""
        return (
            f"GRANT USAGE ON SCHEMA usagefix TO {self.role};"
            f" GRANT SELECT ON ALL TABLES IN SCHEMA usagefix TO {self.role};"
            f" GRANT SELECT ON ALL SEQUENCES IN SCHEMA usagefix TO {self.role};"
            " or dump with pg_dump --exclude-schema=usagefix"
        )


@dataclass(frozen=True, slots=True)
class Strays:
    """Events without a preset, and events whose preset is gone: None if a foreign key rules that out."""

    without_preset: int
    preset_gone: int | None


@dataclass(frozen=True, slots=True)
class Drift:
    """The totals of ``accuracy.sql`` that matter here; ``doubt``: None if the events look like the whole truth."""

    rows: int
    inaccurate: int
    drift_total: Amount
    largest: Amount | None
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Whether events are recorded while presets are used: the columns of ``picture_recorded.sql``."""

    events: bool
    newest: datetime | None
    last_use: datetime | None
    counters: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something that usagefix could not read, and why."""

    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything around the counter and the events, from one snapshot. ``drift`` and ``strays`` are None if they
    could not be counted; ``unseen`` then says why. ``applied``: the versions that the ledger lists as applied;
    ``obstacles``: why apply would refuse, and why uses may be refused; ``refuses_deletes``: why the server refuses
    to delete events."""

    presets: Table
    events: Table
    indexes: tuple[Index, ...]
    triggers: tuple[Trigger, ...]
    functions: tuple[Function, ...]
    code: Code
    foreign_keys: tuple[ForeignKey, ...]
    surroundings: Surroundings
    fired: tuple[Fired, ...]
    creators: tuple[Creator, ...]
    grants: tuple[Grant, ...]
    relying: tuple[Relying, ...]
    readers: tuple[Reader, ...]
    views: tuple[View, ...]
    applied: tuple[str, ...]
    subscriptions: tuple[Subscription, ...]
    jobs: tuple[Job, ...]
    refused: tuple[RefusedWrite, ...]
    drift: Drift | None
    strays: Strays | None
    recorded: Recorded | None
    unseen: tuple[Unseen, ...]
    refuses_deletes: str | None
    obstacles: tuple[Obstacle, ...]
