"""Whether usagefix can count events exactly here, and drop the daily limit. Raises before any change."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.errors import Refused
from usagefix.picture.edits import of_needing, of_recorders, of_refusing
from usagefix.picture.obstacles import Obstacle, of_limits
from usagefix.planning.scene import Scene


def require_countable(scene: Scene, refusals: tuple[Obstacle, ...]) -> None:
    """Raise Refused for the first thing that a person has to change. ``refusals``: what would refuse uses."""
    for obstacle in (*_of_limits(scene), *scene.obstacles, *of_refusing(scene.code), *refusals):
        raise Refused(obstacle.what, hint=obstacle.hint)


def _of_limits(scene: Scene) -> Iterator[Obstacle]:
    table, limits = scene.counter.child_sql, scene.code.limits
    plain = [limit for limit in limits if limit.constraint_name is None]
    if len(plain) > 1:
        names = ", ".join(limit.name for limit in plain)
        others = ", ".join(limit.name for limit in plain[1:])
        yield Obstacle(f"there are several daily limits: {names}", f"DROP INDEX {others}, then run this again")
    for limit in limits:
        if limit.constraint_name is not None:
            yield Obstacle(
                "the daily limit is a constraint, and usagefix cannot drop that without stopping readers:"
                f" {limit.constraint_name}",
                f'ALTER TABLE {table} DROP CONSTRAINT "{limit.constraint_name}", then run this again',
            )
        if limit.referred_to:
            yield Obstacle(
                f"a foreign key depends on the daily limit, {limit.name}", "drop that foreign key, then run this again"
            )
        if limit.partitioned:
            yield Obstacle(
                "the daily limit is a partitioned index, which usagefix could not restore",
                f"DROP INDEX {limit.name}, then run this again",
            )
    yield from of_limits(scene.counter.child_sql, limits)
    yield from of_recorders(scene.code) if limits else ()
    yield from of_needing(scene.code)
