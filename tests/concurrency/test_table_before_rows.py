"""A session that holds rows of presets does not wait for the table. Otherwise whoever waits for the table (CREATE TRIGGER,
CREATE INDEX, usagefix itself) and whoever waits for these rows would stop each other, and every writer behind them, until
the server looks for deadlocks: a second, as it is delivered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from support import MIGRATION, App, Connection, ended, wait_until

LOCK = re.compile(r"^\s*LOCK TABLE ONLY [^;]+ IN ROW EXCLUSIVE MODE;(?: --.*)?\n", re.MULTILINE)
# Without foreign keys: a check of one would lock the row, too, and luck would say who gets it next.
SELF = """
CREATE TABLE users (id int PRIMARY KEY, followers_count int NOT NULL DEFAULT 0, following_count int NOT NULL DEFAULT 0);
CREATE TABLE follows (id bigserial PRIMARY KEY, followed_id int NOT NULL, follower_id int NOT NULL);
CREATE INDEX ON follows (followed_id); CREATE INDEX ON follows (follower_id);
INSERT INTO users SELECT n FROM generate_series(1, 3) AS n;
INSERT INTO follows (followed_id, follower_id) VALUES (1, 2), (2, 1);
"""
FOLLOWS = "\n".join(
    f'[[counter]]\ncounter = "users.{column}_count"\nevents = "follows.{key}"\n'
    for column, key in (("followers", "followed_id"), ("following", "follower_id"))
)
SUMMED = """
CREATE TABLE topics (id int PRIMARY KEY, likes_total bigint NOT NULL DEFAULT 0);
CREATE TABLE posts (id int PRIMARY KEY, topic_id int NOT NULL, likes_count int NOT NULL DEFAULT 0);
CREATE TABLE likes (id bigserial PRIMARY KEY, post_id int NOT NULL);
CREATE INDEX ON posts (topic_id); CREATE INDEX ON likes (post_id);
INSERT INTO topics VALUES (1); INSERT INTO posts VALUES (1, 1), (2, 1); INSERT INTO likes (post_id) VALUES (1), (2);
"""
SUMS = """
[[counter]]
counter = "posts.likes_count"
events = "likes.post_id"
[[counter]]
counter = "topics.likes_total"
events = "posts.topic_id"
sum = "likes_count"
"""


def declared(app: App, folder: Path, tables: str, counters: str) -> None:
    app.sql(tables)
    (folder / "usagefix.toml").write_text(counters)
    done = app.usagefix("apply", "--config", str(folder / "usagefix.toml"))
    assert done.code == 0, done.stderr + done.stdout


def unlocked(app: App) -> None:
    """The counting functions as they were: rows first."""
    known = app.sql(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')"
        " AND pronamespace = 'public'::regnamespace"
    )
    texts = [text for (text,) in known if LOCK.search(text)]
    assert texts, "nothing here locks the table first"
    for text in texts:
        app.sql(LOCK.sub("", text))


@contextmanager
def sessions(app: App, number: int) -> Iterator[list[Connection]]:
    """Sessions for which the server does not look for deadlocks."""
    opened = [psycopg.connect(app.url(), autocommit=True) for _ in range(number)]
    try:
        for session in opened:
            session.execute("SET deadlock_timeout = '10min'")
            session.execute("SET lock_timeout = '5min'")
        yield opened
    finally:
        for session in opened:
            session.cancel_safe()
            session.close()


def gets_on(app: App, table: str, holding: str, row: str, waiting: str) -> bool:
    """Whether all end. A session locks the ``row``. The next one (``holding``) is to lock it, too, and the third (``waiting``)
    has the table and is to write the row. The fourth wants the table for itself. Then the first one ends."""
    with sessions(app, 4) as (first, holder, waiter, migration), ThreadPoolExecutor(3) as pool:
        pids = [session.info.backend_pid for session in (holder, waiter, migration)]
        running: list[Future[object]] = []

        def start(session: Connection, statement: str) -> None:
            running.append(pool.submit(session.execute, statement.encode()))
            app.wait_for(
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", session.info.backend_pid
            )

        with first.transaction():
            first.execute(row.encode())
            start(holder, holding)
            start(waiter, waiting)
            start(migration, f"BEGIN; LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE; COMMIT")
        stuck = "SELECT bool_and(pg_blocking_pids(pid) && %s::int[]) FROM unnest(%s::int[]) AS pid"

        def done() -> bool:
            return all(one.done() for one in running)

        wait_until(lambda: done() or app.one(stuck, pids, pids))
        finished = done()
        for session in (holder, waiter, migration):
            session.cancel_safe()
        for one in running:
            assert one.exception() is None or not finished
    return finished


PRESET = "SELECT FROM presets WHERE id = md5('preset 1')::uuid FOR NO KEY UPDATE"
EVENT = "(tableoid, ctid) IN (SELECT tableoid, ctid FROM preset_usage WHERE preset_id = md5('preset 1')::uuid LIMIT 1)"
RENAME = "UPDATE presets SET name = name WHERE id = md5('preset 1')::uuid"
LAST = "(SELECT id FROM presets ORDER BY id DESC LIMIT 1)"  # which a move locks second
WRITES = {
    "a delete": f"DELETE FROM preset_usage WHERE {EVENT}",
    "a move": f"UPDATE preset_usage SET preset_id = {LAST} WHERE {EVENT}",
    "a truncate": "TRUNCATE preset_usage",
}
both = pytest.mark.parametrize("wrong", [False, True], ids=["as released", "rows first"])


@both
@pytest.mark.parametrize("write", WRITES)
def test_a_write(fixed: App, write: str, wrong: bool) -> None:
    if wrong:
        unlocked(fixed)
    assert gets_on(fixed, "presets", WRITES[write], PRESET, RENAME) is not wrong
    assert fixed.drift() == (0, 0)


@both
def test_a_row_of_a_later_partition(counted: App, wrong: bool) -> None:
    counted.sql("CREATE TABLE usage_later PARTITION OF preset_usage FOR VALUES FROM ('2090-01-01') TO ('2091-01-01')")
    if wrong:
        unlocked(counted)
    counted.sql(
        "INSERT INTO usage_later (preset_id, user_id, usage_type, created_at)"
        " SELECT md5('preset 1')::uuid, md5('user 1')::uuid, 'showcase_creation', '2090-06-01'"
    )
    assert gets_on(counted, "presets", "DELETE FROM usage_later", PRESET, RENAME) is not wrong
    assert counted.drift() == (0, 0)


@both
def test_two_counters_of_one_row(app: App, tmp_path: Path, wrong: bool) -> None:
    declared(app, tmp_path, SELF, FOLLOWS)
    if wrong:
        unlocked(app)
    insert = "INSERT INTO follows (followed_id, follower_id) VALUES (1, 3)"
    row = "SELECT FROM users WHERE id = 1 FOR NO KEY UPDATE"
    assert gets_on(app, "users", insert, row, "UPDATE users SET id = id WHERE id = 1") is not wrong


ONE = "SELECT FROM {} WHERE id = 1 FOR NO KEY UPDATE"
OF_SUMS = {  # the row that the holder locks first, and who has topics and waits for that row
    "topics": "UPDATE topics SET id = id WHERE id = 1",
    "posts": "WITH topic AS (UPDATE topics SET id = id WHERE id = 0) UPDATE posts SET id = id WHERE id = 1",
}


@both
@pytest.mark.parametrize("row", OF_SUMS)
def test_a_sum_of_counters(app: App, tmp_path: Path, row: str, wrong: bool) -> None:
    declared(app, tmp_path, SUMMED, SUMS)
    if wrong:
        unlocked(app)
    for write in ("INSERT INTO likes (post_id) VALUES (1), (2)", "DELETE FROM likes"):
        assert gets_on(app, "topics", write, ONE.format(row), OF_SUMS[row]) is not wrong


@both
def test_the_backfill_by_hand(fixed: App, wrong: bool) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 3")
    script = fixed.usagefix("sql", MIGRATION.name, "backfill", "--adapt").stdout
    assert LOCK.search(script)
    if wrong:
        script = LOCK.sub("", script)
    whole = f"BEGIN; SET LOCAL usagefix.trust = 'events'; {script}; COMMIT"
    assert gets_on(fixed, "presets", whole, PRESET, RENAME) is not wrong
    assert wrong or fixed.drift() == (0, 0)


def test_a_batch_of_the_backfill(fixed: App) -> None:
    """It waits for the table without a row of it."""
    fixed.spoil("UPDATE presets SET usage_count = 3")
    with fixed.connect(autocommit=False) as migration, fixed.connect() as other:
        process = fixed.spawn("backfill", "--trust", "events", "--batch-size", "20", "--pause", "3")
        fixed.wait_for(
            "SELECT EXISTS (SELECT FROM usagefix.corrections AS done JOIN usagefix.corrections AS pending USING (run)"
            " WHERE done.applied_at IS NOT NULL AND pending.applied_at IS NULL)"
        )
        migration.execute("LOCK TABLE presets IN SHARE ROW EXCLUSIVE MODE")  # before the next batch
        fixed.wait_for_waiter()
        free = other.execute("SELECT FROM presets FOR NO KEY UPDATE SKIP LOCKED").rowcount
        migration.rollback()
    done = ended(process)
    assert done.code == 0, done.stderr
    assert free == fixed.one("SELECT count(*) FROM presets")
    assert fixed.drift() == (0, 0)


def test_the_backfill_never_waits_for_the_table_with_a_row(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 3")
    asks = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND {})"
    for_table = asks.format("application_name = 'usagefix' AND locktype = 'relation'")
    with sessions(fixed, 3) as (first, waiter, migration), ThreadPoolExecutor(2) as pool:
        with first.transaction():
            first.execute(PRESET.encode())
            process = fixed.spawn("backfill", "--trust", "events")
            fixed.wait_for(asks.format("application_name = 'usagefix' AND locktype = 'transactionid'"))
            pool.submit(waiter.execute, RENAME.encode())
            fixed.wait_for(asks.format("pid = %s"), waiter.info.backend_pid)
            last = pool.submit(migration.execute, b"BEGIN; LOCK TABLE presets IN SHARE ROW EXCLUSIVE MODE; COMMIT")
            fixed.wait_for(asks.format("pid = %s"), migration.info.backend_pid)
        seen = False
        while not last.done():
            seen = seen or fixed.one(for_table)
        done = ended(process)
    assert (done.code, seen) == (0, False), done.stderr
    assert fixed.drift() == (0, 0)


@pytest.mark.parametrize("command", ["apply", "smoke"])
def test_a_trial(app: App, command: str) -> None:
    """It has the table when it locks the row that it tries."""
    app.sql(
        "CREATE SEQUENCE rows_first; CREATE SEQUENCE tried; CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " PERFORM nextval('tried') FROM (SELECT array_agg(mode) AS modes FROM pg_locks"
        " WHERE pid = pg_backend_pid() AND relation = 'presets'::regclass) AS mine WHERE 'RowShareLock' = ANY (modes) AND"
        " ('RowExclusiveLock' = ANY (modes) OR nextval('rows_first') > 0); RETURN NEW; END$$;"
        " CREATE TRIGGER look BEFORE INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION look()"
    )
    app.usagefix(command)
    assert (app.one("SELECT is_called FROM tried"), app.one("SELECT is_called FROM rows_first")) == (True, False)
