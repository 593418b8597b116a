"""Several counters in one ledger: each has its own runs, baselines, history, saved objects and refused writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from several import COMMENTS, COUNTERS, LIKES, POSTS, applied, counts, on, rolled_back, wrong
from support import App

from usagefix import apply, catalog, ledger
from usagefix.backfill import backfill
from usagefix.errors import RollbackRefused
from usagefix.guard import guard
from usagefix.models.choices import GuardMode, Trust


@pytest.fixture
def posts(app: App) -> App:
    app.sql(POSTS)
    return app


def test_there_and_back_in_reverse(posts: App) -> None:
    before = posts.dump()
    assert posts.usagefix("apply").code == 0
    for counter in COUNTERS:
        applied(posts, counter)
    posts.sql(
        "INSERT INTO likes (post_id) SELECT 1 + n % 7 FROM generate_series(1, 50) AS n; DELETE FROM comments WHERE id < 9"
    )
    posts.use(posts.preset())
    assert counts(posts) == [(0, 0)]
    assert [wrong(posts, counter) for counter in COUNTERS] == [set(), set()]
    for counter in reversed(COUNTERS):
        rolled_back(posts, counter)
    assert posts.usagefix("rollback", "--yes").code == 0
    assert posts.dump() == before


def rows(app: App, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return app.sql(f"SELECT {columns} FROM usagefix.{table} WHERE counter = 'post_likes_count'")


def test_one_counter_does_not_see_what_is_noted_of_another(posts: App) -> None:
    applied(posts, LIKES, believed=Trust.COUNTERS)
    posts.sql("DELETE FROM likes WHERE post_id < 4")
    posts.sql("UPDATE posts SET comments_count = 77 WHERE id = 5")
    applied(posts, COMMENTS, believed=Trust.COUNTERS)
    posts.sql(
        "INSERT INTO usagefix.backfills (counter) VALUES ('post_likes_count'); INSERT INTO usagefix.held_at_zero (counter)"
        " VALUES ('post_likes_count'); INSERT INTO usagefix.corrections (counter, run, place, row_key, delta)"
        " SELECT counter, max(run), 1, '7', 1000 FROM usagefix.backfills WHERE counter = 'post_likes_count' GROUP BY 1"
    )
    tables = ("backfills", "held_at_zero", "corrections", "baselines", "history", "saved_objects")
    before = [rows(posts, table) for table in tables]
    with on(posts, COMMENTS) as db:
        assert ledger.baselines(db).rows == 1
        assert backfill(db, batch_size=7, believed=Trust.EVENTS).forgotten.rows == 1
        assert {entry.version for entry in ledger.read(db).latest} == {m.version for m in catalog.migrations()}
        assert all("comments" in saved.identity for saved in ledger.read(db).saved)
    applied(posts, COMMENTS)
    rolled_back(posts, COMMENTS)
    assert [rows(posts, table) for table in tables] == before
    with on(posts, LIKES) as db:
        assert ledger.read(db).counters == (replace(db.counter, baselines=True, partitioned=True),)
        backfill(db, batch_size=7)
    assert counts(posts)[0][0] == 0, "the delta that waited is not added"


def test_one_guard_does_not_tell_of_another(posts: App) -> None:
    for counter in COUNTERS:
        applied(posts, counter)
    posts.sql("UPDATE posts SET likes_count = 99 WHERE id < 4")
    with on(posts, LIKES) as db:
        assert sum(write.writes for write in guard(db).refused) == 3
        guard(db, GuardMode.REJECT)
    with pytest.raises(Exception, match="refused a write of the counter"):
        posts.sql("UPDATE posts SET likes_count = 99")
    with on(posts, LIKES) as db:
        assert guard(db).rejected == 1
    with on(posts, COMMENTS) as db:
        report = guard(db)
    assert (report.refused, report.rejected, report.mode) == ((), 0, GuardMode.IGNORE)


def test_a_definition_that_counts_other_events(posts: App) -> None:
    before = posts.dump()
    posts.sql("UPDATE posts SET likes_count = 30")
    applied(posts, LIKES, believed=Trust.COUNTERS)
    assert len(rows(posts, "baselines")) == 20
    assert applied(posts, LIKES).migrations == (), "nothing is to be done"
    posts.sql("ALTER TABLE likes RENAME TO hearts; ALTER TABLE hearts RENAME post_id TO post")
    renamed = replace(LIKES, child="hearts", foreign_key="post")
    applied(posts, renamed)
    assert len(rows(posts, "baselines")) == 20, "other names of the same events"
    other = replace(LIKES, child="comments")
    assert "trigger_enabled" in wrong(posts, other)
    with on(posts, other) as db, pytest.raises(apply.Refused):
        apply.apply(db, batch_size=7, on_step=lambda _: None, on_progress=lambda _: None)
    assert len(rows(posts, "baselines")) == 20, "asked before anything is changed"
    applied(posts, other, believed=Trust.EVENTS)
    assert (rows(posts, "baselines"), wrong(posts, other)) == ([], set())
    posts.sql("DELETE FROM comments WHERE id < 40; DELETE FROM hearts")
    assert posts.one("SELECT sum(likes_count) FROM posts") == 61
    assert not posts.sql("SELECT FROM pg_trigger WHERE tgrelid = 'hearts'::regclass AND NOT tgisinternal")
    rolled_back(posts, other)
    posts.sql("ALTER TABLE hearts RENAME post TO post_id; ALTER TABLE hearts RENAME TO likes")
    assert posts.dump() == before


FOLLOWS = """
CREATE TABLE people (id integer PRIMARY KEY, following_count integer NOT NULL DEFAULT 0, followers_count integer NOT NULL DEFAULT 0);
CREATE TABLE follows (id bigserial PRIMARY KEY, follower integer REFERENCES people, followed integer REFERENCES people);
CREATE TABLE activity (who integer);
INSERT INTO people (id) SELECT generate_series(1, 20);
CREATE FUNCTION update_people_stats() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE people SET following_count = following_count + 1 WHERE id = NEW.follower;
    UPDATE people SET followers_count = followers_count + 1 WHERE id = NEW.followed;
    INSERT INTO activity (who) VALUES (NEW.follower);
    RETURN NULL;
END $$;
CREATE TRIGGER stats AFTER INSERT ON follows FOR EACH ROW EXECUTE FUNCTION update_people_stats();
INSERT INTO follows (follower, followed) SELECT 1 + n % 20, 1 + n % 7 FROM generate_series(1, 100) AS n;
"""
FOLLOWING = replace(
    LIKES, parent="people", column="following_count", child="follows", foreign_key="follower", slug="following"
)
FOLLOWERS = replace(FOLLOWING, column="followers_count", foreign_key="followed", slug="followers")


def test_one_function_that_keeps_two_counters(app: App) -> None:
    app.sql(FOLLOWS)
    states = [app.dump()]
    for counter in (FOLLOWING, FOLLOWERS):
        applied(app, counter)
        states.append(app.dump())
    app.sql("INSERT INTO follows (follower, followed) VALUES (1, 2), (3, 1)")
    assert [wrong(app, counter) for counter in (FOLLOWING, FOLLOWERS)] == [set(), set()]
    assert app.one("SELECT count(*) FROM activity") == 102
    ledger_before = app.dump_all()
    with pytest.raises(
        RollbackRefused, match=r"update_people_stats\(\) was edited for followers after it was for following"
    ):
        rolled_back(app, FOLLOWING)
    assert app.dump_all() == ledger_before
    for counter, state in zip((FOLLOWERS, FOLLOWING), reversed(states[:-1]), strict=True):
        rolled_back(app, counter)
        assert app.dump() == state


def test_one_alone_leaves_the_others(posts: App) -> None:
    assert posts.usagefix("apply").code == 0
    applied(posts, LIKES)
    before = posts.dump()
    applied(posts, COMMENTS)
    with_comments = posts.dump()
    noted = [rows(posts, table) for table in ("history", "saved_objects", "backfills", "corrections")]
    rolled_back(posts, COMMENTS)
    assert posts.dump() == before
    assert [rows(posts, table) for table in ("history", "saved_objects", "backfills", "corrections")] == noted
    applied(posts, COMMENTS)
    assert posts.dump() == with_comments
    rolled_back(posts, LIKES)
    posts.sql(
        "INSERT INTO comments (post_id) SELECT 1 + n % 7 FROM generate_series(1, 50) AS n; UPDATE posts SET comments_count = 0"
    )
    posts.use(posts.preset())
    assert (counts(posts)[0][1], wrong(posts, COMMENTS)) == (0, set())
    assert posts.usagefix("verify").code == 0


def test_the_ledger_goes_with_the_last(posts: App) -> None:
    for counter in COUNTERS:
        applied(posts, counter)
    before = posts.dump_all()
    with pytest.raises(RollbackRefused, match="it also serves post_comments_count"):
        rolled_back(posts, LIKES, purge=True)
    assert posts.dump_all() == before, "before anything is changed"
    rolled_back(posts, COMMENTS)
    rolled_back(posts, LIKES, purge=True)
    assert posts.one("SELECT to_regnamespace('usagefix') IS NULL")
