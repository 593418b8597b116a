"""The plain files with psql: exact and complete where nothing of the application must be edited; else they stop first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import GUARD, INDEX, LEDGER, MIGRATION, TRIGGER, VERSION, App, checks, failing, give_everything_to, role
from traffic import traffic

APPLY = (LEDGER, MIGRATION / "stops.sql", MIGRATION / "apply.sql")
FIX = (*APPLY, MIGRATION / "backfill.sql")
ALL = (*APPLY, GUARD / "apply.sql", MIGRATION / "backfill.sql")
BACK = (GUARD / "rollback.sql", MIGRATION / "rollback.sql")
PLAIN = (
    "DROP FUNCTION track_preset_usage(uuid, text, jsonb)",
    "CREATE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"
    " RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$BEGIN"
    " INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param); RETURN NULL; END$$",
    f"DROP INDEX {INDEX}",
)


@pytest.fixture
def plain(app: App) -> App:
    """Drifted, but nothing of the application must be edited: it records uses by plain inserts."""
    for statement in PLAIN:
        app.sql(statement)
    assert app.drift()[0] > 0
    return app


@pytest.mark.parametrize(
    "steps",
    [
        (ALL,),
        (FIX, (LEDGER, GUARD / "apply.sql")),
        (APPLY, (MIGRATION / "backfill.sql",), (LEDGER, GUARD / "apply.sql")),
        (APPLY, (LEDGER, GUARD / "apply.sql"), (MIGRATION / "backfill.sql",)),
    ],
    ids=["one transaction", "the guard after it", "each on its own", "the backfill last"],
)
def test_exact_and_complete_while_people_use_it(plain: App, steps: tuple[tuple[Path, ...], ...]) -> None:
    before = plain.dump()
    told = plain.one("SELECT count(*) FROM preset_notifications")
    with traffic(plain) as people:
        people.progress()
        for files in steps:
            done = plain.psql(*files, PGOPTIONS="-c lock_timeout=1min")
            assert done.returncode == 0, done.stderr
            people.progress()
        assert plain.drift() == (0, 0), "as soon as it is done, while people go on"
    assert people.failures == []
    assert plain.drift() == (0, 0)
    found = plain.usagefix("verify", "--format", "json")
    assert (found.code, failing(found)) == (0, set())
    files = (MIGRATION / "verify.sql", MIGRATION / "verify_partitions.sql", GUARD / "verify.sql")
    verified = plain.program("psql", "-XAt", *(f"--file={file}" for file in files))
    rows = [row.split("|") for row in verified.stdout.splitlines()]
    by_hand = {row[0]: row[2] for row in rows if row[0] in checks(found)}
    reading = {"counted_once", "tracker_inserts_only", "uses_accepted"}  # what no statement of a file can tell
    assert by_hand == {check: status for check, status in checks(found).items() if check not in reading}
    assert plain.usagefix("smoke").code == 0
    assert {m["state"] for m in plain.usagefix("status", "--format", "json").one["migrations"]} == {"applied"}
    dump = plain.dump()
    nothing = plain.usagefix("apply", "--format", "json").one
    assert (nothing["migrations"], plain.dump() == dump) == ([], True), "usagefix has nothing to add"
    repaired = plain.one("SELECT count(*) FROM preset_notifications") - told
    assert repaired <= people.total, "a repair is not a use: nobody is told of it"
    back = plain.psql(*BACK)
    assert back.returncode == 0, back.stderr
    assert plain.dump() == before
    assert plain.drift() == (0, 0)


def test_again_changes_nothing(plain: App) -> None:
    assert plain.psql(*ALL).returncode == 0
    dump, counters = (
        plain.dump_all(),
        plain.sql("SELECT id, usage_count, last_used_at, updated_at FROM presets ORDER BY id"),
    )
    assert plain.psql(*ALL).returncode == 0
    assert plain.dump_all() == dump
    assert plain.sql("SELECT id, usage_count, last_used_at, updated_at FROM presets ORDER BY id") == counters
    assert plain.psql(*BACK).returncode == 0
    assert plain.usagefix("status", "--format", "json").one["migrations"][0]["state"] == "pending"
    for files in (BACK[:1], BACK[1:]):
        again = plain.psql(*files)
        assert again.returncode != 0
        assert "the ledger has no record of this version" in again.stderr


def test_usagefix_rolls_back_what_was_done_by_hand(plain: App) -> None:
    before = plain.dump()
    assert plain.psql(*ALL).returncode == 0
    assert plain.usagefix("rollback", "--yes").code == 0
    assert plain.dump() == before


def test_by_an_owner_who_is_no_superuser(plain: App) -> None:
    with role(plain, "plain"):
        plain.sql(f'GRANT CREATE ON DATABASE "{plain.name}" TO plain')
        plain.sql("GRANT ALL ON SCHEMA public, auth TO plain")
        plain.sql("GRANT SELECT, REFERENCES ON auth.users TO plain")
        for table in ("presets", "preset_usage", "preset_notifications"):
            plain.sql(f"ALTER TABLE {table} OWNER TO plain")
        before = plain.dump()
        enabled = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
        triggers = plain.sql(enabled)
        owner = App(plain.host, plain.port, plain.name, plain.binaries, user="plain")
        done = owner.psql(*ALL)
        assert done.returncode == 0, done.stderr
        assert [each for each in plain.sql(enabled) if each in triggers] == triggers, "what was held off fires again"
        found = plain.usagefix("verify", "--format", "json")
        assert (found.code, failing(found)) == (0, set())
        plain.use(plain.preset(1))
        assert plain.drift() == (0, 0)
        back = owner.psql(*BACK)
        assert back.returncode == 0, back.stderr
        assert plain.dump() == before


def test_the_daily_limit_is_lifted_and_noted(plain: App) -> None:
    """Where nothing needs it. The plain rollback cannot build it again; the script for this database does."""
    plain.sql(DAILY + " WHERE usage_type <> 'sample_verification'")
    plain.sql(f"COMMENT ON INDEX {INDEX} IS 'once a day'")
    before = plain.dump()
    done = plain.psql(*ALL)
    assert done.returncode == 0, done.stderr
    assert failing(plain.usagefix("verify", "--format", "json")) == set()
    plain.use(plain.preset(1), times=2)
    assert plain.psql(BACK[0]).returncode == 0
    with stopped(plain, "rollback", MIGRATION):
        refused = plain.psql(BACK[1])
        assert f"apply replaced public.{INDEX}" in refused.stderr
        assert_stopped(refused.stderr, MIGRATION, "rollback")
        broken = plain.by_hand(MIGRATION, undo=True)
        assert (broken.returncode, "in 1 case" in broken.stderr) == (1, True)
    plain.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")
    undone = plain.by_hand(MIGRATION, undo=True)
    assert undone.returncode == 0, undone.stderr
    assert plain.dump() == before


# Where they stop


@contextmanager
def stopped(app: App, what: str, version: Path) -> Iterator[None]:
    """Nothing may change in the block."""
    before, counters = app.dump_all(), app.sql("SELECT id, usage_count FROM presets ORDER BY id")
    yield
    assert app.dump_all() == before, f"{what} of {version.name} changed something"
    assert app.sql("SELECT id, usage_count FROM presets ORDER BY id") == counters


def assert_stopped(said: str, version: Path, face: str) -> None:
    assert "nothing was changed, because this file is not enough here: " in said
    assert f"usagefix sql {version.name[:14]} {face} --adapt prints the script for this database" in said


RECORDER = PLAIN[1].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
DAILY = f"CREATE UNIQUE INDEX {INDEX} ON preset_usage (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date))"
COUNT = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id"
ROW = "CREATE TRIGGER another AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()"


def another(body: str) -> str:
    return f"CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NULL; END$$"


# What is there, and what the file says to it. The script for this database does it all the same.
STOPS: dict[str, tuple[tuple[str, ...], str]] = {
    "a daily limit with more to it": (
        (DAILY, f"ALTER TABLE preset_usage CLUSTER ON {INDEX}"), f"index public.{INDEX} may limit uses",
    ),
    "a daily limit that goes with an extension": (
        (DAILY, f"ALTER INDEX {INDEX} DEPENDS ON EXTENSION plpgsql"), f"index public.{INDEX} may limit uses",
    ),
    "that name on another table": (
        ("CREATE TABLE other (a integer)", f"CREATE UNIQUE INDEX {INDEX} ON other (a)"), f"index public.{INDEX} may limit uses",
    ),
    "a daily limit of another name": (
        (DAILY.replace(INDEX, "once"), "COMMENT ON INDEX once IS 'a day'"),
        "index public.once may limit uses",
    ),
    "another trigger counts": ((another(COUNT), ROW), "trigger another may count, too"),
    "another trigger counts by dynamic SQL": (
        (another("EXECUTE 'UPDATE pre' || 'sets SET usage' || '_count = 1'"), ROW), "trigger another may count, too",
    ),
    "another trigger calls what counts": (
        (another("PERFORM increment_preset_usage(NEW.preset_id)"), ROW), "trigger another may count, too",
    ),
    "a trigger of our name": (
        (another("RAISE DEBUG 'nothing'"), ROW.replace("TRIGGER another", f"TRIGGER {TRIGGER}")),
        f"trigger {TRIGGER} may count, too",
    ),
    "a function needs the daily limit": (
        (RECORDER.replace("usage_type_param); RETURN", "usage_type_param) ON CONFLICT (preset_id, user_id, usage_type,"
         " ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING; RETURN"),),
        "function public.track_preset_usage(uuid,text,jsonb) may count, or need the daily limit",
    ),
    "a function parsed already needs the daily limit": (
        ("CREATE FUNCTION use_it(uuid, uuid) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO preset_usage (preset_id, user_id,"
         " usage_type) VALUES ($1, $2, 'a') ON CONFLICT DO NOTHING; END",),
        "function public.use_it(uuid,uuid) may count, or need the daily limit",
    ),
    "a recorder counts": (
        (RECORDER.replace("; RETURN", "; UPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid; RETURN"),),
        "function public.track_preset_usage(uuid,text,jsonb) may count, or need the daily limit",
    ),
    "a recorder calls what counts": (
        (RECORDER.replace("; RETURN", "; PERFORM increment_preset_usage(preset_uuid); RETURN"),),
        "function public.track_preset_usage(uuid,text,jsonb) may count, or need the daily limit",
    ),
    "another function of our name": (
        ("CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",),
        "there is another public.auto_increment_preset_usage_count()",
    ),
    "no time of the last use": (
        ("ALTER TABLE presets DROP COLUMN last_used_at CASCADE", "DROP FUNCTION increment_preset_usage"),
        "last_used_at or created_at is not there, or is no timestamptz",
    ),
    "times without a zone": (
        ("ALTER TABLE preset_usage ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'",),
        "last_used_at or created_at is not there, or is no timestamptz",
    ),
    "default privileges": (
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO anon",),
        "default privileges open new functions",
    ),
    "a path that triggers need": (
        ("DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, auth', current_database()); END$$",),
        "a search_path is set here, which triggers on presets may need",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STOPS)
def test_apply_stops_before_any_change(plain: App, what: str) -> None:
    changes, said = STOPS[what]
    for statement in changes:
        plain.sql(statement)
    before = plain.dump()
    with stopped(plain, "apply", MIGRATION):
        for files in (FIX, ALL):
            done = plain.psql(*files)
            assert done.returncode != 0
            assert said in done.stderr
            assert_stopped(done.stderr, MIGRATION, "apply")
    by_hand = plain.by_hand()
    assert by_hand.returncode == 0, by_hand.stderr
    assert failing(plain.usagefix("verify", "--format", "json")) == set()
    plain.sql(f"SET request.jwt.claim.sub = '{plain.user_id(3)}'")
    plain.use(plain.preset(1))
    if "parsed" not in what:
        plain.sql("SELECT track_preset_usage(%s, 'showcase_creation')", plain.preset(2))
    assert plain.drift() == (0, 0)
    plain.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '1 hour'")  # or a limit cannot come back
    undone = plain.by_hand(undo=True)
    assert undone.returncode == 0, undone.stderr
    assert plain.dump() == before


@pytest.mark.parametrize("looked", [False, True], ids=["never", "in another transaction"])
def test_apply_needs_a_look_in_its_transaction(plain: App, looked: bool) -> None:
    if looked:
        assert plain.psql(*APPLY[:2]).returncode == 0
    with stopped(plain, "apply", MIGRATION):
        done = plain.psql(APPLY[0], *APPLY[2:])
        assert done.returncode != 0
        assert "nothing was changed, because stops.sql did not run before this file in its transaction" in done.stderr


def test_apply_stops_for_another_owner(plain: App) -> None:
    with role(plain, "owner"):
        plain.sql("ALTER TABLE presets OWNER TO owner")
        with stopped(plain, "apply", MIGRATION):
            done = plain.psql(*FIX)
            assert "owner owns presets, not postgres" in done.stderr
            assert_stopped(done.stderr, MIGRATION, "apply")
            done = plain.psql(LEDGER, GUARD / "apply.sql")
            assert "owner owns presets, not postgres" in done.stderr
            assert_stopped(done.stderr, GUARD, "apply")


@pytest.mark.parametrize("how", ["partitioned", "inherited"])
def test_apply_stops_for_a_tree_of_tables(request: pytest.FixtureRequest, how: str) -> None:
    app: App = request.getfixturevalue("partitioned" if how == "partitioned" else "plain")
    if how == "inherited":
        app.sql("CREATE TABLE more_usage () INHERITS (preset_usage)")
    with stopped(app, "apply", MIGRATION):
        done = app.psql(*FIX)
        assert "the tables are partitioned or inherited" in done.stderr
        assert_stopped(done.stderr, MIGRATION, "apply")


GUARD_STOPS: dict[str, tuple[str, str]] = {
    "another function of our name": (
        "CREATE FUNCTION guard_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "there is another public.guard_preset_usage_count()",
    ),
    "another trigger of our name": (
        "CREATE TRIGGER zz_trigger_guard_preset_usage_count BEFORE DELETE ON presets EXECUTE FUNCTION touch_updated_at()",
        "there is another trigger zz_trigger_guard_preset_usage_count",
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO anon", "default privileges open new functions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", GUARD_STOPS)
def test_the_guard_stops_before_any_change(plain: App, what: str) -> None:
    change, said = GUARD_STOPS[what]
    assert plain.psql(*FIX).returncode == 0
    plain.sql(change)
    try:
        with_it = plain.dump()
        with stopped(plain, "apply", GUARD):
            done = plain.psql(LEDGER, GUARD / "apply.sql")
            assert done.returncode != 0
            assert said in done.stderr
            assert_stopped(done.stderr, GUARD, "apply")
        by_hand = plain.by_hand(GUARD)
        assert by_hand.returncode == 0, by_hand.stderr
        assert failing(plain.usagefix("verify", "--format", "json")) == set()
        if what != "default privileges":
            with stopped(plain, "rollback", GUARD):
                done = plain.psql(BACK[0])
                assert "apply replaced " in done.stderr
                assert_stopped(done.stderr, GUARD, "rollback")
        assert plain.by_hand(GUARD, undo=True).returncode == 0
        assert plain.dump() == with_it
    finally:
        plain.sql("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM anon")


def test_the_guard_needs_the_counting(plain: App) -> None:
    with stopped(plain, "apply", GUARD):
        done = plain.psql(LEDGER, GUARD / "apply.sql")
        assert f"version {VERSION} is not applied" in done.stderr
        assert_stopped(done.stderr, GUARD, "apply")


def test_the_guard_stops_for_partitioned_presets(fixed: App) -> None:
    assert fixed.usagefix("rollback", "--to", VERSION, "--yes").code == 0
    fixed.sql("ALTER TABLE presets RENAME TO whole; CREATE TABLE presets (LIKE whole) PARTITION BY HASH (id)")
    with stopped(fixed, "apply", GUARD):
        done = fixed.psql(LEDGER, GUARD / "apply.sql")
        assert "presets is partitioned" in done.stderr
        assert_stopped(done.stderr, GUARD, "apply")


def test_rollback_stops_for_a_later_version_and_for_what_apply_replaced(fixed: App) -> None:
    with stopped(fixed, "rollback", MIGRATION):
        done = fixed.psql(MIGRATION / "rollback.sql")
        assert done.returncode != 0
        assert "a later version is applied" in done.stderr
        for replaced in (f"public.{INDEX}", "public.track_preset_usage(uuid,text,jsonb)"):
            assert replaced in done.stderr
        assert_stopped(done.stderr, MIGRATION, "rollback")
    fixed.sql(
        "INSERT INTO usagefix.saved_objects (counter, version, kind, identity)"
        " VALUES ('preset_usage_count', '20990101000001', 'function', 'f()')"
    )
    with stopped(fixed, "rollback", GUARD):
        done = fixed.psql(GUARD / "rollback.sql")
        assert "a later version is applied" in done.stderr
        assert_stopped(done.stderr, GUARD, "rollback")


def test_rollback_without_a_record_stops(plain: App) -> None:
    assert plain.psql(LEDGER).returncode == 0
    for version in (GUARD, MIGRATION):
        with stopped(plain, "rollback", version):
            done = plain.psql(version / "rollback.sql")
            assert "the ledger has no record of this version" in done.stderr
            assert_stopped(done.stderr, version, "rollback")


def test_a_backfill_without_counting_stops(plain: App) -> None:
    assert plain.psql(LEDGER).returncode == 0
    with stopped(plain, "backfill", MIGRATION):
        done = plain.psql(MIGRATION / "backfill.sql")
        assert done.returncode != 0
        assert "new uses are not counted yet" in done.stderr
    assert checks(plain.usagefix("verify", "--format", "json"))["trigger_enabled"] == "missing"


@pytest.mark.parametrize("options", [(), ("--adapt",)], ids=["the file", "the printed script"])
@pytest.mark.parametrize("stops", ["1", "0"], ids=["stops at an error", "goes on"])
def test_a_backfill_in_many_transactions_changes_nothing(
    plain: App, tmp_path: Path, options: tuple[str, ...], stops: str
) -> None:
    """Not even the application's triggers, which it holds off if the role may not set session_replication_role."""
    state = (
        "SELECT usage_count::text FROM presets UNION ALL SELECT concat(tgname, tgenabled) FROM pg_trigger ORDER BY 1"
    )
    with role(plain, "plain"):
        give_everything_to(plain, "plain")
        owner = App(plain.host, plain.port, plain.name, plain.binaries, user="plain")
        assert owner.psql(*APPLY).returncode == 0
        printed = owner.usagefix("sql", VERSION, "backfill", *options)
        # X
        (script := tmp_path / "backfill.sql").write_text(printed.stdout)
        before = plain.sql(state)
        done = owner.program("psql", "--no-psqlrc", "-v", f"ON_ERROR_STOP={stops}", "-f", str(script))
        assert "transaction" in done.stderr
        assert plain.sql(state) == before
        assert owner.psql(script).returncode == 0
        assert plain.drift() == (0, 0)
        owner.close()


def test_what_reads_times_points_to_the_script_for_other_columns(plain: App) -> None:
    plain.sql("ALTER TABLE preset_usage RENAME created_at TO used_at")
    for face in ("verify", "backfill"):
        refused = plain.psql(MIGRATION / f"{face}.sql")
        assert f"usagefix sql {VERSION} {face} --adapt prints the script" in refused.stderr
