"""Counters of other applications, one shape each: every way to write events keeps them exact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from support import App

from usagefix import catalog, picture
from usagefix.backfill import backfill
from usagefix.counter import Counter
from usagefix.database import Database, connect
from usagefix.models.choices import Trust
from usagefix.models.verification import Status, VerifyReport
from usagefix.planning import applying
from usagefix.planning.plan import Choices
from usagefix.planning.scene import scene
from usagefix.quoting import quoted
from usagefix.target import locate
from usagefix.verify import verify


@dataclass(frozen=True)
class Shape:
    """A counter, its tables, and the query that says what each row should show."""

    counter: Counter
    tables: str
    truth: str
    writes: tuple[str, ...] = ()


def made(**given: object) -> Counter:
    names = {"parent": "posts", "column": "likes", "child": "reactions", "foreign_key": "post_id", "slug": "post_likes"}
    none = dict.fromkeys(("last", "time", "label", "user", "kind", "data", "recorder", "incrementer", "daily"))
    return Counter(**{"schema": "app", **none, **names, **given})  # type: ignore[arg-type]


REACTIONS = """
CREATE SEQUENCE app.numbers;
CREATE TABLE app.posts (id integer PRIMARY KEY, likes integer DEFAULT 0, score bigint DEFAULT 7, raised numeric, live boolean);
CREATE TABLE app.reactions (
    id bigint PRIMARY KEY DEFAULT nextval('app.numbers'),
    post_id integer REFERENCES app.posts ON DELETE CASCADE ON UPDATE CASCADE,
    kind text, value integer, amount numeric(12, 2), written text
);
CREATE INDEX ON app.reactions (post_id);
INSERT INTO app.posts (id, live, likes) SELECT n, n % 2 > 0, 77 * (1 - n % 2) FROM generate_series(1, 9) AS n;
INSERT INTO app.reactions (post_id, kind, value, amount)
SELECT 1 + n % 7, (ARRAY['like', '100%', NULL])[1 + n % 3], NULLIF(n % 5 - 2, 2), n / 4.0 FROM generate_series(1, 60) AS n;
"""
PARTITIONED = """
CREATE SEQUENCE app.numbers;
CREATE TABLE app.posts (id integer PRIMARY KEY, likes integer DEFAULT 0, score bigint DEFAULT 7, raised numeric, live boolean);
CREATE TABLE app.reactions (
    id bigint DEFAULT nextval('app.numbers'),
    post_id integer REFERENCES app.posts ON DELETE CASCADE ON UPDATE CASCADE,
    kind text, value integer, amount numeric(12, 2), written text, PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE app.first PARTITION OF app.reactions FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE app.rest PARTITION OF app.reactions DEFAULT;
CREATE INDEX ON app.reactions (post_id);
INSERT INTO app.posts (id, live, likes) SELECT n, n % 2 > 0, 77 * (1 - n % 2) FROM generate_series(1, 9) AS n;
INSERT INTO app.reactions (post_id, kind, value, amount)
SELECT 1 + n % 7, (ARRAY['like', '100%', NULL])[1 + n % 3], NULLIF(n % 5 - 2, 2), n / 4.0 FROM generate_series(1, 60) AS n;
"""
UNTIED = """
CREATE SCHEMA "Other";
CREATE TABLE app.posts (uri text UNIQUE, likes bigint, title text);
CREATE TABLE "Other".posts (id serial PRIMARY KEY, subject text, of text, value integer);
CREATE INDEX ON "Other".posts (subject);
INSERT INTO app.posts SELECT 'at://' || n, n FROM generate_series(1, 9) AS n;
INSERT INTO "Other".posts (subject, of, value)
SELECT 'at://' || 1 + n % 12, (ARRAY['post', 'list'])[1 + n % 2], n % 3 FROM generate_series(1, 60) AS n;
"""
VOTES = """
CREATE TABLE app.votes (kind smallint, "of what" text, likes integer DEFAULT 3, title text, PRIMARY KEY (kind, "of what"));
CREATE TABLE app.vote (id serial PRIMARY KEY, kind integer, object text, value integer, at timestamptz DEFAULT now());
CREATE INDEX ON app.vote (kind, object);
INSERT INTO app.votes SELECT n % 2, 'a "b", ' || n / 2 FROM generate_series(1, 9) AS n;
INSERT INTO app.vote (kind, object, value)
SELECT NULLIF(n % 3, 2), 'a "b", ' || n / 6, n % 4 FROM generate_series(1, 60) AS n;
"""
PAIRS = (
    """INSERT INTO app.vote (kind, object, value) VALUES (1, 'a "b", 1', 2)""",
    """INSERT INTO app.vote (kind, object, value) VALUES (1, NULL, 1), (NULL, 'a "b", 1', 1), (1, 'a "b", 1', 5)""",
    """INSERT INTO app.vote (kind, object, value) SELECT n % 2, 'a "b", ' || n % 7, n FROM generate_series(1, 40) AS n""",
    """UPDATE app.vote SET kind = 1 - kind WHERE id % 3 = 0""",
    """UPDATE app.vote SET object = NULL WHERE id % 7 = 0""",
    """UPDATE app.vote SET value = value + 1""",
    """INSERT INTO app.votes VALUES (1, 'a "b", 6', 0), (0, 'a "b", 6', NULL)""",
    """UPDATE app.votes SET kind = 1 WHERE kind = 0 AND "of what" = 'a "b", 5'""",
    """DELETE FROM app.vote WHERE id % 4 = 0""",
    """DELETE FROM app.votes WHERE "of what" = 'a "b", 2'""",
)
ELSEWHERE = (
    """INSERT INTO "Other".posts (subject, of, value) VALUES ('at://1', 'post', 1), ('at://none', 'post', 1)""",
    """INSERT INTO "Other".posts (subject, of, value) SELECT 'at://' || n, 'post', n FROM generate_series(1, 20) AS n""",
    """UPDATE "Other".posts SET of = 'post' WHERE id % 3 = 0""",
    """UPDATE "Other".posts SET subject = 'at://11' WHERE id % 5 = 0""",
    """INSERT INTO app.posts VALUES ('at://11', 0), ('at://12', NULL), ('at://13', 5)""",
    """DELETE FROM "Other".posts WHERE id % 4 = 0""",
    """UPDATE app.posts SET uri = 'at://14' WHERE uri = 'at://2'""",
    """DELETE FROM app.posts WHERE uri = 'at://3'""",
    """INSERT INTO app.posts SELECT 'at://3'""",
)
LIKES = "(event.kind = 'like'::text)"
COLUMN = "(post_id, kind, value, amount)"
INSERTING = f" WHEN NOT MATCHED THEN INSERT {COLUMN} VALUES (p.id, 'like', 1, 1)"
WRITES = (
    f"INSERT INTO app.reactions {COLUMN} VALUES (1, 'like', -4, 2.5)",
    f"INSERT INTO app.reactions {COLUMN} VALUES (1, '100%', NULL, NULL)",
    f"INSERT INTO app.reactions {COLUMN} VALUES (2, NULL, 3, 1)",
    f"INSERT INTO app.reactions {COLUMN} SELECT 1 + n % 9, (ARRAY['like', '100%'])[1 + n % 2], n - 9, n FROM generate_series(1, 30) n",
    f"INSERT INTO app.reactions {COLUMN} VALUES (3, 'like', 1, 1), (3, '100%', 5, 5)",
    f"INSERT INTO app.reactions {COLUMN} SELECT 1, 'like', 1, 1 LIMIT 0",
    "UPDATE app.reactions SET kind = 'like' WHERE id % 4 = 1",
    "UPDATE app.reactions SET kind = NULL WHERE id % 5 = 1",
    "UPDATE app.reactions SET value = value * -3 WHERE id % 3 = 0",
    "UPDATE app.reactions SET value = NULL WHERE id % 6 = 0",
    "UPDATE app.reactions SET amount = amount + 0.01",
    "UPDATE app.reactions SET post_id = 2 + post_id % 5, kind = 'like', value = 9 WHERE id % 4 = 0",
    "UPDATE app.reactions SET post_id = NULL WHERE id % 7 = 0",
    "UPDATE app.reactions SET written = 'nothing that counts'",
    "WITH gone AS (DELETE FROM app.reactions WHERE id % 9 = 0 RETURNING 1)"
    f" INSERT INTO app.reactions {COLUMN} SELECT 4, 'like', -2, 3 FROM gone",
    "MERGE INTO app.reactions r USING app.posts p ON p.id = r.post_id AND r.id % 2 = 0"
    " WHEN MATCHED AND p.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET value = r.value + 1, kind = '100%'"
    + INSERTING,
    "UPDATE app.posts SET id = id + 100 WHERE id IN (6, 7)",
    "DELETE FROM app.reactions WHERE kind = 'like' AND id % 2 = 0",
    "DELETE FROM app.posts WHERE id = 5",
    f"INSERT INTO app.reactions {COLUMN} VALUES (3, 'like', -40, 2.5)",
    "DELETE FROM app.reactions WHERE value > 0",
)
_STRAIGHT = (
    f"INSERT INTO app.rest {COLUMN} VALUES (4, 'like', 5, 1), (8, '100%', 1, 1)",
    "UPDATE app.rest SET kind = 'like', value = 2 WHERE kind IS NULL",
    "DELETE FROM app.first WHERE id % 2 = 0",
    "CREATE TABLE app.later PARTITION OF app.reactions FOR VALUES FROM (100000) TO (200000)",
    "INSERT INTO app.later (id, post_id, kind, value, amount)"
    " VALUES (100001, 4, 'like', -5, 1), (100002, 8, '100%', 1, 1), (100003, 4, 'like', NULL, 1), (100004, NULL, 'like', 1, 1)",
    "UPDATE app.later SET kind = 'like', value = value - 3",
    "UPDATE app.later SET post_id = 9 WHERE id = 100001",
    "DELETE FROM app.later WHERE id = 100002",
    "TRUNCATE app.first",
)
# PostgreSQL 15 gives the UPDATE triggers of a partitioned table what such a MERGE has inserted before.
STRAIGHT = (*(write.removesuffix(INSERTING) for write in WRITES), *_STRAIGHT)


def truth(what: str, where: str = "true") -> str:
    return f"SELECT post_id AS key, {what} AS shown FROM app.reactions WHERE {where} GROUP BY post_id"


SHAPES = {
    "filter": Shape(made(where=LIKES), REACTIONS, truth("count(*)", "kind = 'like'"), WRITES),
    "percent": Shape(
        made(where="((event.kind ~~ '%0\\%'::text) OR (event.kind IS NULL))"), REACTIONS,
        truth("count(*)", r"kind LIKE '%0\%' OR kind IS NULL"), WRITES,
    ),
    "filter, partitions": Shape(
        made(where="((event.kind ~~ '%0\\%'::text) OR (event.kind IS NULL))"), PARTITIONED,
        truth("count(*)", r"kind LIKE '%0\%' OR kind IS NULL"), STRAIGHT,
    ),
    "sum": Shape(made(column="score", weight="event.value"), REACTIONS, truth("coalesce(sum(value), 0)"), WRITES),
    "numeric sum": Shape(
        made(column="raised", weight="event.amount", number="numeric"), REACTIONS,
        truth("coalesce(sum(amount), 0)"), WRITES,
    ),
    "some rows": Shape(
        made(where=LIKES, only="((preset.live IS TRUE) AND (preset.id > 0))"), REACTIONS,
        truth("count(*)", "kind = 'like'"), (*WRITES, "INSERT INTO app.posts (id, likes, live) VALUES (10, 9, true)"),
    ),
    "some rows, partitions": Shape(
        made(column="score", weight="event.value", only="(preset.live IS TRUE)"), PARTITIONED,
        truth("coalesce(sum(value), 0)"), STRAIGHT,
    ),
    "two columns": Shape(
        made(parent="votes", key="kind", more_keys=(("of what", "object"),), child="vote", foreign_key="kind",
             weight="event.value", label="title", event_id="id"), VOTES,
        "SELECT kind AS key, object AS more, sum(value) AS shown FROM app.vote GROUP BY 1, 2", PAIRS,
    ),
    "another schema, no constraint": Shape(
        made(key="uri", child_schema="Other", child="posts", foreign_key="subject", where="(event.of = 'post'::text)",
             label="title", event_id="id"), UNTIED,
        """SELECT subject AS key, count(*) AS shown FROM "Other".posts WHERE of = 'post' GROUP BY 1""", ELSEWHERE,
    ),
    "filter and sum, partitions": Shape(
        made(column="score", weight="(event.value * 2)", where="(event.kind IS NOT NULL)"), PARTITIONED,
        truth("coalesce(sum(value * 2), 0)", "kind IS NOT NULL"), STRAIGHT,
    ),
}  # fmt: skip


@contextmanager
def look(app: App, wanted: Counter) -> Iterator[Database]:
    db = connect(locate(app.url(), "a test"))
    try:
        db.counter = picture.look_up(db, wanted)
        yield db
    finally:
        db.close()


def applied(app: App, db: Database) -> None:
    """Both versions, without the trials."""
    for migration in catalog.migrations():
        with db.snapshot():
            plan = applying.plan(scene(db), migration, Choices())
        with app.connect(autocommit=False) as connection:
            for statement in plan.statements:
                connection.execute(statement.text.encode())


def wrong(report: VerifyReport) -> set[str]:
    return {check.check_id for check in report.checks if check.status not in (Status.OK, Status.SKIPPED)}


def drifted(app: App, shape: Shape) -> list[tuple[object, ...]]:
    """Which rows show something else than the truth."""
    counter = shape.counter
    more = "".join(f" AND t.more = preset.{quoted(key)}" for key, _ in counter.more_keys)
    return app.sql(
        f"SELECT preset.*, t.* FROM {counter.parent_sql} AS preset"
        f" LEFT JOIN ({shape.truth}) AS t ON t.key = preset.{counter.sql('key')}{more}"
        f" WHERE preset.{counter.sql('column')} IS DISTINCT FROM coalesce(t.shown, 0) AND {counter.only or 'true'}"
    )


def outside_of(app: App, shape: Shape) -> set[tuple[object, ...]]:
    """What the rows without a counter show."""
    counter = shape.counter
    return set(
        app.sql(
            f"SELECT preset.{counter.sql('column')} FROM {counter.parent_sql} AS preset"
            f" WHERE NOT ({counter.only or 'true'})"
        )
    )


def orphans(db: Database) -> int | None:
    counts = verify(db).counts
    assert counts is not None
    return counts.orphans


def strays(app: App, shape: Shape) -> int | None:
    """How many events that count are of rows that are not there."""
    counter = shape.counter
    if counter.only is not None:
        return None
    own = ", ".join([counter.sql("key"), *(quoted(key) for key, _ in counter.more_keys)])
    named = ", ".join([counter.sql("foreign_key"), *(quoted(column) for _, column in counter.more_keys)])
    return int(
        app.one(
            f"SELECT count(*) FROM {counter.child_sql} AS event WHERE ROW({named}) IS NOT NULL AND ({named}) NOT IN"
            f" (SELECT {own} FROM {counter.parent_sql}) AND ({counter.where or 'true'})"
        )
    )


@pytest.mark.parametrize("name", SHAPES)
def test_every_write(app: App, name: str) -> None:
    shape = SHAPES[name]
    app.sql("CREATE SCHEMA app")
    app.sql(shape.tables)
    assert drifted(app, shape)
    outside = outside_of(app, shape)
    with look(app, shape.counter) as db:
        applied(app, db)
        backfill(db, batch_size=2, believed=Trust.EVENTS)
        assert wrong(verify(db)) == set()
        assert orphans(db) == strays(app, shape)
        for write in (*shape.writes, f"TRUNCATE {shape.counter.child_sql}", shape.writes[0]):
            app.sql(write)
            assert drifted(app, shape) == [], write
        assert wrong(verify(db)) == set()
        assert orphans(db) == strays(app, shape)
        assert outside_of(app, shape) == outside
        app.spoil(f"UPDATE {shape.counter.parent_sql} SET {shape.counter.sql('column')} = 5")
        assert "counters_accurate" in wrong(verify(db))
        backfill(db, batch_size=2, believed=Trust.EVENTS)
        assert drifted(app, shape) == []
