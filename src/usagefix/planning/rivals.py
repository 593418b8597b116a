"""Triggers of others that count what usagefix is about to count, and what is done about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from usagefix.catalog import Statement
from usagefix.errors import Refused
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning.plan import Edit, refused
from usagefix.planning.scene import Scene
from usagefix.quoting import quoted
from usagefix.reading import Edited, OnlyCounts, Uneditable


@dataclass(frozen=True, slots=True)
class Held:
    """A trigger that is held off, with how, and what there is to say of it."""

    trigger: Trigger
    statements: tuple[Statement, ...]
    remark: str


def held_off(scene: Scene) -> Iterator[Held | Edit]:
    """What is done about each trigger of others that counts what ours are about to count. One that does nothing else is
    disabled, or narrowed to its other events; out of one that does more the counting is taken."""
    seen: set[int] = set()
    for trigger in scene.code.counting_triggers:
        function = scene.code.function(trigger.function)
        assert function is not None  # noqa: S101
        if scene.code.is_released(function):
            yield _held(trigger)
            continue
        try:
            verdict = scene.code.reader.of_trigger(routine(function))
        except Uneditable as error:
            raise refused(function, error, trigger) from None
        if isinstance(verdict, OnlyCounts):
            yield _held(trigger)
        elif isinstance(verdict, Edited) and not _serves_others(scene, trigger):
            if function.oid not in seen:
                yield Edit(function, verdict.body, "edited")
            seen.add(function.oid)
        elif isinstance(verdict, Edited):
            raise Refused(
                f"trigger {trigger} also counts, and does more than that",
                hint=_by_hand(trigger, function),
            )
        else:
            raise Refused(
                f"trigger {trigger} also counts: {verdict.reason}"
                + (f" (line {verdict.line} of {function.signature})" if verdict.line else ""),
                hint=_by_hand(trigger, function),
            )


def _by_hand(trigger: Trigger, function: Function) -> str:
    return (
        f"remove from {function.signature} what changes the counter or, if it does nothing else, ALTER TABLE"
        f" {trigger.on_table} DISABLE TRIGGER {quoted(trigger.name)}, then run this again"
    )


def _serves_others(scene: Scene, trigger: Trigger) -> bool:
    """Whether its function is that of other triggers too, which may not be triggers of events."""
    return any(
        other.function == trigger.function and not other.cloned and str(other) != str(trigger)
        for other in scene.code.triggers
    )


def _held(trigger: Trigger) -> Held:
    return Held(trigger, (_off(trigger, "counts"),), f"trigger {trigger} also counts: apply disables it")


def guarding(scene: Scene) -> Iterator[Held]:
    """Further triggers on the counters' table that call the guard: without its condition, it refuses each count."""
    name, guard = scene.counter.objects["zz_trigger_guard"], scene.named(scene.counter.objects["guard"])
    for trigger in scene.triggers_on("presets"):
        if guard is not None and trigger.function == guard.oid and trigger.name != name and trigger.fires:
            held = f"trigger {trigger} also calls the guard: apply disables it"
            yield Held(trigger, (_off(trigger, "calls the guard"),), held)


def _off(trigger: Trigger, does: str) -> Statement:
    """The statement that disables a trigger, with what it also does."""
    text = f"ALTER TABLE {trigger.on_table} DISABLE TRIGGER {quoted(trigger.name)};"
    return Statement(f"Disable trigger {trigger}, which also {does}", text)
