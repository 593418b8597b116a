"""An application whose names have capitals, blanks, quotes and percent signs, and are reserved words, or 63 bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from odd import ODD, PRESET, make
from support import SQL, App

from usagefix import catalog, picture, preflight
from usagefix.database import Database, connect
from usagefix.doctor import doctor
from usagefix.preset import check_preset
from usagefix.smoke import smoke
from usagefix.target import locate

SINCE, UNTIL = "2026-01-01 00:00:00+00", "2026-02-01 00:00:00+00"
# What the queries that change nothing are asked.
ASKED: dict[str, object] = {
    "top": 3, "readers": True, "queries": True, "ids": [PRESET], "id": PRESET, "preset": PRESET, "preset_id": PRESET,
    "wanted": PRESET, "recent": 3, "usage_type": "x", "told": True, "newest": 2, "names": ["x"],
    "known": [1], "functions": [1], "words": [ODD.child], "known_names": ["x"], "relations": [ODD.parent_sql],
    "anti_join": True, "lately": False, "pid": 0, "relation": ODD.child_sql, "keys": [PRESET], "deltas": [0],
    "run": 1, "after": 0, "size": 1, "became": [1], "first": 1, "lease": 30.0, "versions": ["x"], "tag": None,
    "falls": 3, "all": True, "owner": "postgres", "schemas": ["x"], "tables": ["y"], "tool": "usagefix", "version": "1",
    "zone": "Asia/Kolkata", "step": "day", "months": 0, "days": 9, "since": SINCE, "until": UNTIL, "hours": [SINCE, UNTIL],
    "periods": [SINCE, UNTIL], "most": 3, "returning": True, "since_at": SINCE, "until_at": UNTIL, "since_local": None,
    "until_local": None, "others": [], "schema": ODD.schema, "table": ODD.child_sql,
    "trigger": "x", "function": "x()", "counters": None, "named": True, "role": "x", "released": ["x"],
    "reads": ["x"], "whole": False, "uppers": [],
}  # fmt: skip
OF_ONE: dict[str, dict[str, object]] = {
    "insight_window": {"hours": 9},
    "notified_label": {"column": ODD.user},
    "add_deltas": {"newest": [None]},
    "give_back": {"displayed": [None]},
    "mark_applied": {"last": 1},
    "returns": {"version": "20250930000001"},
    "renamed": {"was_child": "x.y", "was_foreign_key": "x", "was_key": "x"},
}

# Tables of other tools.
OTHERS = """
CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, schedule text, command text);
CREATE SCHEMA supabase_migrations;
CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text);
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (
    logicalrelid regclass, partmethod "char", partkey text, colocationid integer, repmodel "char");
"""


@pytest.fixture
def odd(app: App) -> App:
    make(app)
    return app


@pytest.fixture
def db(odd: App) -> Iterator[Database]:
    db = connect(locate(odd.url(), "a test"))
    try:
        db.counter = picture.look_up(db, ODD)
        yield db
    finally:
        db.close()


def test_what_is_wanted_is_found(db: Database) -> None:
    here = replace(ODD, partitioned=False, baselines=False)
    assert db.counter == here
    assert picture.look_up(db, replace(ODD, last="not there", time="No.", label=None)) == replace(
        here, last=None, time=None, label=None
    )


@pytest.mark.parametrize("whole", [True, False], ids=["all columns", "certain columns"])
def test_every_question_can_be_asked(db: Database, whole: bool) -> None:
    if not whole:
        db.counter = replace(ODD, last=None, label=None, time=None, event_id=None, user=None, kind=None, data=None)
    failed = {}
    with db.transaction(rollback=True):
        db.run(catalog.ledger(db.counter))
        db.run(OTHERS)
        db.values("SELECT pg_catalog.set_config('usagefix.later_than', '-infinity', true)")
        for what, query in (("drift", "drift"), ("last_use", "last_use"), ("noted", "noted_baselines")):
            db.run(f"CREATE TEMPORARY TABLE usagefix_{what} AS {db.query(query)}")
        db.run("CREATE TEMPORARY VIEW usagefix_vetted AS SELECT 1 AS usagefix_vetted")
        db.run("SAVEPOINT before_each")
        for name in sorted(path.stem for path in (SQL / "queries").glob("*.sql")):
            given = ASKED | OF_ONE.get(name, {})
            asked = {what: value for what, value in given.items() if f"%({what})s" in catalog.query(name)}
            try:
                db.values(db.query(name), asked or None)
            except Exception as error:
                failed[name] = error
            db.run("ROLLBACK TO before_each")
    assert failed == {}


def test_the_tables_are_read_and_can_be_changed(db: Database) -> None:
    preflight.require_readable(db)
    preflight.require_changeable(db)


def test_doctor_sees_the_same_causes(db: Database) -> None:
    found = {finding.finding_id for finding in doctor(db).findings}
    assert {"use_not_counted", "daily_limit", "drift"} <= found, found


def test_one_preset(db: Database) -> None:
    (preset,) = db.values(
        f"SELECT {ODD.sql('foreign_key')}::text FROM {ODD.child_sql} GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    report = check_preset(db, preset, recent=2)
    assert report.row.id == preset
    assert len(report.recent or ()) == 2


def test_a_use_is_tried_and_undone(db: Database) -> None:
    report = smoke(db, role=None, preset=None, usage_type=None)
    details = {step.step_id: step.detail for step in report.steps}
    assert details["first_use"].endswith("recorded, not counted")
    assert str(ODD.daily) in details["second_use"]
