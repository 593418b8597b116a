"""Keeps the application's own triggers on presets from firing, because a repair is not a use."""

from __future__ import annotations

from dataclasses import dataclass

from usagefix.database import Database
from usagefix.errors import NotPermitted
from usagefix.models.correction import FiredTrigger
from usagefix.quoting import quoted


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that a correction would fire: the columns of ``fired_triggers.sql``."""

    name: str
    enabled: str
    for_each_row: bool
    conditional: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """How a transaction keeps the application's triggers from firing: with a setting, or with statements around the
    work."""

    settings: dict[str, str]
    before: str = ""
    after: str = ""


def triggers_of(db: Database) -> list[Trigger]:
    """The triggers that a correction would fire."""
    return db.rows(db.query("fired_triggers"), Trigger)


def fired(
    triggers: list[Trigger], fire: bool, presets: int, batches: int, *, at_most: bool = False
) -> tuple[FiredTrigger, ...]:
    """How often each trigger would fire. ``at_most``: there may be fewer batches."""
    return tuple(
        FiredTrigger(
            t.name,
            held_off=not fire,
            fires=presets if t.for_each_row else batches,
            at_most=t.conditional or (at_most and not t.for_each_row),
        )
        for t in triggers
        if t.enabled != "R"
    )


def how_to_hold_off(db: Database) -> Hold:
    """How to keep this database's own triggers from firing."""
    return hold_off(db, triggers_of(db))


def hold_off(db: Database, triggers: list[Trigger]) -> Hold:
    """The mildest way that works here. The setting changes nothing for others. Disabling needs only ownership, but
    makes writers to presets wait for each short batch, and also stops triggers that are enabled ALWAYS. If other
    counters sum this one, their triggers have to fire, and the setting would stop them, too."""
    firing = [trigger for trigger in triggers if trigger.enabled != "R"]
    if not firing:
        return Hold({})
    if all(trigger.enabled == "O" for trigger in triggers) and not db.counter.above:
        setting = {"session_replication_role": "replica"}
        try:
            with db.transaction(settings=setting, rollback=True):
                return Hold(setting)
        except NotPermitted:
            pass
    names = {trigger: quoted(trigger.name) for trigger in firing}
    enable = {trigger: "ENABLE ALWAYS" if trigger.enabled == "A" else "ENABLE" for trigger in firing}
    return Hold(
        {},
        before=";\n".join(f"ALTER TABLE {db.counter.parent_sql} DISABLE TRIGGER {names[t]}" for t in firing),
        after=";\n".join(f"ALTER TABLE {db.counter.parent_sql} {enable[t]} TRIGGER {names[t]}" for t in firing),
    )
