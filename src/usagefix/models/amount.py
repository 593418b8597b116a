"""Values of counters and sums of events: exact, however long; an ``int`` if whole, else a ``Decimal``."""

from __future__ import annotations

from decimal import Context, Decimal

Amount = int | Decimal

_LONGEST_INT = 4_000  # digits; Python reads and writes no longer int as text
_ROUGH = Context(prec=9, traps=[])
_EXACT = Context(prec=200_000, traps=[])  # digits; a numeric of PostgreSQL has fewer


def amount(text: str) -> Amount:
    """A number as PostgreSQL writes it."""
    whole, _, fraction = text.partition(".")
    if fraction.strip("0") or len(whole) > _LONGEST_INT or not whole.lstrip("-").isdigit():
        return Decimal(text)
    return int(whole)


def plus(*amounts: Amount) -> Amount:
    """Their sum."""
    if all(isinstance(each, int) for each in amounts):
        return sum(amounts)
    found = Decimal(0)
    for each in amounts:
        found = _EXACT.add(found, Decimal(each))
    return amount(f"{found:f}")


def minus(first: Amount, second: Amount) -> Amount:
    """Their difference."""
    return plus(first, -second if isinstance(second, int) else second.copy_negate())


def share(part: Amount, whole: Amount) -> float:
    """The one as a share of the other."""
    return float(_ROUGH.divide(Decimal(part), Decimal(whole)))


def is_number(value: Amount) -> bool:
    """Whether it is finite: a numeric of PostgreSQL may be NaN or infinite, which JSON can only write as strings."""
    return isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite())
