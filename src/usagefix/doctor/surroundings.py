"""The rules of what is around the counter: indexes, keys, replication, and what could not be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from usagefix.counter import Counter
from usagefix.doctor.case import Case
from usagefix.doctor.counting import ERROR, INFO, WARNING, Rule
from usagefix.doctor.words import a
from usagefix.models.diagnosis import Finding
from usagefix.models.figures import grouped, parts, percent, plural
from usagefix.picture.objects import Index
from usagefix.quoting import shown
from usagefix.tokens import tokens

_LIMITS = {"smallint": 2**15, "integer": 2**31}
_NEAR = 0.8


def no_index(case: Case) -> Iterator[Finding]:
    """Nothing leads to the events of one preset."""
    leading = [index for index in _of_events(case) if _leads(case.counter, index)]
    lasting = [index for index in leading if not index.daily]
    if not lasting:
        own = ", ".join(column for _, column in case.counter.keys)
        yield Finding(
            "no_index",
            WARNING,
            f"No index on {case.counter.child}({own})",
            case.events,
            f"only the daily limit, {leading[0].name}, which usagefix apply drops"
            if leading
            else f"counting the events of {a(case.nouns.row)}, and deleting {a(case.nouns.row)}, read the whole table",
            f"CREATE INDEX CONCURRENTLY ON {case.events} ({', '.join(case.keys[1])})",
        )


def _leads(counter: Counter, index: Index) -> bool:
    """Whether an index begins with the columns that name the row of the parent, in any order; before or among them may
    be what the filter reads, such as the kind of a parent."""
    needed, given = {column for _, column in counter.keys}, {token.name for token in tokens(counter.where or "")}
    for column in index.keys:
        if not needed or column not in needed | given:
            break
        needed.discard(str(column))
    return not needed and index.valid and not index.partial


def counter_indexed(case: Case) -> Iterator[Finding]:
    """An index that every counted use has to change."""
    around = case.picture.surroundings
    measured = (
        f"{parts(around.hot_updates, around.updates, 'update')} of {case.nouns.parent} so far were HOT"
        f" ({percent(around.hot_updates / around.updates)})"
        if around.updates
        else f"no update of {case.nouns.parent} was measured yet"
    )
    for index in case.picture.indexes:
        if index.on_table == "presets" and case.counter.column in index.columns and index.method != "brin":
            yield Finding(
                "counter_indexed",
                WARNING,
                f"An index on the counter makes each counted {case.nouns.event} change every index of"
                f" {case.nouns.parent}",
                index.name,
                f"{index.definition}; {measured}",
                f"DROP INDEX CONCURRENTLY {index.name}, unless the application sorts by the counter often",
            )


def index_invalid(case: Case) -> Iterator[Finding]:
    """An index that is kept up to date and never used."""
    for index in case.picture.indexes:
        if not index.valid:
            yield Finding(
                "index_invalid",
                WARNING,
                "An index is invalid: writes update it, but no query uses it",
                index.name,
                index.definition,
                f"DROP INDEX CONCURRENTLY {index.name}, or REINDEX INDEX CONCURRENTLY {index.name}",
            )


def _of_events(case: Case) -> Iterator[Index]:
    same = case.events == case.presets
    return (index for index in case.picture.indexes if same or index.on_table == "preset_usage")


def events_without_preset(case: Case) -> Iterator[Finding]:
    """Events that name no preset."""
    strays = case.picture.strays
    if strays is not None and strays.without_preset:
        yield Finding(
            "events_without_preset",
            INFO,
            f"Events name no {case.nouns.row}" if case.nouns.usual else f"Events name no row of {case.nouns.parent}",
            case.foreign_key,
            f"{plural(strays.without_preset, 'event')} with NULL: no counter counts them",
            "SET NOT NULL if every event should have one",
        )


def events_of_gone_presets(case: Case) -> Iterator[Finding]:
    """Events whose preset is gone; where rows are made when events come, the backfill makes these."""
    strays = case.picture.strays
    if strays is not None and strays.preset_gone and not case.counter.creates:
        yield Finding(
            "events_of_gone_presets",
            WARNING,
            "Events of deleted presets" if case.nouns.usual else f"Events of missing rows of {case.nouns.parent}",
            case.foreign_key,
            f"{plural(strays.preset_gone, 'event')}: no counter counts them",
            "delete them" if case.counter.where else "delete them, then add a foreign key ON DELETE CASCADE",
        )


def no_foreign_key(case: Case) -> Iterator[Finding]:
    """Nothing keeps events and presets together; not where rows are made when events come, which one would refuse."""
    keys = [key for key in case.picture.foreign_keys if key.to_presets]
    of_presets, of_events = case.keys
    named = "" if case.counter.usual else f" ({', '.join(of_presets)})"
    made = f"ALTER TABLE {case.events} ADD FOREIGN KEY ({', '.join(of_events)}) REFERENCES {case.presets}{named}"
    made += " ON DELETE CASCADE NOT VALID, then VALIDATE CONSTRAINT"
    if case.counter.creates:
        return
    if not keys:
        yield Finding(
            "no_foreign_key",
            WARNING,
            f"No foreign key from the events to {case.nouns.parent}",
            case.foreign_key,
            f"events can name {a(case.nouns.row)} that does not exist, or stay when it is deleted",
            f"none if it names rows of several tables; else {made}" if case.counter.where else made,
        )
    elif not any(key.validated for key in keys):
        yield Finding(
            "no_foreign_key",
            WARNING,
            f"The foreign key from the events to {case.nouns.parent} is not validated",
            keys[0].name,
            keys[0].definition,
            f"ALTER TABLE {case.events} VALIDATE CONSTRAINT {shown(keys[0].name)}",
        )


def apply_refuses(case: Case) -> Iterator[Finding]:
    """Where a use could be refused, or not be counted exactly, apply changes nothing."""
    for obstacle in case.picture.obstacles:
        yield Finding(
            "apply_refuses",
            ERROR,
            f"The server may refuse {case.nouns.events}, or not count them"
            if case.counted
            else "usagefix apply refuses, and changes nothing",
            case.presets,
            obstacle.what,
            obstacle.hint,
        )


def deletes_refused(case: Case) -> Iterator[Finding]:
    """Events that cannot be deleted, with the fix or without."""
    if case.picture.refuses_deletes:
        yield Finding(
            "deletes_refused",
            WARNING,
            f"No event can be deleted, nor {a(case.nouns.row)} with its events",
            case.events,
            case.picture.refuses_deletes,
            f"give {case.events} a primary key, or a REPLICA IDENTITY that fits the publication",
        )


def unlogged(case: Case) -> Iterator[Finding]:
    """Events that a crash takes away, and no trigger sees it."""
    if case.picture.surroundings.events_unlogged:
        yield Finding(
            "unlogged",
            WARNING,
            "A crash deletes the events, but their counts stay",
            case.events,
            "it is an UNLOGGED table: PostgreSQL empties it after a crash, and fires no trigger",
            f"ALTER TABLE {case.events} SET LOGGED; after a crash, usagefix backfill",
        )


def triggerless(case: Case) -> Iterator[Finding]:
    """Sessions that fire no trigger, by a setting."""
    for whose in case.picture.surroundings.triggerless:
        yield Finding(
            "triggerless",
            ERROR,
            "Some sessions fire no trigger, so nothing counts what they write",
            "session_replication_role",
            f"set to replica for {whose or 'every role'}",
            f"ALTER {whose or 'ROLE ALL'} RESET session_replication_role, then usagefix backfill",
        )


def replication(case: Case) -> Iterator[Finding]:
    """Events that come from a publisher fire no statement triggers."""
    for subscription in case.picture.subscriptions:
        yield Finding(
            "replication",
            ERROR if subscription.events else WARNING,
            "A subscription writes events without firing the triggers"
            if subscription.events
            else "A subscription may write events without firing the triggers",
            f"subscription {subscription.name}",
            "replication fires no statement triggers here, so nothing counts its events"
            + ("" if subscription.enabled else "; it is disabled now"),
            f"apply the fix on the publisher, and replicate {case.nouns.parent}, too",
        )


def refused_writes(case: Case) -> Iterator[Finding]:
    """What the guard has noted leads to competing writers."""
    for refused in case.picture.refused:
        yield Finding(
            "refused_writes",
            WARNING,
            "The guard kept a competing writer from changing the counter",
            refused.application or f"role {refused.role}",
            f"{plural(refused.writes, 'write')} by role {refused.role}"
            + (f" through {refused.via}" if refused.via else ", not through a function")
            + f", last {refused.last_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC (mode {refused.mode})",
            case.remove("remove the write there", recorded=False),
        )


def fires_on_count(case: Case) -> Iterator[Finding]:
    """The application's own triggers that each counted use fires."""
    for trigger in case.picture.fired:
        yield Finding(
            "fires_on_count",
            INFO,
            "A trigger of the application fires when a counter changes",
            f"{trigger.name} on {case.presets}",
            ("for each row" if trigger.for_each_row else "once a statement")
            + (", on its own condition" if trigger.conditional else ""),
            "none: it does not fire for usagefix backfill, unless you give --fire-triggers",
        )


def counter_near_limit(case: Case) -> Iterator[Finding]:
    """A counter that runs out of numbers."""
    kind = str(case.picture.presets.columns[case.counter.column]["type"])
    largest = case.picture.drift.largest if case.picture.drift else None
    if kind in _LIMITS and largest is not None and largest > _NEAR * _LIMITS[kind]:
        yield Finding(
            "counter_near_limit",
            WARNING,
            "A counter is near the limit of its type",
            case.counted_column,
            f"the largest is {grouped(largest)}; {kind} ends at {grouped(_LIMITS[kind] - 1)}, and then no"
            f" {case.nouns.event} can be recorded",
            f"ALTER TABLE {case.presets} ALTER COLUMN {shown(case.counter.column)} TYPE bigint (rewrites the table;"
            " docs/faq.md has a way that does not)",
        )


def not_looked_at(case: Case) -> Iterator[Finding]:
    """What this role could not see."""
    for unseen in case.picture.unseen:
        yield Finding("not_looked_at", WARNING, "Not looked at", unseen.what, unseen.why, unseen.remedy)
    for function in case.picture.functions:
        if function.language not in ("sql", "plpgsql"):
            yield Finding(
                "not_looked_at",
                WARNING,
                "doctor does not read a function in another language",
                function.signature,
                f"it is in {function.language}, of which usagefix reads little",
                "check what it does to the counter and the events",
            )


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        apply_refuses, triggerless, replication, refused_writes, deletes_refused, unlogged, no_index, counter_indexed,
        index_invalid, events_of_gone_presets, events_without_preset, no_foreign_key, counter_near_limit, not_looked_at,
        fires_on_count,
    )
}  # fmt: skip
