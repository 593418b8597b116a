"""Runs of two counters at once: neither waits while the other's rows are counted or corrected, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from several import COMMENTS, COUNTERS, LIKES, POSTS, applied, backfilled, counts
from support import App

from usagefix.counter import Counter
from usagefix.database.session import LOCK_KEY
from usagefix.errors import Busy
from usagefix.models.choices import Trust

OWN = f"SELECT pg_advisory_xact_lock(hashtextextended('post_likes_count', {LOCK_KEY}))"
CATALOG = f"SELECT pg_advisory_xact_lock({LOCK_KEY})"
# In the order of their keys, as everybody locks them.
SPOIL = """
    WITH locked AS MATERIALIZED (SELECT id FROM posts WHERE id % 2 = 0 ORDER BY id FOR NO KEY UPDATE)
    UPDATE posts SET likes_count = likes_count + 1, comments_count = comments_count - 1 FROM locked WHERE locked.id = posts.id
"""
RUNS = ((backfilled, LIKES), (applied, LIKES), (backfilled, COMMENTS), (applied, COMMENTS))


@contextmanager
def writing(app: App) -> Iterator[None]:
    """Events of both counters come and go, of the same posts in any order."""
    stop = threading.Event()

    def write(table: str, step: int) -> None:
        insert = f"INSERT INTO {table} (post_id) SELECT 1 + n * {step} % 20 FROM generate_series(1, 12) AS n"
        delete = f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT 9)"
        with psycopg.connect(app.url(), autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(insert.encode())
                connection.execute(delete.encode())

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, table, step) for table, step in (("likes", 3), ("comments", 7))]
        try:
            yield
        finally:
            stop.set()
        for writer in writers:
            writer.result()


def until_free(work: Callable[..., object], app: App, counter: Counter) -> None:
    """As a person does who is told to run it again."""
    while True:
        try:
            work(app, counter, believed=Trust.EVENTS)
        except Busy:
            continue
        return


@pytest.mark.parametrize(
    ("held", "busy"), [(OWN, RUNS[:2]), (CATALOG, RUNS[3:])], ids=["rows of a counter", "the catalog"]
)
def test_who_waits_for_whom(app: App, held: str, busy: tuple[object, ...]) -> None:
    app.sql(POSTS)
    for counter in COUNTERS:
        applied(app, counter)
    app.sql("DROP TRIGGER trigger_auto_adjust_post_comments_count_truncate ON comments")  # there is something to apply
    with app.connect(autocommit=False) as other:
        other.execute(held.encode())
        for run in RUNS:
            if run in busy:
                with pytest.raises(Busy, match="another run of usagefix"):
                    run[0](app, run[1])
            else:
                run[0](app, run[1])


def test_both_at_once(app: App) -> None:
    app.sql(POSTS)
    with writing(app):
        for runs in ((applied, applied), (backfilled, backfilled), (applied, backfilled)):
            with ThreadPoolExecutor() as pool:
                list(pool.map(until_free, runs, [app] * 2, COUNTERS))
            assert counts(app) == [(0, 0)]
            app.spoil(SPOIL)
    for counter in COUNTERS:
        backfilled(app, counter, believed=Trust.EVENTS)
    assert counts(app) == [(0, 0)]
