"""What is written down for several counters: one after the other, each knowing what the ones before it edited."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from support import App, run

from usagefix import adapting, catalog, ledger, picture
from usagefix.catalog import Face
from usagefix.counter import STANDARD, Counter
from usagefix.database import Database, connect
from usagefix.exporting import export
from usagefix.exporting.step import plain, plain_script
from usagefix.models.choices import DailyLimit, MigrationTool
from usagefix.target import locate

SETUP = """
CREATE TABLE posts (id integer PRIMARY KEY, likes_count integer NOT NULL DEFAULT 0, wows_count integer NOT NULL DEFAULT 0);
CREATE TABLE reactions (id bigserial PRIMARY KEY, post_id integer NOT NULL REFERENCES posts ON DELETE CASCADE, kind text NOT NULL);
CREATE TABLE notes (what text);
CREATE FUNCTION counts_both() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE posts SET likes_count = likes_count + 1 WHERE id = NEW.post_id AND NEW.kind = 'like';
    UPDATE posts SET wows_count = wows_count + 1 WHERE id = NEW.post_id AND NEW.kind = 'wow';
    INSERT INTO notes VALUES (NEW.kind);
    RETURN NULL;
END $$;
CREATE TRIGGER counts_both AFTER INSERT ON reactions FOR EACH ROW EXECUTE FUNCTION counts_both();
INSERT INTO posts SELECT n FROM generate_series(1, 20) AS n;
INSERT INTO reactions (post_id, kind) SELECT 1 + n % 20, CASE n % 4 WHEN 0 THEN 'wow' ELSE 'like' END FROM generate_series(1, 100) AS n;
UPDATE posts SET likes_count = likes_count - 1 WHERE id < 9;
"""
WRONG = """
    SELECT count(*) FROM posts WHERE ROW(likes_count, wows_count)::text <> (
        SELECT ROW(count(*) FILTER (WHERE kind = 'like'), count(*) FILTER (WHERE kind = 'wow'))::text
        FROM reactions WHERE post_id = posts.id)
"""
LIKES = Counter(
    parent="posts", column="likes_count", child="reactions", foreign_key="post_id", last=None, label=None, time=None,
    user=None, kind=None, data=None, slug="post_likes_count", recorder=None, incrementer=None, daily=None,
    where="(event.kind = 'like'::text)", beside=("post_id",),
)  # fmt: skip
WOWS = replace(LIKES, column="wows_count", slug="post_wows_count", where="(event.kind = 'wow'::text)")
NAMES = [f"{verb}_{slug}" for slug in (LIKES.slug, WOWS.slug) for verb in ("count", "guard", "backfill")]


@pytest.fixture
def posts(app: App) -> App:
    app.sql(SETUP)
    return app


@contextmanager
def on(app: App) -> Iterator[Database]:
    db = connect(locate(app.url(), "a test"))
    try:
        db.counters = tuple(ledger.settled(db, picture.look_up(db, counter)) for counter in (LIKES, WOWS))
        db.counter = db.counters[0]
        yield db
    finally:
        db.close()


def run_each(app: App, files: list[str]) -> None:
    for file in files:
        with psycopg.connect(app.url(), autocommit=True) as connection:
            connection.execute(Path(file).read_bytes())


def test_a_function_that_maintains_two_counters(posts: App, tmp_path: Path) -> None:
    before = posts.dump()
    with on(posts) as db:
        steps = adapting.steps(db, None, None, DailyLimit.RESTORE)
    assert posts.dump_all().count("usagefix") == 0, "it only reads"
    files = export(tmp_path, steps, MigrationTool.GOLANG_MIGRATE).files
    assert [Path(file).name[15:].partition(".")[0] for file in files] == [name for name in NAMES for _ in "ud"]
    run_each(posts, [file for file in files if ".up." in file])
    posts.sql("INSERT INTO reactions (post_id, kind) VALUES (1, 'like'), (2, 'wow'), (3, 'sad')")
    assert posts.one(WRONG) == 0
    assert posts.one("SELECT count(*) FROM notes") == 103, "what else it did, it does"
    run_each(posts, [file for file in reversed(files) if ".down." in file])
    assert posts.dump() == before
    posts.sql("INSERT INTO reactions (post_id, kind) VALUES (1, 'like')")
    assert posts.one(WRONG) == 0, "as it counted before"


def test_the_scripts_of_all_of_them(posts: App) -> None:
    before = posts.dump()
    versions = catalog.migrations()
    for version in versions:
        with on(posts) as db:
            posts.sql(adapting.script(db, version, Face.APPLY))
    with on(posts) as db:
        posts.sql(adapting.script(db, versions[0], Face.BACKFILL))
    posts.sql("INSERT INTO reactions (post_id, kind) VALUES (1, 'like'), (2, 'wow'), (3, 'sad')")
    assert posts.one(WRONG) == 0
    for version in reversed(versions):
        with on(posts) as db:
            posts.sql(adapting.script(db, version, Face.ROLLBACK))
    assert posts.dump() == before


def test_the_ledger_comes_first_for_each_table_with_counters() -> None:
    other = replace(LIKES, parent="topics", slug="topic_likes_count")
    steps = plain((LIKES, WOWS, other, STANDARD), None, None)
    assert [step.name for step in steps[:6]] == NAMES
    opening = [step.name for step in steps if "CREATE SCHEMA usagefix" in step.up]
    assert opening == ["count_post_likes_count", "count_topic_likes_count", "fix_usage_tracking"]
    assert len({step.title for step in steps}) == len(steps)
    back = plain_script((LIKES, WOWS), catalog.counting(), Face.ROLLBACK, None)
    assert back.index(f'DROP FUNCTION IF EXISTS public."auto_adjust_{WOWS.slug}"') < back.index(
        f'"auto_adjust_{LIKES.slug}"'
    )


DECLARED = """
[[counter]]
counter = "posts.likes_count"
events = "reactions.post_id"
where = "kind = 'like'"
[[counter]]
counter = "posts.wows_count"
events = "reactions.post_id"
where = "kind = 'wow'"
[[counter]]
counter = "posts.kinds_count"
truth = "SELECT post_id, count(DISTINCT kind) FROM public.reactions GROUP BY post_id"
"""


def test_counters_of_a_file(posts: App, tmp_path: Path) -> None:
    """Those that are only verified are left out; without a look at the database nothing is written."""
    posts.sql("ALTER TABLE posts ADD kinds_count integer")
    (tmp_path / "usagefix.toml").write_text(DECLARED)
    (tmp_path / "own.sql").write_text("SELECT 1;\n")
    before = posts.dump_all()
    unseen = run("export", ".", "--for", "dbmate", cwd=tmp_path)
    assert (unseen.code, unseen.stdout) == (2, "")
    assert "--adapt" in unseen.stderr
    for command in (("export", "."), ("sql", "20250930000001")):
        alone = run(*command, "--adapt", "--counter", "post_kinds_count", cwd=tmp_path, DATABASE_URL=posts.url())
        assert (alone.code, alone.stdout) == (2, "")
        assert "post_kinds_count is only verified" in alone.stderr
    written = run("export", ".", "--for", "dbmate", "--adapt", cwd=tmp_path, DATABASE_URL=posts.url())
    assert "post_kinds_count is only verified" in written.stderr
    assert [line[15:-4] for line in written.stdout.splitlines()] == NAMES
    again = run("export", ".", "--for", "dbmate", "--adapt", cwd=tmp_path, DATABASE_URL=posts.url())
    assert (again.code, again.stdout) == (0, "")
    assert posts.dump_all() == before
