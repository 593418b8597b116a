"""The rule of a competing migration: what apply made is not there any more, but something else of that name."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import ERROR, Rule
from usagefix.models.diagnosis import Finding
from usagefix.picture.objects import Function, Trigger

# The trigger, the function that it calls, and the event.
_TRIGGERS = {
    "trigger_auto_increment": ("auto_increment", "INSERT"),
    "trigger_auto_adjust_delete": ("auto_adjust", "DELETE"),
    "trigger_auto_adjust_update": ("auto_adjust", "UPDATE"),
    "trigger_auto_adjust_truncate": ("auto_adjust", "TRUNCATE"),
}


def counting_replaced(case: Case) -> Iterator[Finding]:
    """The ledger says that a version is applied, and what counts is not what it made."""
    if not case.applied:
        return
    functions = {case.named_as_ours(function): function for function in case.picture.functions}
    for function in functions.values():
        if case.replaced(function):
            yield _finding("function", function.signature, "its body is not the released one")
    for role, (called, event) in _TRIGGERS.items():
        for trigger in case.triggers("preset_usage"):
            if trigger.name == case.counter.objects[role] and (why := _unlike(trigger, functions.get(called), event)):
                yield _finding("trigger", str(trigger), why)


def _unlike(trigger: Trigger, function: Function | None, event: str) -> str:
    """What makes a trigger another one than the released; empty if nothing does."""
    if function is None or trigger.function != function.oid:
        return "it calls another function"
    if trigger.for_each_row or trigger.timing != "AFTER" or trigger.events != [event]:
        how = "for each row" if trigger.for_each_row else "once a statement"
        return f"it fires {trigger.timing} {' OR '.join(trigger.events)}, {how}"
    return f"it fires only on a condition: {trigger.condition}" if trigger.condition else ""


def _finding(kind: str, name: str, why: str) -> Finding:
    return Finding(
        "counting_replaced",
        ERROR,
        f"Somebody replaced the {kind} that counts after usagefix apply",
        name,
        f"{why}, but the ledger says that usagefix created it: another migration ran since, or somebody edited it",
        "usagefix apply",
    )


RULES: dict[str, Rule] = {counting_replaced.__name__: counting_replaced}
