"""What migrations are numbered with: timestamps, or numbers in sequence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from usagefix.errors import ConfigurationError

SECONDS = 14  # digits of a timestamp
_UNIX = 10  # digits of seconds since 1970


def timestamps(taken: Iterable[str], count: int, hint: str) -> list[str]:
    """The next ones, a second apart: from now on, or after the newest taken. Raises ConfigurationError with the hint
    if that is none."""
    newest = max(taken, default="")
    try:
        first = datetime.now(UTC)
        if _digits(first) <= newest:
            digits = newest[:SECONDS].ljust(SECONDS, "0")
            first = datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}") + timedelta(seconds=1)
        return [_digits(first + timedelta(seconds=n)) for n in range(count)]
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"no migration can follow version {newest}, because that is no timestamp", hint=hint
        ) from None


def numbers(newest: str, count: int) -> list[str]:
    """What follows a number as others do: timestamps, seconds since 1970, or the next ones, as wide as it is."""
    now = datetime.now(UTC)
    next_one = int(newest) + 1
    if len(newest) == SECONDS:
        return timestamps([newest], count, "rename that file")
    if len(newest) == _UNIX:
        next_one = max(next_one, int(now.timestamp()))
    return [str(next_one + n).zfill(len(newest)) for n in range(count)]


def _digits(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}"
