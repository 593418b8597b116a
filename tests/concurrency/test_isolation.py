"""Writers at every isolation level: exact; and where PostgreSQL must refuse one, it refuses the bare UPDATE as well."""

from __future__ import annotations

import random
import threading
from contextlib import closing

import psycopg
import pytest
from psycopg import IsolationLevel
from support import App, wait_until

from usagefix.database import connect
from usagefix.errors import Busy
from usagefix.planning.scene import scene
from usagefix.target import locate

LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
INSERT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (%s, %s, 'showcase_creation')"
BARE = "UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1, last_used_at = now() WHERE id = %s"


def outcome(app: App, level: IsolationLevel, *, bare: bool) -> str | None:
    """Two transactions that both began before either wrote use the same preset; the SQLSTATE of the second, if any."""
    preset, user = app.preset(3), app.user_id(7)

    def write(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if bare:
            connection.execute(BARE.encode(), (preset,))
        else:
            connection.execute(INSERT.encode(), (preset, user))

    with app.connect(autocommit=False) as first, app.connect(autocommit=False) as second:
        for connection in (first, second):
            connection.isolation_level = level
            connection.execute("SELECT count(*) FROM presets")
        write(first)
        first.commit()
        try:
            write(second)
            second.commit()
        except psycopg.Error as error:
            return error.sqlstate
    return None


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name.lower())
def test_refused_where_the_bare_update_is(app: App, fixed: App, level: IsolationLevel) -> None:
    refused = outcome(fixed, level, bare=False)
    assert refused == outcome(app, level, bare=True)
    assert refused == (None if level is IsolationLevel.READ_COMMITTED else "40001")
    assert fixed.drift() == (0, 0)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name.lower())
def test_exact_under_load(fixed: App, level: IsolationLevel) -> None:
    """4 writers in transactions of several statements; a refused one is tried again, as an application does."""
    stop, failures, done = threading.Event(), list[str](), [0] * 4

    def write(number: int) -> None:
        luck = random.Random(number)
        with fixed.connect(autocommit=False) as connection:
            connection.isolation_level = level
            while not stop.is_set():
                presets = [fixed_presets[luck.randrange(40)] for _ in range(luck.choice((1, 5)))]
                try:
                    connection.execute(
                        "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT p, %s, 'showcase_creation'"
                        " FROM unnest(%s::uuid[]) p",
                        (users[number], presets),
                    )
                    connection.execute(
                        "DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE user_id = %s LIMIT 2)",
                        (users[number],),
                    )
                    connection.commit()
                    done[number] += 1
                except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                    connection.rollback()
                    stop.wait(luck.uniform(0, 0.02))
                except psycopg.Error as error:
                    failures.append(str(error))
                    return

    fixed_presets = [fixed.preset(n) for n in range(1, 41)]
    users = [fixed.user_id(n) for n in range(1, 5)]
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 500")
    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        result = fixed.until_free("backfill", "--trust", "events", "--batch-size", "5")
        wait_until(lambda: min(done) >= 3 or failures, "a writer does not get on")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert result.code == 0, result.stderr
    assert fixed.drift() == (0, 0)


def test_a_function_that_is_replaced_during_the_look(app: App) -> None:
    """The server takes the body from the snapshot, and the definition from what is committed by now."""
    with closing(connect(locate(app.url(), "a test"))) as db, db.snapshot():
        db.values("SELECT 1")  # from here on
        definition = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
        app.sql(definition.replace("BEGIN", "BEGIN -- edited", 1))
        with pytest.raises(Busy, match=r"track_preset_usage\(\) was replaced or dropped while usagefix read it"):
            scene(db)
