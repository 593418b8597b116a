"""The window of a view as the server's calendar has it: its hours, its periods, and the window before. Reads only."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from usagefix.database import Database
from usagefix.errors import ConfigurationError, DatabaseRefused
from usagefix.insight.asking import parameters, require_window
from usagefix.models.insight import Asked, Window

_PLACE = re.compile(r"[A-Z][A-Za-z_-]+(/[A-Z][A-Za-z_-]+)+")  # which PostgreSQL takes for nothing else


@dataclass(frozen=True, slots=True)
class _Calendar:
    """The columns of ``insight_window.sql``."""

    since: datetime
    until: datetime
    since_local: datetime
    until_local: datetime
    now: datetime
    before_since: datetime
    before_until: datetime
    hours: list[datetime]
    weekdays: list[int]
    clocks: list[int]
    periods: list[datetime]
    periods_local: list[datetime]


@dataclass(frozen=True, slots=True)
class Frame:
    """A window, from ``since`` until before ``until``. ``hours``: where its hours begin, ``cells``: the weekday and
    hour of each, by the clock; ``starts``: where its periods begin, ``periods`` the same by the clock. ``before``: the
    window before it, from and until. ``ends_now``: nobody said when it ends."""

    window: Window
    since: datetime
    until: datetime
    hours: tuple[datetime, ...]
    cells: tuple[tuple[int, int], ...]
    starts: tuple[datetime, ...]
    periods: tuple[datetime, ...]
    before: tuple[datetime, datetime]
    ends_now: bool


def frame(db: Database, asked: Asked, zone: str) -> Frame:
    """The window that is asked for, in the snapshot that is open, by the clock of a zone that is there.

    Raises ConfigurationError for one that is empty, or too long.
    """
    found = db.row(db.query("insight_window"), _Calendar, parameters(asked) | {"zone": zone})
    require_window(asked, found.since, found.until, found.now, len(found.periods))
    by_clock = [_local(at, clock) for at, clock in zip(found.periods, found.periods_local, strict=True)]
    since, until = _local(found.since, found.since_local), _local(found.until, found.until_local)
    return Frame(
        window=Window(since, until, zone, asked.preset, asked.kind),
        since=found.since,
        until=found.until,
        hours=tuple(found.hours),
        cells=tuple(zip(found.weekdays, found.clocks, strict=True)),
        starts=tuple(found.periods),
        periods=tuple(by_clock),
        before=(found.before_since, found.before_until),
        ends_now=asked.until is None,
    )


def zone_named(db: Database, wanted: str) -> str:
    """The time zone of that name, as the server writes it. Raises ConfigurationError if it knows none.

    Not what PostgreSQL would take for one besides: ``UTC+3`` is west of Greenwich to it, and ``nonsense7`` is a zone.
    """
    if wanted.upper() == "UTC":
        return "UTC"
    if _PLACE.fullmatch(wanted) and _is_known(db, wanted):  # to list all of them takes the server a tenth of a second
        return wanted
    listed = db.values("SELECT name FROM pg_catalog.pg_timezone_names")
    names = [name for name in listed if not name.startswith(("posix/", "right/"))]
    found = next((name for name in names if name.lower() == wanted.lower()), None)
    if found is None:
        folded = {name.lower(): name for name in names}
        by_city = [name for name in names if name.lower().rpartition("/")[2] == wanted.lower().replace(" ", "_")]
        near = by_city or [folded[name] for name in difflib.get_close_matches(wanted.lower(), folded, n=3)]
        meant = f"; is {' or '.join(near[:3])} meant?" if near else ""
        raise ConfigurationError(
            f"the server knows no time zone {wanted!r}", hint=f"use a name like Europe/Berlin or UTC{meant}"
        )
    return str(found)


def _is_known(db: Database, zone: str) -> bool:
    try:
        with db.apart():
            db.values("SELECT now() AT TIME ZONE %(zone)s", {"zone": zone})
    except DatabaseRefused:
        return False
    return True


def _local(at: datetime, clock: datetime) -> datetime:
    """A moment with how far the clock is from UTC then."""
    offset = clock - at.replace(tzinfo=None)
    return at.astimezone(timezone(timedelta(seconds=round(offset.total_seconds()))))
