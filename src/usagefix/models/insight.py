"""What trends, heatmap, top and dashboard show: when events were, of what, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from usagefix.models.amount import Amount
from usagefix.models.keyed import Keyed
from usagefix.models.verification import VerifyReport

OTHERS = "(others)"  # the kind of events whose kinds are too many, and rare


class Step(StrEnum):
    """How long a period is, in the calendar of the time zone."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Of(StrEnum):
    """What ``top`` ranks."""

    PRESETS = "presets"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class Window:
    """The events that a view covers: from ``since`` until before ``until``, in a named time zone. ``preset`` and
    ``kind`` are set if the view covers only one row, or one kind."""

    since: datetime
    until: datetime
    timezone: str
    preset: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """One period of the trend. ``start``: in the window's time zone. ``users``: how many different ones; None if
    events name none. ``presets``: how many rows had an event. ``by_kind``: uses by kind, with all kinds of the
    window in each period; empty if events have no kind."""

    start: datetime
    uses: Amount
    users: int | None
    presets: int
    by_kind: dict[str, Amount]


@dataclass(frozen=True, slots=True)
class TrendsReport(Keyed):
    """Uses over time, without gaps. ``before_uses``: those of the window before, which has the same length and
    begins whole weeks earlier; ``change``: the growth as a share of them (0.059 is 5.9 % more); None if there were
    none. ``users``, ``presets``: how many different ones in the window. ``cannot``: what this view cannot show, and
    why, in sentences."""

    window: Window
    by: Step
    periods: tuple[Period, ...]
    total_uses: Amount
    before_uses: Amount
    change: float | None
    users: int | None
    presets: int
    cannot: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Cell:
    """``weekday``: ISO, Monday is 1; ``hour``: 0 to 23, of the clock in the time zone."""

    weekday: int
    hour: int
    uses: Amount


@dataclass(frozen=True, slots=True)
class HeatmapReport(Keyed):
    """Weekday by hour: 168 cells, by weekday and hour."""

    window: Window
    timezone: str
    cells: tuple[Cell, ...]
    total_uses: Amount
    cannot: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class TopRow:
    """``label``: what people call it, empty if it has no name, or none that may be shown; ``share``: of all uses of
    the window."""

    id: str
    label: str
    uses: Amount
    share: float
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class TopReport(Keyed):
    """The most used, or the most active. ``top_share``: the share of all rows shown together; ``among``: how many
    had a use in the window. ``new``: how many users had their first use ever in the window; ``returning``: the
    others; None for presets."""

    window: Window
    of: Of
    rows: tuple[TopRow, ...]
    total_uses: Amount
    top_share: float
    among: int
    new: int | None = None
    returning: int | None = None
    cannot: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Insight:
    """All views of one counter, from one snapshot. ``last_30``: its trend by day over the last 30 days, for the cards;
    ``users`` is None if events name none; ``verified``: what verify says now."""

    trend: TrendsReport
    last_30: TrendsReport
    heatmap: HeatmapReport
    presets: TopReport
    users: TopReport | None
    verified: VerifyReport | None


@dataclass(frozen=True, slots=True)
class DashboardReport(Keyed):
    """What ``verify`` found of one counter, for the page; None if the role may not read what verify needs."""

    verified: VerifyReport | None

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class WrittenPage(Keyed):
    """The page: its file, and its size in bytes."""

    file: str
    bytes: int

    @property
    def ok(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants to see, in their words. ``since``: a span (``24h``, ``90d``, ``12w``, ``6mo``, ``1y``) or
    the time at which the window begins; ``until``: the time before which it ends, else now. ``tz``: the name of a
    time zone. ``preset``: the id or exact label of a row; ``kind``: of events. ``user_label``: the column with a
    user's name, with its table if that is not the one to which events refer. The ``…_column`` are columns of events,
    if their names do not tell."""

    since: str = "90d"
    until: str | None = None
    tz: str = "UTC"
    by: Step = Step.DAY
    preset: str | None = None
    kind: str | None = None
    user_label: str | None = None
    time_column: str | None = None
    user_column: str | None = None
    kind_column: str | None = None
