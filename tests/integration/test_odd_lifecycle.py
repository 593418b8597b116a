"""The whole way there and back under odd names: each write counts once, also under load, and rollback leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from odd import ODD, PARTITIONS, make, make_code, make_partitioned, make_recorder
from support import App
from traffic import traffic

from usagefix import adapting, apply, catalog, picture
from usagefix.backfill import backfill
from usagefix.catalog import Face
from usagefix.counter import Counter
from usagefix.database import Database, connect
from usagefix.guard import guard
from usagefix.models.choices import DailyLimit, GuardMode
from usagefix.models.migration import ApplyReport, RollbackReport
from usagefix.models.verification import Status, VerifyReport
from usagefix.quoting import quoted
from usagefix.rollback import plan, rollback
from usagefix.smoke import smoke
from usagefix.target import locate
from usagefix.verify import verify

MAKE = {
    "nothing beside": (make,),
    "code that counts": (make, make_code, make_recorder),
    "partitioned": (make_partitioned,),
    "partitioned, code that counts": (make_partitioned, make_code, make_recorder),
}
NAMES = {
    what: ODD.sql(what)
    for what in ("schema", "key", "column", "last", "label", "foreign_key", "time", "event_id", "user", "kind", "data", "recorder")
}  # fmt: skip
NAMES |= {"presets": ODD.parent_sql, "events": ODD.child_sql}
NAMES |= {
    short: f"{ODD.schema_sql}.{quoted(name)}"
    for short, name in {
        "old": PARTITIONS["usage_old"], "recent": PARTITIONS["usage_recent"], "rest": PARTITIONS["usage_recent_rest"],
        "later": 'A "later" one',
    }.items()
}  # fmt: skip
NAMES["columns"] = f"({ODD.sql('foreign_key')}, {ODD.sql('user')}, {ODD.sql('kind')}, {ODD.sql('time')})"
ONE, TWO = "md5('preset 1')::uuid", "md5('preset 2')::uuid"
EVENT = "({foreign_key}, {user}, {kind})"
DRIFT = (
    "SELECT count(*) FILTER (WHERE p.{column} IS DISTINCT FROM coalesce(e.n, 0)), coalesce(sum(abs(coalesce(e.n, 0)"
    " - coalesce(p.{column}, 0))), 0) FROM {presets} p LEFT JOIN (SELECT {foreign_key}, count(*) AS n FROM {events}"
    " GROUP BY 1) e ON e.{foreign_key} = p.{key}"
)


def sql(text: str) -> str:
    """SQL with the odd names in place of what is in braces."""
    return text.format_map(NAMES)


def drift(app: App) -> tuple[int, int]:
    wrong, amount = app.sql(sql(DRIFT))[0]
    return int(wrong), int(amount)


@contextmanager
def look(app: App, expected: Counter = ODD) -> Iterator[Database]:
    db = connect(locate(app.url(), "a test"))
    try:
        db.counters = (db.counter,) = (picture.look_up(db, ODD),)
        assert replace(db.counter, partitioned=True, baselines=True) == expected
        yield db
    finally:
        db.close()


def applied(app: App, counter: Counter = ODD, *, batch_size: int = 7) -> ApplyReport:
    with look(app, counter) as db:
        return apply.apply(db, batch_size=batch_size, on_step=lambda _: None, on_progress=lambda _: None)


def rolled_back(app: App, limit: DailyLimit = DailyLimit.RESTORE, *, certain: Counter = ODD) -> RollbackReport:
    with look(app, certain) as db:
        return rollback(db, plan(db, to=None, limit=limit), on_step=lambda _: None)


def verified(app: App) -> VerifyReport:
    with look(app) as db:
        return verify(db)


def wrong(report: VerifyReport | None) -> set[str]:
    assert report is not None
    return {check.check_id for check in report.checks if check.status not in (Status.OK, Status.SKIPPED)}


@pytest.fixture(params=MAKE)
def odd(app: App, request: pytest.FixtureRequest) -> App:
    for step in MAKE[request.param]:
        step(app)
    return app


@pytest.fixture(params=["nothing beside", "partitioned"])
def fixed(app: App, request: pytest.FixtureRequest) -> App:
    for step in MAKE[request.param]:
        step(app)
    assert wrong(applied(app).after) == set()
    return app


def test_there_and_back(odd: App) -> None:
    before = odd.dump()
    drifted = drift(odd)
    assert drifted[0] > 0
    assert {"trigger_enabled", "counters_accurate"} <= wrong(verified(odd))
    with look(odd) as db:
        planned = apply.plan(db)
    assert (odd.dump(), drift(odd)) == (before, drifted), "a dry run changes nothing"
    done = applied(odd)
    assert wrong(done.after) == set()
    assert done.remarks == planned.remarks
    assert drift(odd) == (0, 0)
    again = applied(odd)
    assert (again.migrations, again.backfill.rows_changed) == ((), 0), "what is right is not written again"
    with look(odd) as db:
        steps = smoke(db).steps
    assert {
        step.step_id
        for step in steps
        if step.status is Status.FAILED or (step.status is not Status.OK and step.step_id != "kinds")
    } == set(), steps
    assert drift(odd) == (0, 0)
    assert rolled_back(odd).remains is None
    assert odd.dump() == before
    odd.sql(sql(f"INSERT INTO {{events}} {EVENT} VALUES ({ONE}, md5('user 1')::uuid, 'sample_verification')"))
    assert drift(odd) != (0, 0), "nothing counts rightly any more"


def test_by_hand(odd: App, tmp_path: Path) -> None:
    """The scripts for exactly this database, with psql; each apply twice."""
    before = odd.dump()

    def run(face: Face, *migrations: catalog.Migration) -> None:
        for migration in migrations:
            with look(odd) as db:
                script = adapting.script(db, migration, face)
            (tmp_path / "script.sql").write_text(script)
            done = odd.psql(tmp_path / "script.sql", single=face is not Face.VERIFY)
            assert done.returncode == 0, done.stderr
            if face is Face.VERIFY:
                assert not {"failed", "missing", "outdated", "unexpected"} & set(done.stdout.split()), done.stdout

    first, last = catalog.migrations()
    for _ in range(2):
        run(Face.APPLY, first, last)
    run(Face.BACKFILL, last)
    assert drift(odd) == (0, 0)
    run(Face.VERIFY, first, last)
    assert wrong(verified(odd)) == set()
    odd.sql(sql("DELETE FROM {events} WHERE {time} > now() - interval '100 days'"))
    assert drift(odd) == (0, 0)
    run(Face.ROLLBACK, last, first)
    assert odd.dump() == before


def test_the_guard(fixed: App) -> None:
    write = sql("UPDATE {presets} SET {column} = 7")
    with look(fixed) as db:
        assert guard(db, GuardMode.REJECT).mode is GuardMode.REJECT
    with pytest.raises(psycopg.DatabaseError, match="the guard refused a write of the counter") as refused:
        fixed.sql(write)
    assert refused.value.sqlstate == "UF001"
    with look(fixed) as db:
        assert guard(db, GuardMode.IGNORE).rejected == 1
    fixed.sql(write)
    assert drift(fixed) == (0, 0)
    with look(fixed) as db:
        assert sum(noted.writes for noted in guard(db).refused) == 40


def test_a_backfill(fixed: App) -> None:
    for value in ("NULL", "{column} + 5", "0"):
        fixed.spoil(sql(f"UPDATE {{presets}} SET {{column}} = {value} WHERE {{label}} < 'M'"))
        amount = drift(fixed)
        assert wrong(verified(fixed)) == {"counters_accurate"}
        with look(fixed) as db:
            report = backfill(db, batch_size=3)
        assert (report.rows_changed, report.magnitude) == amount
        assert drift(fixed) == (0, 0)
    assert wrong(verified(fixed)) == set()


MANY = (
    "SELECT md5('preset ' || 1 + n % 7)::uuid, md5('user 3')::uuid, 'showcase_creation' FROM generate_series(1, 60) n"
)
WRITES = {
    "one row": f"INSERT INTO {{events}} {EVENT} VALUES ({ONE}, md5('user 1')::uuid, 'sample_verification')",
    "many rows": f"INSERT INTO {{events}} {EVENT} {MANY}",
    "no rows": f"INSERT INTO {{events}} {EVENT} {MANY} LIMIT 0",
    "the function that records": "SELECT {schema}.{recorder}(" + ONE + ", 'showcase_creation', '{{}}') FROM"
    " (SELECT set_config('request.jwt.claim.sub', md5('user 4')::uuid::text, false)) AS somebody, generate_series(1, 2)",
    "with deletes and inserts in one": f"WITH gone AS (DELETE FROM {{events}} WHERE {{foreign_key}} = {TWO} RETURNING 1)"
    f" INSERT INTO {{events}} {EVENT} {MANY}",
    "merge": f"MERGE INTO {{events}} t USING (SELECT {{event_id}}, {{time}}, row_number() OVER () AS n FROM {{events}}) s"
    " ON s.{event_id} = t.{event_id} AND s.{time} = t.{time} WHEN MATCHED AND n % 3 = 0 THEN DELETE"
    f" WHEN MATCHED AND n % 3 = 1 THEN UPDATE SET {{foreign_key}} = {TWO} WHEN MATCHED THEN DO NOTHING",
    "deleted": "DELETE FROM {events} WHERE {time} > now() - interval '100 days'",
    "moved": f"UPDATE {{events}} SET {{foreign_key}} = {TWO} WHERE {{foreign_key}} = {ONE}",
    "another column": "UPDATE {events} SET {data} = '7'",
    "cascade": f"DELETE FROM {{presets}} WHERE {{key}} IN ({ONE}, {TWO})",
    "truncate": "TRUNCATE {events}",
    "truncate cascade": "TRUNCATE {presets} CASCADE",
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITES)
def test_every_write(fixed: App, kind: str) -> None:
    if kind == "merge" and fixed.db.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    fixed.sql(sql(WRITES[kind]))
    assert drift(fixed) == (0, 0)
    assert wrong(verified(fixed)) == set()


def test_copy(fixed: App) -> None:
    presets, user = [fixed.preset(number) for number in range(1, 10)], fixed.user_id(6)
    with fixed.db.cursor() as cursor, cursor.copy(sql(f"COPY {{events}} {EVENT} FROM STDIN").encode()) as copy:
        for number in range(500):
            copy.write_row((presets[number % 9], user, "showcase_creation"))
    assert drift(fixed) == (0, 0)


def test_without_the_columns_that_may_be_missing(app: App) -> None:
    make(app)
    app.sql(sql("DROP FUNCTION {schema}.{recorder}"))
    app.sql(sql("ALTER TABLE {events} DROP {time}, DROP {data}"))
    app.sql(sql("ALTER TABLE {presets} DROP {last}, DROP {label}"))
    before = app.dump()
    certain = replace(ODD, last=None, label=None, time=None, data=None)
    assert wrong(applied(app, certain).after) == set()
    for kind in ("one row", "many rows", "deleted some", "moved", "truncate"):
        some = f"DELETE FROM {{events}} WHERE {{foreign_key}} = {TWO}"
        app.sql(sql(WRITES.get(kind, some)))
        assert drift(app) == (0, 0), kind
    rolled_back(app, certain=certain)
    assert app.dump() == before


PARTITION_WRITES = {
    "into one": f"INSERT INTO {{old}} {{columns}} SELECT *, '2019-01-01' FROM ({MANY}) AS many",
    "into the last": f"INSERT INTO {{rest}} {{columns}} SELECT *, now() FROM ({MANY}) AS many",
    "into one that has partitions": f"INSERT INTO {{recent}} {{columns}} SELECT *, now() FROM ({MANY}) AS many",
    "deleted from one": f"DELETE FROM {{old}} WHERE {{foreign_key}} <> {ONE}",
    "moved in one": f"UPDATE {{rest}} SET {{foreign_key}} = {TWO}",
    "moved to another": "UPDATE {events} SET {kind} = 'sample_verification'",
    "truncated": "TRUNCATE {rest}",
    "truncated with all": "TRUNCATE {old}, {events}",
}  # fmt: skip


@pytest.mark.parametrize("later", [False, True], ids=["", "there is a later one"])
@pytest.mark.parametrize("kind", PARTITION_WRITES)
def test_every_write_into_a_partition(app: App, kind: str, later: bool) -> None:
    make_partitioned(app)
    assert wrong(applied(app).after) == set()
    if later:
        app.sql(sql("CREATE TABLE {later} PARTITION OF {events} FOR VALUES FROM ('2090-01-01') TO ('2091-01-01')"))
        app.sql(sql(f"INSERT INTO {{later}} {{columns}} SELECT *, '2090-02-02' FROM ({MANY}) AS many"))
        app.sql(sql(f"UPDATE {{later}} SET {{foreign_key}} = {ONE} WHERE {{foreign_key}} = {TWO}"))
        app.sql(sql("DELETE FROM {later} WHERE {foreign_key} = md5('preset 3')::uuid"))
    app.sql(sql(PARTITION_WRITES[kind]))
    assert drift(app) == (0, 0)
    assert wrong(verified(app)) == set()
    if later:
        assert len(applied(app).migrations) == 1
        assert applied(app).migrations == ()
        app.sql(sql("TRUNCATE {later}"))
        assert drift(app) == (0, 0)


TRAFFIC = (
    """INSERT INTO {events} {columns} SELECT md5('preset ' || p)::uuid, md5('user ' || %s::int)::uuid, 'showcase_creation',
    now() - random() * interval '900 days' FROM unnest(%s::int[]) AS p ON CONFLICT DO NOTHING""",
    """DELETE FROM {events} WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {events}
    WHERE {user} = md5('user ' || %s::int)::uuid LIMIT cardinality(%s::int[]))""",
    """UPDATE {events} SET {foreign_key} = md5('preset ' || 1 + (random() * 39)::int)::uuid,
    {time} = now() - random() * interval '900 days' WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {events}
    WHERE {user} = md5('user ' || %s::int)::uuid LIMIT cardinality(%s::int[]))""",
)


@pytest.mark.parametrize("kind", ["nothing beside", "partitioned"])
def test_under_load(app: App, kind: str) -> None:
    for step in MAKE[kind]:
        step(app)
    events = app.one(sql("SELECT count(*) FROM {events}"))
    statements = tuple(
        text.format_map({what: name.replace("%", "%%") for what, name in NAMES.items()}) for text in TRAFFIC
    )
    with traffic(app, every_write=True, statements=statements) as writers:
        for _ in range(2):
            writers.progress()
            assert applied(app, batch_size=3).after is not None
            before = writers.total
            assert {drift(app) for _ in range(20)} == {(0, 0)}
            assert writers.total > before, "the snapshots must be taken while people write"
            assert wrong(verified(app)) == set(), "no false alarm"
            app.spoil(sql(f"UPDATE {{presets}} SET {{column}} = {{column}} + 3 WHERE {{key}} = {ONE}"))
            with look(app) as db:
                backfill(db, batch_size=3)
            assert {drift(app) for _ in range(20)} == {(0, 0)}
            rolled_back(app, DailyLimit.SKIP)
        applied(app, batch_size=3)
        writers.progress()
        assert {drift(app) for _ in range(20)} == {(0, 0)}
    assert writers.failures == []
    assert app.one(sql("SELECT count(*) FROM {events}")) == events + sum(writers.events)
    assert drift(app) == (0, 0)
