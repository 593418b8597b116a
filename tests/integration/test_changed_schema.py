"""After apply the schema changes: counters stay exact, or verify says why not and apply repairs. Writers go on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
from support import ADJUSTING, APPLICATIONS, DRIFT, LONG, TRIGGER, App, failing, give_everything_to, role

ONE, TWO = "md5('preset 1')::uuid", "md5('preset 2')::uuid"
WRITES = (
    f"INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ({ONE}, md5('user 1')::uuid, 'showcase_creation')",
    "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT md5('preset ' || 1 + n % 7)::uuid,"
    " md5('user 3')::uuid, 'showcase_creation' FROM generate_series(1, 30) n",
    "DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE user_id = md5('user 3')::uuid LIMIT 9)",
    f"UPDATE preset_usage SET preset_id = {TWO} WHERE preset_id = md5('preset 3')::uuid",
)
COPY = (
    "CREATE TABLE preset_usage (LIKE {old} INCLUDING ALL)",
    "ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets ON DELETE CASCADE",
    "INSERT INTO preset_usage SELECT * FROM {old}",
)


def write(app: App) -> None:
    for statement in WRITES:
        app.sql(statement)


def swapped(app: App, old: str, *moves: str) -> None:
    for statement in (*moves, *(statement.format(old=old) for statement in COPY)):
        app.sql(statement)


SWAPS = {
    "renamed away": ("preset_usage_old", "ALTER TABLE preset_usage RENAME TO preset_usage_old"),
    "moved away": ("old.preset_usage", "CREATE SCHEMA old", "ALTER TABLE preset_usage SET SCHEMA old"),
}  # fmt: skip
TO_THE_OLD = {
    "delete": "DELETE FROM {old} WHERE preset_id = md5('preset 1')::uuid",
    "insert": "INSERT INTO {old} (preset_id, user_id, usage_type) VALUES (md5('preset 1')::uuid, md5('user 1')::uuid, 'showcase_creation')",
    "move": "UPDATE {old} SET preset_id = md5('preset 2')::uuid WHERE preset_id = md5('preset 1')::uuid",
    "truncate": "TRUNCATE {old}",
}  # fmt: skip


@pytest.mark.parametrize("swap", SWAPS)
def test_a_table_that_was_swapped_away_does_not_count(fixed: App, swap: str) -> None:
    old, *moves = SWAPS[swap]
    swapped(fixed, old, *moves)
    assert fixed.drift() == (0, 0)
    for write_old in TO_THE_OLD.values():
        fixed.sql(write_old.format(old=old))
        assert fixed.drift() == (0, 0), write_old
    write(fixed)
    assert "trigger_enabled" in failing(fixed.usagefix("verify", "--format", "json"))
    repaired = fixed.usagefix("apply")
    assert repaired.code == 0, repaired.stderr
    write(fixed)
    assert fixed.drift() == (0, 0)
    fixed.sql("TRUNCATE preset_usage")
    assert fixed.usagefix("rollback", "--yes").code == 0
    assert fixed.one("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'trigger_auto%'") == 0


# Keys: a counter is that of its preset's events, whatever became of the key.

FOREIGN_KEYS = {
    "update cascade, delete cascade": "REFERENCES presets ON UPDATE CASCADE ON DELETE CASCADE",
    "update cascade, delete default": "REFERENCES presets ON UPDATE CASCADE ON DELETE SET DEFAULT",
    "update cascade, deferred": "REFERENCES presets ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "update cascade, not valid": "REFERENCES presets ON UPDATE CASCADE ON DELETE CASCADE NOT VALID",
}  # fmt: skip
KEYS = {
    "one gets another": "UPDATE presets SET id = 1000 WHERE id = 3",
    "all move up": "UPDATE presets SET id = id + 1",
    "another takes its place": "WITH m AS (UPDATE presets SET id = 1000 WHERE id = 3 RETURNING name)"
    " INSERT INTO presets (id, name) SELECT 3, name FROM m",
    "deleted": "DELETE FROM presets WHERE id = 3",
    "events move": "UPDATE preset_usage SET preset_id = 4 WHERE preset_id = 3",
    "events move, orphans among them": "UPDATE preset_usage SET preset_id = 4 WHERE preset_id IN (3, 999)",
    "a preset takes orphans over": "UPDATE presets SET id = 999 WHERE id = 3",
    "a preset comes to its orphans": "INSERT INTO presets (id, name) SELECT 998, name FROM presets LIMIT 1",
    "events move, and their preset": "WITH m AS (UPDATE preset_usage SET preset_id = 4 WHERE preset_id = 3 RETURNING id)"
    " UPDATE presets SET id = 1000 WHERE id = 5",
    "later uses": "UPDATE preset_usage SET created_at = now() WHERE preset_id = 3",
}  # fmt: skip


def with_numbers(app: App, foreign_key: str) -> None:
    """Presets 1, 2, 3 … in place of uuids, the newest first on disk, events of each."""
    for statement in (
        "DROP TABLE preset_notifications, preset_usage CASCADE",
        "DROP TRIGGER presets_notify_usage_milestone ON presets",
        "CREATE TEMPORARY TABLE before AS SELECT name FROM presets ORDER BY id LIMIT 12",
        "TRUNCATE presets",
        "ALTER TABLE presets DROP CONSTRAINT presets_pkey",
        "ALTER TABLE presets ALTER id DROP DEFAULT, ALTER id TYPE integer USING 0",
        "ALTER TABLE presets ADD PRIMARY KEY (id)",
        "INSERT INTO presets (id, name) SELECT 13 - row_number() OVER (), name FROM before",
        "CREATE TABLE preset_usage (id serial PRIMARY KEY, preset_id integer DEFAULT 1, user_id uuid, usage_type text,"
        " created_at timestamptz DEFAULT now() - interval '1 day')",
        "CREATE INDEX ON preset_usage (preset_id)",
        "INSERT INTO preset_usage (preset_id) SELECT p FROM generate_series(1, 12) p, generate_series(1, p) n",
        *(["INSERT INTO preset_usage (preset_id) VALUES (999), (998)"] if "NOT VALID" in foreign_key else []),
        f"ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) {foreign_key}",
        "DROP FUNCTION track_preset_usage, increment_preset_usage CASCADE",
    ):
        app.sql(statement)


@pytest.mark.parametrize("foreign_key", FOREIGN_KEYS)
def test_keys_that_change(app: App, foreign_key: str) -> None:
    with_numbers(app, FOREIGN_KEYS[foreign_key])
    applied = app.usagefix("apply")
    assert applied.code == 0, applied.stderr
    wrong = {}
    for what, statement in KEYS.items():
        with app.connect(autocommit=False) as session:
            session.execute(statement.encode())
            found = session.execute(DRIFT).fetchone()
            if found != (0, 0):
                wrong[what] = found
            session.rollback()
    assert wrong == {}


def test_ids_change_while_events_are_written(app: App) -> None:
    """An id changes hands between writers that insert, delete and move events of it."""
    with_numbers(app, "REFERENCES presets ON UPDATE CASCADE ON DELETE CASCADE")
    assert app.usagefix("apply").code == 0
    work = (
        "UPDATE presets SET id = 5000 - id WHERE id IN (2, 4998)",
        "INSERT INTO preset_usage (preset_id) SELECT id FROM presets WHERE id IN (1, 2, 3, 4998)",
        "UPDATE preset_usage SET preset_id = 1 WHERE id = (SELECT max(id) FROM preset_usage)",
        "DELETE FROM preset_usage WHERE id = (SELECT min(id) FROM preset_usage)",
    )

    def repeat(statement: str) -> None:
        with app.connect() as session:
            for _ in range(60):
                with suppress(psycopg.errors.ForeignKeyViolation, psycopg.errors.DeadlockDetected):
                    session.execute(statement.encode())

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(repeat, statement) for statement in work]:
            done.result(timeout=LONG)
    assert app.drift() == (0, 0)


UNBOUND = {
    "event before its preset": (
        "INSERT INTO preset_usage (preset_id) VALUES (50), (50), (51)", "INSERT INTO presets (id, name) VALUES (50, 'x'), (51, 'y')",
    ),
    "re-created": ("DELETE FROM presets WHERE id = 3", "INSERT INTO presets (id, name) VALUES (3, 'again')"),
    "re-created with its counter": (
        "CREATE TEMPORARY TABLE kept AS SELECT * FROM presets WHERE id = 3",
        "DELETE FROM presets WHERE id = 3", "DELETE FROM preset_usage WHERE id = (SELECT max(id) FROM preset_usage WHERE preset_id = 3)",
        "INSERT INTO presets SELECT * FROM kept",
    ),
    "an upsert": ("INSERT INTO presets (id, name) VALUES (3, 'x'), (60, 'y') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, usage_count = EXCLUDED.usage_count",),
    "another id": ("UPDATE presets SET id = 70 WHERE id = 3",),
    "another id, by hand": ("UPDATE presets SET id = 70 WHERE id = 3", "UPDATE preset_usage SET preset_id = 70 WHERE preset_id = 3"),
    "ids change places": ("UPDATE presets SET id = -id WHERE id IN (3, 4)", "UPDATE presets SET id = 7 + id WHERE id IN (-3, -4)"),
    "events first, then their preset": ("UPDATE preset_usage SET preset_id = 70 WHERE preset_id = 3", "UPDATE presets SET id = 70 WHERE id = 3"),
}  # fmt: skip


@pytest.mark.parametrize("deferred", [True, False], ids=["a deferred foreign key", "no foreign key"])
def test_events_that_are_there_before_their_preset(app: App, deferred: bool) -> None:
    with_numbers(app, "REFERENCES presets DEFERRABLE INITIALLY DEFERRED")
    if not deferred:
        app.sql("ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey")
    assert app.usagefix("apply").code == 0
    wrong = {}
    for what, statements in UNBOUND.items():
        with app.connect(autocommit=False) as session:
            for statement in statements:
                session.execute(statement.encode())
            if (found := session.execute(DRIFT).fetchone()) != (0, 0):
                wrong[what] = found
            session.rollback()
    assert wrong == {}


@pytest.mark.parametrize("what", ["with its counter", "without"])
def test_an_id_that_is_deleted_and_inserted_at_once(fixed: App, what: str) -> None:
    """The insert waits for the delete: what it saw of events and counter before is gone by then."""
    shown = "usage_count" if what == "with its counter" else "NULL"
    with fixed.connect(autocommit=False) as deleting, fixed.connect() as inserting:
        row = fixed.sql(f"SELECT id::text, name, {shown} FROM presets WHERE id = {ONE}")[0]
        deleting.execute(f"DELETE FROM presets WHERE id = {ONE}".encode())
        with ThreadPoolExecutor() as pool:
            done = pool.submit(
                inserting.execute, b"INSERT INTO presets (id, name, usage_count) VALUES (%s, %s, %s)", row
            )
            fixed.wait_for("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')")
            deleting.commit()
            done.result(timeout=LONG)
    assert fixed.drift() == (0, 0)


CHANGES = {
    "counter to bigint": ("DROP TRIGGER presets_notify_usage_milestone ON presets", "ALTER TABLE presets ALTER usage_count TYPE bigint"),
    "counter to numeric and back": (
        "DROP TRIGGER presets_notify_usage_milestone ON presets", "ALTER TABLE presets ALTER usage_count TYPE numeric",
        "ALTER TABLE presets ALTER usage_count TYPE integer",
    ),
    "time of the last use to timestamp": ("ALTER TABLE preset_usage ALTER created_at TYPE timestamptz(3)",),
    "triggers off and on": ("ALTER TABLE preset_usage DISABLE TRIGGER ALL", "ALTER TABLE preset_usage ENABLE TRIGGER ALL",
        "ALTER TABLE presets DISABLE TRIGGER USER", "ALTER TABLE presets ENABLE TRIGGER USER"),
    "columns added and dropped": ("ALTER TABLE preset_usage ADD COLUMN more text", "ALTER TABLE presets DROP COLUMN description, ADD COLUMN more text"),
    "schema renamed and back": ("ALTER SCHEMA public RENAME TO elsewhere", "ALTER SCHEMA elsewhere RENAME TO public"),
    "unlogged and back": ("ALTER TABLE preset_usage SET UNLOGGED", "ALTER TABLE preset_usage SET LOGGED"),
    "owner reassigned": ("CREATE ROLE another SUPERUSER", "ALTER TABLE presets OWNER TO another", "ALTER TABLE preset_usage OWNER TO another",
        "ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO another", "ALTER FUNCTION auto_adjust_preset_usage_count() OWNER TO another",
        "ALTER FUNCTION guard_preset_usage_count() OWNER TO another", "ALTER ROLE another RENAME TO renamed"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_counting_survives(fixed: App, what: str) -> None:
    """In a session that has counted before, too: what it has planned is planned anew."""
    with fixed.connect() as older:
        for statement in WRITES:
            older.execute(statement.encode())
        try:
            for statement in CHANGES[what]:
                fixed.sql(statement)
            for session in (older, fixed.db):
                for statement in WRITES:
                    session.execute(statement.encode())
            assert fixed.drift() == (0, 0)
            verified = fixed.usagefix("verify", "--format", "json")
            assert failing(verified) == set(), verified.stdout
        finally:
            if what == "owner reassigned":
                fixed.sql("REASSIGN OWNED BY renamed TO postgres")
                fixed.sql("DROP ROLE renamed")


KEY_TYPES = {
    "integer to bigint": ("integer", "bigint", "{key}::bigint"),
    "bigint to text": ("bigint", "text", "{key}::text"),
    "text to uuid": ("text", "uuid", "md5({key})::uuid"),
    "uuid to text": ("uuid", "text", "{key}::text"),
}  # fmt: skip


@pytest.mark.parametrize("partitioned", [False, True], ids=["", "partitioned"])
@pytest.mark.parametrize("change", KEY_TYPES)
def test_the_type_of_the_key_changes(app: App, change: str, partitioned: bool) -> None:
    before, after, how = KEY_TYPES[change]
    for statement in (
        "DROP TABLE preset_notifications, preset_usage CASCADE",
        "DROP TRIGGER presets_notify_usage_milestone ON presets", "DROP FUNCTION track_preset_usage, increment_preset_usage CASCADE",
        "TRUNCATE presets", "ALTER TABLE presets ALTER id DROP DEFAULT",
        f"ALTER TABLE presets ALTER id TYPE {before} USING NULL" if before != "uuid" else "SELECT",
        "CREATE TABLE preset_usage (id bigint GENERATED ALWAYS AS IDENTITY, preset_id " + before + " REFERENCES presets, user_id uuid,"
        " usage_type text, created_at timestamptz DEFAULT now())" + (" PARTITION BY RANGE (created_at)" if partitioned else ""),
        "CREATE TABLE preset_usage_all PARTITION OF preset_usage DEFAULT" if partitioned else "SELECT",
        "CREATE INDEX ON preset_usage (preset_id)",
    ):  # fmt: skip
        app.sql(statement)
    for n in range(1, 8):
        key = f"md5('{n}')::uuid" if before == "uuid" else f"{n}::{before}"
        app.sql(f"INSERT INTO presets (id, name) VALUES ({key}, 'preset')")
        app.sql(f"INSERT INTO preset_usage (preset_id) SELECT {key} FROM generate_series(1, {n})")
    assert app.usagefix("apply").code == 0
    if partitioned:
        app.sql("ALTER TABLE preset_usage DETACH PARTITION preset_usage_all")
        app.sql("ALTER TABLE preset_usage ATTACH PARTITION preset_usage_all DEFAULT")
    writes = (
        "INSERT INTO preset_usage (preset_id) SELECT id FROM presets LIMIT 1",
        "INSERT INTO preset_usage (preset_id) SELECT id FROM presets, generate_series(1, 3)",
        "DELETE FROM preset_usage WHERE id % 3 = 0",
        "UPDATE preset_usage SET preset_id = (SELECT max(id::text)::" + "{type} FROM presets) WHERE id % 5 = 0",
        *(["INSERT INTO preset_usage_all (id, preset_id) OVERRIDING SYSTEM VALUE SELECT 9999, id FROM presets"] if partitioned else []),
    )  # fmt: skip
    with app.connect() as older:
        for statement in writes:
            older.execute(statement.format(type=before).encode())
        assert app.drift() == (0, 0)
        with app.connect() as migration:
            migration.execute("ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey")
            migration.execute(f"ALTER TABLE presets ALTER id TYPE {after} USING {how.format(key='id')}".encode())
            migration.execute(
                f"ALTER TABLE preset_usage ALTER preset_id TYPE {after} USING {how.format(key='preset_id')}".encode()
            )
            migration.execute("ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets")
        for statement in writes:
            older.execute(statement.format(type=after).encode())
    assert app.drift() == (0, 0)
    app.spoil("UPDATE presets SET usage_count = 2")
    backfilled = app.usagefix("backfill")
    assert backfilled.code == 0, backfilled.stderr
    assert app.usagefix("verify").code == 0


MIGRATION_OF_THE_APPLICATION = (
    (APPLICATIONS / "by_hand.sql")
    .read_text()
    .replace("DROP INDEX", "DROP INDEX IF EXISTS")
    .replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace(
        "CREATE TRIGGER",
        "DROP TRIGGER IF EXISTS trigger_auto_increment_preset_usage_count ON preset_usage; CREATE TRIGGER",
    )
)
LOUD = {
    "the application's own migration": (
        (MIGRATION_OF_THE_APPLICATION,), {"trigger_enabled", "function_current", "function_secure", "guard_enabled"},
        "Somebody replaced the function that counts after usagefix apply",
    ),
    "presets belongs to another": (
        ("ALTER TABLE presets OWNER TO owner_of_presets; GRANT SELECT ON preset_usage TO owner_of_presets",), {"function_secure", "adjusting_function_secure", "guard_function_secure"}, "",
    ),
    "the functions belong to another": (
        ("ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO owner_of_presets",
         "ALTER FUNCTION auto_adjust_preset_usage_count() OWNER TO owner_of_presets"), {"function_secure", "adjusting_function_secure"},
        "The counting function cannot change every counter",
    ),
    "events are detached from their functions": (
        (f"DROP TRIGGER {TRIGGER} ON preset_usage",), {"trigger_enabled", "guard_enabled"}, "",
    ),
    "deletes and moves are not": (
        (f"ALTER TABLE preset_usage DISABLE TRIGGER {ADJUSTING}_delete", f"DROP TRIGGER {ADJUSTING}_update ON preset_usage"),
        {"changes_counted"}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["ignore", "reject"])
@pytest.mark.parametrize("what", LOUD)
def test_a_change_that_stops_the_count_is_loud_and_repaired(fixed: App, what: str, mode: str) -> None:
    """Writers go on meanwhile; verify fails, doctor names the cause, apply makes all well."""
    statements, wrong, title = LOUD[what]
    assert fixed.usagefix("guard", mode).code == 0
    with role(
        fixed, "owner_of_presets", options="LOGIN", grants="GRANT USAGE, CREATE ON SCHEMA public TO owner_of_presets"
    ):
        for statement in statements:
            fixed.sql(statement)
        write(fixed)
        verified = fixed.usagefix("verify", "--format", "json")
        assert failing(verified) - {"counters_accurate", "last_used_current"} == wrong, failing(verified)
        diagnosed = fixed.usagefix("doctor", "--format", "json").one["findings"]
        assert not title or title in {f["title"] for f in diagnosed if f["severity"] == "error"}
        repaired = fixed.usagefix("apply")
        assert repaired.code == 0, repaired.stderr
        write(fixed)
        assert fixed.drift() == (0, 0)
        assert fixed.usagefix("verify").code == 0


def test_row_level_security_that_is_forced_later(app: App) -> None:
    """The owner of the tables is no superuser: from then on the count changes no row. Only a person may let it pass."""
    with role(app, "forced_owner"):
        give_everything_to(app, "forced_owner")
        app.user = "forced_owner"
        assert app.usagefix("apply").code == 0
        app.sql("ALTER TABLE presets FORCE ROW LEVEL SECURITY")
        app.use(app.preset(1))
        verified = app.usagefix("verify")
        assert (verified.code, "row level security hides rows of public.presets" in verified.stderr) == (5, True)
        app.user = "postgres"
        for command in ("verify", "apply"):
            told = app.usagefix(command, "--format", "json")
            hidden = {
                c["check_id"] for c in told.one.get("checks", []) if c["detail"] == "RLS hides presets from its owner"
            }
            assert told.code == (1 if command == "verify" else 5), told.stdout
            assert command == "apply" or hidden >= {"function_secure", "adjusting_function_secure"}
        app.sql("ALTER TABLE presets NO FORCE ROW LEVEL SECURITY")
        assert app.usagefix("apply").code == 0
        assert app.drift() == (0, 0)
        app.sql("DROP SCHEMA usagefix CASCADE")


def test_a_table_that_becomes_a_partition_of_another(fixed: App) -> None:
    for statement in (
        "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_pkey", "CREATE TABLE above (LIKE preset_usage) PARTITION BY RANGE (created_at)",
        "ALTER TABLE above ATTACH PARTITION preset_usage DEFAULT",
    ):  # fmt: skip
        fixed.sql(statement)
    write(fixed)
    assert fixed.drift() == (0, 0), "what is written straight into it is counted"
    fixed.sql("INSERT INTO above SELECT * FROM preset_usage LIMIT 3")
    verified = fixed.usagefix("verify", "--format", "json")
    assert failing(verified) == {"trigger_enabled", "counters_accurate"}
    assert any("a partition of public.above" in check["detail"] for check in verified.one["checks"])
    assert fixed.usagefix("apply").code == 1
    fixed.sql("ALTER TABLE above DETACH PARTITION preset_usage")
    assert fixed.usagefix("backfill").code == 0
    assert fixed.usagefix("verify").code == 0


MOVED = {
    "presets renamed": ("ALTER TABLE presets RENAME TO styles", "ALTER TABLE styles RENAME TO presets"),
    "events renamed": ("ALTER TABLE preset_usage RENAME TO uses", "ALTER TABLE uses RENAME TO preset_usage"),
    "presets in another schema": ("CREATE SCHEMA other", "ALTER TABLE presets SET SCHEMA other", "ALTER TABLE other.presets SET SCHEMA public"),
    "presets dropped and back": (
        "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey", "CREATE TABLE kept AS SELECT * FROM presets",
        "DROP TABLE presets CASCADE", "ALTER TABLE kept RENAME TO presets; ALTER TABLE presets ADD PRIMARY KEY (id)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MOVED)
def test_a_table_under_another_name_stops_no_writer(fixed: App, what: str) -> None:
    *away, back = MOVED[what]
    for statement in away:
        fixed.sql(statement)
    events = "uses" if what == "events renamed" else "preset_usage"
    for statement in WRITES:
        fixed.sql(statement.replace("preset_usage", events))
    assert fixed.usagefix("verify").code == 2, "no such table"
    fixed.sql(back)
    repaired = fixed.usagefix("apply")
    assert repaired.code == 0, repaired.stderr
    assert fixed.usagefix("verify").code == 0
    write(fixed)
    assert fixed.drift() == (0, 0)


def test_presets_swapped_away(fixed: App) -> None:
    """The guard on the old table lets everything be written there."""
    for statement in (
        "ALTER TABLE presets RENAME TO presets_old", "CREATE TABLE presets (LIKE presets_old INCLUDING ALL)",
        "INSERT INTO presets SELECT * FROM presets_old", "UPDATE presets_old SET usage_count = 77",
    ):  # fmt: skip
        fixed.sql(statement)
    assert fixed.one("SELECT DISTINCT usage_count FROM presets_old") == 77
    write(fixed)
    assert fixed.drift() == (0, 0), "events are counted where the name leads"
    assert "guard_enabled" in failing(fixed.usagefix("verify", "--format", "json"))
    assert fixed.usagefix("apply").code == 0
    assert fixed.usagefix("verify").code == 0


def test_the_schema_is_renamed(fixed: App) -> None:
    fixed.sql("ALTER SCHEMA public RENAME TO app")
    fixed.sql("SET search_path = app")
    write(fixed)
    assert fixed.usagefix("--schema", "app", "verify").code == 1
    repaired = fixed.usagefix("--schema", "app", "apply")
    assert repaired.code == 0, repaired.stderr
    write(fixed)
    assert fixed.drift() == (0, 0)
    assert fixed.usagefix("--schema", "app", "verify").code == 0
