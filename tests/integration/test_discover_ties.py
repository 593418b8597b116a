"""Two ends of the same events that give the same: discover says so, and declares neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import App

TABLES = """
CREATE TABLE users (id bigint PRIMARY KEY, followers_count integer DEFAULT 0, following_count integer DEFAULT 0);
CREATE TABLE follows (
    follower_id bigint REFERENCES users, followed_id bigint REFERENCES users, PRIMARY KEY (follower_id, followed_id));
INSERT INTO users SELECT n FROM generate_series(1, 40) n;
"""
MUTUAL = "INSERT INTO follows SELECT a, b FROM generate_series(1, 40) a, generate_series(1, 40) b WHERE a <> b AND (a + b) % 3 = 0"
COUNT = """
UPDATE users SET followers_count = (SELECT count(*) FROM follows WHERE followed_id = users.id),
    following_count = (SELECT count(*) FROM follows WHERE follower_id = users.id);
UPDATE users SET followers_count = followers_count + 1 WHERE id % 9 = 0;
UPDATE users SET following_count = following_count - 1 WHERE id % 7 = 0
"""
# What is written beside, and whether each end is told from the other then.
OTHERS = {
    "everybody follows back": ("", False),
    "one does not": ("INSERT INTO follows VALUES (1, 3)", False),
    "a few do not": ("INSERT INTO follows SELECT n, 41 - n FROM generate_series(1, 20) n ON CONFLICT DO NOTHING", True),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_two_ends_of_follows(empty: App, tmp_path: Path, case: str) -> None:
    more, told = OTHERS[case]
    empty.sql(f"{TABLES}{MUTUAL};{more};{COUNT}")
    file = tmp_path / "usagefix.toml"
    found = empty.usagefix("discover", "--write", str(file), "--format", "json").json
    counters = {one["counter"]: one["events"] for one in found["counters"]}
    undecided = {one["counter"]: one["why"] for one in found["undecided"]}
    if told:
        assert counters == {
            "users.followers_count": "follows.followed_id",
            "users.following_count": "follows.follower_id",
        }
        assert undecided == {}
        return
    assert counters == {}
    assert undecided == {"users.followers_count": "tie", "users.following_count": "tie"}
    assert not file.exists() or "[[counter]]" not in file.read_text()
    said = empty.usagefix("discover").stdout
    assert "something else gives the same in nearly every row looked at (follows.follower_id)" in " ".join(said.split())
