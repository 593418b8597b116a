"""Never in the way: waits are bounded, readers go on, and who is in the way is named."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support import GUARD, INDEX, TRIGGER, App, ended, told, wait_until

from usagefix import daily_limit
from usagefix.database import connect
from usagefix.errors import Busy
from usagefix.planning.scene import scene
from usagefix.target import locate


def test_a_writer_that_does_not_end(app: App) -> None:
    """apply gives up after its attempts, names the session, and has changed nothing; others write meanwhile."""
    dump = app.dump()
    with app.connect(autocommit=False) as blocker, app.connect() as other:
        blocker.execute("SET application_name = 'forgotten-console'")
        pid = blocker.info.backend_pid
        blocker.execute("UPDATE preset_usage SET usage_data = '{}' WHERE preset_id = %s", (app.preset(30),))
        process = app.spawn("apply")
        app.wait_for_waiter()
        longest = 0.0
        while process.poll() is None:
            started = time.monotonic()
            other.execute(
                "INSERT INTO preset_usage (preset_id, user_id, usage_type, created_at) VALUES (%s, %s, 'showcase_creation',"
                " now() - random() * interval '9000 days') ON CONFLICT DO NOTHING",
                (app.preset(1), app.user_id(1)),
            )
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.05)
        stdout, stderr = process.communicate()
    assert process.returncode == 4, stderr
    assert f"a lock is taken by pid {pid} (forgotten-console) idle in transaction" in stderr
    assert f"in the way: pid {pid} (forgotten-console)" in stderr
    assert "UPDATE preset_usage" not in stderr, "its query only on request"
    assert "8 attempts" in stderr
    assert "nothing in the database was changed" in stderr
    assert stdout == ""
    assert longest < 60, "bounded by lock_timeout; the exact bound is for the benchmark"
    assert app.dump() == dump
    assert app.usagefix("apply").code == 0
    assert app.drift() == (0, 0)


def test_no_trial_passes_that_was_not_made(app: App) -> None:
    """While every preset is held nothing can be tried, so apply waits; it names what stays untried."""
    held = "SELECT FROM presets WHERE user_id IS {} NULL FOR UPDATE"
    with app.connect(autocommit=False) as blocker:
        blocker.execute(f"{held.format('NOT')}; SAVEPOINT owned; {held.format('')}")
        process = app.spawn("apply", "--dry-run", "--format", "json")
        said = told(process, "attempt 2 of 8")
        blocker.execute("ROLLBACK TO owned")
        done = ended(process)
    assert done.code == 0, said + done.stderr
    untried = [remark.partition(" could")[0] for remark in done.one["remarks"] if "holds the preset" in remark]
    assert untried == ["a use of somebody else's preset", "a use of one's own preset"]


def test_smoke_waits_for_a_preset_where_it_cannot_make_one(fixed: App) -> None:
    fixed.sql("ALTER TABLE presets ADD code serial UNIQUE")
    fixed.sql("ALTER TABLE presets ALTER code DROP DEFAULT, ALTER code TYPE text, ADD CHECK (code ~ '^[0-9]+$')")
    with fixed.connect(autocommit=False) as blocker:
        blocker.execute("SELECT FROM presets FOR UPDATE")
        process = fixed.spawn("smoke")
        told(process, "attempt 2 of 8")
        blocker.rollback()
        done = ended(process)
    assert done.code == 0, done.stdout + done.stderr


def test_the_query_in_the_way_on_request(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 0")
    with fixed.connect(autocommit=False) as blocker:
        blocker.execute("SELECT 'secret of the blocker' FROM presets WHERE id = %s FOR UPDATE", (fixed.preset(5),))
        process = fixed.spawn("backfill", "--show-queries")
        said = told(process, f"a lock is taken by pid {blocker.info.backend_pid} ")
        blocker.rollback()
    done = ended(process)
    assert done.code == 0, done.stderr
    assert "SELECT 'secret of the blocker' FROM presets" in said + done.stderr


def test_readers_are_never_stopped_by_apply(app: App) -> None:
    """A reader holds its lock through all of apply: whatever needed to stop readers would wait for it in vain."""
    with app.connect(autocommit=False) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        reader.execute("DECLARE all_events CURSOR FOR SELECT * FROM preset_usage")
        reader.execute("FETCH 1 FROM all_events")
        process = app.spawn("apply")
        # The trigger is created while the reader reads; only DROP INDEX CONCURRENTLY then waits, stopping nobody.
        app.wait_for("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = %s)", TRIGGER)
        wanted = "SELECT mode FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'usagefix' AND NOT granted"
        while not (modes := app.sql(wanted)):
            assert process.poll() is None
        assert ("AccessExclusiveLock",) not in modes
        app.use(app.preset(2), user=app.user_id(59))
        assert reader.execute("FETCH 1 FROM all_events").fetchone() is not None
        with app.connect() as another:
            another.execute("BEGIN; LOCK TABLE presets, preset_usage IN ACCESS SHARE MODE NOWAIT; COMMIT")
        reader.rollback()
    done = ended(process)
    assert done.code == 0, done.stderr
    assert app.one("SELECT to_regclass(%s)", INDEX) is None
    assert app.drift() == (0, 0)


def test_a_locked_preset_only_delays_the_backfill(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 0")
    with fixed.connect(autocommit=False) as blocker:
        blocker.execute("SELECT FROM presets WHERE id = %s FOR UPDATE", (fixed.preset(5),))
        process = fixed.spawn("backfill", "--batch-size", "1")
        told(process, "attempt 2 of 8")
        blocker.rollback()
    done = ended(process)
    assert done.code == 0, done.stderr
    assert fixed.drift() == (0, 0)


def test_a_preset_that_is_deleted_while_the_backfill_waits_for_it(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = 0")
    with fixed.connect(autocommit=False) as blocker:
        blocker.execute("DELETE FROM presets WHERE id = %s", (fixed.preset(5),))
        process = fixed.spawn("backfill", "--batch-size", "7")
        fixed.wait_for_waiter()
        blocker.commit()
    done = ended(process)
    assert done.code == 0, done.stderr
    assert fixed.drift() == (0, 0)
    assert fixed.one("SELECT count(*) FROM usagefix.corrections WHERE applied_at IS NULL") == 0


def test_batches_begin_small(fixed: App) -> None:
    """Whoever uses a preset of a batch waits for it: batches grow only as far as the machine is fast enough."""
    fixed.sql(
        "INSERT INTO presets (id, user_id, name) SELECT md5('further ' || n)::uuid, md5('user 1')::uuid, n::text"
        " FROM generate_series(1, 900) AS n"
    )
    fixed.spoil("UPDATE presets SET usage_count = 7")
    fixed.sql(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER each_batch AFTER UPDATE ON presets FOR EACH STATEMENT EXECUTE FUNCTION note()"
    )
    told = fixed.usagefix("backfill", "--trust", "events", "--dry-run", "--batch-size", "1000", "--format", "json").one[
        "backfill"
    ]
    done = fixed.usagefix("backfill", "--trust", "events", "--batch-size", "1000", "--format", "json")
    assert done.code == 0, done.stderr
    assert told["batches"] >= done.one["backfill"]["batches"]
    (each_batch,) = (trigger for trigger in told["triggers"] if trigger["name"] == "each_batch")
    assert (each_batch["fires"], each_batch["at_most"]) == (told["batches"], True)
    assert done.one["backfill"]["rows_changed"] > 900
    assert done.one["backfill"]["batches"] >= 4, "100, at most 200, at most 400, and the rest"
    assert fixed.drift() == (0, 0)


@pytest.mark.parametrize(
    ("fixture", "command", "table"),
    [
        ("app", "apply", "preset_usage"),
        ("app", "apply --dry-run", "presets"),
        ("fixed", "rollback --dry-run", "presets"),
        ("fixed", "rollback --yes --purge", "preset_usage"),
        ("fixed", "rollback --yes --purge", "usagefix.history"),
    ],
)
def test_a_vacuum_is_waited_for_longer_than_deadlock_timeout_and_stops_no_writer(
    fixture: str, command: str, table: str, request: pytest.FixtureRequest
) -> None:
    """After that time the server cancels an autovacuum, unless lock_timeout comes first. Here it is one by hand."""
    app: App = request.getfixturevalue(fixture)
    app.sql(f"ALTER DATABASE {app.name} SET deadlock_timeout = '4s'")
    with app.connect(autocommit=False) as vacuum, app.connect() as writer:
        vacuum.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE".encode())
        process = app.spawn(*command.split())
        app.wait_for_waiter()
        writer.execute("SET lock_timeout = '100ms'")
        writer.execute(f"BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE; COMMIT".encode())
        app.wait_for(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE clock_timestamp() - waitstart > '1.1 s')"
        )  # lock_timeout: 1 s
        vacuum.rollback()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert "a lock is taken" not in stderr


@pytest.mark.parametrize(("fixture", "command"), [("partitioned", ("apply",)), ("counted", ("rollback", "--yes"))])
def test_partition_after_partition(fixture: str, command: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    """Each partition has a writer. All waits for them together take no longer than lock_timeout (a second), because
    whoever writes to the whole table waits meanwhile."""
    app: App = request.getfixturevalue(fixture)
    tree = "SELECT relid::regclass::text FROM pg_partition_tree('preset_usage') WHERE level > 0"
    mine = "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'usagefix'"
    holds = (
        f"SELECT EXISTS (SELECT {mine} AND relation = 'preset_usage'::regclass AND granted"
        " AND mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock'))"
    )
    waited = f"SELECT relation::regclass::text {mine} AND clock_timestamp() - waitstart > '0.6 s'"
    with ExitStack() as stack:
        writers = {name: stack.enter_context(app.connect(autocommit=False)) for (name,) in app.sql(tree)}
        for name, writer in writers.items():
            writer.execute(f"LOCK TABLE ONLY {name} IN ROW EXCLUSIVE MODE".encode())
        process = app.spawn(*command)
        app.wait_for(holds)
        passed = []
        while app.one(holds):
            for (name,) in app.sql(waited):
                passed += [name] if name not in passed else []
                writers[name].rollback()
        assert len(passed) < 2, "two waits in a row, more than a second in all"
        said = told(process, "a lock is taken by")
        assert any(f"by pid {writer.info.backend_pid} " in said for writer in writers.values())
    done = ended(process)
    assert done.code == 0, done.stderr
    assert app.drift() == (0, 0) or fixture == "counted"


@pytest.mark.parametrize("events_held", [False, True])
def test_by_hand_a_wait_outlasts_deadlock_timeout(fixed: App, events_held: bool) -> None:
    """After a second the server cancels an autovacuum. Here it is one by hand. ``events_held``: the version before was
    applied in the same transaction."""
    waited = "SELECT EXISTS (SELECT FROM pg_locks WHERE clock_timestamp() - waitstart > '1.1 s')"
    text = fixed.usagefix("sql", GUARD.name, "apply" if events_held else "rollback").stdout
    lock = "LOCK TABLE preset_usage IN SHARE ROW EXCLUSIVE MODE;" if events_held else ""
    with fixed.connect(autocommit=False) as vacuum, fixed.connect() as other, ThreadPoolExecutor(1) as pool:
        vacuum.execute("LOCK TABLE presets IN SHARE UPDATE EXCLUSIVE MODE")
        script = pool.submit(other.execute, f"BEGIN; {lock} {text}; COMMIT".encode())
        wait_until(lambda: script.done() or fixed.one(waited))
        vacuum.rollback()
        script.result()


def test_the_daily_limit_is_not_built_beside_another_index(fixed: App) -> None:
    """Two builds on one table may wait for each other; then the server ends one of them as a deadlock."""
    with fixed.connect(autocommit=False) as older, fixed.connect() as other, ThreadPoolExecutor(2) as pool:
        older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM presets")
        theirs = pool.submit(other.execute, b"CREATE INDEX CONCURRENTLY theirs ON preset_usage (usage_type, user_id)")
        fixed.wait_for("SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for old%%')")
        with closing(connect(locate(fixed.url(), "a test"))) as db:
            with db.snapshot():
                seen = scene(db)
            assert seen.ledger.limit is not None
            ours = pool.submit(daily_limit.restore, db, seen, seen.ledger.limit)
            waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE%%' AND wait_event_type = 'Lock')"
            wait_until(lambda: ours.done() or fixed.one(waits))
            older.rollback()
            with pytest.raises(Busy, match="another session builds an index"):
                ours.result()
        theirs.result()


def test_who_holds_a_partition_is_named(partitioned: App) -> None:
    with partitioned.connect(autocommit=False) as holder, closing(connect(locate(partitioned.url(), "a test"))) as db:
        holder.execute("LOCK TABLE ONLY usage_recent_rest IN ROW EXCLUSIVE MODE")
        assert f"in the way: pid {holder.info.backend_pid}" in db.name_holders()


def test_smoke_gives_way_to_the_application(empty: App, tmp_path: Path) -> None:
    """Its events of several people are one transaction: where it and a writer wait for each other, the writer goes on."""
    empty.sql(
        """CREATE TABLE posts (id int PRIMARY KEY, likes_count int NOT NULL DEFAULT 0);
        CREATE TABLE people (id int PRIMARY KEY, likes_given int NOT NULL DEFAULT 0, name text);
        CREATE TABLE likes (post_id int REFERENCES posts, person_id int REFERENCES people, PRIMARY KEY (post_id, person_id));
        INSERT INTO posts VALUES (1); INSERT INTO people SELECT n FROM generate_series(1, 9) AS n"""
    )
    (file := tmp_path / "usagefix.toml").write_text(
        '[[counter]]\ncounter = "posts.likes_count"\nevents = "likes.post_id"\n'
        '[[counter]]\ncounter = "people.likes_given"\nevents = "likes.person_id"\n'
    )
    declared = ("--config", str(file), "--counter")
    for counter in ("post_likes_count", "person_likes_given"):
        assert empty.usagefix("apply", *declared, counter).code == 0
    empty.sql(
        """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
            IF (SELECT count(*) FROM likes) = 1 THEN PERFORM pg_sleep(0.5); END IF; RETURN NULL; END';
        CREATE TRIGGER zz_slow AFTER INSERT ON likes FOR EACH STATEMENT EXECUTE FUNCTION slow()"""
    )
    holding = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'usagefix')"
    )
    with empty.connect(autocommit=False) as writer:
        writer.execute("UPDATE people SET name = 'held' WHERE id > 1")
        empty.spawn("smoke", *declared, "post_likes_count")
        empty.wait_for(holding)
        writer.execute("UPDATE people SET name = 'first' WHERE id = 1")  # no deadlock
        writer.commit()
    assert ended(empty.spawned[-1]).code == 0
