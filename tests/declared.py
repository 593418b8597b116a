"""Counters of the shapes as declaring resolves them, made by hand; and every verb on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from support import App

from usagefix import picture
from usagefix.counter import Counter
from usagefix.database import Database, connect
from usagefix.target import locate

PLAIN = Counter(
    last=None, label=None, time=None, event_id="id", user="user_id", kind=None, data=None,
    recorder=None, incrementer=None, daily=None,
)  # fmt: skip

COUNTERS: dict[str, tuple[Counter, ...]] = {
    "likes": (
        replace(
            PLAIN, parent="posts", column="likes_count", child="likes", foreign_key="post_id", label="title",
            event_id=None, slug="post_likes_count",
        ),
    ),
}  # fmt: skip


@contextmanager
def looking(app: App, counter: Counter) -> Iterator[Database]:
    """A connection that is about this counter."""
    db = connect(locate(app.url(), "a test"))
    try:
        db.counter = picture.look_up(db, counter)
        yield db
    finally:
        db.close()
