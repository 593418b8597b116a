"""The root causes, and the rules of who counts what."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.excerpts import first, of_function, of_place
from usagefix.doctor.words import a, listed, where
from usagefix.models.diagnosis import Finding, Severity
from usagefix.models.figures import grouped, plural, signed
from usagefix.picture.objects import Function
from usagefix.quoting import shown
from usagefix.reading import Use, in_sql

Rule = Callable[[Case], Iterator[Finding]]
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def increment_not_called(case: Case) -> Iterator[Finding]:
    """Root cause 1."""
    for function in case.picture.functions:
        if function.name != case.counter.incrementer or case.callers(function):
            continue
        counted = case.meant_to_be_counted
        yield Finding(
            "increment_not_called",
            INFO if counted else ERROR,
            f"{case.counter.incrementer}() exists, but nothing calls it",
            function.signature,
            f"no caller found in: {case.looked_at}",
            "none is needed, because a trigger counts; drop the function if nothing outside calls it"
            if counted
            else "usagefix apply: a trigger counts each event",
            None if counted else 1,
            of_function(case, function, Use.WRITES_COUNTER),
        )


def use_not_counted(case: Case) -> Iterator[Finding]:
    """Root cause 2."""
    if case.meant_to_be_counted:
        return
    counting = {function.oid for function in case.counting}
    uncounted = [function.signature for function in case.recorders if function.oid not in counting]
    uncounted += [where(place) for place in case.places(Use.INSERTS_EVENT)]
    by_themselves = [function.signature for function in case.recording if function.oid in counting]
    updated = [function.signature for function in case.writers if not function.is_trigger]
    updated += [where(place) for place in case.places(Use.WRITES_COUNTER)]
    only_in = f"nothing updates the counter except {listed(updated)}" if updated else "nothing updates the counter"
    if by_themselves and not uncounted:
        evidence = f"only {listed(by_themselves)} counts what it records; nothing counts a direct insert"
    elif uncounted:
        evidence = f"{only_in}; nothing counts what these record: {listed(uncounted)}"
    else:
        evidence = f"{only_in}; nothing here records {a(case.nouns.event)}, so the application inserts events itself"
    yield Finding(
        "use_not_counted",
        WARNING if by_themselves and not uncounted else ERROR,
        f"The counter is not updated where {a(case.nouns.event)} is recorded",
        case.events,
        f"no trigger counts new events, and {evidence}",
        "usagefix apply: a trigger counts each event, whoever inserts it",
        2,
        first(
            *(of_function(case, f, Use.INSERTS_EVENT) for f in case.recorders if f.signature in uncounted),
            *(of_place(case, place) for place in case.places(Use.INSERTS_EVENT)),
        ),
    )


def daily_limit(case: Case) -> Iterator[Finding]:
    """Root cause 3."""
    for index in case.daily_limits:
        made = index.constraint_name
        yield Finding(
            "daily_limit",
            ERROR,
            "A daily limit refuses the second use on a day",
            made or index.name,
            index.definition,
            f"ALTER TABLE {case.events} DROP CONSTRAINT {shown(made)}" if made else "usagefix apply",
            3,
        )


def drift(case: Case) -> Iterator[Finding]:
    """Root cause 4."""
    yield from out_of_step(case, "Displayed counts differ from the events", case.repair, 4)


def out_of_step(case: Case, title: str, remedy: str, cause: int | None = None) -> Iterator[Finding]:
    """Counters that do not show what they should."""
    totals = case.picture.drift
    if totals is not None and totals.inaccurate:
        evidence = f"{grouped(totals.inaccurate)} of {case.nouns.of(totals.rows)} inaccurate"
        drift = f"drift {signed(totals.drift_total)} in all"
        yield Finding("drift", ERROR, title, case.counted_column, f"{evidence}, {drift}", remedy, cause)


def counter_writer(case: Case) -> Iterator[Finding]:
    """Who writes the counter, and who calls that."""
    for function in case.writers:
        callers = case.callers(function)
        if case.released(function) or case.replaced(function):
            continue
        if callers or function.name != case.counter.incrementer:
            yield Finding(
                "counter_writer",
                INFO,
                "A function writes the counter",
                function.signature,
                f"called by {listed(callers)}" if callers else f"no caller found in: {case.looked_at}",
                f"{case.who_counts}: anything else that writes the counter competes with it"
                + ("" if function in case.recording else "; if a caller records no event, record one there"),
                excerpt=of_function(case, function, Use.WRITES_COUNTER),
            )


def competing_writer(case: Case) -> Iterator[Finding]:
    """What counts beside the triggers on the events."""
    severity = ERROR if case.competed_with else WARNING
    said = "in addition to the trigger that counts" if case.counted else "and would, next to a trigger that counts"
    title = "A competing writer changes the counter"
    counting = {function.oid for function in case.counting}
    for trigger in case.triggers("presets", "elsewhere"):
        function = next((found for found in case.counting if found.oid == trigger.function), None)
        if function is None or not trigger.fires or case.released(function):
            continue
        if trigger.place == "elsewhere" or "UPDATE" in trigger.events:  # the first value of a new preset is no use
            evidence = f"it calls {function.signature}, which writes the counter {said}"
            remedy = case.remove("drop the trigger", recorded=function in case.recording)
            code = of_function(case, function, Use.WRITES_COUNTER, Use.CALLS)
            yield Finding("competing_writer", severity, title, str(trigger), evidence, remedy, excerpt=code)
    names = [function.name for function in case.counting if not function.is_trigger]
    for job in case.picture.jobs:
        uses = {use.use for use in in_sql(job.command, functions=names, subject=case.subject)}
        if uses & {Use.WRITES_COUNTER, Use.CALLS}:
            evidence = f"at {job.schedule} it writes the counter {said}"
            remedy = case.remove("unschedule the job", recorded=Use.INSERTS_EVENT in uses)
            yield Finding("competing_writer", severity, title, f"job {job.name}", evidence, remedy)
    for function in case.recording if case.counted else ():
        if function.oid in counting and not function.is_trigger:
            evidence = (
                f"it records {a(case.nouns.event)} and counts it, but {case.counters_of('INSERT')[0]} also counts it"
            )
            remedy = "remove its counting by hand"
            if case.counter.recorder is not None:
                remedy = (
                    f"usagefix apply removes the counting from {case.counter.recorder}(); remove it from others by hand"
                )
            code = of_function(case, function, Use.WRITES_COUNTER, Use.CALLS)
            yield Finding("competing_writer", severity, title, function.signature, evidence, remedy, excerpt=code)


def counted_twice(case: Case) -> Iterator[Finding]:
    """Several triggers count the same."""
    seen: set[frozenset[str]] = set()
    for event in ("INSERT", "DELETE", "UPDATE"):
        found = case.counters_of(event)
        together = frozenset(map(str, found))
        if len(found) > 1 and together not in seen:
            seen.add(together)
            yield Finding(
                "counted_twice",
                ERROR,
                f"Triggers count each {event} {plural(len(found), 'time')}",
                case.events,
                listed(map(str, found)),
                "usagefix apply disables all but its own",
            )


def trigger_disabled(case: Case) -> Iterator[Finding]:
    """A trigger that counts, switched off."""
    for trigger in case.counting_triggers:
        if trigger.fires:
            continue
        lacking = [event for event in trigger.events if not case.counters_of(event)]
        how = "fires on replicas only" if trigger.enabled == "R" else "is disabled"
        yield Finding(
            "trigger_disabled",
            ERROR if lacking else INFO,
            "A trigger that counts does not fire",
            str(trigger),
            f"it {how}; nothing else counts {', '.join(lacking)}"
            if lacking
            else f"it {how}; {case.counters_of(trigger.events[0])[0]} counts instead",
            "usagefix apply" if lacking else "leave it so: if it fired, each event would count twice",
        )


def counts_some(case: Case) -> Iterator[Finding]:
    """A trigger that counts under a condition."""
    for trigger in case.counting_triggers:
        if trigger.fires and trigger.condition and not case.is_ours(trigger):
            yield Finding(
                "counts_some",
                ERROR,
                "A trigger counts some events only",
                str(trigger),
                f"its condition: {trigger.condition}",
                "usagefix apply counts each event, and disables this trigger",
            )


def counting_blocked(case: Case) -> Iterator[Finding]:
    """A trigger whose function may not change the counter, or not every one."""
    seen: set[int] = set()
    for trigger in case.counting_triggers:
        function = next(found for found in case.counting if found.oid == trigger.function)
        if not trigger.fires or function.oid in seen:
            continue
        seen.add(function.oid)
        if why := _blocked(case, function):
            yield Finding(
                "counting_blocked",
                ERROR,
                "The counting function cannot change every counter",
                function.signature,
                f"called by {trigger}: {why}",
                str(
                    case.outlook.by_hand.get(
                        "function_secure",
                        f"usagefix apply creates its own, which runs as the owner of {case.nouns.parent}",
                    )
                ),
                excerpt=of_function(case, function, Use.WRITES_COUNTER, Use.CALLS),
            )


def _blocked(case: Case, function: Function) -> str:
    """Why a counting function may miss counters; empty if it does not."""
    chain = case.way_to_counter(function)
    acting = next((found for found in reversed(chain) if found.security_definer), None)
    if acting is None:
        presets = case.picture.presets
        return (
            "it is not SECURITY DEFINER, so row level security limits it to what its caller may do"
            if presets.rls
            else ""
        )
    if not acting.owner_may_count:
        return f"{acting.signature} runs as {acting.owner}, which may not update {case.presets}"
    return (
        ""
        if acting.owner_passes_rls
        else f"it runs as {acting.owner}, from whom row level security hides {case.nouns.rows}"
    )


def removal_not_counted(case: Case) -> Iterator[Finding]:
    """New events are counted, and deleted ones are not."""
    if not case.counted or case.counters_of("DELETE", enabled=False):
        return
    deleting = [function.signature for function in case.picture.functions if case.does(function, Use.DELETES_EVENT)]
    deleting += [where(place) for place in case.places(Use.DELETES_EVENT)]
    yield Finding(
        "removal_not_counted",
        WARNING,
        "Deleted events stay counted",
        case.events,
        f"{case.counters_of('INSERT')[0]} counts new events; no trigger counts deletes"
        + (f", and these delete: {listed(deleting)}" if deleting else ""),
        "usagefix apply",
        excerpt=first(
            *(of_function(case, function, Use.DELETES_EVENT) for function in case.picture.functions),
            *(of_place(case, place) for place in case.places(Use.DELETES_EVENT)),
        ),
    )


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        increment_not_called, use_not_counted, daily_limit, drift, counter_writer, competing_writer, counted_twice,
        trigger_disabled, counts_some, counting_blocked, removal_not_counted,
    )
}  # fmt: skip
