"""What throttles notifications, and what it merged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from usagefix.models.amount import Amount
from usagefix.models.choices import Throttling
from usagefix.models.keyed import Keyed

TABLE = "preset_notifications"  # unless another one is named


class Mode(StrEnum):
    """What happens to a new notification while one is unread: ``collapse`` merges it into that, ``drop`` drops it."""

    COLLAPSE = "collapse"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column is what. ``read``: when, or whether, the notification was read; ``data`` holds the count;
    ``actor``: the user who caused it; ``actor_key``: the key of ``data`` with that user, if no column has it. None:
    there is no such column."""

    recipient: str
    preset: str
    time: str
    type: str | None = None
    read: str | None = None
    data: str | None = None
    actor: str | None = None
    actor_key: str | None = None


@dataclass(frozen=True, slots=True)
class Collapsed:
    """For one preset: how many notifications were merged into others, and into how many. ``label``: what people call
    it, empty if it has no name."""

    id: str
    label: str
    collapsed: Amount
    notifications: int


@dataclass(frozen=True, slots=True)
class Throttle:
    """A throttle. ``window``: the time within which it merges two notifications. ``problems``: what somebody
    changed, in sentences. ``collapsed``: how many rows it merged into the ``notifications`` that stand for several;
    ``by_preset``: the largest of these, by the rows that still exist; None if nothing says it. ``only``: the types
    of notifications, empty for all."""

    table: str
    mode: Mode
    window: str
    roles: Roles
    trigger: str
    function: str
    enabled: bool
    problems: tuple[str, ...] = ()
    collapsed: Amount | None = None
    notifications: int | None = None
    by_preset: tuple[Collapsed, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        return self.enabled and not self.problems


@dataclass(frozen=True, slots=True)
class Returning:
    """Code that reads the row that it inserts, and gets none if that is merged: ``where`` it is, and ``how`` it
    reads. ``fails``: it fails without the row."""

    where: str
    how: str
    fails: bool = False


@dataclass(frozen=True, slots=True)
class NotificationsReport(Keyed):
    """The throttles of a database. ``action``: what was asked for, None for a look; ``table``: its table; ``there``: it
    exists, and if not, ``others`` are tables that may be meant; ``changed``: whether anything changed. ``plan``: the
    statements of a dry run. ``returning``: code that would miss a merged row; ``remarks``: what else there is to know,
    in sentences."""

    throttles: tuple[Throttle, ...]
    action: Throttling | None = None
    table: str | None = None
    changed: bool = False
    dry_run: bool = False
    plan: tuple[str, ...] = ()
    returning: tuple[Returning, ...] = ()
    remarks: tuple[str, ...] = ()
    there: bool = True
    others: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """A throttle that somebody disabled or altered is a finding; none at all is not."""
        return all(throttle.works for throttle in self.throttles)
