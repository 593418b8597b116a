"""What the views of usage cost the server: trend, heatmap, top presets and top users of the last 90 days of a year.

``one look`` is what the dashboard asks, without verify: each question once. ``view by view`` is the four commands one
after the other. ``by hand`` are the queries that one would type, one a view; ``GROUPING SETS`` is one query over all
events. The processor time is that of the sessions and their parallel workers, which the server sums up when they end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import BenchmarkFailed, Row, interleaved, seconds, timed
from benchmarks.server import Database, Lab
from usagefix import picture
from usagefix.database import Database as Connected
from usagefix.database import connect
from usagefix.insight import heatmap, top, trends, views
from usagefix.models.insight import Asked, Of
from usagefix.target import locate

ONE_LOOK, BY_VIEW, BY_HAND, SETS = "one look", "view by view", "by hand", "GROUPING SETS"
NO_INDEX, BRIN, B_TREE = "no index", "BRIN", "b-tree"
ASKED = Asked(tz="Europe/Berlin")
WINDOW = "created_at >= date_trunc('day', now(), 'Europe/Berlin') - interval '89 days' AND created_at < now()"
CLOCK = "created_at AT TIME ZONE 'Europe/Berlin'"
PLAIN = (
    f"SELECT date_trunc('day', {CLOCK}), usage_type, count(*) FROM preset_usage WHERE {WINDOW} GROUP BY 1, 2",
    f"SELECT date_trunc('day', {CLOCK}), count(DISTINCT user_id), count(DISTINCT preset_id) FROM preset_usage"
    f" WHERE {WINDOW} GROUP BY 1",
    f"SELECT extract(isodow FROM {CLOCK}), extract(hour FROM {CLOCK}), count(*) FROM preset_usage WHERE {WINDOW}"
    " GROUP BY 1, 2",
    *(
        f"SELECT {column}, count(*), min(created_at), max(created_at) FROM preset_usage WHERE {WINDOW} GROUP BY 1"
        " ORDER BY 2 DESC LIMIT 10"
        for column in ("preset_id", "user_id")
    ),
)
OF_ALL = f"""
    SELECT day, hour, usage_type, preset_id, user_id, count(*), min(created_at), max(created_at)
    FROM (
        SELECT date_trunc('day', {CLOCK}) AS day, date_trunc('hour', {CLOCK}) AS hour, usage_type, preset_id, user_id,
            created_at
        FROM preset_usage WHERE {WINDOW}
    ) AS events
    GROUP BY GROUPING SETS ((hour, usage_type), (day, preset_id), (day, user_id))
"""


def insight(lab: Lab) -> list[Row]:
    """The four views in each way, and one look with each index on the time."""
    template = lab.application(lab.scale.rows(10_000), number := lab.scale.rows(20_000_000))
    ways: dict[str, Callable[[Database], None]] = {
        ONE_LOOK: _one_look,
        BY_VIEW: _by_view,
        BY_HAND: partial(_queries, PLAIN),
        SETS: partial(_queries, (OF_ALL,)),
    }
    with lab.cloned(template) as database:
        database.run("SELECT count(*) FROM preset_usage")
        samples = interleaved(
            "insight", lab.scale.rounds, {name: partial(_processor, way, database) for name, way in ways.items()}
        )
        clock = interleaved("insight by the clock", 3, {ONE_LOOK: partial(_clock, _one_look, database)})
        ratios = [samples.ratio(ONE_LOOK, other) for other in (BY_VIEW, BY_HAND, SETS)]
        named = ", ".join(f"{ratio} of {other}" for ratio, other in zip(ratios, (BY_VIEW, BY_HAND, SETS), strict=True))
        what = f"trend, heatmap, top presets and users of 90 days, of {number:,} events in a year"
        measured = f"{named}; {samples.seconds()}; {seconds(clock.middle(ONE_LOOK))} by the clock"
        row = Row(
            "insight", what, "the server's processor time, with that of parallel workers (/proc/PID/stat)",
            "less than view by view", measured, ratios[0].middle < 1,
        )  # fmt: skip
        return [row, _with_each_index(database, number)]


def _with_each_index(database: Database, number: int) -> Row:
    made = {
        NO_INDEX: "SELECT",
        BRIN: "CREATE INDEX by_time ON preset_usage USING brin (created_at)",
        B_TREE: "CREATE INDEX by_time ON preset_usage (created_at)",
    }
    database.run("DROP INDEX idx_preset_usage_created_at")
    said = []
    for name, statement in made.items():
        database.run("DROP INDEX IF EXISTS by_time", statement)
        took = interleaved(f"insight, {name}", 3, {name: partial(_processor, _one_look, database)})
        size = database.value("SELECT pg_size_pretty(sum(pg_relation_size(to_regclass('by_time'))))")
        said.append(f"{name} {seconds(took.middle(name))}" + (f" ({size})" if size else ""))
    what = f"the same in one look, by the index on the time, {number:,} events"
    return Row("insight", what, "the server's processor time, median of 3", "", ", ".join(said), None)


def _processor(way: Callable[[Database], None], database: Database) -> float:
    before = _of_ended_sessions(database)
    way(database)
    database.run("SELECT pg_sleep(0.2)")  # until the sessions before it are gone
    return _of_ended_sessions(database) - before


def _clock(way: Callable[[Database], None], database: Database) -> float:
    with timed() as elapsed:
        way(database)
    return elapsed()


def _of_ended_sessions(database: Database) -> float:
    stat = Path(f"/proc/{database.server.process.pid}/stat")
    if not stat.exists():
        raise BenchmarkFailed("processor time of a server is read from /proc")
    time.sleep(0.05)
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / 100


def _one_look(database: Database) -> None:
    _connected(database, lambda db: views(db, ASKED, 10))


def _by_view(database: Database) -> None:
    def each(db: Connected) -> None:
        trends(db, ASKED)
        heatmap(db, ASKED)
        top(db, Of.PRESETS, ASKED, 10)
        top(db, Of.USERS, ASKED, 10)

    _connected(database, each)


def _queries(queries: tuple[str, ...], database: Database) -> None:
    with database.connect() as connection:
        connection.execute("SET jit = off")
        for query in queries:
            connection.execute(query.encode()).fetchall()


def _connected(database: Database, work: Callable[[Connected], object]) -> None:
    db = connect(locate(database.url, "the benchmark"))
    try:
        db.counter = picture.counter(db, "public")
        work(db)
    finally:
        db.close()
