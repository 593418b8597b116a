"""One preset: what is shown, what is true. Reads only."""

from __future__ import annotations

from usagefix import picture, preflight
from usagefix.database import Database
from usagefix.errors import ConfigurationError, PresetNotFound
from usagefix.models.verification import COUNTERS, Event, PresetCount, PresetReport
from usagefix.verify import next_step


def one_preset(db: Database, wanted: str) -> PresetCount:
    """The preset with an id or exact name, in the transaction that is open.

    Raises PresetNotFound; ConfigurationError where several presets have the name.
    """
    found = db.rows(db.query("one_preset"), PresetCount, {"wanted": wanted})
    if not found:
        kind = picture.tables(db)[0].columns["id"]["type"]
        raise PresetNotFound(
            f"no preset has the id or the name {wanted!r}",
            hint=f"ids are of type {kind} here; a name must be exact, capitals too. usagefix verify lists presets",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} presets have the name {wanted!r}",
            hint=f"name one by its id: {', '.join(preset.id for preset in found[:5])}",
        )
    return found[0]


def check_preset(db: Database, wanted: str, *, recent: int = 0) -> PresetReport:
    """The preset with an id or exact name, and its newest ``recent`` events.

    Raises PresetNotFound; ConfigurationError where several presets have the name.
    """
    with db.snapshot():
        preflight.require_readable(db)
        preset = one_preset(db, wanted)
        events = None
        if recent:
            params = {"preset_id": preset.id, "recent": recent}
            events = tuple(db.rows(db.query("recent_events"), Event, params))
        step = None if preset.accurate else next_step(db, COUNTERS)
    return PresetReport(preset, events, dated=db.counter.keeps_last_use, next=step)
