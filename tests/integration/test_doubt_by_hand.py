"""The scripts for another counter doubt where usagefix itself does, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import VERSION, App

TABLES = """
CREATE TABLE posts (id integer PRIMARY KEY, likes integer NOT NULL DEFAULT 0, score integer NOT NULL DEFAULT 0);
CREATE TABLE reactions (post_id integer REFERENCES posts, value integer);
CREATE INDEX ON reactions (post_id);
INSERT INTO posts SELECT n FROM generate_series(1, 40) n;
INSERT INTO reactions SELECT 1 + n % 25, 1 - n % 3 FROM generate_series(1, 400) n;
UPDATE posts SET likes = (SELECT count(*) FROM reactions WHERE post_id = posts.id),
    score = (SELECT coalesce(sum(value), 0) FROM reactions WHERE post_id = posts.id);
"""
LIKES = '[[counter]]\ncounter = "posts.likes"\nevents = "reactions.post_id"\n'
SCORE = '[[counter]]\ncounter = "posts.score"\nevents = "reactions.post_id"\nsum = "value"\n'
# The declaration, what is done to the counters, and whether they are doubted.
CASES = {
    "all is right": (LIKES, "SELECT", False),
    "some are one too high": (LIKES, "UPDATE posts SET likes = likes + 1 WHERE id > 20", False),
    "no event leads to many": (LIKES, "UPDATE posts SET likes = 30 WHERE id > 25", True),
    "a large fall": (LIKES, "UPDATE posts SET likes = likes + 40 WHERE id IN (1, 2, 3, 4)", True),
    "another column is meant": (LIKES, "UPDATE posts SET likes = 1 + id % 7", True),
    "a sum": (SCORE, "SELECT", False),
    "two sums are off": (SCORE, "UPDATE posts SET score = score + 1 WHERE id < 3", False),
    "many sums would fall": (SCORE, "UPDATE posts SET score = score + 1 WHERE id < 9", True),
    "the sign is turned": (SCORE, "UPDATE posts SET score = 2 - 3 * score - id", True),
}


@pytest.mark.parametrize("case", CASES)
def test_both_doubt_alike(empty: App, tmp_path: Path, case: str) -> None:
    declaration, change, doubted = CASES[case]
    empty.sql(f"{TABLES}{change}")
    file = tmp_path / "usagefix.toml"
    file.write_text(declaration)
    config = ("--config", str(file))
    found = empty.usagefix("verify", "--only", "events_complete", *config, "--format", "json")
    assert (found.one["checks"][0]["status"] == "failed") is doubted, found.stdout
    script = tmp_path / "verify.sql"
    script.write_text(empty.usagefix("sql", VERSION, "verify", "--adapt", *config).stdout)
    said = empty.psql(script, single=False).stdout
    (line,) = (line for line in said.splitlines() if "events_complete" in line)
    assert ("failed" in line) is doubted, line
    done = empty.by_hand(options=config)
    assert (done.returncode != 0) is doubted, done.stderr
    assert ("counters that are not 0 equal their events" in done.stderr) is doubted, done.stderr
