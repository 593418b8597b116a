"""Several counters on one table of events, whose parents are the same rows: exact, and nobody waits in a circle."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from byvalue import Write, counter, install, until, writers, wrong
from support import App

from usagefix.counter import Counter
from usagefix.related import related

PEOPLE, ENOUGH = 12, 400
FOLLOWS = (
    "CREATE TABLE users (id int PRIMARY KEY, followers_count int NOT NULL DEFAULT 0, following_count int NOT NULL DEFAULT 0)",
    "CREATE TABLE follows (id bigint GENERATED ALWAYS AS IDENTITY, follower int NOT NULL REFERENCES users,"
    " followee int NOT NULL REFERENCES users)",
    f"INSERT INTO users SELECT n FROM generate_series(1, {PEOPLE}) AS n",
)
REACTIONS = (
    "CREATE TABLE posts (id int PRIMARY KEY, likes_count int NOT NULL DEFAULT 0, dislikes_count int NOT NULL DEFAULT 0)",
    "CREATE TABLE reactions (id bigint GENERATED ALWAYS AS IDENTITY, post_id int NOT NULL REFERENCES posts, up boolean NOT NULL)",
    f"INSERT INTO posts SELECT n FROM generate_series(1, {PEOPLE}) AS n",
)
FOLLOWERS = counter("users.followers_count", "follows.followee", "user_followers_count", beside=("follower",))
FOLLOWING = counter("users.following_count", "follows.follower", "user_following_count", beside=("followee",))
LIKES = counter("posts.likes_count", "reactions.post_id", "post_likes_count", where="event.up", beside=("post_id",))
DISLIKES = counter(
    "posts.dislikes_count", "reactions.post_id", "post_dislikes_count", where="NOT event.up", beside=("post_id",)
)


def write_follows(luck: random.Random, connection: psycopg.Connection[Any]) -> None:
    pairs = [luck.sample(range(1, PEOPLE + 1), 2) for _ in range(luck.choice((1, 1, 4)))]
    if luck.random() < 0.5:
        rows = ", ".join(f"({a}, {b})" for a, b in pairs)
        connection.execute(f"INSERT INTO follows (follower, followee) VALUES {rows}".encode())
        return
    change = luck.choice(("DELETE FROM follows", "UPDATE follows SET follower = followee, followee = follower"))
    connection.execute(
        f"{change} WHERE id IN (SELECT id FROM follows ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)".encode()
    )


def write_reactions(luck: random.Random, connection: psycopg.Connection[Any]) -> None:
    rows = ", ".join(f"({luck.randint(1, PEOPLE)}, {luck.random() < 0.5})" for _ in range(luck.choice((1, 4))))
    if luck.random() < 0.5:
        connection.execute(f"INSERT INTO reactions (post_id, up) VALUES {rows}".encode())
        return
    change = luck.choice(("DELETE FROM reactions", "UPDATE reactions SET up = NOT up"))
    connection.execute(
        f"{change} WHERE id IN (SELECT id FROM reactions ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)".encode()
    )


CASES: dict[str, tuple[tuple[str, ...], tuple[Counter, Counter], Write]] = {
    "followers and following": (FOLLOWS, (FOLLOWERS, FOLLOWING), write_follows),
    "likes and dislikes": (REACTIONS, (LIKES, DISLIKES), write_reactions),
}


@pytest.mark.parametrize("what", CASES)
def test_two_counters_of_the_same_rows_are_exact_and_never_deadlock(app: App, what: str) -> None:
    tables, counters, write = CASES[what]
    for statement in tables:
        app.sql(statement)
    install(app, *counters, guarded=True)
    with writers(app, write) as people:
        until(people, ENOUGH)
        assert [wrong(app, of) for of in counters] == [[], []], "in every snapshot"
    assert people.failures == []
    assert [wrong(app, of) for of in counters] == [[], []]


def test_without_the_lock_there_are_deadlocks(app: App) -> None:
    """So that the test above would see them."""
    for statement in FOLLOWS:
        app.sql(statement)
    install(app, *(replace(of, beside=()) for of in (FOLLOWERS, FOLLOWING)))
    with writers(app, write_follows) as people:
        until(people, 500 * ENOUGH)
    assert people.deadlocks > 0
    assert [wrong(app, of) for of in (FOLLOWERS, FOLLOWING)] == [[], []]


CHAIN = (
    "CREATE TABLE communities (id int PRIMARY KEY, comments_total int NOT NULL DEFAULT 0)",
    "CREATE TABLE posts (id int PRIMARY KEY, community_id int REFERENCES communities, comments_count int NOT NULL DEFAULT 0)",
    "CREATE TABLE comments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post_id int REFERENCES posts,"
    " parent_id bigint, replies_count int NOT NULL DEFAULT 0)",
    "INSERT INTO communities SELECT n FROM generate_series(1, 4) AS n",
    f"INSERT INTO posts SELECT n, 1 + n * 7 %% 4 FROM generate_series(1, {PEOPLE}) AS n".replace("%%", "%"),
)
COMMENTS = counter("posts.comments_count", "comments.post_id", "post_comments_count")
REPLIES = counter("comments.replies_count", "comments.parent_id", "comment_replies_count")
TOTAL = counter(
    "communities.comments_total", "posts.community_id", "community_comments_total", weight="event.comments_count"
)
TOTALS = (
    "SELECT c.id FROM communities AS c WHERE comments_total <> (SELECT COALESCE(sum(comments_count), 0) FROM posts WHERE"
    " community_id = c.id)"
)


def write_comments(luck: random.Random, connection: psycopg.Connection[Any]) -> None:
    rows = ", ".join(f"({luck.randint(1, PEOPLE)}, NULL)" for _ in range(luck.choice((1, 4))))
    what = luck.random()
    if what < 0.6:
        connection.execute(f"INSERT INTO comments (post_id, parent_id) VALUES {rows}".encode())
        return
    ids = "id IN (SELECT id FROM comments ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)"
    moved = f"UPDATE comments SET post_id = {luck.randint(1, PEOPLE)} WHERE {ids}"
    connection.execute((moved if what < 0.8 else f"DELETE FROM comments WHERE {ids}").encode())


def write_replies(luck: random.Random, connection: psycopg.Connection[Any]) -> None:
    """Inserts only: who deletes or moves comments holds them, in an order of his own, and they are what is counted."""
    to = [f"(1, (SELECT id FROM comments OFFSET {luck.randint(0, 9)} LIMIT 1))" for _ in range(luck.choice((1, 4)))]
    connection.execute(f"INSERT INTO comments (post_id, parent_id) VALUES {', '.join(to)}".encode())


def chain(app: App) -> tuple[Counter, ...]:
    for statement in CHAIN:
        app.sql(statement)
    app.sql("INSERT INTO comments (post_id) SELECT 1 FROM generate_series(1, 10)")
    app.sql("UPDATE posts SET comments_count = 10 WHERE id = 1")
    app.sql(
        "UPDATE communities SET comments_total = (SELECT sum(comments_count) FROM posts WHERE community_id = communities.id)"
    )
    return related((TOTAL, COMMENTS, REPLIES))


@pytest.mark.parametrize("write", [write_comments, write_replies])
def test_counters_of_counters_and_of_themselves_are_exact_and_never_deadlock(app: App, write: Write) -> None:
    counters = chain(app)
    install(app, *counters, guarded=True)
    with writers(app, write) as people:
        until(people, ENOUGH)
    assert people.failures == []
    assert [wrong(app, of) for of in counters[1:]] == [[], []]
    assert app.sql(TOTALS) == []


def test_a_chain_without_its_locks_deadlocks(app: App) -> None:
    install(app, *(replace(of, beside=(), above=()) for of in chain(app)))
    with writers(app, write_comments) as people:
        until(people, 500 * ENOUGH)
    assert people.deadlocks > 0
