"""Notifications under load: each use is in some notification, and there is one unread for a recipient and a preset.

The tests count as proof only because the algorithm without a lock fails them, and a lock that waits deadlocks.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from people import people
from support import App, Connection, wait_until
from traffic import traffic

USES = "coalesce(sum(coalesce((data ->> 'uses')::integer, 1)), 0)"
INSERT = """
    INSERT INTO preset_notifications (preset_id, creator_id, type, title, message)
    SELECT md5('preset ' || p)::uuid, md5('user ' || p)::uuid, 'preset_used', 't', 'm' FROM unnest(%s::integer[]) AS p
"""
WAITS = re.compile(r"SET lock_timeout TO '750ms'")
LOCKS = re.compile(r"PERFORM pg_catalog\.pg_advisory_xact_lock\(.*?\);\n", re.DOTALL)


def one_of_three(luck: random.Random) -> list[int]:
    return [luck.randint(1, 3)]


def twenty(luck: random.Random) -> list[int]:
    """In any order."""
    return luck.sample(range(1, 41), 20)


@dataclass
class Load:
    """How many notifications each has sent, and what failed; ``slowest``: seconds of a statement."""

    sent: list[int] = field(default_factory=lambda: [0] * 8)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.sent)

    def progress(self, more: int) -> None:
        """Wait until so many more are sent, or one fails."""
        target = self.total + more
        wait_until(lambda: self.total >= target or self.failures, "the writers do not get on")


@contextmanager
def load(app: App, presets: Callable[[random.Random], list[int]]) -> Iterator[Load]:
    """Eight writers for the length of the block."""
    state = Load()

    def write(number: int, luck: random.Random, connection: Connection) -> None:
        wanted, begun = presets(luck), time.monotonic()
        connection.execute(INSERT.encode(), (wanted,))
        state.slowest = max(state.slowest, time.monotonic() - begun)
        state.sent[number] += len(wanted)

    with people(app, 8, write, state.failures, tireless=True, options="-c deadlock_timeout=20ms"):
        yield state


def unread_twice(app: App) -> int:
    return int(
        app.one(
            "SELECT count(*) FROM (SELECT FROM preset_notifications WHERE NOT is_read"
            " GROUP BY preset_id, creator_id, type HAVING count(*) > 1) AS twice"
        )
    )


def altered(app: App, pattern: re.Pattern[str], instead: str = "") -> None:
    """The function with something else in place of a part of it."""
    text = app.one("SELECT pg_get_functiondef('collapse_preset_notifications'::regproc)")
    changed = pattern.sub(instead, text)
    assert changed != text
    app.sql(changed)


@pytest.fixture
def throttled(app: App) -> App:
    app.sql("DELETE FROM preset_notifications")
    app.sql("CREATE INDEX ON preset_notifications (creator_id, preset_id, created_at) WHERE NOT is_read")
    assert app.usagefix("notifications", "collapse").code == 0
    return app


@pytest.fixture
def patient(throttled: App) -> App:
    """One that never gives up: on a busy machine a writer may be held up for longer than the throttle waits."""
    altered(throttled, WAITS, "SET lock_timeout TO '60s'")
    return throttled


def test_each_is_counted_once_and_one_is_unread(patient: App) -> None:
    with load(patient, one_of_three) as writers:
        writers.progress(800)
    assert writers.failures == []
    assert patient.one(f"SELECT {USES} FROM preset_notifications") == writers.total
    assert patient.one("SELECT count(*) FROM preset_notifications") == 3


def test_while_people_read_them(patient: App) -> None:
    """A notification that is read at the same moment is added to before that, or not at all."""
    stop, seen = threading.Event(), dict[str, int]()

    def read() -> None:
        with patient.connect() as reader:
            while not stop.is_set():
                found = reader.execute(
                    b"UPDATE preset_notifications SET is_read = true WHERE NOT is_read"
                    b" RETURNING id::text, coalesce((data ->> 'uses')::integer, 1)"
                ).fetchall()
                assert not {key for key, _ in found} & set(seen), "what was read does not become unread"
                seen.update(found)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            with load(patient, one_of_three) as writers:
                writers.progress(800)
                wait_until(lambda: len(seen) > 10 or reading.done())
        finally:
            stop.set()
    reading.result()
    assert writers.failures == []
    assert patient.one(f"SELECT {USES} FROM preset_notifications") == writers.total
    assert unread_twice(patient) == 0
    after = dict(
        patient.sql("SELECT id::text, coalesce((data ->> 'uses')::integer, 1) FROM preset_notifications WHERE is_read")
    )
    assert {key: after[key] for key in seen} == seen, "nothing is added to what was read"


def test_in_any_order_nothing_fails_or_is_lost_or_waits_long(throttled: App) -> None:
    """20 presets a statement, each in another order: what another holds is not waited for, so some stay by themselves."""
    with load(throttled, twenty) as writers:
        writers.progress(4000)
    assert writers.failures == []
    assert writers.slowest < 60
    assert throttled.one(f"SELECT {USES} FROM preset_notifications") == writers.total
    assert throttled.one("SELECT count(*) FROM preset_notifications") < writers.total


def test_uses_that_notify_and_count(fixed: App) -> None:
    """The application's trigger notifies within each use, of up to 20 presets in any order, and usagefix counts it."""
    fixed.db.execute(b"DELETE FROM preset_notifications; DROP TRIGGER presets_notify_usage_milestone ON presets")
    fixed.sql(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.preset_notifications"
        " (preset_id, creator_id, type, title, message) VALUES (NEW.preset_id, NEW.user_id, ''used'', ''t'', ''m'');"
        " RETURN NULL; END'"
    )
    fixed.sql("CREATE TRIGGER tell AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION tell()")
    assert fixed.usagefix("notifications", "collapse").code == 0
    events = fixed.one("SELECT count(*) FROM preset_usage")
    with traffic(fixed) as writers:
        writers.progress(400)
    assert writers.failures == []
    assert fixed.drift() == (0, 0)
    assert (
        fixed.one(f"SELECT {USES} FROM preset_notifications") == fixed.one("SELECT count(*) FROM preset_usage") - events
    )


def test_without_the_lock_some_are_unread_twice(throttled: App) -> None:
    altered(throttled, LOCKS)
    for _ in range(100):
        with load(throttled, one_of_three) as writers:
            writers.progress(30)
        assert writers.failures == []
        if unread_twice(throttled):
            return
        throttled.sql("DELETE FROM preset_notifications")
    pytest.fail("the first test would not notice two that are first at once")


def test_a_throttle_that_waits_deadlocks(throttled: App) -> None:
    altered(throttled, WAITS, "SET lock_timeout TO '0'")
    altered(throttled, re.compile(r"'5ms'"), "'0'")
    altered(throttled, re.compile(r"EXCEPTION\n.*\nEND\n", re.DOTALL), "END\n")
    with load(throttled, twenty) as writers:
        wait_until(lambda: writers.failures, "the test of any order would not notice a deadlock")
    assert "deadlock detected" in writers.failures[0]


@pytest.mark.parametrize("first", ["the one that is there", "the first of its kind"])
def test_a_transaction_that_stays_open_stops_nobody(throttled: App, first: str) -> None:
    """Who waits for it gives up, since it does not end; each is counted, whether it commits or not."""
    if first == "the one that is there":
        throttled.sql(INSERT.replace("%s", "'{1}'"))
    for ends in ("commit", "rollback"):
        before = throttled.one(f"SELECT {USES} FROM preset_notifications")
        with throttled.connect(autocommit=False) as slow:
            slow.execute(INSERT.encode(), ([1],))
            begun = time.monotonic()
            throttled.sql(INSERT.replace("%s", "'{1, 1, 1}'"))
            assert time.monotonic() - begun < 30, "and soon"
            getattr(slow, ends)()
        added = 4 if ends == "commit" else 3
        assert throttled.one(f"SELECT {USES} FROM preset_notifications") == before + added


def test_switched_on_and_off_under_load(throttled: App) -> None:
    with load(throttled, one_of_three) as writers:
        for action in ("off", "collapse", "off", "collapse"):
            switched = throttled.until_free("notifications", action)
            assert switched.code == 0, switched.stderr
            writers.progress(100)
    assert writers.failures == []
    assert throttled.one(f"SELECT {USES} FROM preset_notifications") == writers.total
