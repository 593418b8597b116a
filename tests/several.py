"""An application with two counters on one table, for what several counters of a database do to each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from support import App

from usagefix import apply, backfill, ledger, picture
from usagefix.counter import Counter
from usagefix.database import Database, connect
from usagefix.models.choices import DailyLimit
from usagefix.models.correction import BackfillReport
from usagefix.models.migration import ApplyReport, RollbackReport
from usagefix.models.verification import Status
from usagefix.rollback import plan, rollback
from usagefix.target import locate
from usagefix.verify import verify

POSTS = """
CREATE TABLE posts (id integer PRIMARY KEY, likes_count integer NOT NULL DEFAULT 0, comments_count integer NOT NULL DEFAULT 0);
CREATE TABLE likes (id bigserial PRIMARY KEY, post_id integer NOT NULL REFERENCES posts ON DELETE CASCADE, kind text DEFAULT 'like');
CREATE TABLE comments (id bigserial PRIMARY KEY, post_id integer NOT NULL REFERENCES posts ON DELETE CASCADE, body text);
INSERT INTO posts SELECT n, 5 - (n % 3 = 0)::int, 5 - 2 * (n % 5 = 0)::int FROM generate_series(1, 20) AS n;
INSERT INTO likes (post_id, kind) SELECT 1 + n % 20, CASE n % 4 WHEN 0 THEN 'wow' ELSE 'like' END FROM generate_series(1, 100) AS n;
INSERT INTO comments (post_id) SELECT 1 + n % 20 FROM generate_series(1, 100) AS n;
"""
LIKES = Counter(
    parent="posts", column="likes_count", child="likes", foreign_key="post_id", last=None, label=None, time=None, user=None,
    kind=None, data=None, slug="post_likes_count", recorder=None, incrementer=None, daily=None,
)  # fmt: skip
COMMENTS = replace(LIKES, column="comments_count", child="comments", slug="post_comments_count")
COUNTERS = (LIKES, COMMENTS)


@contextmanager
def on(app: App, counter: Counter) -> Iterator[Database]:
    db = connect(locate(app.url(), "a test"))
    try:
        db.counter = ledger.settled(db, picture.look_up(db, counter))
        yield db
    finally:
        db.close()


def applied(app: App, counter: Counter, **choices: Any) -> ApplyReport:
    with on(app, counter) as db:
        return apply.apply(db, batch_size=7, on_step=lambda _: None, on_progress=lambda _: None, **choices)


def backfilled(app: App, counter: Counter, **choices: Any) -> BackfillReport:
    with on(app, counter) as db:
        return backfill.backfill(db, batch_size=7, **choices)


def rolled_back(app: App, counter: Counter, *, purge: bool = False) -> RollbackReport:
    with on(app, counter) as db:
        return rollback(db, plan(db, to=None, limit=DailyLimit.RESTORE, purge=purge), on_step=lambda _: None)


def wrong(app: App, counter: Counter) -> set[str]:
    with on(app, counter) as db:
        return {check.check_id for check in verify(db).checks if check.status not in (Status.OK, Status.SKIPPED)}


def counts(app: App) -> list[tuple[Any, ...]]:
    """How many posts show something else than their likes and comments."""
    return app.sql(
        "SELECT count(*) FILTER (WHERE likes_count <> (SELECT count(*) FROM likes WHERE post_id = posts.id)),"
        " count(*) FILTER (WHERE comments_count <> (SELECT count(*) FROM comments WHERE post_id = posts.id)) FROM posts"
    )
