"""What people read: of a counter that is not the usual one, its own tables, and commands that are about it; of what
was refused, by whom, and something to do that is not done already."""

from __future__ import annotations

import psycopg
import pytest
from several import POSTS
from support import App, give_everything_to, role

LIKES = ("--counter", "posts.likes_count", "--events", "likes.post_id", "--where", "kind = 'like'")
AGAIN = """usagefix --counter posts.likes_count --events likes.post_id --where 'kind = '"'"'like'"'"''"""


@pytest.fixture
def posts(app: App) -> App:
    app.sql(POSTS)
    app.sql("UPDATE posts SET likes_count = (SELECT count(*) FROM likes WHERE post_id = posts.id AND kind = 'like')")
    app.sql("UPDATE posts SET likes_count = likes_count + 1 WHERE id = 3")
    return app


def test_a_dry_run_locks_the_tables_that_it_names(posts: App) -> None:
    plan = posts.usagefix("apply", "--dry-run", *LIKES, "--format", "json").one["plan"]
    assert "Lock posts" in {step["purpose"] for step in plan}


def test_commands_that_are_named_have_the_options_that_say_which_counter(posts: App) -> None:
    assert f"next: {AGAIN} apply\n" in posts.usagefix("verify", *LIKES, COLUMNS="200").stdout
    failed = posts.usagefix("guard", *LIKES)
    assert f"hint: run {AGAIN} apply\n" in failed.stderr
    assert posts.usagefix("verify").stdout.endswith("next: usagefix apply\n")
    posts.sql("CREATE SCHEMA shop; ALTER TABLE posts SET SCHEMA shop; ALTER TABLE likes SET SCHEMA shop")
    place = ("--database-url", posts.url(), "--schema", "shop")
    there = posts.usagefix("verify", *LIKES, *place, COLUMNS="250").stdout
    assert f"next: {AGAIN.replace('usagefix', 'usagefix --database-url URL --schema shop')} apply\n" in there


def test_a_row_that_is_not_there(posts: App) -> None:
    result = posts.usagefix("check", "77", *LIKES)
    assert result.code == 1
    assert "error: no row has the id '77'\n" in result.stderr
    assert "hint: ids are of type integer here; a name is known only where label declares its column. " in result.stderr
    posts.sql("ALTER TABLE posts RENAME id TO number")
    assert "ids are of type integer here" in posts.usagefix("check", "77", *LIKES).stderr


def test_events_without_time_and_kind(posts: App) -> None:
    printed = posts.usagefix("check", "3", "--recent", "2", *LIKES).stdout
    assert "never" not in printed


def test_doctor_counts_before_there_is_a_ledger(posts: App) -> None:
    report = posts.usagefix("doctor", *LIKES, "--format", "json").one
    assert "not_looked_at" not in {found["finding_id"] for found in report["findings"]}
    assert "drift" in {found["finding_id"] for found in report["findings"]}


def test_the_guard_names_the_column_and_the_table_of_the_events(posts: App) -> None:
    posts.sql('ALTER TABLE posts RENAME likes_count TO "5 %, it\'s"')
    own = (
        "--counter",
        'posts."5 %, it\'s"',
        "--events",
        "likes.post_id",
        "--where",
        "kind = 'like'",
        "--name",
        "likes",
    )
    assert posts.usagefix("apply", *own).code == 0
    assert posts.usagefix("guard", "reject", *own).code == 0
    with pytest.raises(psycopg.errors.DatabaseError) as caught:
        posts.sql('UPDATE posts SET "5 %, it\'s" = 99')
    told = caught.value.diag
    assert told.message_primary == "the guard refused a write of the counter 5 %, it's: UPDATE"
    assert told.message_hint == "The triggers on likes count each event: remove 5 %, it's from the statement."
    assert told.column_name == "5 %, it's"
    assert posts.usagefix("verify", *own).code == 0


def test_a_step_of_several_counters_says_whose_it_is(posts: App, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("declared") / "counters.toml"
    file.write_text(
        '[[counter]]\ncounter = "posts.likes_count"\nevents = "likes.post_id"\nwhere = "kind = \'like\'"\n'
        '[[counter]]\ncounter = "posts.comments_count"\nevents = "comments.post_id"\n'
    )
    of_file = ("--config", str(file))
    told = posts.usagefix("apply", *of_file)
    assert "\npost_likes_count: counting events\n" in told.stderr
    assert posts.usagefix("rollback", "--yes", "--counter", "posts.likes_count", *of_file).code == 0
    ended = posts.usagefix("rollback", "--yes", *of_file).stdout.splitlines()[-1]
    assert ended.startswith(("rolled back: ", "nothing to do: "))
    state = posts.usagefix("apply", "--counter", "posts.likes_count", *of_file)
    assert state.code == 0
    ended = posts.usagefix("status", *of_file).stdout.splitlines()[-2]
    assert ended == "pending: post_comments_count (1 of 2 counters; 1 applied)"


def test_doctor_takes_the_guard_of_another_counter_for_no_counting(posts: App) -> None:
    posts.sql("CREATE TABLE topics (id integer PRIMARY KEY, likes_count integer NOT NULL DEFAULT 0)")
    posts.sql("INSERT INTO topics SELECT 1, sum(likes_count) FROM posts")
    posts.sql("ALTER TABLE posts ADD topic_id integer NOT NULL DEFAULT 1 REFERENCES topics")
    posts.sql("CREATE INDEX ON posts (topic_id)")
    total = ("--counter", "topics.likes_count", "--events", "posts.topic_id", "--sum", "likes_count")
    assert posts.usagefix("apply", *LIKES).code == 0
    assert posts.usagefix("apply", *total).code == 0
    found = posts.usagefix("doctor", *total, "--format", "json").one["findings"]
    assert [finding["finding_id"] for finding in found if finding["severity"] == "error"] == []


def test_a_role_that_may_not_read_the_events_is_told_that(posts: App) -> None:
    with role(posts, "reader") as reader:
        result = posts.usagefix("apply", *LIKES, DATABASE_URL=posts.url(reader))
    assert result.code == 5
    assert 'GRANT SELECT ON "public"."likes" TO "reader"' in result.stderr


def test_what_refuses_is_named(fixed: App) -> None:
    """The guard, or a function of the application; the server only where it is the server."""
    fixed.sql(
        "CREATE FUNCTION counts_too() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id; RETURN NULL; END$$;"
        " CREATE TRIGGER counts_too AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION counts_too()"
    )
    assert fixed.usagefix("guard", "reject").code == 0
    refused = fixed.usagefix("smoke", COLUMNS="300").stdout
    assert " the guard refused a write of the counter usage_count: " in refused
    assert "the server refused" not in refused


def test_writes_that_the_guard_ignores_are_not_called_refused(fixed: App) -> None:
    fixed.sql("UPDATE presets SET usage_count = usage_count + 1")
    printed = fixed.usagefix("guard", COLUMNS="150").stdout
    assert printed.startswith("Who else tried to write the counter\n")
    assert "refused" not in printed.lower()


def test_nobody_is_told_to_connect_as_the_role_that_they_are(app: App) -> None:
    with role(app, '"Sb owner"') as owner:
        give_everything_to(app, owner)
        for trouble, remedy in (
            ("ALTER TABLE presets FORCE ROW LEVEL SECURITY", "ALTER TABLE public.presets NO FORCE ROW LEVEL SECURITY"),
            (f"REVOKE SELECT ON presets FROM {owner}", f"GRANT SELECT ON public.presets TO {owner}"),
        ):
            app.sql(trouble)
            for command in ("verify", "doctor"):
                told = app.usagefix(command, DATABASE_URL=app.url("Sb%20owner"), COLUMNS="300")
                said = told.stdout + told.stderr
                assert remedy in said
                assert "connect as Sb owner" not in said
                assert "as the tables' owner" not in said
            app.sql("ALTER TABLE presets NO FORCE ROW LEVEL SECURITY")


def test_a_last_use_that_alone_was_behind_is_no_drift(fixed: App) -> None:
    fixed.sql("UPDATE presets SET last_used_at = NULL WHERE id IN (SELECT preset_id FROM preset_usage LIMIT 1)")
    planned, done = fixed.usagefix("backfill", "--dry-run").stdout, fixed.usagefix("backfill").stdout
    right = "every counter was right: no drift to remove\n"
    assert planned.startswith(f"  {right}  the last use of 1 preset would be brought up to date\n")
    assert done.startswith(f"  {right}  the last use of 1 preset brought up to date\n")


def test_another_application_is_pointed_to_discover(empty: App) -> None:
    empty.sql("CREATE VIEW presets AS SELECT 1 AS id")
    told = empty.usagefix("verify").stderr
    assert "has no table public.presets: something else has that name there, such as a view\n" in told
    assert "usagefix discover finds the counters of other tables\n" in told
