"""Where the bundled SQL reads events, and adds them up: what is written there for a counter of some events only, or of
what each event is worth.

A source of events that has an alias (``FROM new_events AS written``, ``JOIN public.preset_usage AS event``) gives the
events that count; without an alias, or without AS, it gives all there are. ``count(*) AS uses`` (or ``AS actual``) and
``1 AS uses`` are what events count. ``GREATEST(…, 0)`` stops at zero, as only a counter that counts one for each does.
Rows of the parent are those that have a counter where their alias is ``preset``; what else reads the parent sees all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from usagefix.fragments import closed, moved
from usagefix.tokens import Token

WEIGHT = "usagefix_weight"  # the column that a source has where events have a weight
_EVENTS = (
    ("new_events",),
    ("old_events",),
    ("public", ".", "preset_usage"),
    ("ONLY", "%", "s"),  # the partition that format() is given
    ("(", "SELECT", "OLD", ".", "*", ")"),
    ("(", "SELECT", "NEW", ".", "*", ")"),
)
_PARENT = ("public", ".", "presets", "AS", "preset")
_GUARDED = ("IF", "NEW", ".", "id", "IS", "DISTINCT", "FROM")  # where the guard begins to look at a row
_TOTALS = (("count", "(", "*", ")", "AS", "uses"), ("count", "(", "*", ")", "AS", "actual"))


@dataclass(frozen=True, slots=True)
class Edit:
    """What is written for the tokens from ``first`` until ``end``: ``instead``, or ``before`` and ``behind`` them."""

    first: int
    end: int
    before: str = ""
    behind: str = ""
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Fragments:
    """Which events count, and for how much: SQL over the alias ``event``; None: all, and 1 each. ``only``: which rows
    of the parent have a counter: over the alias ``preset``; None: all. ``parts``: the columns of a key of several:
    an event without one of them is of no row. ``truth``: what is read in place of events."""

    where: str | None = None
    weight: str | None = None
    only: str | None = None
    parts: tuple[str, ...] = ()
    truth: str | None = None

    def edits(self, code: Sequence[Token], *, inside: bool) -> Iterator[Edit]:
        """What to write otherwise in some code; ``inside``: it is the body of a function."""
        if self.where is self.weight is self.only is None and not self.parts:
            return
        texts = [token.text for token in code]
        for at, text in enumerate(texts):
            if text in ("FROM", "JOIN") and texts[max(at - 1, 0)] != "DELETE":
                yield from self._source(texts, at + 1, inside=inside)
            elif self.weight is not None:
                yield from _weighed(texts, at)
            if self.only is not None:
                yield from _restricted(texts, at, self.only)

    def _source(self, texts: list[str], first: int, *, inside: bool) -> Iterator[Edit]:
        if self.where is self.weight is None and not self.parts:
            return
        for source in _EVENTS:
            end = first + len(source)
            if tuple(texts[first:end]) == source and texts[end : end + 1] == ["AS"]:
                if self.truth is not None:
                    yield Edit(first, end, instead=self.truth)
                    return
                where, weight = (closed(text) if inside and text else text for text in (self.where, self.weight))
                worth = f", COALESCE({weight}, 0) AS {WEIGHT}" if weight else ""
                conditions = [*(f"event.{part} IS NOT NULL" for part in self.parts), *([f"({where})"] if where else [])]
                counts = f" WHERE {' AND '.join(conditions)}" if conditions else ""
                selected = f"(SELECT event.*{worth} FROM "  # noqa: S608 - vetted by the server
                yield Edit(first, end, selected, f" AS event{counts})")

    def doubled(self) -> Fragments:
        """The same where ``%`` means something and ``%%`` is a percent sign."""
        where, weight, only = (text and text.replace("%", "%%") for text in (self.where, self.weight, self.only))
        parts = tuple(part.replace("%", "%%") for part in self.parts)
        return Fragments(where, weight, only, parts, self.truth and self.truth.replace("%", "%%"))


def _restricted(texts: list[str], at: int, only: str) -> Iterator[Edit]:
    """What a mere row of the parent is, in a query, in an UPDATE (whose conditions are joined by AND), in the guard."""
    found = tuple(texts[at + 1 : at + 1 + len(_PARENT)]) == _PARENT
    if found and texts[at] in ("FROM", "JOIN") and texts[max(at - 1, 0)] != "DELETE":
        yield Edit(at + 1, at + 4, "(SELECT preset.* FROM ", f" AS preset WHERE ({only}))")
    elif found and texts[at] == "UPDATE" and (where := _where(texts, at)):
        yield Edit(where, where + 1, behind=f" ({closed(only)}) AND")
    elif tuple(texts[at : at + len(_GUARDED)]) == _GUARDED:
        of_row = closed(moved(only, "preset", "NEW"))
        yield Edit(at, at + 1, f"IF ({of_row}) IS NOT TRUE THEN RETURN NEW; END IF; -- it has no counter\n    ")


def _where(texts: list[str], update: int) -> int | None:
    """Where the conditions of an UPDATE begin."""
    depth = 0
    for at in range(update, len(texts)):
        depth += (texts[at] == "(") - (texts[at] == ")")
        if depth < 0 or texts[at] == ";":
            return None
        if depth == 0 and texts[at] == "WHERE":
            return at
    return None


def _weighed(texts: list[str], at: int) -> Iterator[Edit]:
    for total in _TOTALS:
        if tuple(texts[at : at + len(total)]) == total:
            qualified = texts[max(at - 2, 0) : at] == ["pg_catalog", "."]
            yield Edit(at - 2 * qualified, at + 4, instead=f"COALESCE(pg_catalog.sum({WEIGHT}), 0)")
    if texts[at : at + 3] == ["1", "AS", "uses"]:
        minus = texts[max(at - 1, 0)] == "-"
        yield Edit(at - minus, at + 1, instead=f"{'OPERATOR(pg_catalog.-) ' * minus}{WEIGHT}")
    if texts[at] == "GREATEST" and texts[(end := _closing(texts, at + 1)) - 2 : end] == [",", "0"]:
        yield Edit(at, at + 1, instead="")
        yield Edit(end - 2, end, instead="")


def _closing(texts: list[str], opening: int) -> int:
    """Where the bracket at ``opening`` is closed."""
    depth = 0
    for at in range(opening, len(texts)):
        depth += (texts[at] == "(") - (texts[at] == ")")
        if depth == 0:
            return at
    return len(texts)
