"""How numbers, shares, durations and sizes are written for people: the only place that does it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from usagefix.models.amount import Amount

_MINUTE, _HOUR = 60, 3600
_UNITS = ("kB", "MB", "GB", "TB")


def grouped(value: Amount) -> str:
    """``60,000``: all digits, in groups of three."""
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"


def signed(value: Amount) -> str:
    """A difference: ``+60,000``, ``-1``, ``0``."""
    return f"{'+' if value > 0 else ''}{grouped(value)}" if value and _ordered(value) else grouped(value)


def drifted(total: Amount, magnitude: Amount) -> str:
    """How far counters are off in all; and up and down together, where not all are off the same way."""
    both = "" if abs(total) == magnitude else f" ({grouped(magnitude)} up and down together)"
    return f"drift {signed(total)}{both}"


def counted(value: Amount | None) -> str:
    """A counter, which may be null."""
    return "null" if value is None else grouped(value)


def plural(value: Amount, noun: str) -> str:
    """``1 preset``, ``60,000 presets``."""
    return f"{grouped(value)} {noun}{'' if value == 1 else 's'}"


def out_of(part: Amount, whole: Amount) -> str:
    """``29 of 60,000``."""
    return f"{grouped(part)} of {grouped(whole)}"


def parts(part: Amount, whole: Amount, noun: str) -> str:
    """``29 of 60,000 presets``, ``0 of 1 preset``."""
    return f"{grouped(part)} of {plural(whole, noun)}"


def aligned(values: Sequence[Amount | None]) -> list[str]:
    """Numbers of one column, each with as many digits behind the point as any."""
    digits = max((_fraction(value) for value in values if value is not None), default=0)
    return [
        "null" if value is None else f"{Decimal(value):,.{digits}f}" if digits else grouped(value) for value in values
    ]


def percent(share: float) -> str:
    """A share of 1: ``5.0%``, ``33%``; ``<0.1%`` of next to nothing, and ``>99.9%`` of nearly all."""
    value = abs(share) * 100
    sign = "-" if share < 0 else ""
    if 0 < value < 0.1:  # noqa: PLR2004
        return "<0.1%"
    if 99.5 <= value < 100:  # noqa: PLR2004 - only all is 100%
        return f"{sign}{min(value, 99.9):.1f}%" if value <= 99.9 else f">{sign}99.9%"  # noqa: PLR2004
    return f"{sign}{value:.1f}%" if 0 < value < 9.95 else f"{sign}{value:,.0f}%"  # noqa: PLR2004


def duration(seconds: float) -> str:
    """``40 ms``, ``1.5 s``, ``90 s``, ``5 min 20 s``, ``2 h 5 min``."""
    if 0 < seconds < 0.1:  # noqa: PLR2004
        return f"{max(round(seconds * 1000), 1)} ms"
    if seconds < 9.95:  # noqa: PLR2004
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole <= 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{grouped(whole // _HOUR)} h {whole % _HOUR // _MINUTE} min"


def size(count: int) -> str:
    """Bytes: ``24 kB``, ``1.5 MB``."""
    value = count / 1024
    power = 0
    while value >= 1000 and power < len(_UNITS) - 1:  # noqa: PLR2004
        value, power = value / 1024, power + 1
    digits = f"{value:.1f}" if power and value < 9.95 else f"{max(value, 1):,.0f}"  # noqa: PLR2004
    return f"{digits} {_UNITS[power]}"


def _ordered(value: Amount) -> bool:
    return not (isinstance(value, Decimal) and value.is_nan())


def _fraction(value: Amount) -> int:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0
