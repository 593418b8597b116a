"""Views that read the counter: which ones, and what makes the materialised ones show the counters as they are."""

from __future__ import annotations

from odd import ODD, make
from several import POSTS
from support import App

from usagefix.counter import Counter
from usagefix.database import connect
from usagefix.picture.objects import View
from usagefix.quoting import quoted
from usagefix.target import locate

VIEWS = """
CREATE SCHEMA "O dd";
CREATE VIEW plain AS SELECT id, usage_count FROM presets;
CREATE VIEW filters AS SELECT id FROM presets WHERE usage_count > 3;
CREATE VIEW whole AS SELECT id, to_jsonb(p) AS everything FROM presets p;
CREATE VIEW other_columns AS SELECT id, name FROM presets;
CREATE VIEW how_many AS SELECT count(*) FROM presets;
CREATE VIEW whole_of_others AS SELECT json_agg(t) FROM (SELECT id, name FROM presets) AS t;
CREATE VIEW of_events AS SELECT preset_id FROM preset_usage;
CREATE MATERIALIZED VIEW a_second AS SELECT id FROM plain;
CREATE MATERIALIZED VIEW "O dd"."top ""10"" %s" AS SELECT * FROM presets ORDER BY usage_count DESC;
CREATE MATERIALIZED VIEW a_first AS SELECT id, usage_count FROM "O dd"."top ""10"" %s";
CREATE UNIQUE INDEX ON a_first (id);
CREATE UNIQUE INDEX ON a_second (id) WHERE id IS NOT NULL;
CREATE MATERIALIZED VIEW unfilled AS SELECT * FROM whole WITH NO DATA;
CREATE UNIQUE INDEX ON unfilled (id);
CREATE MATERIALIZED VIEW events AS SELECT preset_id, count(*) FROM of_events GROUP BY 1;
"""
REFRESHED = [
    'REFRESH MATERIALIZED VIEW "O dd"."top ""10"" %s"',
    "REFRESH MATERIALIZED VIEW CONCURRENTLY public.a_first",
    "REFRESH MATERIALIZED VIEW public.a_second",
    "REFRESH MATERIALIZED VIEW public.unfilled",
]


def views(app: App, counter: Counter) -> list[View]:
    db = connect(locate(app.url(), "a test"))
    try:
        db.counter = counter
        return db.rows(db.query("picture_views"), View)
    finally:
        db.close()


def test_views_that_read_the_counter_are_found_and_refreshed(app: App) -> None:
    app.sql(VIEWS)
    found = views(app, Counter())
    assert {view.name for view in found if view.counter and not view.materialised} == {
        f"public.{name}" for name in ("plain", "filters", "whole")
    }
    assert [view.name for view in found if not view.counter] == ["public.events"]
    planned = app.usagefix("apply", "--dry-run", "--format", "json").one["backfill"]
    applied = app.usagefix("apply", "--format", "json").one["backfill"]
    assert planned["refresh"] == applied["refresh"] == REFRESHED
    for statement in applied["refresh"]:
        app.sql(statement)
    assert app.one("SELECT count(*) FROM presets p JOIN a_first a USING (id) WHERE a.usage_count <> p.usage_count") == 0
    again = app.usagefix("backfill")
    assert "REFRESH" not in again.stdout, "nothing was corrected"
    back = app.usagefix("rollback", "--yes", "--counters", "restore").stdout
    assert f"a materialised view still shows the counters as they were: {REFRESHED[1]}" in " ".join(back.split())


def test_views_of_declared_counters_and_odd_names(app: App) -> None:
    app.sql(POSTS)
    app.sql(
        "CREATE VIEW liked AS SELECT likes_count FROM posts; CREATE VIEW talked AS SELECT comments_count FROM posts"
    )
    likes = ("--counter", "posts.likes_count", "--events", "likes.post_id", "--format", "json")
    report = app.usagefix("doctor", *likes).one["findings"]
    assert [f["evidence"] for f in report if f["finding_id"] == "view_of_counter"] == ["public.liked"]
    make(app)
    name = f"{ODD.schema_sql}.{quoted('top %s')}"
    app.sql(f"CREATE MATERIALIZED VIEW {name} AS SELECT {quoted(ODD.column)} FROM {ODD.parent_sql}")
    assert [view.refresh for view in views(app, ODD)] == [f"REFRESH MATERIALIZED VIEW {name}"]


def test_views_that_read_each_other_are_listed_once(app: App) -> None:
    """PostgreSQL lets CREATE OR REPLACE VIEW close a circle, which only a query of it refuses."""
    app.sql(
        "CREATE VIEW first AS SELECT usage_count FROM presets; CREATE VIEW second AS SELECT usage_count FROM first;"
        " CREATE OR REPLACE VIEW first AS SELECT p.usage_count FROM presets p, second"
    )
    assert [view.name for view in views(app, Counter())] == ["public.first", "public.second"]
