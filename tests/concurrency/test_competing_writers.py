"""Writers that all count by themselves as well, at the same time: no drift, no deadlock, and nobody waits for the ledger."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psycopg
import pytest
from people import people
from psycopg import IsolationLevel
from support import DRIFT, GUARD, MIGRATION, VERSION, App, Connection, wait_until

WRITERS = 6
EVENT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (md5('preset ' || %s::int)::uuid, md5('user 1')::uuid, 'showcase_creation')"
ADD = "UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1 WHERE id = md5('preset ' || %s::int)::uuid"
READ = "SELECT coalesce(usage_count, 0) FROM presets WHERE id = md5('preset ' || %s::int)::uuid"
WRITE = "UPDATE presets SET usage_count = %s WHERE id = md5('preset ' || %s::int)::uuid"
NOTED = "SELECT coalesce(sum(writes), 0)::integer FROM usagefix.refused_writes"


def event_then_add(connection: Connection, preset: int) -> None:
    with connection.transaction():
        connection.execute(EVENT.encode(), (preset,))
        connection.execute(ADD.encode(), (preset,))


def read_then_write(connection: Connection, preset: int) -> None:
    shown = connection.execute(READ.encode(), (preset,)).fetchall()[0][0]
    connection.execute(EVENT.encode(), (preset,))
    connection.execute(WRITE.encode(), (shown + 1, preset))


def call(connection: Connection, preset: int) -> None:
    connection.execute(EVENT.encode(), (preset,))
    connection.execute(b"SELECT increment_preset_usage(md5('preset ' || %s::int)::uuid)", (preset,))


Way = Callable[[Connection, int], None]
WAYS: tuple[Way, ...] = (event_then_add, read_then_write, call)


def compete(app: App, way: Way, number: int) -> tuple[int, set[tuple[int, int]]]:
    """So many writes at least, none of which fails: how many, and each drift that was seen meanwhile."""
    failures, done, seen = list[str](), [0] * WRITERS, set[tuple[int, int]]()

    def write(writer: int, luck: random.Random, connection: Connection) -> None:
        way(connection, luck.choice((1, 2, 3, luck.randint(1, 40))))
        done[writer] += 1

    def enough() -> bool:
        seen.update((int(wrong), int(amount)) for wrong, amount in app.sql(DRIFT))
        return sum(done) >= number or bool(failures)

    with people(app, WRITERS, write, failures):
        wait_until(enough, "the writers do not get on")
    assert failures == []
    return sum(done), seen


@pytest.mark.parametrize("way", WAYS)
def test_no_drift_no_deadlock(fixed: App, way: Way) -> None:
    done, seen = compete(fixed, way, 1500)
    assert seen == {(0, 0)}
    assert fixed.drift() == (0, 0)
    if way is read_then_write:
        assert fixed.one(NOTED) > 0, "mostly it writes the number that the counter has anyway, which is no write"
    else:
        assert fixed.one(NOTED) == done
    assert fixed.one("SELECT count(*) FROM usagefix.refused_writes") <= WRITERS * 2, "rows are used again"


@pytest.mark.parametrize("way", WAYS)
def test_without_the_guard_the_same_load_drifts(app: App, way: Way) -> None:
    assert app.usagefix("apply", "--to", VERSION).code == 1
    assert app.drift() == (0, 0)
    compete(app, way, 300)
    assert app.drift()[0] > 0, "the test above would not notice a guard that lets some through"


def test_nobody_waits_for_what_is_noted(fixed: App) -> None:
    """The same application does the same in another transaction, which stays open."""
    fixed.sql(ADD.replace("%s", "9"))  # so that there is a row to be held
    with fixed.connect(autocommit=False) as first, fixed.connect(autocommit=False) as second:
        second.execute("SET lock_timeout = '1min'")
        first.execute(ADD.encode(), (1,))
        for preset in (2, 3, 4):
            second.execute(ADD.encode(), (preset,))
        first.execute(ADD.encode(), (5,))
        second.commit()
        first.commit()
    assert fixed.sql("SELECT writes FROM usagefix.refused_writes ORDER BY first_at") == [(3,), (3,)]
    fixed.sql(ADD.replace("%s", "6"))
    assert fixed.one(NOTED) == 7
    assert fixed.one("SELECT count(*) FROM usagefix.refused_writes") == 2
    report = fixed.usagefix("guard", "--format", "json").one["refused"]
    assert [write["writes"] for write in report] == [7], "readers add up"


def test_one_row_for_all_would_be_waited_for(fixed: App) -> None:
    fixed.sql("CREATE TABLE noted (role text PRIMARY KEY, writes bigint)")
    upsert = b"INSERT INTO noted VALUES ('r', 1) ON CONFLICT (role) DO UPDATE SET writes = noted.writes + 1"
    with fixed.connect(autocommit=False) as first, fixed.connect(autocommit=False) as second:
        second.execute("SET lock_timeout = '300ms'")
        first.execute(upsert)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(upsert)


@pytest.mark.parametrize("level", list(IsolationLevel), ids=lambda level: level.name.lower())
def test_noting_serializes_nobody(fixed: App, level: IsolationLevel) -> None:
    """Two transactions that see a fixed snapshot write other presets: neither is in the way of the other."""
    fixed.sql(ADD.replace("%s", "9"))
    with fixed.connect(autocommit=False) as first, fixed.connect(autocommit=False) as second:
        for connection in (first, second):
            connection.isolation_level = level
            connection.execute("SET enable_seqscan = off")  # or each has read the whole of presets
            connection.execute("SET enable_bitmapscan = off")
        for connection, preset in ((first, 1), (second, 2), (first, 3), (second, 4)):
            connection.execute(ADD.encode(), (preset,))
        first.commit()
        second.execute(ADD.encode(), (5,))
        second.commit()
    assert fixed.one(NOTED) == 6
    assert fixed.drift() == (0, 0)


def test_switched_while_people_write(fixed: App) -> None:
    failures, done = list[str](), [0] * 4

    def write(writer: int, luck: random.Random, connection: Connection) -> None:
        try:
            connection.execute(EVENT.encode(), (luck.randint(1, 40),))
            connection.execute(ADD.encode(), (luck.randint(1, 40),))
        except psycopg.Error as error:
            if error.sqlstate != "UF001":
                raise
        done[writer] += 1

    with people(fixed, 4, write, failures):
        for mode in ("reject", "warn", "ignore", "reject"):
            switched = fixed.until_free("guard", mode)
            assert switched.code == 0, switched.stderr
            target = sum(done) + 20
            wait_until(lambda target=target: sum(done) >= target or failures)  # type: ignore[misc]
            assert fixed.drift() == (0, 0)
    assert failures == []
    assert fixed.drift() == (0, 0)


@pytest.mark.parametrize("how", ["all versions", "locked"])
def test_a_writer_of_presets_and_then_events_is_not_deadlocked(app: App, how: str) -> None:
    """All versions in one transaction hold the events' lock when the guard comes; it looks again instead of waiting."""
    ended = list[BaseException | None]()
    if how == "locked":
        assert app.usagefix("apply", "--to", VERSION).code == 1, "the guard is missing"
    counting, guarding = [
        app.usagefix("sql", version.name, "apply", "--adapt").stdout for version in (MIGRATION, GUARD)
    ]
    before = {"all versions": counting, "locked": "LOCK TABLE preset_usage IN SHARE ROW EXCLUSIVE MODE"}[how]
    with app.connect(autocommit=False) as writer:
        writer.execute("SET deadlock_timeout = '300ms'")
        writer.execute(b"UPDATE presets SET description = 'x' WHERE id = md5('preset 1')::uuid")

        def go_on() -> None:
            try:
                writer.execute(EVENT.encode(), (1,))
                writer.commit()
                ended.append(None)
            except psycopg.Error as error:
                ended.append(error)

        thread = threading.Thread(target=go_on)
        with app.connect(autocommit=False) as applying:
            applying.execute("SET LOCAL lock_timeout = '500ms'")
            applying.execute(before.encode())
            thread.start()
            app.wait_for(
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", writer.info.backend_pid
            )
            with pytest.raises(psycopg.errors.LockNotAvailable):
                applying.execute(guarding.encode())
            applying.rollback()
        thread.join()
    assert ended == [None]
