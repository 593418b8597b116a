"""How a statement is counted: at once where its rows are locked, not at all where none of its events counts, and once
where it brings an event before the row that this names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from byvalue import counter, install, wrong
from support import App

from usagefix import catalog
from usagefix.catalog import Face
from usagefix.counter import Counter
from usagefix.related import related

COMMENTS = (
    "CREATE TABLE comments (id int PRIMARY KEY, parent_id int, up boolean NOT NULL DEFAULT true, worth int NOT NULL DEFAULT 1,"
    " written timestamptz, replies int NOT NULL DEFAULT 0, ups int NOT NULL DEFAULT 0, sum int NOT NULL DEFAULT 0)",
    "CREATE INDEX ON comments (parent_id)",
)
REPLIES = counter("comments.replies", "comments.parent_id", "comment_replies")
UPS = counter("comments.ups", "comments.parent_id", "comment_ups", where="event.up")
SUM = counter("comments.sum", "comments.parent_id", "comment_sum", weight="event.worth")
SUMS = "SELECT id FROM comments AS p WHERE sum <> (SELECT COALESCE(sum(worth), 0) FROM comments AS c WHERE c.parent_id = p.id)"
THREADS = {
    "a reply first": "INSERT INTO comments (id, parent_id) VALUES (2, 1), (1, NULL)",
    "replies around it": "INSERT INTO comments (id, parent_id) VALUES (2, 1), (1, NULL), (3, 1), (4, 2)",
    "one that counts": "INSERT INTO comments (id, parent_id, up) VALUES (2, 1, true), (1, 7, false), (3, 1, false)",
    "after an orphan": "INSERT INTO comments (id, parent_id, worth) VALUES (8, 9, 3), (9, NULL, 2), (6, 9, -1)",
    "of itself": "INSERT INTO comments (id, parent_id) VALUES (3, 3), (4, 3)",
    "in both orders": "INSERT INTO comments (id, parent_id) SELECT n, 41 - n FROM generate_series(1, 40) AS n",
}


@pytest.mark.parametrize("statement", THREADS.values(), ids=THREADS)
@pytest.mark.parametrize(
    "counters", [(REPLIES,), (UPS,), (SUM,), (REPLIES, UPS, SUM)], ids=["all", "some", "a sum", "all three"]
)
def test_a_reply_that_comes_before_what_it_replies_to(app: App, counters: tuple[Counter, ...], statement: str) -> None:
    for table in COMMENTS:
        app.sql(table)
    install(app, *related(counters), guarded=True)
    app.sql("INSERT INTO comments (id, parent_id) VALUES (77, 9), (78, 77)")
    app.sql(statement)
    for of in counters:
        assert of is SUM or [row for row in wrong(app, of) if row[1] is not None] == []
    assert SUM not in counters or app.sql(SUMS) == []


REACTIONS = (
    "CREATE TABLE posts (id int PRIMARY KEY, likes int NOT NULL DEFAULT 0, wows int NOT NULL DEFAULT 0, liked_at timestamptz)",
    "CREATE TABLE reactions (id bigint GENERATED ALWAYS AS IDENTITY, post_id int NOT NULL, kind text, at timestamptz)",
    "INSERT INTO posts SELECT n FROM generate_series(1, 8000) AS n",
    "VACUUM ANALYZE posts",
)
LIKES, WOWS = related(
    (
        counter(
            "posts.likes", "reactions.post_id", "post_likes", where="event.kind = 'like'", last="liked_at", time="at"
        ),
        counter("posts.wows", "reactions.post_id", "post_wows", where="event.kind = 'wow'"),
    )
)
MANY = "INSERT INTO reactions (post_id, kind, at) SELECT 1 + n % 5000, 'like', '2026-01-01' FROM generate_series(1, 20000) AS n"
FEW = "INSERT INTO reactions (post_id, kind, at) VALUES (3, 'like', '2026-02-02'), (5, 'like', NULL), (3, 'wow', now())"


def test_a_statement_of_many_events_decides_nothing_for_those_after_it(app: App) -> None:
    """A session keeps the plans of its first statement: they must not be to read all posts."""
    for table in REACTIONS:
        app.sql(table)
    install(app, LIKES, WOWS)
    read = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'posts'"
    with app.connect() as connection:
        connection.execute(MANY.encode())
        with connection.transaction():
            connection.execute(FEW.encode())
            assert connection.execute(read.encode()).fetchone() == (0,)
    assert [wrong(app, of) for of in (LIKES, WOWS)] == [[], []]
    assert app.sql("SELECT id, liked_at::date::text FROM posts WHERE id IN (3, 5) ORDER BY id") == [
        (3, "2026-02-02"),
        (5, "2026-01-01"),
    ]


def test_posts_without_an_event_that_counts_are_nobodys(app: App) -> None:
    """Nothing is locked for a counter of other events."""
    for table in REACTIONS:
        app.sql(table)
    install(app, LIKES, WOWS)
    app.sql("INSERT INTO reactions (post_id, kind) SELECT n, 'sad' FROM generate_series(1, 9) AS n")
    with app.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM posts FOR NO KEY UPDATE")
        with app.connect() as other:
            other.execute("SET lock_timeout = '1min'")
            other.execute("INSERT INTO reactions (post_id, kind) VALUES (1, 'sad'), (2, NULL)")
            other.execute("DELETE FROM reactions WHERE post_id < 4")


# One of a group is in front: who becomes that sends the others back, as they are updated.
FRONT = (
    "ALTER TABLE posts ADD front boolean NOT NULL DEFAULT false",
    "UPDATE posts SET front = true WHERE id = 1",
    "CREATE FUNCTION front() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.front THEN UPDATE posts SET front = false"
    " WHERE id BETWEEN 2 AND 9; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER front BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION front()",
)


@pytest.mark.parametrize("early", [True, False], ids=["before", "afterwards"])
def test_a_trigger_that_changes_other_rows_before_they_are_counted(app: App, early: bool) -> None:
    """PostgreSQL refuses to update a row that a BEFORE trigger of the same statement changed meanwhile."""
    for table in (*REACTIONS, *(FRONT * early)):
        app.sql(table)
    install(app, LIKES, WOWS, guarded=True)
    with app.connect() as connection:
        for statement in (FEW, *(FRONT * (not early)), MANY, FEW):
            connection.execute(statement.encode())
    assert [wrong(app, of) for of in (LIKES, WOWS)] == [[], []]


def test_rows_that_are_locked_are_counted_at_once() -> None:
    """Where a comment of the SQL file reads otherwise, they would be counted one by one, and nothing else would say so."""
    for of in (LIKES, WOWS, replace(LIKES, beside=(), above=(("public", "groups", "id", "group_id"),))):
        assert "Otherwise update all at once" in catalog.counting().bodies(of)[0]
    assert "Otherwise update all at once" not in catalog.counting().read(Face.APPLY, replace(LIKES, beside=()))
