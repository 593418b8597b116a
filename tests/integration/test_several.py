"""A counter beside others: its guard knows its own counts; rows that are not there are made; counters of counters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from byvalue import counter, install, wrong
from support import App

from usagefix.backfill import backfill
from usagefix.database import connect
from usagefix.models.choices import Trust
from usagefix.target import locate

FOLLOWS = (
    "CREATE TABLE users (id int PRIMARY KEY, followers_count int DEFAULT 0, following_count int DEFAULT 0)",
    "CREATE TABLE follows (id bigint GENERATED ALWAYS AS IDENTITY, follower int, followee int)",
    "INSERT INTO users SELECT n FROM generate_series(1, 5) AS n",
)
FOLLOWERS = counter("users.followers_count", "follows.followee", "user_followers_count", beside=("follower",))
FOLLOWING = counter("users.following_count", "follows.follower", "user_following_count", beside=("followee",))
INSIDE: dict[str, str] = {
    "in the row": "BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION other('row')",
    "in a statement of its own": "AFTER UPDATE OF followers_count ON users FOR EACH ROW EXECUTE FUNCTION other('statement')",
}


def prepare(app: App, *statements: str) -> None:
    for statement in statements:
        app.sql(statement)


@pytest.mark.parametrize("how", INSIDE)
def test_a_count_of_one_counter_is_no_permit_to_write_another(app: App, how: str) -> None:
    prepare(app, *FOLLOWS)
    app.sql(
        "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF NEW.followers_count IS NOT DISTINCT FROM OLD.followers_count THEN NULL;"
        " ELSIF TG_ARGV[0] = 'row' THEN NEW.following_count := 99;"
        " ELSE UPDATE users SET following_count = 99 WHERE id = NEW.id AND following_count IS DISTINCT FROM 99; END IF; RETURN NEW; END$$"
    )
    app.sql(f"CREATE TRIGGER other {INSIDE[how]}")
    install(app, FOLLOWERS, FOLLOWING, guarded=True)
    app.sql("INSERT INTO follows (follower, followee) VALUES (1, 2)")
    app.sql("INSERT INTO follows (follower, followee) VALUES (2, 1), (3, 1)")
    app.sql("UPDATE follows SET followee = 4 WHERE follower = 3")
    app.sql("DELETE FROM follows WHERE follower = 2")
    assert [wrong(app, of) for of in (FOLLOWERS, FOLLOWING)] == [[], []]
    assert app.one("SELECT count(*) FROM usagefix.refused_writes WHERE counter = 'user_following_count'") > 0


STATISTICS = (
    "CREATE TYPE frame AS ENUM ('day', 'AllTime')",
    "CREATE TABLE stats (key text, frame frame, views int NOT NULL DEFAULT 0, note text DEFAULT 'new', PRIMARY KEY (key, frame))",
    "CREATE TABLE views (id bigint GENERATED ALWAYS AS IDENTITY, subject text, real boolean DEFAULT true)",
    "INSERT INTO stats (key, frame) VALUES ('there', 'AllTime')",
)
VIEWS = counter(
    "stats.views", "views.subject", "stat_views", key="key", creates=True, only="preset.frame = 'AllTime'",
    constants=(("frame", "'AllTime'"),),
)  # fmt: skip


def all_time(app: App) -> dict[str, int]:
    return dict(app.sql("SELECT key, views FROM stats WHERE frame = 'AllTime' ORDER BY key"))


def test_rows_that_are_not_there_are_made(app: App) -> None:
    prepare(app, *STATISTICS)
    install(app, VIEWS, guarded=True)
    app.sql("INSERT INTO views (subject) VALUES ('a')")
    app.sql("INSERT INTO views (subject) VALUES ('b'), ('there'), ('b'), (NULL), ('a')")
    assert all_time(app) == {"a": 2, "b": 2, "there": 1}
    app.sql("INSERT INTO views (subject) VALUES (NULL)")
    app.sql("UPDATE views SET subject = 'c' WHERE subject = 'b'")
    assert all_time(app) == {"a": 2, "b": 0, "c": 2, "there": 1}
    app.sql("DELETE FROM views")
    assert all_time(app) == {"a": 0, "b": 0, "c": 0, "there": 0}, "a row that was made stays"
    app.sql("DELETE FROM stats WHERE key = 'c'")
    app.sql("UPDATE views SET real = false")
    app.sql("DELETE FROM views WHERE subject = 'c'")
    assert "c" not in all_time(app)
    assert app.sql("SELECT DISTINCT note FROM stats") == [("new",)]


def test_a_deletion_makes_no_row(app: App) -> None:
    """What a cascade takes away is not put back, by which the deletion would fail."""
    prepare(
        app,
        "CREATE TABLE people (id int PRIMARY KEY)",
        "CREATE TABLE account (person int PRIMARY KEY REFERENCES people ON DELETE CASCADE, events int NOT NULL DEFAULT 0)",
        "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, person int REFERENCES people ON DELETE CASCADE)",
        "INSERT INTO people VALUES (1), (2)",
    )
    made = counter("account.events", "events.person", "account_events", key="person", creates=True)
    install(app, made)
    app.sql("INSERT INTO events (person) VALUES (1), (1), (2)")
    app.sql("DELETE FROM people WHERE id = 1")
    assert app.sql("SELECT * FROM account") == [(2, 1)]
    app.sql(
        "ALTER TABLE events DROP CONSTRAINT events_person_fkey, ADD FOREIGN KEY (person) REFERENCES people ON DELETE SET NULL"
    )
    app.sql("DELETE FROM people")
    assert app.sql("SELECT * FROM account") == []


def test_two_counters_make_rows(app: App) -> None:
    prepare(app, *FOLLOWS)
    app.sql("DELETE FROM users")
    both = [replace(of, creates=True) for of in (FOLLOWERS, FOLLOWING)]
    install(app, *both, guarded=True)
    app.sql("INSERT INTO follows (follower, followee) VALUES (7, 8)")
    app.sql("INSERT INTO follows (follower, followee) VALUES (9, 8), (8, 7)")
    app.sql("UPDATE follows SET followee = 10 WHERE follower = 8")
    assert [wrong(app, of) for of in both] == [[], []]
    assert app.one("SELECT count(*) FROM users") == 4


def test_a_backfill_makes_the_rows_that_are_missing(app: App) -> None:
    prepare(
        app,
        "CREATE TABLE people (id int PRIMARY KEY)",
        "CREATE TABLE account (person int PRIMARY KEY REFERENCES people, events int NOT NULL DEFAULT 0)",
        "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, person int)",
        "INSERT INTO people SELECT n FROM generate_series(1, 300) AS n",
        "INSERT INTO account VALUES (1, 7)",
        "INSERT INTO events (person) SELECT 1 + n % 301 FROM generate_series(1, 1000) AS n",
    )
    made = counter("account.events", "events.person", "account_events", key="person", creates=True)
    install(app, made)
    db = connect(locate(app.url(), "the test"))
    db.counter, db.counters = made, (made,)
    try:
        done = backfill(db, believed=Trust.EVENTS)
    finally:
        db.close()
    assert [row.id for row in done.unrepaired] == ["301"], "nobody is there to have an account"
    assert [row[0] for row in wrong(app, made)] == [301]
    assert app.one("SELECT count(*) FROM account") == 300


SUMS = (
    "CREATE TABLE boxes (id int PRIMARY KEY, total numeric NOT NULL DEFAULT 0)",
    "CREATE TABLE items (box int, worth numeric, part int) PARTITION BY LIST (part)",
    "CREATE TABLE items_1 PARTITION OF items FOR VALUES IN (1)",
    "INSERT INTO boxes SELECT n FROM generate_series(1, 3) AS n",
)


def test_no_equality_of_somebody_else_is_called(app: App) -> None:
    """PostgreSQL takes an operator of exactly these types from any schema on the path before its own of others."""
    prepare(app, *SUMS)
    of = counter("boxes.total", "items.box", "box_total", number="numeric", weight="event.worth", partitioned=True)
    install(app, of, guarded=True, partitions=True)
    for left, right in (("regclass", "regclass"), ("oid", "regclass"), ("numeric", "integer"), ("numeric", "bigint")):
        planted = f"CREATE FUNCTION same({left}, {right}) RETURNS boolean LANGUAGE plpgsql AS"
        app.sql(f"{planted} $$BEGIN RAISE EXCEPTION 'planted was called as %', current_user; END$$")
        for operator in ("=", "<>"):
            app.sql(f"CREATE OPERATOR public.{operator} (FUNCTION = same, LEFTARG = {left}, RIGHTARG = {right})")
    app.sql("INSERT INTO items_1 VALUES (1, 2.5, 1), (2, 1, 1)")
    app.sql("UPDATE items_1 SET worth = 3 WHERE box = 2")
    app.sql("DELETE FROM items_1 WHERE box = 1")
    assert app.one("SELECT total FROM boxes WHERE id = 2") == 3
    app.sql("INSERT INTO items VALUES (1, 2.5, 1), (2, 1, 1)")
    app.sql("TRUNCATE items")
    assert app.one("SELECT sum(total) FROM boxes") == 0


CASCADING = (
    "CREATE TABLE a (id int PRIMARY KEY, total int NOT NULL DEFAULT 0)",
    "CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON UPDATE CASCADE, n int NOT NULL DEFAULT 0, latest boolean DEFAULT true)",
    "CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY, b_id int)",
    "INSERT INTO a VALUES (1), (2)",
)


def test_only_a_cascade_counts_anew(app: App) -> None:
    """A foreign key that cascades is no reason to count anew, and to note it, with each event of a counter below."""
    prepare(app, *CASCADING, "INSERT INTO b (id, a_id) VALUES (1, 1), (2, 1), (3, 2)")
    install(app, counter("b.n", "c.b_id", "b_n"))
    install(app, counter("a.total", "b.a_id", "a_total", weight="event.n"), guarded=True)
    app.sql("INSERT INTO c (b_id) VALUES (1), (3), (1), (2)")
    assert app.sql("SELECT id, total FROM a ORDER BY id") == [(1, 3), (2, 1)]
    assert app.one("SELECT count(*) FROM usagefix.held_at_zero") == 0
    app.sql("UPDATE a SET id = 7 WHERE id = 1")
    assert app.sql("SELECT id, total FROM a ORDER BY id") == [(2, 1), (7, 3)]


def test_a_trigger_that_takes_an_event_back_counts_it_once(app: App) -> None:
    """While the events of the statement that it belongs to are not counted yet."""
    prepare(app, *CASCADING)
    app.sql(
        "CREATE FUNCTION only_latest() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " UPDATE b SET latest = false WHERE a_id = NEW.a_id AND id < NEW.id AND latest; RETURN NEW; END$$;"
        "CREATE TRIGGER only_latest AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION only_latest()"
    )
    of = counter("a.total", "b.a_id", "a_total", where="event.latest")
    install(app, of, guarded=True)
    app.sql("INSERT INTO b (id, a_id) VALUES (1, 1), (2, 2)")
    app.sql("INSERT INTO b (id, a_id) VALUES (3, 1), (4, 2)")
    assert wrong(app, of) == []
