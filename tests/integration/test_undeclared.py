"""A counter that is applied, and that the file no longer declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapes import Shape
from support import App, run

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
def test_a_rollback_says_how_to_declare_it_again(forgotten: App, tmp_path: Path, name: str) -> None:
    """And with what it says, the rollback goes through."""
    file = tmp_path / "usagefix.toml"
    result = forgotten.usagefix("rollback", "--yes", "--config", str(file), "--counter", name)
    assert result.code == 2
    assert f"post_dislikes_count is applied here, but {file} does not declare it" in result.stderr
    entry = result.stderr[result.stderr.index("[[counter]]") :]
    file.write_text(f"{file.read_text()}\n\n{entry}")
    result = forgotten.usagefix("rollback", "--yes", "--config", str(file), "--counter", name)
    assert result.code == 0, result.stderr
    assert forgotten.sql("SELECT DISTINCT counter FROM usagefix.counters") == [("post_likes_count",)]
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%%dislikes_count%%'"
    assert forgotten.one(triggers.replace("%%", "%")) == 0


def test_status_names_it(forgotten: App, tmp_path: Path) -> None:
    said = "applied here, but not declared: post_dislikes_count"
    assert said in forgotten.usagefix("status", "--config", str(tmp_path / "usagefix.toml")).stderr
    assert "not declared" not in forgotten.usagefix("status", "--config", str(REACTIONS.declaration)).stderr


def test_options_declare_one_and_nothing_is_said_of_others(forgotten: App) -> None:
    options = ("--counter", "posts.likes_count", "--events", "post_reactions.post_id", "--where", "kind = 'like'")
    assert "not declared" not in forgotten.usagefix("status", *options).stderr


def test_without_a_file(forgotten: App, tmp_path: Path) -> None:
    result = run(
        "rollback", "--yes", "--counter", "post_likes_count", cwd=tmp_path / "..", DATABASE_URL=forgotten.url()
    )
    assert result.code == 2
    assert "post_likes_count is applied here, but nothing declares it" in result.stderr
