"""A parent row that is deleted while its events stay, and made again by the next event: it starts with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import App, run

TABLES = """
CREATE TABLE stats (
    kind text DEFAULT 'all', user_id bigint, drafts integer NOT NULL DEFAULT 0, shared integer NOT NULL DEFAULT 0,
    weight numeric NOT NULL DEFAULT 0, PRIMARY KEY (user_id, kind)
);
CREATE UNIQUE INDEX ON stats (user_id);
CREATE TABLE drafts (
    id bigint PRIMARY KEY, user_id bigint, kind text DEFAULT 'all', shared boolean NOT NULL DEFAULT false, value integer
);
CREATE INDEX ON drafts (user_id, kind);
INSERT INTO drafts (id, user_id, shared, value) SELECT n, 1 + n % 5, n % 3 = 0, n % 4 - 1 FROM generate_series(1, 60) n;
INSERT INTO stats (user_id, drafts) SELECT n, 1 FROM generate_series(1, 5) n;
"""
PARTITIONED = (
    TABLES.replace(
        "shared boolean NOT NULL DEFAULT false, value integer\n)",
        "shared boolean NOT NULL DEFAULT false, value integer\n) PARTITION BY RANGE (id)",
    )
    .replace("id bigint PRIMARY KEY", "id bigint")
    .replace(
        "CREATE INDEX ON drafts",
        "CREATE TABLE most PARTITION OF drafts FOR VALUES FROM (0) TO (1000);\nCREATE INDEX ON drafts",
    )
)
TRUTH = """
SELECT count(*) FROM stats FULL JOIN (
    SELECT user_id, kind, count(*) AS drafts, count(*) FILTER (WHERE shared) AS shared, coalesce(sum(value), 0) AS weight
    FROM drafts WHERE user_id IS NOT NULL GROUP BY user_id, kind
) AS truth USING (user_id, kind)
WHERE (stats.drafts, stats.shared, stats.weight) IS DISTINCT FROM
    (coalesce(truth.drafts, 0), coalesce(truth.shared, 0), coalesce(truth.weight, 0)) AND {shown}
"""
ONE = """
[[counter]]
counter = "stats.{column}"
events = "drafts.{events}"
key = "{key}"
missing = "{missing}"
{more}
"""
SHAPES = {
    "one": [("drafts", "user_id", "create", "")],
    "a key of two columns": [("drafts", "(user_id, kind)", "create", "")],
    "a sum": [("weight", "user_id", "create", 'sum = "value"')],
    "a filter": [("shared", "user_id", "create", 'where = "shared"')],
    "three beside": [
        ("drafts", "user_id", "create", ""),
        ("shared", "user_id", "create", 'where = "shared"'),
        ("weight", "user_id", "create", 'sum = "value"'),
    ],
    "one that makes no row beside": [
        ("drafts", "user_id", "create", ""),
        ("shared", "user_id", "ignore", 'where = "shared"'),
        ("weight", "user_id", "ignore", 'sum = "value"'),
    ],
}
EVENTS = (
    "INSERT INTO drafts (id, user_id, shared, value) VALUES (100, 1, true, 5)",
    "INSERT INTO drafts (id, user_id, shared, value) SELECT n, 1 + n % 2, true, n % 3 - 2 FROM generate_series(101, 107) n",
    "UPDATE drafts SET user_id = 1, value = value + 1, shared = true WHERE id IN (3, 4, 7)",
    "INSERT INTO drafts (id, user_id, shared) VALUES (109, 1, true), (110, 9, true), (111, NULL, true)",
)


# A partition that came after apply has row triggers alone.
STRAIGHT = (
    "CREATE TABLE later PARTITION OF drafts FOR VALUES FROM (1000) TO (2000)",
    "INSERT INTO most (id, user_id, shared, value) VALUES (112, 1, true, 2), (113, 1, false, 2)",
    "INSERT INTO later (id, user_id, shared, value) VALUES (1001, 1, true, 3), (1002, 1, true, 3), (1003, 8, true, 1)",
    "UPDATE later SET user_id = 1, value = 4 WHERE id = 1003",
)
PLACES: list[tuple[str, str, tuple[str, ...]]] = [(name, TABLES, EVENTS) for name in SHAPES]
PLACES += [(name, PARTITIONED, (*EVENTS, *STRAIGHT)) for name in ("a filter", "three beside")]


@pytest.mark.parametrize(("name", "tables", "events"), PLACES)
def test_it_starts_with_the_events_that_are_there(
    empty: App, tmp_path: Path, name: str, tables: str, events: tuple[str, ...]
) -> None:
    empty.sql(tables)
    file = tmp_path / "usagefix.toml"
    file.write_text(
        "".join(
            ONE.format(column=column, events=key, key=key, missing=missing, more=more)
            for column, key, missing, more in SHAPES[name]
        )
    )
    applied = run("apply", "--trust", "events", cwd=tmp_path, DATABASE_URL=empty.url())
    assert applied.code == 0, applied.stderr + applied.stdout
    columns = {column for column, *_ in SHAPES[name]}
    others = {"drafts", "shared", "weight"} - columns
    wrong = TRUTH.format(shown="true")
    for column in others:  # that nobody counts
        wrong = wrong.replace(f"stats.{column}", f"coalesce(truth.{column}, 0)")
    assert empty.one(wrong) == 0
    for event in events:
        if not event.startswith("CREATE"):
            empty.sql("DELETE FROM stats WHERE user_id = 1")
        empty.sql(event)
        assert empty.one(wrong) == 0, (event, empty.sql("SELECT * FROM stats ORDER BY user_id"))
    verified = run("verify", cwd=tmp_path, DATABASE_URL=empty.url())
    assert verified.code == 0, verified.stdout
