"""What throttles notifications, and what it has added together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from usagefix.models.amount import Amount
from usagefix.models.choices import Throttling
from usagefix.models.keyed import Keyed


class Mode(StrEnum):
    """What becomes of a new notification while one is unread: ``collapse`` adds it to that, ``drop`` does not."""

    COLLAPSE = "collapse"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column is what. ``read``: when, or whether, it was read; ``data`` holds the count; ``actor``: who did it,
    ``actor_key`` the key of ``data`` that says it where no column does. None: there is no such column."""

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
    """Of one preset: how many notifications were added to others, and to how many. ``label``: what people call it,
    empty if nothing is."""

    id: str
    label: str
    collapsed: Amount
    notifications: int


@dataclass(frozen=True, slots=True)
class Throttle:
    """A throttle that is there. ``window``: within which time of each other two notifications become one.
    ``problems``: what is not as usagefix made it, in sentences. ``collapsed``: how many rows were added to the
    ``notifications`` that stand for several, ``by_preset`` those of most, by what the rows say that are there; None
    where nothing says it. ``only``: notifications of these types, of all where it is empty."""

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
    """What reads the row that it inserts, and gets none of one that falls away: ``where`` it is, and ``how`` it reads.
    ``fails``: it cannot go on without."""

    where: str
    how: str
    fails: bool = False


@dataclass(frozen=True, slots=True)
class NotificationsReport(Keyed):
    """The throttles of a database. ``action``: what was asked for, None for a look; ``table`` of which, and whether
    anything ``changed``. ``plan``: the statements of a dry run. ``returning``: who would miss a row that falls away;
    ``remarks``: what else there is to know, in sentences."""

    throttles: tuple[Throttle, ...]
    action: Throttling | None = None
    table: str | None = None
    changed: bool = False
    dry_run: bool = False
    plan: tuple[str, ...] = ()
    returning: tuple[Returning, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """A throttle that somebody disabled or altered is a finding; none at all is not."""
        return all(throttle.works for throttle in self.throttles)
