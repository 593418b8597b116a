"""``usagefix discover`` finds what is a counter, and nothing else; it reads only."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import nine_counters as nine
import pytest
from support import LONG, App, Result, role

from usagefix.declaration import Name
from usagefix.declaring import Flags, declared


@pytest.fixture
def empty(app: App) -> App:
    """A database without any table of an application."""
    app.sql("DROP SCHEMA public, auth CASCADE; CREATE SCHEMA public")
    return app


def found(result: Result) -> dict[str, tuple[str, str | None, str | None]]:
    assert result.code in (0, 1), result.stderr
    return {one["counter"]: (one["events"], one["where"], one["sum"]) for one in result.json["counters"]}


def discover(app: App, *arguments: str, **variables: str) -> Result:
    return app.usagefix("discover", "--format", "json", *arguments, **variables)


@pytest.mark.parametrize("seed", ["0.1", "-0.7", "0.42"])
def test_nine_of_nine_and_nothing_false(empty: App, seed: str, tmp_path: Path) -> None:
    empty.sql(nine.SCHEMA)
    empty.sql(nine.ROWS.format(seed=seed))
    path = tmp_path / "usagefix.toml"
    result = discover(empty, "--write", str(path))
    assert result.code == 0
    assert found(result) == nine.NINE
    report = result.json
    assert [one["counter"] for one in report["never_maintained"]] == ["users.drafts_count"]
    assert report["undecided"] == []
    assert report["passed_over"] == []
    for one in report["counters"]:
        assert 0.5 <= one["agreement"] <= 0.95, one
        assert one["runner_up"] * 3 < one["agreement"], one
        assert 0 < one["inaccurate"] < one["rows"], one
        table, column = one["counter"].split(".")
        assert one["name"] == f"{table[:-1] if table[-2:] != 'ss' else table}_{column}"
    likes = next(one for one in report["counters"] if one["counter"] == "posts.likes_count")
    assert (likes["last"], likes["last_from"]) == ("last_liked_at", "created_at")
    drift = empty.one(
        "SELECT sum((SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'like') - likes_count) FROM posts"
    )
    assert likes["drift_total"] == drift
    read = declared(Flags(config=path), Path("/")).counters
    assert {f"{one.parent.table}.{one.column}" for one in read} == set(nine.NINE)
    assert {(one.where, one.weight) for one in read} == {(where, sum_) for _, where, sum_ in nine.NINE.values()}
    assert all(one.events is not None and one.foreign_key for one in read)


def test_the_sample(app: App) -> None:
    said = app.usagefix("discover")
    assert "presets.usage_count" in said.stdout
    assert said.code in (0, 1)


def likes(app: App, *, table: str = "posts", where: str = "true", rows: int = 60) -> None:
    """A plain counter that is right where ``where`` says."""
    app.sql(
        f"CREATE TABLE {table} (id int PRIMARY KEY, likes_count int NOT NULL DEFAULT 0);"
        f"CREATE TABLE {table}_likes (post_id int REFERENCES {table});"
        f"INSERT INTO {table} SELECT n FROM generate_series(1, {rows}) AS n;"
        f"INSERT INTO {table}_likes SELECT n FROM generate_series(1, {rows}) AS n, generate_series(0, n % 9);"
        f"UPDATE {table} SET likes_count = (SELECT count(*) FROM {table}_likes WHERE post_id = id) WHERE {where}"
    )


PLAIN = {"posts.likes_count": ("posts_likes.post_id", None, None)}


def test_what_the_role_may_not_read_is_named(empty: App) -> None:
    likes(empty)
    empty.sql("CREATE TABLE secret_likes (post_id int REFERENCES posts); CREATE TABLE own (id int PRIMARY KEY, n int);"
              "ALTER TABLE own ENABLE ROW LEVEL SECURITY; CREATE SCHEMA auth; CREATE TABLE auth.users (id int)")  # fmt: skip
    grants = "GRANT SELECT ON posts, posts_likes, own TO looker; GRANT USAGE ON SCHEMA public TO looker"
    other = "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION other OWNER TO other"
    with role(empty, "looker", grants=grants), role(empty, "other", grants=other):
        result = discover(empty, DATABASE_URL=empty.url("looker"))
        assert found(result) == PLAIN
        assert {(one["what"], one["why"]) for one in result.json["passed_over"]} == {
            ("public.own", "row level security hides rows from role looker"),
            ("public.secret_likes", "role looker may not read it"),
            ("auth.users", "role looker may not read it"),
        }


def test_what_to_do_where_it_finds_none(app: App) -> None:
    none = app.usagefix("discover").stdout
    assert none.endswith("\nnext: usagefix verify, which counts presets.usage_count without a declaration\n")
    with role(app, "stranger"):
        none = app.usagefix("discover", DATABASE_URL=app.url("stranger")).stdout
        assert none.endswith("\nnext: connect as a role that may read the tables, then usagefix discover\n")


def test_other_schemas_partitions_and_odd_names(empty: App) -> None:
    likes(empty)
    empty.sql(
        """CREATE SCHEMA "My ""App"; CREATE TABLE "My ""App"."Odd %(x)s" (id int PRIMARY KEY, n int);
        CREATE TABLE "My ""App"."Blog.Posts" ("Id" int PRIMARY KEY, "n %" numeric, "user" int);
        CREATE TABLE "My ""App"."select" ("Post's" int, "kind; --" text) PARTITION BY LIST ("kind; --");
        ALTER TABLE "My ""App"."select" ADD FOREIGN KEY ("Post's") REFERENCES "My ""App"."Blog.Posts";
        CREATE TABLE "My ""App".p1 PARTITION OF "My ""App"."select" FOR VALUES IN ('it''s', '$$;');
        CREATE TABLE "My ""App".p2 PARTITION OF "My ""App"."select" DEFAULT;
        INSERT INTO "My ""App"."Blog.Posts" SELECT n, 0, n FROM generate_series(1, 90) AS n;
        INSERT INTO "My ""App"."select" SELECT n, (ARRAY['it''s', '$$;', '%(x)s'])[1 + (n * m) % 3]
            FROM generate_series(1, 90) AS n, generate_series(0, n % 13) AS m;
        UPDATE "My ""App"."Blog.Posts" SET "n %" = (
            SELECT count(*) FROM "My ""App"."select" WHERE "Post's" = "Id" AND "kind; --" = 'it''s') + (random() < 0.2)::int
        """
    )
    seen = discover(empty)
    assert found(seen) == PLAIN | {
        '"My ""App"."Blog.Posts"."n %"': ('"My ""App"."select"."Post\'s"', "\"kind; --\" = 'it''s'", None)
    }
    assert {one["what"] for one in seen.json["passed_over"]} == {'"My ""App"."Odd %(x)s"'}
    assert found(empty.usagefix("--schema", "public", "discover", "--format", "json")) == PLAIN


def test_chance_and_decoys(empty: App) -> None:
    """Numbers that are equal without counting: in few rows, or since all are one."""
    empty.sql(
        """CREATE TABLE orders (id int PRIMARY KEY, version int DEFAULT 1, priority int, total_count int);
        CREATE TABLE payments (id serial PRIMARY KEY, order_id int UNIQUE REFERENCES orders, cents int);
        INSERT INTO orders SELECT n, 1, n % 3 FROM generate_series(1, 500) AS n;
        INSERT INTO payments (order_id, cents) SELECT n, n * 7 FROM generate_series(1, 500) AS n;
        CREATE TABLE plans (id int PRIMARY KEY, seats int); CREATE TABLE members (plan_id int REFERENCES plans, age int);
        INSERT INTO plans VALUES (1, 2), (2, 1), (3, 3);
        INSERT INTO members SELECT p, 20 + n FROM (VALUES (1, 2), (2, 1), (3, 3)) AS v (p, k), generate_series(1, k) AS n"""
    )
    result = discover(empty)
    assert (result.code, found(result)) == (1, {})
    assert result.json["never_maintained"] == []


def test_what_is_never_maintained_needs_events_and_a_name(empty: App) -> None:
    likes(empty, where="false")
    empty.sql("ALTER TABLE posts ADD views_count int, ADD retry_count int DEFAULT 0; CREATE TABLE views (post_id int)")
    result = discover(empty)
    assert found(result) == {}
    assert [(one["counter"], one["events"]) for one in result.json["never_maintained"]] == [
        ("posts.likes_count", ["posts_likes.post_id"])
    ]
    assert "Never maintained" in empty.usagefix("discover").stdout


def test_a_file_is_added_to_and_never_written_over(empty: App, tmp_path: Path) -> None:
    likes(empty)
    likes(empty, table="pages")
    path = tmp_path / "usagefix.toml"
    ours = '# mine\n[[counter]]\ncounter = "public.posts.likes_count"\nevents = "posts_likes.post_id"\nwhere = "true"'
    path.write_text(ours)
    path.chmod(0o640)
    assert empty.usagefix("discover", "--write", str(path)).code == 0
    assert path.read_text().startswith(ours)
    assert path.stat().st_mode & 0o777 == 0o640
    read = declared(Flags(config=path), Path("/")).counters
    assert [(one.parent, one.where) for one in read] == [(Name("public", "posts"), "true"), (Name(None, "pages"), None)]
    again = discover(empty, "--write", str(path)).json["written"]
    assert again == {"path": str(path), "added": [], "there": ["pages.likes_count", "posts.likes_count"]}
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "app"\n')
    assert empty.usagefix("discover", "--write", str(project)).code == 0
    assert len(declared(Flags(config=project), Path("/")).counters) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pyproject.toml", "usagefix.toml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[counter]\n", "is not TOML"),
        ('[[counter]]\ncounter = "a.b"\nwher = "x"\n', "wher"),
        ("counter = []\n", "declares no counter"),
        (None, "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_left_alone(empty: App, tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "usagefix.toml"
    if text is None:
        path = tmp_path / "no" / "usagefix.toml"
    else:
        path.write_text(text)
    result = empty.usagefix("discover", "--write", str(path))
    assert (result.code, said in result.stderr) == (2, True), result.stderr
    assert "target:" not in result.stderr, "it is looked at before the database"
    if text is not None:
        assert path.read_text() == text


def test_it_ends_in_time_and_says_what_it_left_out(empty: App) -> None:
    likes(empty, rows=20)
    empty.sql("ALTER TABLE posts_likes RENAME TO slow; CREATE VIEW v AS SELECT 1; ALTER TABLE slow ADD n int;"
              "INSERT INTO slow SELECT 1 + n % 20 FROM generate_series(1, 400000) AS n")  # fmt: skip
    result = discover(empty, "--seconds", "0.1")
    assert found(result) == {}
    assert any("were over" in one["why"] or "longer than" in one["why"] for one in result.json["passed_over"])
    assert found(discover(empty)) == {}, "the counter is wrong in every row"


def test_a_large_table_is_sampled(empty: App) -> None:
    likes(empty, rows=9_000, where="id % 4 <> 0")
    empty.sql("CREATE INDEX ON posts_likes (post_id); ANALYZE")
    (one,) = discover(empty).json["counters"]
    assert one["sampled"]
    assert 1_000 < one["rows"] < 3_000
    assert one["agreement"] == pytest.approx(0.75, abs=0.08)
    assert "a sample of a large table" in empty.usagefix("discover").stdout


def test_it_reads_only_and_leaves_nothing_when_it_is_stopped(empty: App, tmp_path: Path) -> None:
    likes(empty)
    before: Any = empty.dump_all()
    with empty.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE posts_likes")
        waiting = empty.spawn("discover", "--write", str(tmp_path / "usagefix.toml"))
        empty.wait_for_waiter()
        assert (
            empty.one(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'usagefix' AND backend_xid IS NULL"
            )
            == 1
        )
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=LONG)
    assert (waiting.returncode, list(tmp_path.iterdir())) == (130, [])
    assert "nothing in the database was changed" in said
    assert empty.dump_all() == before
    empty.sql(f'ALTER DATABASE "{empty.name}" SET default_transaction_read_only = on')
    assert found(discover(empty)) == PLAIN


FILTERS = (None, "kind = 'paid'", "deleted_at IS NULL", "done", "deleted_at IS NULL AND kind = 'open'", "status = 2")


@pytest.mark.parametrize("seed", [1, 2])
def test_random_schemas(empty: App, seed: int) -> None:
    """Numbers that count and numbers that do not, side by side: nothing false, and nothing missed that has the rows."""
    chosen = random.Random(seed)
    empty.sql(f"SELECT setseed(0.{seed})")
    truth: dict[str, tuple[str, str | None, str | None]] = {}
    for name in ("book", "shop", "team", "tree", "song", "city"):
        key = chosen.choice([f"int REFERENCES {name}s", "int"])
        events, rows, drift = chosen.choice([4, 12]), chosen.choice([150, 400]), chosen.uniform(0.1, 0.35)
        where, weight = chosen.choice(FILTERS), chosen.choice([None, "amount", "qty"])
        kept = f"AND {where}" if where else ""
        empty.sql(
            f"""CREATE TABLE {name}s (id int PRIMARY KEY, n int, m numeric, price numeric, age int, version int, rank int);
            INSERT INTO {name}s SELECT n, 0, 0, (random() * 99)::numeric(9, 2), floor(random() * 80), 1 + floor(random() * 3), n
                FROM generate_series(1, {rows}) AS n;
            CREATE TABLE {name}_events (id serial PRIMARY KEY, {name}_id {key}, kind text, status int, amount numeric(8, 2),
                qty int, deleted_at timestamptz, done boolean, note text);
            INSERT INTO {name}_events ({name}_id, kind, status, amount, qty, deleted_at, done, note)
                SELECT 1 + floor({rows} * random() ^ 1.5), (ARRAY['open', 'paid', 'sent'])[1 + floor(random() * 3)],
                    floor(random() * 4), (random() * 50)::numeric(8, 2), floor(random() * 5),
                    CASE WHEN random() < 0.2 THEN now() END, random() < 0.5, md5(n::text)
                FROM generate_series(1, {rows * events}) AS n;
            UPDATE {name}s SET n = (SELECT count(*) FROM {name}_events WHERE {name}_id = {name}s.id {kept}),
                m = (SELECT coalesce(sum({weight or "0"}), 0) FROM {name}_events WHERE {name}_id = {name}s.id);
            UPDATE {name}s SET n = n + 1 WHERE random() < {drift}; UPDATE {name}s SET m = m - 2 WHERE random() < {drift}
            """
        )
        truth[f"{name}s.n"] = (f"{name}_events.{name}_id", where, None)
        if weight:
            truth[f"{name}s.m"] = (f"{name}_events.{name}_id", None, weight)
    assert found(discover(empty)) == truth
