"""Which columns of a database are counters, and of what. Names suggest where to look; the data decides. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from usagefix.database import Database
from usagefix.discovering import links, names, wording
from usagefix.discovering.hypotheses import Hypothesis, Profile, hypotheses
from usagefix.discovering.links import Kind, Link
from usagefix.discovering.measuring import Clock, Measured, OutOfTime, Unlooked, held, last_events, measure, profile
from usagefix.discovering.scoring import ACCEPTED, Doubt, Verdict, verdict
from usagefix.discovering.tables import SPARSE, Column, Table, tables
from usagefix.models.discovery import DiscoverReport, FoundCounter, NeverMaintained, PassedOver, Undecided
from usagefix.models.figures import duration

SECONDS = 60.0
_FEWEST_HELD = 0.9  # the share of a column's values that must be keys of a table, so that it refers to that table
_NO_LAST_EVENT = frozenset({"created", "updated", "modified", "changed", "deleted", "inserted", "edited"})
_WORTH_A_WORD = 0.25  # a column with at least this agreement is reported as undecided
_MOST_MATCHING = 3

OnProgress = Callable[[int, int], None]


@dataclass
class _Search:
    """What is known so far."""

    db: Database
    clock: Clock
    tables: Sequence[Table]
    profiles: dict[int, Profile] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    measured: dict[Link, tuple[Measured, tuple[Hypothesis, ...]]] = field(default_factory=dict)


def discover(
    db: Database,
    *,
    schema: str | None = None,
    seconds: float = SECONDS,
    on_progress: OnProgress = lambda _done, _all: None,
) -> DiscoverReport:
    """Find the counters of a database, or of one schema, within about so many seconds.

    Large tables are sampled. What the role may not read, and what there was no time for, is in the report.
    """
    clock = Clock(seconds)
    found, unreadable = tables(db, schema)
    search = _Search(db, clock, found, passed_over=dict(unreadable))
    looked_at = _links(search)
    for done, link in enumerate(looked_at):
        on_progress(done, len(looked_at))
        _measure(search, link)
    on_progress(len(looked_at), len(looked_at))
    return _report(search)


def _links(search: _Search) -> list[Link]:
    """Every link there is to look at; tables of events are profiled on the way."""
    found = list(links.by_catalog(search.tables))
    parents = [table for table in search.tables if table.counting and table.uniques]
    children = {link.child.oid for link in found}
    sparse = {parent.oid: list(links.sparse_keys(parent)) for parent in parents}
    for child in search.tables if parents else ():
        if child.oid in children or any(links.type_pairs(child)) or any(sparse.values()):
            _profile(search, child)
    for child in search.tables:
        values = search.profiles.get(child.oid, Profile()).values
        found += links.by_types(parents, child, values)
    for parent in parents:
        for key in sparse[parent.oid]:
            found += _by_values(search, parent, key, found)
    return list({link.identity: link for link in reversed(found)}.values())[::-1]


def _profile(search: _Search, child: Table) -> None:
    try:
        search.profiles[child.oid] = profile(search.db, search.clock, child)
    except Unlooked as unlooked:
        search.passed_over[f"the values of {child.qualified}"] = str(unlooked)
    except OutOfTime:
        search.passed_over[f"the values of {child.qualified}"] = _over(search)


def _over(search: _Search) -> str:
    return f"the {duration(search.clock.seconds)} were over"


def _by_values(search: _Search, parent: Table, key: Column, found: Sequence[Link]) -> Iterator[Link]:
    """Columns whose values are keys of the parent, though no name and no foreign key says so."""
    known = {(link.child.oid, link.columns) for link in found if link.parent is parent}
    asked = [
        (child, column, search.profiles[child.oid].values.get(column.name, ()))
        for child in search.tables
        if child is not parent and child.oid in search.profiles
        for column in child.columns
        if column.type in SPARSE - {"enum"} and (column.type == "uuid") == (key.type == "uuid")
        and column.name not in child.referring and (child.oid, (column.name,)) not in known
    ]  # fmt: skip
    asked = [one for one in asked if len(one[2]) > 1 and (one[1].name,) not in one[0].uniques]
    try:
        matching = held(search.db, search.clock, parent, key, [values for _, _, values in asked])
    except Unlooked as unlooked:
        search.passed_over[f"whose keys are those of {parent.qualified}"] = str(unlooked)
        return
    except OutOfTime:
        return
    for (child, column, values), number in zip(asked, matching, strict=True):
        if number >= max(2, _FEWEST_HELD * len(values)):
            yield Link(Kind.VALUED, parent, (key.name,), child, (column.name,))


def _measure(search: _Search, link: Link) -> None:
    tried = hypotheses(link, search.profiles.get(link.child.oid, Profile()))
    what = f"{link.child.qualified} as events of {link.parent.qualified}"
    try:
        search.measured[link] = measure(search.db, search.clock, link, tried), tried
    except Unlooked as unlooked:
        search.passed_over[what] = str(unlooked)
    except OutOfTime:
        search.passed_over[what] = _over(search)


def _report(search: _Search) -> DiscoverReport:
    found, never, undecided = [], [], []
    of_parent: dict[int, list[Link]] = defaultdict(list)
    for link in search.measured:
        of_parent[link.parent.oid].append(link)
    columns = [(parent, column) for parent in search.tables if parent.oid in of_parent for column in parent.counting]
    for parent, column in columns:
        looked = of_parent[parent.oid]
        judged = _judge(search, column, looked)
        if judged is not None and judged.doubt is None:
            found.append(_counter(search, parent, column, judged))
        elif (idle := _never(search, parent, column, looked)) is not None:
            never.append(idle)
        elif judged is not None and _worth_a_word(column, judged):
            undecided.append(_undecided(parent, column, judged))
    return DiscoverReport(
        tuple(found), tuple(never), tuple(undecided),
        tuple(PassedOver(what, why) for what, why in search.passed_over.items()),
        tables=len(search.tables), columns=len(columns), events=len(search.measured),
    )  # fmt: skip


def _judge(search: _Search, column: Column, looked: Sequence[Link]) -> Verdict | None:
    samples, named = [], []
    for link in looked:
        measured, tried = search.measured[link]
        own = column.name if link.child is link.parent else None
        pairs = [(one, tallied) for one, tallied in zip(tried, measured.tallies, strict=True) if own not in one.columns]
        samples.append((measured.counters[column.name], pairs))
        if link.kind is not Kind.VALUED and names.speaks_of(column.name, link.child.name, *link.columns):
            named += [one for one in tried if not one.where and one.weight is None]
    return verdict(samples, named)


def _counter(search: _Search, parent: Table, column: Column, judged: Verdict) -> FoundCounter:
    best, link = judged.best.hypothesis, judged.best.hypothesis.link
    measured, tried = search.measured[link]
    displayed, actual = measured.counters[column.name].values, measured.tallies[tried.index(best)].values
    last = _last(search, best)
    return FoundCounter(
        counter=wording.column(parent, column),
        events=best.events,
        where=best.filter,
        sum=best.sum,
        key=wording.key(best),
        last=last[0].sql if last else None,
        last_from=last[1].sql if last else None,
        name=wording.name(parent, column),
        agreement=round(judged.best.agreement, 4),
        runner_up=round(judged.runner_up, 4),
        rival=str(judged.rival) if judged.rival else None,
        rows=judged.best.rows,
        inaccurate=judged.best.rows - judged.best.agreed,
        drift_total=sum(actual) - sum(displayed),
        sampled=measured.sampled,
        alike=tuple(map(str, judged.alike[:_MOST_MATCHING])),
    )


def _last(search: _Search, found: Hypothesis) -> tuple[Column, Column] | None:
    """The parent's column for the time of the last event, with the one of an event that it comes from."""
    own = [c for c in found.link.parent.columns if c.timed and not _NO_LAST_EVENT.intersection(names.words(c.name))]
    pairs = [(c, s) for c in own for s in found.link.child.columns if s.timed and s.type == c.type]
    if not pairs or found.link.child is found.link.parent:
        return None
    try:
        times = last_events(search.db, search.clock, found, pairs)
    except (Unlooked, OutOfTime):
        return None
    place = max(range(len(pairs)), key=lambda place: times[place][0])
    agreed, rows = times[place]
    return pairs[place] if agreed >= _MOST_MATCHING and agreed >= ACCEPTED * rows else None


def _never(search: _Search, parent: Table, column: Column, looked: Sequence[Link]) -> NeverMaintained | None:
    """A column that nothing counts in, though it is called as a number of events that there are."""
    rows, events = 0, []
    for link in looked:
        measured, _ = search.measured[link]
        if any(measured.counters[column.name].values):
            return None
        called = names.speaks_of(column.name, link.child.name, *link.columns)
        if called and any(measured.tallies[0].values):
            rows = max(rows, sum(map(bool, measured.tallies[0].values)))
            events.append(Hypothesis(link).events)
    return NeverMaintained(wording.column(parent, column), tuple(dict.fromkeys(events)), rows) if events else None


def _worth_a_word(column: Column, judged: Verdict) -> bool:
    if judged.doubt is Doubt.TIE:
        return True
    link = judged.best.hypothesis.link
    called = names.speaks_of(column.name, link.child.name, *link.columns) or judged.best.agreement >= ACCEPTED
    return (called and names.is_a_tally(column.name)) or (judged.significant and judged.best.agreement >= _WORTH_A_WORD)


def _undecided(parent: Table, column: Column, judged: Verdict) -> Undecided:
    return Undecided(
        counter=wording.column(parent, column),
        events=judged.best.hypothesis.events,
        where=judged.best.hypothesis.filter,
        sum=judged.best.hypothesis.sum,
        agreement=round(judged.best.agreement, 4),
        rows=judged.best.rows,
        runner_up=round(judged.runner_up, 4),
        rival=str(judged.rival) if judged.rival else None,
        why=str(judged.doubt or Doubt.LOW),
    )
