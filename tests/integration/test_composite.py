"""A key of several columns, ``events = "votes_vote.(content_type_id, object_id)"``: every command on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapes import Shape
from support import MIGRATIONS, App

SHAPE = Shape("composite")
CONFIG = ("--config", str(SHAPE.declaration))
ROW = '(1,"a ""b"", (5")'
WRITTEN = '1,a "b", (5'


@pytest.fixture
def votes(empty: App) -> App:
    SHAPE.load(empty)
    return empty


@pytest.mark.parametrize("wanted", [WRITTEN, ROW])
def test_a_row_is_named_by_its_columns(votes: App, wanted: str) -> None:
    found = votes.usagefix("check", wanted, *CONFIG, "--format", "json")
    assert found.code == 1, found.stderr
    assert found.one["row"]["id"] == ROW
    assert (found.one["row"]["displayed_count"], found.one["row"]["actual_records"]) == (14, 13)


def test_a_row_that_is_not_there(votes: App) -> None:
    said = votes.usagefix("check", "1,b", *CONFIG)
    assert said.code == 1
    assert "ids are of type integer, text here, written content_type_id,object_id" in said.stderr


def test_smoke_of_a_row(votes: App) -> None:
    assert votes.usagefix("apply", *CONFIG).code == 0
    tried = votes.usagefix("smoke", *CONFIG, "--preset", WRITTEN, "--format", "json")
    assert tried.code == 0, tried.stdout + tried.stderr
    assert tried.one["steps"][0]["detail"] == ROW
    passed = {step["step_id"] for step in tried.one["steps"] if step["status"] == "ok"}
    assert passed >= {"first_use", "second_use", "events_agree", "many_rows", "delete"}


def test_by_hand_there_and_back(votes: App, tmp_path: Path) -> None:
    before = votes.dump()
    written = votes.usagefix("export", str(tmp_path), "--for", "dbmate", "--adapt", *CONFIG)
    assert written.code == 0, written.stderr
    assert len(list(tmp_path.iterdir())) == len(MIGRATIONS) + 1
    done = votes.by_hand(options=CONFIG)
    assert done.returncode == 0, done.stderr
    assert not any(SHAPE.wrong(votes).values())
    assert votes.usagefix("verify", *CONFIG).code == 0
    for migration in MIGRATIONS:
        script = tmp_path / "verify.sql"
        script.write_text(votes.usagefix("sql", migration.name, "verify", *CONFIG).stdout)
        said = votes.psql(script, single=False)
        assert said.returncode == 0, said.stderr
        assert not {"failed", "missing", "outdated"}.intersection(said.stdout.split())
    done = votes.by_hand(undo=True, options=CONFIG)
    assert done.returncode == 0, done.stderr
    assert votes.dump() == before


def test_rows_that_lack_are_made(votes: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.toml"
    file.write_text(f'{SHAPE.declaration.read_text()}missing = "create"\n')
    config = ("--config", str(file))
    applied = votes.usagefix("apply", *config)
    assert applied.code == 0, applied.stdout + applied.stderr
    assert votes.one("SELECT count(*) FROM vote_totals WHERE content_type_id = 3") == 20
    assert votes.usagefix("rollback", "--yes", *config).code == 0
    votes.sql("DELETE FROM vote_totals WHERE content_type_id = 3")
    done = votes.by_hand(options=config)
    assert done.returncode == 0, done.stderr
    assert votes.usagefix("verify", *config).code == 0, "the backfill by hand makes them, too"
    votes.sql("INSERT INTO votes_vote (content_type_id, object_id, user_id) VALUES (4, 'new', 1), (4, 'new', 2)")
    votes.sql("DELETE FROM vote_totals WHERE content_type_id = 1")
    assert votes.usagefix("verify", *config).code == 1
    assert votes.usagefix("backfill", *config).code == 0
    assert votes.one("SELECT count(*) FROM vote_totals") == 61
    assert not any(SHAPE.wrong(votes).values())


def test_discover_writes_what_verify_reads(votes: App, tmp_path: Path) -> None:
    file = tmp_path / "usagefix.toml"
    assert votes.usagefix("discover", "--write", str(file)).code == 0
    assert 'events = "votes_vote.(content_type_id, object_id)"' in file.read_text()
    found = votes.usagefix("verify", "--config", str(file), "--format", "json")
    assert found.one["counts"]["inaccurate"] == 4


def found(app: App, shape: Shape, slug: str) -> dict[str, dict[str, str]]:
    """What doctor finds, by id."""
    said = app.usagefix("doctor", "--config", str(shape.declaration), "--counter", slug, "--format", "json")
    return {finding["finding_id"]: finding for finding in said.one["findings"]}


def test_what_doctor_advises_can_be_done(votes: App) -> None:
    """An index on all columns in any order will do, and the key refers to all of them."""
    slug = "vote_total_votes"
    assert "no_index" not in found(votes, SHAPE, slug)
    votes.sql("DROP INDEX votes_vote_content_type_id_object_id_idx")
    votes.sql("CREATE INDEX ON votes_vote (object_id, user_id)")
    advised = found(votes, SHAPE, slug)
    assert advised["no_index"]["title"] == "No index on votes_vote(content_type_id, object_id)"
    votes.sql(advised["no_index"]["remedy"])
    foreign_key = advised["no_foreign_key"]
    assert foreign_key["object"] == "public.votes_vote.(content_type_id, object_id)"
    votes.sql(foreign_key["remedy"].partition(", then ")[0])
    again = found(votes, SHAPE, slug)
    assert "no_index" not in again
    assert "is not validated" in again["no_foreign_key"]["title"]


def test_advice_that_would_do_harm_is_not_given(empty: App) -> None:
    """No foreign key where rows are made when events come, or where one column names rows of several tables."""
    statistics, polymorphic, comments = Shape("statistics"), Shape("polymorphic"), Shape("comments")
    statistics.load(empty)
    made = found(empty, statistics, "user_stat_drafts_count")
    assert not {"events_of_gone_presets", "no_foreign_key"} & made.keys()
    empty.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    polymorphic.load(empty)
    advised = found(empty, polymorphic, "article_comments_count")
    assert advised["events_of_gone_presets"]["remedy"] == "delete them"
    assert advised["no_foreign_key"]["remedy"].startswith("none if it names rows of several tables")
    empty.sql("CREATE INDEX ON comments (commentable_type, commentable_id)")
    assert "no_index" not in found(empty, polymorphic, "article_comments_count"), "the filter's column leads it"
    empty.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    comments.load(empty)
    empty.sql("CREATE INDEX ON comments (parent_id)")
    assert "no_index" not in found(empty, comments, "comment_replies_count"), "events of the table itself"
