"""Numbers, times and names as the page shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Context, Decimal, localcontext
from zoneinfo import ZoneInfo

from usagefix.models import figures
from usagefix.models.amount import Amount
from usagefix.models.figures import grouped
from usagefix.models.insight import Window
from usagefix.render.words import harmless

MINUS, _TIMES, _TIGHT = "\u2212", "\u00d7", "\u00a0"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST = 11  # characters of a number that is written in full on a card: 999,999,999
_SCALES = ((12, "T"), (9, "B"), (6, "M"), (3, "k"))
_ROUGH = Context(prec=20, Emax=999_999, Emin=-999_999, traps=[])
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True, slots=True)
class Unit:
    """What is counted: ``event`` is the word for one; ``weighed``: it counts for more or less than 1, so there is only
    a sum."""

    event: str
    weighed: bool

    @property
    def plural(self) -> str:
        """As a heading: ``uses``, or ``sum``."""
        return "sum" if self.weighed else f"{self.event}s"

    @property
    def of_all(self) -> str:
        """What a share is of."""
        return "of the sum" if self.weighed else f"of all {self.plural}"

    def of(self, value: Amount) -> str:
        """``1 use``, ``2 uses``, or a mere number."""
        return full(value) if self.weighed else f"{full(value)} {self.event if value == 1 else self.plural}"


def full(value: Amount) -> str:
    """A number with all its digits; a longer one than a line holds as :func:`short`."""
    digits = grouped(value)
    return digits.replace("-", MINUS) if len(digits) <= 2 * _LONGEST else short(value)


def short(value: Amount) -> str:
    """A number that fits on a card: in full up to nine digits, then rounded."""
    exact = Decimal(value)
    if not exact.is_finite():
        return str(exact)
    digits = grouped(value)
    return digits.replace("-", MINUS) if len(digits) <= _LONGEST else _rounded(exact, least=3)


def tick(value: Decimal) -> str:
    """A number beside an axis."""
    if abs(value) >= 10_000:  # noqa: PLR2004
        return _rounded(value, least=3)
    return grouped(value.normalize()).replace("-", MINUS) if value else "0"


def _rounded(value: Decimal, *, least: int) -> str:
    power = value.adjusted()
    for digits, letter in _SCALES:
        if least <= digits <= power < digits + 3:
            scaled = _ROUGH.scaleb(value, -digits)
            return f"{Context(prec=3).plus(scaled).normalize():f}{letter}".replace("-", MINUS)
    if -3 <= power <= 2:  # noqa: PLR2004
        return grouped(Context(prec=3).plus(value).normalize()).replace("-", MINUS)
    mantissa = Context(prec=3, Emax=999_999).plus(_ROUGH.scaleb(value, -power)).normalize()
    return f"{mantissa:f} {_TIMES} 10{str(power).translate(_RAISED)}".replace("-", MINUS)


def percent(share: float) -> str:
    """A share: ``5.0%``, ``33%``; what is longer than a card holds as :func:`short`."""
    if abs(share) < 10_000:  # noqa: PLR2004
        return figures.percent(share).replace("-", MINUS)
    return f"{MINUS if share < 0 else ''}{short(int(abs(share) * 100))}%"


def ratio(part: Decimal, whole: Decimal) -> float:
    """The one as a share of the other, however large they are."""
    return float(_ROUGH.divide(part, whole)) if whole else 0.0


def ticks(low: Amount, high: Amount, *, most: int = 6, whole: bool = True) -> list[Decimal]:
    """Round numbers at even steps: the first at or below ``low``, which is at most 0, the last at or above ``high``."""
    with localcontext(_ROUGH):
        span = +Decimal(high) - +Decimal(low)
        if not span:
            return [Decimal(0), Decimal(1)]
        rough = span / (most - 1)
        steps = (Decimal(times).scaleb(rough.adjusted()) for times in ("1", "2", "2.5", "5", "10", "20"))
        step = next(
            (step for step in steps if step >= rough and (not whole or step == step.to_integral_value())), Decimal(1)
        )
        found = [(Decimal(low) / step).to_integral_value("ROUND_FLOOR") * step]
        while found[-1] < high:
            found.append(found[-1] + step)
        return found


def zone(window: Window) -> tzinfo | None:
    """The time zone of the window; where Python does not know what the server knows, that of its first moment."""
    try:
        return ZoneInfo(window.timezone)
    except (OSError, ValueError, KeyError):
        return window.since.tzinfo


def date(moment: datetime) -> str:
    """``25 Nov 2026``; the server's own words for months would be those of its language."""
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def day(moment: datetime) -> str:
    """``Wed 25 Nov 2026``."""
    return f"{DAYS[moment.weekday()][:3]} {date(moment)}"


def clock(moment: datetime) -> str:
    """``25 Nov 2026, 14:05``."""
    return f"{date(moment)}, {moment:%H:%M}"


def name(text: str, *, most: int = 200) -> str:
    """A name of the database on one line, with what a terminal obeys or what turns the direction of writing written
    out; cut off at ``most`` characters that are as wide as letters."""
    line = harmless(" ".join(text.split()))
    if sum(_widths(line)) <= most:
        return line or "(empty)"
    kept, room = [], most - 1
    for character, width in zip(line, _widths(line), strict=True):
        room -= width
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def together(text: str) -> str:
    """A date or a time that is not broken between two lines."""
    return text.replace(" ", _TIGHT)


def _widths(text: str) -> Iterator[int]:
    for character in text:
        yield 0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
