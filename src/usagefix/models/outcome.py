"""The result of a command, from which every format is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from usagefix.models.nouns import Nouns
from usagefix.models.target import UNKNOWN, Place

if TYPE_CHECKING:
    from usagefix.errors import UsagefixError
    from usagefix.models.reports import Report
    from usagefix.models.target import Target

ABOUT_COUNTERS = frozenset(
    (
        "verify",
        "status",
        "apply",
        "backfill",
        "rollback",
        "guard",
        "smoke",
        "doctor",
        "check",
        "check-preset",
        "trends",
        "heatmap",
        "top",
        "dashboard",
    )
)


OF_DATABASES = frozenset(("discover", "log", "notifications", "probe-api"))


@dataclass(frozen=True, slots=True)
class Given:
    """Options that were given, as a command line has them: which database and schema, and which counters."""

    place: str = ""
    counters: str = ""

    def to(self, command: str) -> str:
        """What another command is given so that it is about the same."""
        wanted = (self.place,) if command in OF_DATABASES else (self.place, self.counters)
        return " ".join(filter(None, wanted))


NONE = Given()


@dataclass(slots=True)
class Part:
    """The result of a command for one counter: a report, or an error."""

    nouns: Nouns
    report: Report | None = None
    error: UsagefixError | None = None

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.report is not None and self.report.ok else 1


@dataclass(slots=True)
class Outcome:
    """A command, as far as it came: ``target`` is None if it never connected; ``place``: what is known even then.

    ``parts``: one for each counter that it was about, in their order, up to one that stopped it, and ``left`` the names
    of those behind that; ``report``: of a command that is about no counter in particular. ``error``: what ended it,
    beside those of its parts. ``changes`` says in words what a failed command has left in the database. ``brief``:
    people read a line of each part; ``whole``: they read what is right, too. ``given``: the options that say which
    database, schema and counters.
    """

    command: str
    target: Target | None = None
    place: Place = UNKNOWN
    report: Report | None = None
    parts: list[Part] = field(default_factory=list)
    left: tuple[str, ...] = ()
    error: UsagefixError | None = None
    changes: str = ""
    brief: bool = False
    whole: bool = False
    given: Given = NONE
    duration_ms: int = 0

    @property
    def about_counters(self) -> bool:
        return self.command in ABOUT_COUNTERS

    @property
    def many(self) -> bool:
        """Whether it is about several counters, so that each is named."""
        return len(self.parts) > 1

    @property
    def failure(self) -> UsagefixError | None:
        """What ended it, else the worst of what ended its parts, the first of the same kind."""
        if self.error is not None:
            return self.error
        errors = [part.error for part in self.parts if part.error is not None]
        return max(errors, key=lambda error: error.exit_code, default=None)

    @property
    def failures(self) -> Iterator[tuple[str, UsagefixError]]:
        """Each error, with the names of the counters that it is about where there are several."""
        names: dict[str, list[str]] = {}
        errors: dict[str, UsagefixError] = {}
        for part in self.parts:
            if part.error is not None and part.error is not self.error:
                errors.setdefault(part.error.message, part.error)
                names.setdefault(part.error.message, []).append(part.nouns.counter)
        for message, error in errors.items():
            yield (", ".join(names[message]) if self.many else "", error)
        if self.error is not None:
            about = [part.nouns.counter for part in self.parts if part.error is self.error]
            yield (", ".join(about) if self.many else "", self.error)

    @property
    def exit_code(self) -> int:
        """The worst of its parts."""
        if self.error is not None:
            return self.error.exit_code
        if self.about_counters:
            return max((part.exit_code for part in self.parts), default=1)
        return 0 if self.report is not None and self.report.ok else 1

    @property
    def ok(self) -> bool:
        return self.exit_code == 0
