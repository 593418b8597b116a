"""What somebody asked for, read: spans and dates. Knows no database."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from usagefix.errors import ConfigurationError
from usagefix.models.figures import grouped
from usagefix.models.insight import Asked

LONGEST = 20_000  # days
EARLIEST = 1970  # before that, offsets of time zones were no quarters of an hour
MOST_PERIODS = 10_000
_SPAN = re.compile(r"([0-9]{1,9})(h|d|w|mo|y)")
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "mo": 30, "y": 365}
_HINT = "a span is a number and h, d, w, mo or y (90d, 12w, 6mo); a time is 2026-01-31 or 2026-01-31T09:30"


def parameters(asked: Asked) -> dict[str, Any]:
    """The bounds of the window as the parameters of ``insight_window.sql``. Raises ConfigurationError."""
    span = _SPAN.fullmatch(asked.since)
    found: dict[str, Any] = {"step": asked.by, **_time("until", asked.until), **dict.fromkeys(("hours", "months"))}
    if span is None:
        return found | {"days": None} | _time("since", asked.since)
    number, unit = int(span[1]), span[2]
    if number == 0:
        raise ConfigurationError(f"--since {asked.since} covers no time", hint=_HINT)
    if number * _DAYS[unit] > LONGEST:
        raise _too_early("since", asked.since)
    months = {"mo": 1, "y": 12}.get(unit, 0) * number
    days = {"d": 1, "w": 7}.get(unit, 0) * number
    return found | _time("since", None) | {"hours": number if unit == "h" else None, "months": months, "days": days}


def span(since: str, until: str | None, now: datetime) -> timedelta:
    """About how long a window is; nothing if it cannot be."""
    end = _about(until, now) or now
    if found := _SPAN.fullmatch(since):
        return timedelta(days=min(int(found[1]) * _DAYS[found[2]], LONGEST))
    return end - (_about(since, now) or end)


def _about(text: str | None, now: datetime) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or now.tzinfo)


def require_window(asked: Asked, since: datetime, until: datetime, now: datetime, periods: int) -> None:
    """Raise ConfigurationError for a window that is empty, still to come, or too long for its periods."""
    if asked.until is not None and until > now:
        raise ConfigurationError(f"--until {asked.until} is in the future", hint="omit it: the window then ends now")
    if since >= until:
        what = "is not before the end of the window" if asked.until is not None else "is in the future"
        raise ConfigurationError(f"--since {asked.since} {what}", hint=_HINT)
    if periods > MOST_PERIODS:
        raise ConfigurationError(
            f"that is {grouped(periods)} periods of one {asked.by}",
            hint="take a longer period (--by), or a later --since",
        )


def _too_early(what: str, text: str) -> ConfigurationError:
    limits = f"a window is at most {grouped(LONGEST)} days, and begins in {EARLIEST} or later"
    return ConfigurationError(f"--{what} {text} goes back too far", hint=limits)


def _time(what: str, text: str | None) -> dict[str, str | None]:
    """A time by the clock of the zone, or, where it says how far it is from UTC, of itself."""
    if text is None:
        return {f"{what}_at": None, f"{what}_local": None}
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--{what} {text!r} is neither a span nor a time", hint=_HINT) from None
    if found.year < EARLIEST:
        raise _too_early(what, text)
    local = found.tzinfo is None
    return {f"{what}_at": None if local else found.isoformat(), f"{what}_local": found.isoformat() if local else None}
