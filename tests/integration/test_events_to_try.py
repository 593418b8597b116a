"""Events that apply and smoke try, in tables that make it hard: what cannot be tried is said, and stops nobody."""

from __future__ import annotations

import pytest
from declared import declared, looking
from support import App

from usagefix import apply
from usagefix.models.choices import DailyLimit
from usagefix.models.verification import Status
from usagefix.rollback import plan, rollback
from usagefix.smoke import smoke

POSTS = (
    "CREATE TABLE posts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, likes_count integer NOT NULL DEFAULT 0);"
)
USERS = "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n integer UNIQUE);"
SOME = "INSERT INTO posts (likes_count) SELECT 0 FROM generate_series(1, 9); INSERT INTO users (n) SELECT generate_series(1, 9);"
LIKES = "CREATE TABLE likes (post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE, user_id uuid NOT NULL REFERENCES users"

# The tables, and whether an event can be made.
TABLES: dict[str, tuple[str, bool]] = {
    "no event yet": (f"{POSTS}{USERS}{SOME}{LIKES}, note text NOT NULL, PRIMARY KEY (post_id, user_id));", True),
    "no row at all": (f"{POSTS}{USERS}{LIKES});", False),
    "nobody is left who has not": (
        f"{POSTS}{USERS}{SOME}{LIKES}, UNIQUE (user_id, post_id));"
        "INSERT INTO likes SELECT posts.id, users.id FROM posts, users;",
        False,
    ),
    "one event a row": (f"{POSTS}{USERS}{SOME}{LIKES}, UNIQUE (post_id)); INSERT INTO likes SELECT 1, id FROM users LIMIT 1;", True),
    "one event a row, each has it": (
        f"{POSTS}{USERS}{SOME}{LIKES}, UNIQUE (post_id)); INSERT INTO likes SELECT n, id FROM users;",
        False,
    ),
    "a check that no copy passes": (
        f"{POSTS}{USERS}{SOME}{LIKES}, code text NOT NULL UNIQUE CHECK (code ~ '^[A-Z]{{3}}[0-9]$'));"
        "INSERT INTO likes SELECT 1, id, 'ABC' || n FROM users;",
        False,
    ),
    "a partial unique index over an expression": (
        f"{POSTS}{USERS}{SOME}{LIKES}, deleted_at timestamptz); CREATE UNIQUE INDEX ON likes (post_id, lower(user_id::text))"
        " WHERE deleted_at IS NULL; INSERT INTO likes SELECT 1 + n % 3, id FROM users WHERE n < 7;",
        True,
    ),
    "a code that may be left out, generated columns, and names of variables": (
        f"{POSTS}{USERS}{SOME}{LIKES}, example text UNIQUE, given text, used integer GENERATED ALWAYS AS (1) STORED,"
        " what integer NOT NULL DEFAULT 7, kind text NOT NULL, \"a % 'b'\" text NOT NULL, UNIQUE (post_id, user_id, kind));"
        "INSERT INTO likes (post_id, user_id, example, kind, \"a % 'b'\") SELECT 1 + n % 3, id, n::text, 'x', '' FROM users;",
        True,
    ),
    "a trigger that turns people away": (
        f"{POSTS}{USERS}{SOME}{LIKES}); INSERT INTO likes SELECT 1 + n % 3, id FROM users;"
        "CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'closed for today'; END $f$;"
        "CREATE TRIGGER closed BEFORE INSERT ON likes FOR EACH ROW EXECUTE FUNCTION closed();",
        False,
    ),
    "a trigger that swallows rows": (
        f"{POSTS}{USERS}{SOME}{LIKES}); INSERT INTO likes SELECT 1 + n % 3, id FROM users;"
        "CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NULL; END $f$;"
        "CREATE TRIGGER closed BEFORE INSERT ON likes FOR EACH ROW EXECUTE FUNCTION closed();",
        False,
    ),
    "a second table that refers to both": (
        f"{POSTS}{USERS}{SOME} CREATE TABLE seen (post_id bigint, user_id uuid, PRIMARY KEY (post_id, user_id));"
        "INSERT INTO seen SELECT posts.id, users.id FROM posts, users WHERE n > posts.id;"
        f"{LIKES}, FOREIGN KEY (post_id, user_id) REFERENCES seen, PRIMARY KEY (post_id, user_id));"
        "INSERT INTO likes SELECT * FROM seen;",
        False,
    ),
}  # fmt: skip
COUNTER = declared("post_likes_count", "posts", "likes_count", "likes", "post_id", event_id=None)


def nothing(_: object) -> None:
    """Progress that nobody reads."""


@pytest.mark.parametrize("case", TABLES)
def test_what_can_be_tried_is(empty: App, case: str) -> None:
    tables, possible = TABLES[case]
    empty.sql(tables)
    before = empty.dump()
    with looking(empty, COUNTER) as db:
        done = apply.apply(db, batch_size=50, on_step=nothing, on_progress=nothing)
        assert done.after is not None
        assert [check.check_id for check in done.after.checks if check.failed] == []
        told = any(
            "could try no" in remark or "could not be tried" in remark or "recorded nothing" in remark
            for remark in done.remarks
        )
        assert told is not possible, done.remarks
        if case not in (
            "a trigger that turns people away",
            "a trigger that swallows rows",
            "one event a row, each has it",
            "nobody is left who has not",
        ):
            steps = smoke(db).steps
            assert [step for step in steps if step.status is Status.FAILED] == []
            first = next(step for step in steps if step.step_id == "first_use")
            assert (first.status is Status.OK) is possible, steps
        rollback(db, plan(db, to=None, limit=DailyLimit.RESTORE), on_step=nothing)
    assert empty.dump() == before


def test_an_id_may_be_of_several_events(empty: App) -> None:
    """An event is tried and deleted again, and no other one of its id with it."""
    empty.sql(
        f"{POSTS} INSERT INTO posts (likes_count) SELECT 1 FROM generate_series(1, 9);"
        "CREATE TABLE likes (id integer, post_id bigint); INSERT INTO likes SELECT n, n FROM generate_series(1, 9) AS n"
    )
    with looking(empty, declared("post_likes_count", "posts", "likes_count", "likes", "post_id")) as db:
        done = apply.apply(db, batch_size=50, on_step=nothing, on_progress=nothing)
    assert done.after is not None
    assert [check.check_id for check in done.after.checks if check.failed] == []


def test_somebody_writes_the_event_that_is_tried(empty: App) -> None:
    """One pair is left to try; while apply begins, it is written: that is no verdict on the fix."""
    empty.sql(f"{POSTS}{USERS}{SOME}{LIKES}, PRIMARY KEY (post_id, user_id));")
    empty.sql("INSERT INTO likes SELECT posts.id, users.id FROM posts, users WHERE (posts.id, users.n) <> (3, 4)")
    written: list[str] = []

    def write(step: str) -> None:
        if step.startswith("applying") and not written:
            written.append(step)
            empty.sql("INSERT INTO likes SELECT 3, id FROM users WHERE n = 4")

    with looking(empty, COUNTER) as db:
        done = apply.apply(db, batch_size=50, on_step=write, on_progress=nothing)
        assert done.after is not None
        assert [check for check in done.after.checks if check.failed] == []
    assert written
    assert empty.one("SELECT count(*) FROM posts WHERE likes_count <> 9") == 0
