"""Whether events can be counted exactly here, and the daily limit lifted. Raises before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.errors import Refused
from usagefix.picture.code import routine
from usagefix.picture.obstacles import Obstacle, of_limits
from usagefix.planning.scene import Scene
from usagefix.reading import Uneditable


def require_countable(scene: Scene, refusals: tuple[Obstacle, ...]) -> None:
    """Raise Refused for the first thing that a person has to change. ``refusals``: what would refuse uses."""
    for obstacle in (*_of_limits(scene), *scene.obstacles, *_of_ledger(scene), *refusals):
        raise Refused(obstacle.what, hint=obstacle.hint)


def _of_limits(scene: Scene) -> Iterator[Obstacle]:
    table, limits = scene.counter.child_sql, scene.code.limits
    plain = [limit for limit in limits if limit.constraint_name is None]
    if len(plain) > 1:
        names = ", ".join(limit.name for limit in plain)
        others = ", ".join(limit.name for limit in plain[1:])
        yield Obstacle(f"there is more than one daily limit: {names}", f"DROP INDEX {others}, then run this again")
    for limit in limits:
        if limit.constraint_name is not None:
            yield Obstacle(
                "the daily limit is a constraint, which cannot be dropped without stopping readers:"
                f" {limit.constraint_name}",
                f'ALTER TABLE {table} DROP CONSTRAINT "{limit.constraint_name}", then run this again',
            )
        if limit.referred_to:
            yield Obstacle(
                f"a foreign key depends on the daily limit, {limit.name}", "drop that foreign key, then run this again"
            )
        if limit.partitioned:
            yield Obstacle(
                "the daily limit is a partitioned index, which usagefix could not put back",
                f"DROP INDEX {limit.name}, then run this again",
            )
    yield from of_limits(scene.counter.child_sql, limits)
    if limits:
        yield from _needing(scene)


def _needing(scene: Scene) -> Iterator[Obstacle]:
    try:
        needing = scene.code.reader.needing_limit()
    except Uneditable as error:
        whose = next((routine(f).signature for f in scene.code.recorders), scene.counter.recorder)
        where = f" (line {error.line} of {whose})" if error.line else ""
        yield Obstacle(error.message + where, error.hint)
        return
    if needing:
        names = ", ".join(function.signature for function in needing)
        drop = (
            ""
            if any(scene.code.calls(f.name) for f in needing)
            else f", or, where nothing calls it, DROP FUNCTION {names}"
        )
        yield Obstacle(
            f"without the daily limit these functions would fail: {names}",
            f"take the ON CONFLICT clause out (the insert is all that is needed){drop}, then run this again",
        )


def _of_ledger(scene: Scene) -> Iterator[Obstacle]:
    """One ledger serves the tables of one schema."""
    for saved in scene.ledger.saved:
        schema, _, name = saved.identity.rpartition(".")
        own = any(name == f"{function}()" for function in scene.counter.functions)
        if (
            saved.kind == "function"
            and own
            and schema != scene.counter.schema_sql
            and schema.strip('"') != scene.counter.schema
        ):
            yield Obstacle(
                f"the ledger of this database, schema usagefix, serves schema {schema}",
                f"usagefix --schema {schema} COMMAND",
            )
