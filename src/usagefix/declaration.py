"""A counter as a person declares it: in ``usagefix.toml``, in ``pyproject.toml`` or by options, before any database was
asked. What it becomes in one database is a :class:`usagefix.counter.Counter`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Missing(StrEnum):
    """What becomes of an event whose parent row is not there yet."""

    IGNORE = "ignore"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Name:
    """A table as a person names it; the schema is None if the command's own is meant. Not quoted."""

    schema: str | None
    table: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """One ``[[counter]]``. Names are plain, as the catalog has them; ``where``, ``weight`` (the key ``sum``) and
    ``only`` are SQL as it was written; None or empty: not given.

    ``foreign_key``: the columns of an event that name the parent's row, in the order of ``key``. ``last`` and ``time``:
    the column of the parent for the time of the last event, and the one of an event that it comes from. ``truth``: a
    query of keys and values, of a counter that is only verified, in place of ``events``. ``name``: what it is called,
    given or derived, see :mod:`usagefix.naming`. ``origin``: where it was declared (``usagefix.toml:3``), empty if
    options do; ``places``: where each of its keys was (``usagefix.toml:5: where``, ``--where``).
    """

    parent: Name
    column: str
    name: str
    events: Name | None = None
    foreign_key: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    where: str | None = None
    weight: str | None = None
    last: str | None = None
    time: str | None = None
    only: str | None = None
    missing: Missing = Missing.IGNORE
    label: str | None = None
    recorder: str | None = None
    truth: str | None = None
    origin: str = field(default="", compare=False)
    places: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def place(self, key: str) -> str:
        """Where a key was given; where it could be, for one that was not."""
        return dict(self.places).get(key) or (f"{self.origin}: {key}" if self.origin else f"--{key}")

    @property
    def shown(self) -> str:
        """The column, with its table, as a person would write it."""
        names = (self.parent.schema, self.parent.table, self.column)
        return ".".join(name for name in names if name is not None)
