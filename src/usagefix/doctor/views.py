"""The rules of what reads the counter and the events: views of the application, and trends, heatmap, top and the
dashboard, which read the events of some time."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import INFO, Rule
from usagefix.doctor.words import listed
from usagefix.models.diagnosis import Finding
from usagefix.models.figures import plural, size
from usagefix.picture.telling import time_of
from usagefix.quoting import shown

_LARGE = 1_000_000  # rows; fewer are read in a second
_IN_ORDER = 0.9  # the correlation of a column from which on a BRIN index is useful
_PAGE, _RANGE, _SUMMARY, _ENTRY = 8192, 128, 32, 24  # bytes and pages of a BRIN; bytes of an entry of a b-tree


def time_not_indexed(case: Case) -> Iterator[Finding]:
    """Nothing leads to the events of some days, in a table that is large."""
    around, time = case.picture.surroundings, time_of(case.counter, case.picture.events)
    leading = {
        index.keys[0]
        for index in case.picture.indexes
        if index.on_table == "preset_usage" and index.valid and not index.partial
    }
    if time is None or time in leading or case.picture.events.partitioned or around.event_rows < _LARGE:
        return
    in_order = around.correlations.get(time)
    if in_order is None or abs(float(in_order)) >= _IN_ORDER:
        pages = 3 + around.event_pages // _RANGE * _SUMMARY // _PAGE
        how, why = "USING brin ", "they are stored in its order, so a BRIN index is enough"
    else:
        pages = around.event_rows * _ENTRY // _PAGE
        how, why = "", "they are not stored in its order, so it takes a b-tree"
    yield Finding(
        "time_not_indexed",
        INFO,
        f"No index on the time of {case.nouns.events}: trends, heatmap and top read all of them",
        case.events,
        f"about {plural(around.event_rows, 'row')} without an index on {time}; {why}, of about {size(pages * _PAGE)}",
        f"CREATE INDEX CONCURRENTLY ON {case.events} {how}({shown(time)})",
    )


def materialised_view(case: Case) -> Iterator[Finding]:
    """Materialised views: they keep what they read once."""
    for view in case.picture.views:
        if not view.materialised:
            continue
        what = "the counter" if view.counter else case.nouns.events
        shows = "it shows them" if what == case.nouns.events else "it shows the counter"
        evidence = f"{shows} as of its last REFRESH" if view.populated else "it was never filled"
        evidence += "" if view.keyed else "; without a unique index, its readers wait while it is refreshed"
        yield Finding(
            "materialised_view",
            INFO,
            f"A materialised view reads {what}",
            view.name,
            evidence + (f"; it reads {listed(view.through)}" if view.through else ""),
            view.refresh + (f", as {view.owner}, who owns it" if not view.owned else ""),
        )


def view_of_counter(case: Case) -> Iterator[Finding]:
    """Plain views: what shows the counter beside its column."""
    names = [view.name for view in case.picture.views if not view.materialised]
    if names:
        yield Finding(
            "view_of_counter",
            INFO,
            "A view reads the counter" if len(names) == 1 else f"{plural(len(names), 'view')} read the counter",
            case.counted_column,
            listed(names),
            "none: a view shows the counter as it is now",
        )


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (time_not_indexed, materialised_view, view_of_counter)}
