"""What the server answers of the events of a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SMALL = 2_000_000  # rows of a table that is read in a second or two


@dataclass(frozen=True, slots=True)
class Distinct:
    """The columns of ``insight_rows.sql`` and ``insight_users.sql``."""

    among: int
    lately: int
    by_period: list[tuple[int, int]]
    top: list[dict[str, Any]]
    returning: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many different ones there are in a window, and in each of its periods, by their number from 1."""

    among: int
    by_period: dict[int, int]

    @classmethod
    def of(cls, found: Distinct, offset: int = 0) -> Counted:
        """Of all periods, or of those behind the first so many."""
        by_period = {number - offset: count for number, count in found.by_period if number > offset}
        return cls(found.lately if offset else found.among, by_period)


@dataclass(frozen=True, slots=True)
class Outside:
    """The columns of ``insight_outside.sql``."""

    undated: int
    ahead: int


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of ``insight_table.sql``."""

    rows: int
    time_indexed: bool
    user_indexed: bool

    @property
    def small(self) -> bool:
        """Whether all of it may be read once more."""
        return self.rows < SMALL
