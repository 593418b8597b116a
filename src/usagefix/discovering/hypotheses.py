"""What a counter may be of a table's rows: their number, or a sum, of all rows or of those that pass a filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice, permutations

from usagefix.discovering.links import Link
from usagefix.discovering.tables import NUMBERS, TEXTS, Column, Table
from usagefix.quoting import literal

MOST_VALUES = 8  # of a column that is tried as a filter
_MOST_FILTERS, _MOST_PAIRS, _MOST_SUMS, _MOST_DIFFERENCES = 40, 120, 6, 12
_MOST_SIGNED = 4  # values of a column of which two may be up and down
_FILTERED = TEXTS | NUMBERS - {"numeric"} | {"boolean"}


@dataclass(frozen=True, slots=True)
class Expression:
    """SQL over the columns of one table."""

    parts: tuple[str | Column, ...]

    def sql(self, alias: str = "") -> str:
        """The text, each column of it behind the alias of its table."""
        return "".join(part if isinstance(part, str) else f"{alias}{part.sql}" for part in self.parts)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Column))


@dataclass(frozen=True, slots=True)
class Profile:
    """What some rows of a table hold: the values of each column, where they are few, and which columns had a NULL.

    ``values`` may have more of a column than a filter is made of. ``whole``: columns that have few values, none long.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nulls: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The number of a link's rows that pass ``where``, or the sum of ``weight`` over them. ``cost``: of two that the
    data does not tell apart, the one with less is meant."""

    link: Link
    where: tuple[Expression, ...] = ()
    weight: Expression | None = None
    cost: float = 0

    def aggregate(self) -> str:
        """What computes it over rows under the alias ``event``, those of its type already."""
        kept = " AND ".join(part.sql("event.") for part in self.where)
        called = "pg_catalog.count(*)" if self.weight is None else f"pg_catalog.sum({self.weight.sql('event.')})"
        return f"COALESCE({called}{f' FILTER (WHERE {kept})' if kept else ''}, 0)::pg_catalog.numeric"

    @property
    def events(self) -> str:
        """The table and the columns that name the parent's row, as a declaration has them."""
        return f"{self.link.child.shown}.{columns(self.link.child, self.link.columns)}"

    @property
    def filter(self) -> str | None:
        """The whole filter, as SQL over the columns of an event."""
        kind = self.link.type_column
        typed = (
            ()
            if kind is None
            else (Expression((self.link.child.by_name[kind], f" = {literal(str(self.link.type_value))}")),)
        )
        return " AND ".join(part.sql() for part in (*typed, *self.where)) or None

    @property
    def columns(self) -> frozenset[str]:
        """The columns of an event that it depends on, but for those that name the parent's row."""
        return frozenset().union(*(part.columns for part in (*self.where, *((self.weight,) if self.weight else ()))))

    @property
    def sum(self) -> str | None:
        return None if self.weight is None else self.weight.sql()

    def __str__(self) -> str:
        what = f"sum({self.sum}) of " if self.weight is not None else ""
        return f"{what}{self.events}{f' where {self.filter}' if self.filter else ''}"


def columns(table: Table, names: Sequence[str]) -> str:
    """One column as SQL writes it; several in parentheses."""
    written = ", ".join(table.by_name[name].sql for name in names)
    return written if len(names) == 1 else f"({written})"


def hypotheses(link: Link, profile: Profile) -> tuple[Hypothesis, ...]:
    """All that are tried of a link, the simplest first; their number is bounded."""
    base = float(link.kind)
    filters = list(islice(_filters(link, profile), _MOST_FILTERS))
    weights = list(islice(_sums(link), _MOST_SUMS))
    others = [*islice(_differences(weights), _MOST_DIFFERENCES), *_signed(link, profile)]
    pairs = [(a, b) for a, b in combinations(filters, 2) if not a[0].columns & b[0].columns]
    return (
        Hypothesis(link, cost=base),
        *(Hypothesis(link, (test,), cost=base + 10 + cost) for test, cost in filters),
        *(Hypothesis(link, (), weight, base + 20) for weight in weights),
        *(Hypothesis(link, (), weight, base + 25) for weight in others),
        *(Hypothesis(link, (test,), weight, base + 30 + cost) for weight in weights for test, cost in filters[:15]
          if not test.columns & weight.columns),
        *(Hypothesis(link, (a[0], b[0]), cost=base + 40 + a[1] + b[1]) for a, b in pairs[:_MOST_PAIRS]),
    )  # fmt: skip


def _filters(link: Link, profile: Profile) -> Iterator[tuple[Expression, float]]:
    """Filters of one column, those that applications use most first."""
    taken = {*link.columns, link.type_column}
    columns = [column for column in link.child.columns if column.name not in taken and not column.made]
    for column in columns:
        if column.name in profile.nulls and (column.timed or column.name in link.child.referring):
            yield Expression((column, " IS NULL")), 0.0 if column.timed else 1.0
            yield Expression((column, " IS NOT NULL")), 0.5 if column.timed else 1.5
    for column in columns:
        if column.type == "boolean":
            yield Expression(("NOT ", column)), 0.2
            yield Expression((column,)), 0.3
            if column.name in profile.nulls:
                yield Expression((column, " IS NOT TRUE")), 0.6
    for column in columns:
        found = profile.values.get(column.name, ())
        few = column.name in profile.whole and 1 < len(found) <= MOST_VALUES
        if few and column.type in _FILTERED - {"boolean"} and column.name not in link.child.keyed:
            for value in found:
                yield Expression((column, f" = {_written(column, value)}")), 0.4
            if len(found) > 2:  # noqa: PLR2004 - of two, this is the other
                for value in found:
                    yield Expression((column, f" <> {_written(column, value)}")), 0.7


def _written(column: Column, value: str) -> str:
    return value if column.type in NUMBERS else literal(value)


def _sums(link: Link) -> Iterator[Expression]:
    for column in link.child.columns:
        if column.type in NUMBERS and not column.made and column.name not in link.child.keyed | {*link.columns}:
            yield Expression((column,))


def _differences(weights: Sequence[Expression]) -> Iterator[Expression]:
    for up, down in permutations(weights, 2):
        yield Expression((*up.parts, " - ", *down.parts))


def _signed(link: Link, profile: Profile) -> Iterator[Expression]:
    """Votes up and down, told apart by a column."""
    for column in link.child.columns:
        found = profile.values.get(column.name, ())
        if column.name in {*link.columns, link.type_column} or column.name in link.child.keyed:
            continue
        if column.type == "boolean":
            for sign in ("", "-"):
                other = "-" if not sign else ""
                yield Expression(("CASE WHEN ", column, f" THEN {sign}1 WHEN NOT ", column, f" THEN {other}1 END"))
        elif column.type in TEXTS and column.name in profile.whole and 1 < len(found) <= _MOST_SIGNED:
            for up, down in permutations(found, 2):
                yield Expression(
                    ("CASE ", column, f" WHEN {literal(up)} THEN 1 WHEN {literal(down)} THEN -1 ELSE 0 END")
                )
