"""The database before apply changes anything: one look, what follows from it, and what is tried."""

from __future__ import annotations

from dataclasses import dataclass, replace

from usagefix import catalog, forbidden, ledger, preflight, status, trust, trying
from usagefix.backfill import preview
from usagefix.catalog import Migration, MigrationKind
from usagefix.database import Database, Limits
from usagefix.errors import NotPermitted
from usagefix.models.choices import GuardMode, Trust
from usagefix.models.migration import Forecast, State
from usagefix.models.verification import VerifyReport
from usagefix.picture import strangers
from usagefix.picture.obstacles import of_uses
from usagefix.planning import applying
from usagefix.planning.countable import require_countable
from usagefix.planning.plan import Choices
from usagefix.planning.scene import Scene, scene
from usagefix.trying import Trials
from usagefix.verify import object_checks, report


@dataclass(frozen=True, slots=True)
class Seen:
    """The database before anything is changed."""

    scene: Scene
    before: VerifyReport
    todo: tuple[Migration, ...]
    choices: Choices
    trials: Trials


def look(db: Database, to: str | None, believed: Trust | None) -> Seen:
    """One look at the database, and what follows from it. Reads only. Raises Doubted, Refused."""
    versions = wanted(to)
    with db.snapshot():
        preflight.require_changeable(db)
        preflight.require_triggers(db)
        preflight.require_readable(db)
        ledger.require_trusted(db)
        seen = scene(db)
        strangers.require_none(db, None if seen.around.acting_superuser else strangers.of_counters(db))
        if seen.around.acting_lacks:
            raise NotPermitted(
                f"{db.counter.child_sql} belongs to {seen.around.acting}, and {db.counter.parent_sql} to a superuser:"
                f" usagefix tries uses as {seen.around.acting}, who may not use {db.counter.parent_sql}",
                hint=f"let one role own both, such as ALTER TABLE {db.counter.child_sql}"
                f" OWNER TO {seen.around.owner_sql}",
            )
        checks = object_checks(db, seen.code)
        states = {state.version: state.state for state in status.migration_states(seen.ledger, checks)}
        anew, whole = _by_row(seen) or seen.renewed or seen.ledger.outdated(db.counter), not ledger.lost(db)
        if seen.renewed:  # baselines that belong to other events are forgotten
            db.counter = replace(db.counter, baselines=False)
        todo = tuple(
            m for m in versions
            if states[m.version] is not State.APPLIED or not whole or (anew and m.kind is MigrationKind.COUNTING)
        )  # fmt: skip
        if todo:
            require_countable(seen, of_uses(db, ahead=True))  # otherwise unreadable text may be counted, too
        before = report(db, seen.code, checks)
        if before.doubt is not None and believed is None:
            raise trust.refused(before.doubt)
    choices = Choices(mode=mode(seen))
    if any(m.kind is MigrationKind.COUNTING for m in todo):
        choices = replace(choices, limit_stays=seen.code.limit is not None)
        applying.plan(seen, catalog.counting(), choices)  # refuses before anything is tried
    return Seen(seen, before, todo, choices, Trials())


def with_trials(db: Database, seen: Seen, limits: Limits | None) -> Seen:
    """The same, and what came of uses that were tried as things are; each is undone. Raises Refused."""
    if not any(m.kind is MigrationKind.COUNTING for m in seen.todo):
        return seen
    if seen.choices.limit_stays:
        forbidden.require_droppable(db, limits)
    with forbidden.named(db):
        trials = trying.before(db, seen.scene, limits)
    bodies = {t.function.oid: (t.loose, t.how) for t in trials.functions if t.how != "edited"}
    return replace(seen, choices=replace(seen.choices, recorders=bodies), trials=trials)


def forecast(db: Database, *, to: str | None = None, believed: Trust | None = None) -> Forecast:
    """What apply is going to do, as far as a look tells that changes and tries nothing. Raises Doubted, Refused."""
    seen = look(db, to, believed)
    counting = any(m.kind is MigrationKind.COUNTING for m in seen.todo)
    plan = applying.plan(seen.scene, catalog.counting(), seen.choices) if counting else None
    limit = seen.scene.code.limit
    corrected = preview(db, believed=believed, anew=bool(seen.scene.renewed)) if believed is not None else None
    return Forecast(
        versions=tuple(str(m) for m in seen.todo),
        counting=counting,
        counts=None if seen.before.ok else seen.before.counts,
        corrected=corrected,
        functions=tuple(edit.function.signature for edit in plan.edits if edit.changes) if plan else (),
        remarks=plan.remarks if plan else (),
        limit=limit.name if counting and limit is not None else None,
    )


def _by_row(seen: Scene) -> bool:
    """Whether a partition that was created later is still counted row by row."""
    leaves = {table.name for table in seen.tree if table.kind == "r"}
    name = seen.counter.objects["trigger_auto_count_row"]
    return any(t.cloned and t.fires and t.name == name and t.on_table in leaves for t in seen.code.triggers)


def final(seen: Seen) -> dict[int, tuple[str, str]]:
    return {t.function.oid: (t.final, t.how) for t in seen.trials.functions if t.how != "edited"}


def mode(seen: Scene) -> GuardMode:
    """The present mode of the guard; the first one if there is no guard."""
    name = seen.counter.objects["zz_trigger_guard"]
    found = next((t for t in seen.triggers_on("presets") if t.name == name), None)
    return next((mode for mode in GuardMode if found and f"('{mode}')" in found.definition), GuardMode.IGNORE)


def wanted(to: str | None) -> tuple[Migration, ...]:
    everything = catalog.migrations()
    return everything if to is None else tuple(m for m in everything if m.version <= catalog.migration(to).version)
