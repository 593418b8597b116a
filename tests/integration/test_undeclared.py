"""A counter that is applied, and that the file no longer declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapes import Shape
from support import App, role, run

REACTIONS = Shape("reactions")


@pytest.fixture
def forgotten(app: App, tmp_path: Path) -> App:
    """Two counters are applied, and one of them is declared still."""
    REACTIONS.load(app)
    file = tmp_path / "usagefix.toml"
    file.write_text(REACTIONS.declaration.read_text())
    assert app.usagefix("apply", "--config", str(file)).code == 0
    file.write_text(file.read_text().partition("\n\n")[0])
    return app


@pytest.mark.parametrize("name", ["post_dislikes_count", "posts.dislikes_count"])
def test_a_rollback_goes_by_what_the_ledger_holds(forgotten: App, tmp_path: Path, name: str) -> None:
    """And leaves the other one whole."""
    config = ("--config", str(tmp_path / "usagefix.toml"))
    tried = forgotten.usagefix("rollback", "--dry-run", *config, "--counter", name)
    assert tried.code == 0, tried.stderr
    result = forgotten.usagefix("rollback", "--yes", *config, "--counter", name, "--format", "json")
    assert result.code == 0, result.stderr
    assert result.one["counter"] == "post_dislikes_count"
    assert result.one["counts"] is None, "to count it would run what the ledger holds"
    assert forgotten.sql("SELECT DISTINCT counter FROM usagefix.counters") == [("post_likes_count",)]
    assert forgotten.one("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%dislikes_count%'") == 0
    assert forgotten.one("SELECT count(*) FROM pg_proc WHERE proname LIKE '%dislikes_count%'") == 0
    assert forgotten.usagefix("verify", *config, "--only", "counters_accurate").code == 0


def test_nothing_that_the_ledger_holds_is_run(forgotten: App, tmp_path: Path) -> None:
    """Whoever could write to it may have written anything."""
    forgotten.sql("CREATE FUNCTION boom() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it ran''; END'")
    for field in ("where", "weight", "only"):
        hostile = "(public.boom() > 0)" if field != "weight" else "public.boom()"
        forgotten.sql(
            f"UPDATE usagefix.counters SET definition = definition || jsonb_build_object('{field}', '{hostile}'::text,"
            " 'declared', '[]'::jsonb) WHERE counter = 'post_dislikes_count'"
        )
    for more in (("--dry-run",), ("--yes", "--counters", "restore")):
        config = ("--config", str(tmp_path / "usagefix.toml"), "--counter", "post_dislikes_count")
        result = forgotten.usagefix("rollback", *config, *more)
        assert "it ran" not in result.stderr + result.stdout
        assert result.code == 0, result.stderr


def test_the_ledger_may_not_name_tables_of_two_owners(forgotten: App, tmp_path: Path) -> None:
    """Then a person has to say that they belong together: with what is printed, the rollback goes through."""
    file = tmp_path / "usagefix.toml"
    arguments = ("rollback", "--yes", "--config", str(file), "--counter", "post_dislikes_count")
    with role(forgotten, "another"):
        forgotten.sql("ALTER TABLE post_reactions OWNER TO another")
        result = forgotten.usagefix(*arguments)
        assert result.code == 2
        assert f"post_dislikes_count is applied here, but {file} does not declare it" in result.stderr
        entry = result.stderr[result.stderr.index("[[counter]]") :]
        file.write_text(f"{file.read_text()}\n\n{entry}")
        result = forgotten.usagefix(*arguments)
        assert result.code == 0, result.stderr


def test_other_commands_say_how_to_declare_it_again(forgotten: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.toml"
    arguments = ("verify", "--config", str(file), "--counter", "post_dislikes_count")
    result = forgotten.usagefix(*arguments)
    assert result.code == 2
    entry = result.stderr[result.stderr.index("[[counter]]") :]
    file.write_text(f"{file.read_text()}\n\n{entry}")
    result = forgotten.usagefix(*arguments)
    assert result.code == 0, result.stderr


def test_counters_get_back_what_they_showed(empty: App, tmp_path: Path) -> None:
    """Sums, too, also those that were below 0."""
    votes = Shape("votes")
    votes.load(empty)
    empty.sql("UPDATE posts SET score = -3 WHERE id = (SELECT min(id::text) FROM posts)::uuid")
    before, schema = empty.sql("SELECT id, score FROM posts ORDER BY id"), empty.dump()
    assert empty.usagefix("apply", "--trust", "events", "--config", str(votes.declaration)).code == 0
    for name in ("post_votes_count", "post_score"):
        arguments = ("rollback", "--yes", "--counters", "restore", "--counter", name)
        result = run(*arguments, cwd=tmp_path, DATABASE_URL=empty.url())
        assert result.code == 0, result.stderr
    assert (empty.sql("SELECT id, score FROM posts ORDER BY id"), empty.dump()) == (before, schema)


def test_status_names_it(forgotten: App, tmp_path: Path) -> None:
    said = "applied here, but not declared: post_dislikes_count"
    assert said in forgotten.usagefix("status", "--config", str(tmp_path / "usagefix.toml")).stderr
    assert "not declared" not in forgotten.usagefix("status", "--config", str(REACTIONS.declaration)).stderr


def test_options_declare_one_and_nothing_is_said_of_others(forgotten: App) -> None:
    options = ("--counter", "posts.likes_count", "--events", "post_reactions.post_id", "--where", "kind = 'like'")
    assert "not declared" not in forgotten.usagefix("status", *options).stderr


def test_without_a_file(forgotten: App, tmp_path: Path) -> None:
    arguments = ("rollback", "--yes", "--counter", "post_likes_count")
    result = run(*arguments, cwd=tmp_path / "..", DATABASE_URL=forgotten.url())
    assert result.code == 0, result.stderr
    assert forgotten.sql("SELECT DISTINCT counter FROM usagefix.counters") == [("post_dislikes_count",)]
