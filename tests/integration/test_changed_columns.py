"""After apply the owner changes what usagefix reads: counters stay exact, or commands say what to do; rollback has a way
back in any case."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import INDEX, TRIGGER, App, failing

UNNOTIFIED = "DROP TRIGGER presets_notify_usage_milestone ON presets"
NEVER_REFERRED = "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey"
ALL_WRITES = (
    "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT md5('preset ' || 1 + n % 7)::uuid,"
    " md5('user 3')::uuid, 'showcase_creation' FROM generate_series(1, 30) n",
    "UPDATE preset_usage SET preset_id = md5('preset 2')::uuid WHERE preset_id = md5('preset 3')::uuid",
    "DELETE FROM preset_usage WHERE user_id = md5('user 3')::uuid",
)
OF_THE_COUNTER = {
    "smallint": (UNNOTIFIED, "ALTER TABLE presets ALTER usage_count TYPE smallint"),
    "bigint": (UNNOTIFIED, "ALTER TABLE presets ALTER usage_count TYPE bigint"),
    "numeric": (UNNOTIFIED, "ALTER TABLE presets ALTER usage_count TYPE numeric"),
    "a domain": (UNNOTIFIED, "CREATE DOMAIN amount AS bigint", "ALTER TABLE presets ALTER usage_count TYPE amount"),
    "another default": ("ALTER TABLE presets ALTER usage_count SET DEFAULT NULL",),
    "a column of any name": ("ALTER TABLE presets ADD shown boolean, ADD trusted boolean, ADD change integer",),
}  # fmt: skip
WITHOUT_A_COUNTER = {
    "inexact": (UNNOTIFIED, "ALTER TABLE presets ALTER usage_count TYPE double precision"),
    "dropped": (UNNOTIFIED, "ALTER TABLE presets DROP usage_count CASCADE"),
    "renamed": ("ALTER TABLE presets RENAME usage_count TO uses",),
    "generated": (
        UNNOTIFIED, "ALTER TABLE presets DROP usage_count CASCADE", "ALTER TABLE presets ADD usage_count integer GENERATED ALWAYS AS (3) STORED",
    ),
    "its key renamed": ("ALTER TABLE presets RENAME id TO preset",),
    "events that cannot be compared": (f"DROP INDEX IF EXISTS {INDEX}", NEVER_REFERRED, "ALTER TABLE preset_usage ALTER preset_id TYPE text"),
    "the last use a text": ("ALTER TABLE presets ALTER last_used_at TYPE text",),
}  # fmt: skip
OF_THE_LIMIT = {
    "the time of the events a text": ("ALTER TABLE preset_usage ALTER created_at TYPE text",),
    "the time of the events dropped": ("ALTER TABLE preset_usage DROP created_at",),
    "the foreign key renamed": ("ALTER TABLE preset_usage RENAME preset_id TO preset",),
    "the foreign key dropped": ("ALTER TABLE preset_usage DROP preset_id CASCADE",),
}  # fmt: skip


def changed(app: App, statements: tuple[str, ...]) -> None:
    for statement in statements:
        app.sql(statement)


@pytest.mark.parametrize("what", OF_THE_COUNTER)
def test_a_changed_counter_stays_exact(fixed: App, what: str) -> None:
    changed(fixed, OF_THE_COUNTER[what])
    changed(fixed, ALL_WRITES)
    assert fixed.drift() == (0, 0)
    for command in ("verify", "status", "backfill", "smoke", "apply"):
        done = fixed.usagefix(command)
        assert done.code == 0, done.stdout + done.stderr
    fixed.spoil("UPDATE presets SET usage_count = 0")
    assert failing(fixed.usagefix("verify", "--format", "json")) == {"counters_accurate"}
    assert fixed.usagefix("backfill").code == 0
    assert fixed.drift() == (0, 0)


@pytest.mark.parametrize("what", OF_THE_COUNTER | WITHOUT_A_COUNTER)
def test_rollback_restores_all_but_what_changed(app: App, fixed: App, what: str) -> None:
    statements = (OF_THE_COUNTER | WITHOUT_A_COUNTER)[what]
    changed(app, statements)
    changed(fixed, statements)
    limit = "restore" if INDEX in app.dump() else "skip"
    done = fixed.usagefix("rollback", "--yes", "--daily-limit", limit)
    assert done.code == 0, done.stderr
    if limit == "restore":
        assert fixed.dump() == app.dump()
    assert TRIGGER not in fixed.dump()


@pytest.mark.parametrize("what", OF_THE_LIMIT)
def test_rollback_without_a_limit_that_cannot_come_back(fixed: App, what: str) -> None:
    changed(fixed, OF_THE_LIMIT[what])
    before = fixed.dump_all()
    refused = fixed.usagefix("rollback", "--yes")
    assert (refused.code, fixed.dump_all() == before) == (1, True), refused.stderr
    assert "--daily-limit skip" in refused.stderr
    assert "surplus" not in refused.stderr, "to delete uses does not help"
    done = fixed.usagefix("rollback", "--yes", "--daily-limit", "skip")
    assert done.code == 0, done.stderr
    assert TRIGGER not in fixed.dump()


@pytest.mark.parametrize("what", ["smallint", "numeric", "another default"])
def test_the_old_counters_come_back(app: App, fixed: App, what: str) -> None:
    for database in (app, fixed):
        changed(database, OF_THE_COUNTER[what])
    done = fixed.usagefix("rollback", "--yes", "--counters", "restore")
    assert done.code == 0, done.stderr
    counters = "SELECT id, usage_count FROM presets ORDER BY id"
    assert fixed.sql(counters) == app.sql(counters)


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
@pytest.mark.parametrize("what", ["dropped", "renamed", "generated", "its key renamed"])
def test_counters_that_cannot_come_back_are_told_before_any_change(fixed: App, what: str, how: str) -> None:
    changed(fixed, WITHOUT_A_COUNTER[what])
    before = fixed.dump_all()
    refused = fixed.usagefix("rollback", how, "--counters", "restore")
    assert (refused.code, fixed.dump_all() == before) == (1, True), refused.stderr
    assert "the old values of the counters cannot come back" in refused.stderr
    assert "nothing in the database was changed" in refused.stderr
    assert "rollback --counters keep" in refused.stderr
    done = fixed.usagefix("rollback", "--yes", "--counters", "keep")
    assert done.code == 0, done.stderr


def test_a_column_that_is_gone_leads_to_rollback(app: App, fixed: App) -> None:
    """Where usagefix is applied, uses fail; where it never was, there is nothing to roll back."""
    for database in (app, fixed):
        changed(database, WITHOUT_A_COUNTER["dropped"])
    told = [database.usagefix("verify") for database in (app, fixed)]
    assert [verified.code for verified in told] == [2, 2]
    assert ["usagefix rollback" in verified.stderr for verified in told] == [False, True]


def test_a_small_counter_is_not_begun_with(app: App) -> None:
    """The hint is what helps."""
    changed(app, OF_THE_COUNTER["smallint"])
    refused = app.usagefix("apply")
    assert refused.code == 2
    way = re.search(
        r"ALTER TABLE public.presets ALTER COLUMN usage_count TYPE bigint", refused.stderr.replace("\n", " ")
    )
    assert way, refused.stderr
    app.sql(way[0])
    assert app.usagefix("apply").code == 0


MOVED = {
    "presets renamed": ("ALTER TABLE presets RENAME TO styles",),
    "presets moved": ("CREATE SCHEMA other", "ALTER TABLE presets SET SCHEMA other"),
    "presets renamed and moved": ("CREATE SCHEMA other", "ALTER TABLE presets RENAME TO styles", "ALTER TABLE styles SET SCHEMA other"),
    "events renamed": ('ALTER TABLE preset_usage RENAME TO "Uses"',),
    "events moved": ("CREATE SCHEMA other", "ALTER TABLE preset_usage SET SCHEMA other"),
}  # fmt: skip


@pytest.mark.parametrize("what", MOVED)
def test_a_table_that_moved_is_found(app: App, fixed: App, what: str) -> None:
    """The hint says where it is, and what to do for a rollback."""
    before = app.dump()
    changed(fixed, MOVED[what])
    for command in (("verify",), ("rollback", "--yes")):
        refused = fixed.usagefix(*command, COLUMNS="1000")
        assert refused.code == 2
    way = re.search(r"after apply\. (ALTER TABLE .*?); usagefix rollback;", refused.stderr)
    assert way, refused.stderr
    fixed.sql(way[1])
    done = fixed.usagefix("rollback", "--yes")
    assert done.code == 0, done.stderr
    fixed.sql("DROP SCHEMA IF EXISTS other")
    assert fixed.dump() == before


@pytest.mark.parametrize("table", ["presets", "preset_usage"])
def test_what_is_left_of_a_table_that_was_dropped_is_named(fixed: App, table: str) -> None:
    fixed.sql(f"DROP TABLE {table} CASCADE")
    refused = fixed.usagefix("rollback", "--yes", COLUMNS="1000")
    assert refused.code == 2
    way = re.search(r"DROP FUNCTION .* CASCADE", refused.stderr)
    assert way, refused.stderr
    fixed.sql(way[0])
    assert "usagefix" not in fixed.dump()


DECLARED = """
[[counter]]
counter = "posts.likes"
events = "likes.post_id"
where = "kind = 'a'"
sum = "n"
only = "visible"
label = "title"
last = { column = "last_at", from = "at" }
"""
TABLES = (
    "CREATE TABLE posts (id int PRIMARY KEY, likes int DEFAULT 0, title text, visible boolean DEFAULT true, last_at timestamptz)",
    "CREATE TABLE likes (post_id int REFERENCES posts, kind text, n int, at timestamptz DEFAULT now())",
    "INSERT INTO posts SELECT n, 0, 'x' FROM generate_series(1, 5) n",
    "INSERT INTO likes (post_id, kind, n) SELECT n, 'a', n FROM generate_series(1, 5) n",
)  # fmt: skip
UNFITTING = {
    "counter dropped": ("ALTER TABLE posts DROP likes", False),
    "counter smallint": ("ALTER TABLE posts ALTER likes TYPE smallint", True),
    "counter inexact": ("ALTER TABLE posts ALTER likes TYPE real", True),
    "key not unique": ("ALTER TABLE posts DROP CONSTRAINT posts_pkey CASCADE", True),
    "foreign key renamed": ("ALTER TABLE likes RENAME post_id TO post", True),
    "foreign key of another type": ("ALTER TABLE likes DROP CONSTRAINT likes_post_id_fkey, ALTER post_id TYPE text", True),
    "filtered by what is gone": ("ALTER TABLE likes DROP kind", True),
    "weighed by what is gone": ("ALTER TABLE likes DROP n", True),
    "chosen by what is gone": ("ALTER TABLE posts DROP visible", False),
    "last use dropped": ("ALTER TABLE posts DROP last_at", True),
    "label dropped": ("ALTER TABLE posts DROP title", True),
}  # fmt: skip


@pytest.mark.parametrize("what", UNFITTING)
def test_a_declared_counter_that_no_longer_fits_is_rolled_back(empty: App, what: str, tmp_path: Path) -> None:
    """As the ledger has it: nobody has to repair the tables, or the declaration, first."""
    statement, restorable = UNFITTING[what]
    config = tmp_path / "usagefix.toml"
    config.write_text(DECLARED)
    changed(empty, TABLES)
    with_config = ("--config", str(config))
    applied = empty.usagefix(*with_config, "apply")
    assert applied.code == 0, applied.stderr
    assert empty.one("SELECT sum(likes) FROM posts") == 15
    empty.sql(statement)
    if not restorable:
        refused = empty.usagefix(*with_config, "rollback", "--yes", "--counters", "restore")
        assert (refused.code, "nothing in the database was changed" in refused.stderr) == (1, True), refused.stderr
    counters = "restore" if restorable else "keep"
    done = empty.usagefix(*with_config, "rollback", "--yes", "--counters", counters)
    assert done.code == 0, done.stderr
    assert "usagefix" not in empty.dump()
    if restorable:
        assert empty.one("SELECT sum(likes) FROM posts") == 0


def test_a_declared_counter_that_became_small_stays_exact(empty: App, tmp_path: Path) -> None:
    config = tmp_path / "usagefix.toml"
    config.write_text(DECLARED)
    changed(empty, (*TABLES, "ALTER TABLE posts ALTER likes TYPE smallint"))
    refused = empty.usagefix("--config", str(config), "apply")
    assert (refused.code, "smallint" in refused.stderr) == (2, True), "none to begin with"
    changed(empty, ("ALTER TABLE posts ALTER likes TYPE integer",))
    assert empty.usagefix("--config", str(config), "apply").code == 0
    changed(empty, ("ALTER TABLE posts ALTER likes TYPE smallint", "INSERT INTO likes VALUES (3, 'a', 4), (3, 'b', 9)"))
    changed(empty, ("DELETE FROM likes WHERE post_id = 1",))
    for command in ("verify", "apply", "smoke", "backfill", "status"):
        done = empty.usagefix("--config", str(config), command)
        assert done.code == 0, done.stdout + done.stderr
    assert empty.sql("SELECT likes FROM posts ORDER BY id") == [(0,), (2,), (7,), (4,), (5,)]


@pytest.mark.parametrize("kind", ["real", "double precision"])
def test_doctor_names_a_type_in_which_nothing_counts(fixed: App, kind: str) -> None:
    """As the others do, which stop at it."""
    changed(fixed, (UNNOTIFIED, "ALTER TABLE presets ALTER usage_count DROP DEFAULT"))
    fixed.sql(f"ALTER TABLE presets ALTER usage_count TYPE {kind} USING usage_count::numeric::{kind}")
    diagnosed = fixed.usagefix("doctor", "--format", "json")
    said = [found for found in diagnosed.one["findings"] if kind in found["evidence"]]
    assert [found["severity"] for found in said] == ["error"], diagnosed.stdout
    assert "TYPE bigint" in said[0]["remedy"]
    assert fixed.usagefix("verify").code == 2


def test_a_declaration_that_never_fitted_is_a_mistake(empty: App, tmp_path: Path) -> None:
    config = tmp_path / "usagefix.toml"
    config.write_text(DECLARED.replace("posts.likes", "posts.hearts"))
    changed(empty, TABLES)
    refused = empty.usagefix("--config", str(config), "rollback", "--yes")
    assert (refused.code, "names hearts, a column that public.posts does not have" in refused.stderr) == (2, True)
