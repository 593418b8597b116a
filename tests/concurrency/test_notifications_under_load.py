"""Notifications under load: each use is in some notification, and there is one unread for a recipient and a preset.

The tests count as proof only because the algorithm without a lock fails them, and a lock that waits deadlocks.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from support import App
from traffic import traffic

USES = "coalesce(sum(coalesce((data ->> 'uses')::integer, 1)), 0)"
INSERT = """
    INSERT INTO preset_notifications (preset_id, creator_id, type, title, message)
    SELECT md5('preset ' || p)::uuid, md5('user ' || p)::uuid, 'preset_used', 't', 'm' FROM unnest(%s::integer[]) AS p
"""
LOCKS = re.compile(r"PERFORM pg_catalog\.pg_advisory_xact_lock\(.*?\);\n", re.DOTALL)


def load(app: App, presets: Callable[[random.Random], list[int]], seconds: float = 2.0) -> tuple[int, list[str], float]:
    """Eight writers: how many notifications they sent, what failed, and how long the slowest took."""
    stop, sent, failures, slowest = threading.Event(), [0] * 8, list[str](), [0.0] * 8

    def write(number: int) -> None:
        luck = random.Random(number)
        with psycopg.connect(app.url(), autocommit=True) as connection:
            while not stop.is_set():
                wanted, begun = presets(luck), time.monotonic()
                try:
                    connection.execute(INSERT.encode(), (wanted,))
                    sent[number] += len(wanted)
                except psycopg.Error as error:
                    failures.append(str(error))
                slowest[number] = max(slowest[number], time.monotonic() - begun)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(sent), failures, max(slowest)


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


def test_each_is_counted_once_and_one_is_unread(throttled: App) -> None:
    sent, failures, _ = load(throttled, lambda luck: [luck.randint(1, 3)])
    assert failures == []
    assert sent > 100
    assert throttled.one(f"SELECT {USES} FROM preset_notifications") == sent
    assert throttled.one("SELECT count(*) FROM preset_notifications") == 3


def test_while_people_read_them(throttled: App) -> None:
    """A notification that is read at the same moment is added to before that, or not at all."""
    stop, seen = threading.Event(), dict[str, int]()

    def read() -> None:
        with throttled.connect() as reader:
            while not stop.is_set():
                found = reader.execute(
                    b"UPDATE preset_notifications SET is_read = true WHERE NOT is_read"
                    b" RETURNING id::text, coalesce((data ->> 'uses')::integer, 1)"
                ).fetchall()
                assert not {key for key, _ in found} & set(seen), "what was read does not become unread"
                seen.update(found)

    thread = threading.Thread(target=read)
    thread.start()
    sent, failures, _ = load(throttled, lambda luck: [luck.randint(1, 3)])
    stop.set()
    thread.join()
    assert failures == []
    assert throttled.one(f"SELECT {USES} FROM preset_notifications") == sent
    assert unread_twice(throttled) == 0
    after = dict(
        throttled.sql(
            "SELECT id::text, coalesce((data ->> 'uses')::integer, 1) FROM preset_notifications WHERE is_read"
        )
    )
    assert {key: after[key] for key in seen} == seen, "nothing is added to what was read"


def test_in_any_order_nothing_fails_or_is_lost_or_waits_long(throttled: App) -> None:
    """20 presets a statement, each in another order: what another holds is not waited for, so some stay by themselves."""
    sent, failures, slowest = load(throttled, lambda luck: luck.sample(range(1, 41), 20), seconds=4)
    assert failures == []
    assert slowest < 5
    assert throttled.one(f"SELECT {USES} FROM preset_notifications") == sent
    assert throttled.one("SELECT count(*) FROM preset_notifications") < sent / 2


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
    for _ in range(20):
        load(throttled, lambda luck: [luck.randint(1, 3)], seconds=0.1)
        if unread_twice(throttled):
            return
        throttled.sql("DELETE FROM preset_notifications")
    pytest.fail("the first test would not notice two that are first at once")


def test_a_throttle_that_waits_deadlocks(throttled: App) -> None:
    altered(throttled, re.compile(r"SET lock_timeout TO '750ms'"), "SET lock_timeout TO '0'")
    altered(throttled, re.compile(r"'5ms'"), "'0'")
    altered(throttled, re.compile(r"EXCEPTION\n.*\nEND\n", re.DOTALL), "END\n")
    _, failures, _ = load(throttled, lambda luck: luck.sample(range(1, 41), 20), seconds=4)
    assert any("deadlock detected" in failure for failure in failures), "the test of any order would not notice one"


@pytest.mark.parametrize("first", ["the one that is there", "the first of its kind"])
def test_a_transaction_that_stays_open_stops_nobody(throttled: App, first: str) -> None:
    """Who waits for it gives up soon; each is counted, whether it commits or not."""
    if first == "the one that is there":
        throttled.sql(INSERT.replace("%s", "'{1}'"))
    for ends in ("commit", "rollback"):
        before = throttled.one(f"SELECT {USES} FROM preset_notifications")
        with throttled.connect(autocommit=False) as slow:
            slow.execute(INSERT.encode(), ([1],))
            begun = time.monotonic()
            throttled.sql(INSERT.replace("%s", "'{1, 1, 1}'"))
            assert time.monotonic() - begun < 3
            getattr(slow, ends)()
        added = 4 if ends == "commit" else 3
        assert throttled.one(f"SELECT {USES} FROM preset_notifications") == before + added


def test_switched_on_and_off_under_load(throttled: App) -> None:
    codes: list[int] = []

    def switch() -> None:
        for action in ("off", "collapse", "off", "collapse"):
            codes.append(throttled.usagefix("notifications", action).code)

    thread = threading.Thread(target=switch)
    thread.start()
    sent, failures, _ = load(throttled, lambda luck: [luck.randint(1, 3)], seconds=4)
    thread.join()
    assert (failures, codes) == ([], [0, 0, 0, 0])
    assert throttled.one(f"SELECT {USES} FROM preset_notifications") == sent
