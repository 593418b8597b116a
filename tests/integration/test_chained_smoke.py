"""smoke of a counter that adds up another counter: it is tried by the events of the lower one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shapes import Shape
from support import App, ended, told

SHAPE = Shape("chain")
CONFIG = ("--config", str(SHAPE.declaration))
TOTAL = "community_comments_total"


@pytest.fixture
def chain(empty: App) -> App:
    SHAPE.load(empty)
    applied = empty.usagefix("apply", *CONFIG)
    assert applied.code == 0, applied.stderr
    return empty


def steps(result: Any) -> dict[str, dict[str, str]]:
    """What came of the steps for the total, by id."""
    entry = next(part for part in result.json["counters"] if part["counter"] == TOTAL)
    return {step["step_id"]: step for step in entry["steps"]}


def test_events_of_the_lower_counter_reach_it(chain: App) -> None:
    before = chain.dump_all(), SHAPE.wrong(chain)
    tried = chain.usagefix("smoke", *CONFIG, "--format", "json")
    assert tried.code == 0, tried.stdout
    said = steps(tried)
    assert said["first_use"]["title"] == "A new row of comments counts"
    for step in ("first_use", "second_use", "events_agree", "many_rows", "delete", "kinds"):
        assert said[step]["status"] == "ok", said[step]
    assert (chain.dump_all(), SHAPE.wrong(chain)) == before
    # The lower one counts, and the upper one does not.
    chain.sql("ALTER TABLE posts DISABLE TRIGGER trigger_auto_adjust_community_comments_total_update")
    tried = chain.usagefix("smoke", *CONFIG, "--format", "json")
    assert tried.code == 1
    assert steps(tried)["first_use"]["detail"].endswith("recorded, not counted")


def test_alone_it_says_what_it_lacks(chain: App) -> None:
    alone = chain.usagefix("smoke", *CONFIG, "--counter", TOTAL, "--format", "json")
    assert alone.code == 0, alone.stdout
    step = steps(alone)["first_use"]
    assert step["status"] == "skipped"
    assert "add --counter post_comments_count to try both" in step["detail"]
    assert "cannot tell: no event was tried" in chain.usagefix("smoke", *CONFIG, "--counter", TOTAL).stdout


def test_three_levels(chain: App, tmp_path: Path) -> None:
    chain.sql(
        "CREATE TABLE worlds (id integer PRIMARY KEY, total bigint NOT NULL DEFAULT 0); INSERT INTO worlds VALUES (1)"
    )
    chain.sql("ALTER TABLE communities ADD world integer REFERENCES worlds; UPDATE communities SET world = 1")
    chain.sql("CREATE INDEX ON communities (world)")
    file = tmp_path / "usagefix.toml"
    more = '\n[[counter]]\ncounter = "worlds.total"\nevents = "communities.world"\nsum = "comments_total"\n'
    file.write_text(SHAPE.declaration.read_text() + more)
    applied = chain.usagefix("apply", "--config", str(file))
    assert applied.code == 0, applied.stdout + applied.stderr
    tried = chain.usagefix("smoke", "--config", str(file), "--format", "json")
    assert tried.code == 0, tried.stdout
    world = next(part for part in tried.json["counters"] if part["counter"] == "world_total")
    said = {step["step_id"]: step["status"] for step in world["steps"]}
    assert (said["first_use"], said["many_rows"], said["delete"]) == ("ok", "ok", "ok"), world["steps"]


@pytest.mark.parametrize(
    "leaves_out", ["hidden = id NOT IN (8, 9)", "community_id = CASE WHEN id IN (8, 9) THEN 1 END"]
)
def test_a_row_is_chosen_whose_change_the_total_counts(chain: App, tmp_path: Path, leaves_out: str) -> None:
    file = tmp_path / "usagefix.toml"
    sums = 'sum = "comments_count"'
    file.write_text(SHAPE.declaration.read_text().replace(sums, f'{sums}\nwhere = "NOT hidden"'))
    chain.sql("ALTER TABLE posts ALTER community_id DROP NOT NULL")
    chain.sql(f"UPDATE posts SET {leaves_out}")
    assert chain.usagefix("apply", "--config", str(file), "--trust", "events").code == 0
    tried = chain.usagefix("smoke", "--config", str(file), "--format", "json")
    assert tried.code == 0, tried.stdout
    said = steps(tried)
    assert said["preset"]["detail"] in ("8", "9")
    assert (said["first_use"]["status"], said["kinds"]["status"]) == ("ok", "ok"), said


def test_without_such_a_row_it_cannot_tell(chain: App) -> None:
    chain.sql("ALTER TABLE posts ALTER community_id DROP NOT NULL; UPDATE posts SET community_id = NULL")
    tried = chain.usagefix("smoke", *CONFIG, "--format", "json")
    assert tried.code == 0, tried.stdout
    assert steps(tried)["first_use"]["status"] == "skipped"


def test_it_waits_where_others_hold_every_row(chain: App) -> None:
    with chain.connect(autocommit=False) as others:
        others.execute("SELECT FROM posts FOR UPDATE")
        process = chain.spawn("smoke", *CONFIG)
        told(process, "attempt 2 of 8")
        others.rollback()
        done = ended(process)
    assert done.code == 0, done.stderr


def test_nobody_is_made_to_follow_oneself(empty: App) -> None:
    empty.sql(
        "CREATE TABLE users (id int PRIMARY KEY, followers_count int NOT NULL DEFAULT 0);"
        "CREATE TABLE follows (follower int NOT NULL REFERENCES users, followed int NOT NULL REFERENCES users,"
        " UNIQUE (follower, followed));"
        "CREATE FUNCTION alone() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.follower = NEW.followed THEN RAISE EXCEPTION 'oneself'; END IF; RETURN NEW; END$$;"
        "CREATE TRIGGER alone BEFORE INSERT ON follows FOR EACH ROW EXECUTE FUNCTION alone();"
        "INSERT INTO users VALUES (1, 1); INSERT INTO users SELECT generate_series(2, 9); INSERT INTO follows VALUES (9, 1)"
    )
    of = ("--counter", "users.followers_count", "--events", "follows.followed")
    assert empty.usagefix("apply", *of).code == 0
    tried = empty.usagefix("smoke", *of, "--format", "json")
    said = {step["step_id"]: step["status"] for step in tried.one["steps"]}
    assert [said[step] for step in ("first_use", "second_use", "many_rows", "delete")] == ["ok"] * 4, tried.stdout


def test_the_sum_of_a_usual_counter_goes_with_its_repair(app: App, tmp_path: Path) -> None:
    """The bundled SQL writes the names of the usual tables without quotes, other counters write them with quotes."""
    (tmp_path / "usagefix.toml").write_text(
        '[[counter]]\ncounter = "people.total"\nevents = "presets.user_id"\nkey = "id"\nsum = "usage_count"\n'
        '[[counter]]\ncounter = "presets.usage_count"\nevents = "preset_usage.preset_id"\n'
    )
    config = ("--config", str(tmp_path / "usagefix.toml"))
    app.sql(
        "CREATE TABLE people (id uuid PRIMARY KEY, total bigint NOT NULL DEFAULT 0);"
        "INSERT INTO people SELECT DISTINCT user_id FROM presets WHERE user_id IS NOT NULL"
    )
    applied = app.usagefix("apply", *config)
    assert applied.code == 0, applied.stderr
    assert applied.stdout.index("presets.usage_count") < applied.stdout.index("people.total"), "from below"
    app.sql(
        "BEGIN; SET LOCAL usagefix.bypass_guard = 'on'; UPDATE presets SET usage_count = usage_count - 1"
        " WHERE usage_count > 3; COMMIT"
    )
    assert app.usagefix("backfill", *config, "--counter", "preset_usage_count").code == 0
    assert app.usagefix("verify", *config).code == 0
    assert app.usagefix("smoke", *config).code == 0
    assert app.usagefix("rollback", *config, "--yes").code == 0
