"""The guard: whoever else writes the counter is refused, whatever the way and the mode; counting and backfill go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from support import GUARD, GUARDING, LEDGER, MIGRATION, TRIGGER, VERSION, App, Connection, checks, failing, role, run

from usagefix.models.choices import GuardMode

MODES = ("ignore", "warn", "reject")
ONE, TWO = "md5('preset 1')::uuid", "md5('preset 2')::uuid"
NOTED = "SELECT coalesce(sum(writes), 0)::integer FROM usagefix.refused_writes"
REJECTED = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usagefix.rejected_preset_usage_count"
COUNTER = f"SELECT usage_count FROM presets WHERE id = {ONE}"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guarded(fixed: App, mode: str) -> App:
    """Fixed, with the guard in each of its modes; preset 1 belongs to user 1."""
    assert fixed.usagefix("guard", mode).code == 0
    fixed.sql(f"UPDATE presets SET user_id = md5('user 1')::uuid, is_public = true WHERE id = {ONE}")
    return fixed


@contextmanager
def client(app: App, name: str | None) -> Iterator[Connection]:
    """A session of the application: as the owner, or in a role that it has set."""
    with app.connect() as connection:
        connection.execute("SET application_name = 'api'")
        connection.execute("SET request.jwt.claim.sub = %s".replace("%s", f"'{app.user_id(1)}'").encode())
        if name:
            connection.execute(f"SET ROLE {name}".encode())
        yield connection


def refused(app: App, mode: str, connection: Connection, statement: str, *, writes: int | None = 1) -> None:
    """Run what writes the counter; it must end as the mode says, and leave no drift. ``writes``: how many are noted."""
    noted, rejected, told = app.one(NOTED), app.one(REJECTED), list[str]()
    connection.add_notice_handler(
        lambda notice: told.append(f"{notice.severity_nonlocalized}: {notice.message_primary}")
    )
    if mode == "reject":
        with pytest.raises(
            psycopg.errors.DatabaseError, match="the guard refused a write of the counter usage_count"
        ) as caught:
            connection.execute(statement.encode())
        assert caught.value.sqlstate == "UF001"
        assert caught.value.diag.message_hint
        assert app.one(REJECTED) == rejected + 1
        assert app.one(NOTED) == noted
    else:
        connection.execute(statement.encode())
        assert app.one(REJECTED) == rejected
        if writes is not None:
            assert app.one(NOTED) == noted + writes
    warnings = [words for words in told if words.startswith("WARNING")]
    assert bool(warnings) == (mode == "warn"), told
    assert app.drift() == (0, 0)


UPSERT = "INSERT INTO presets (id, name, usage_count) VALUES ({id}, 'x', {n}) ON CONFLICT (id) DO UPDATE SET "
WRITES: dict[str, tuple[str | None, str, int | None]] = {
    "as the owner": (None, f"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {ONE}", 1),
    "as service_role": ("service_role", f"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {ONE}", 1),
    "as a user": ("authenticated", f"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {ONE}", 1),
    "the function that adds one": ("authenticated", f"SELECT increment_preset_usage({ONE})", 1),
    "to a number that was read": ("service_role", f"UPDATE presets SET usage_count = 1234 WHERE id = {ONE}", 1),
    "to null": ("service_role", f"UPDATE presets SET usage_count = NULL WHERE id = {ONE}", 1),
    "to its default": ("service_role", f"UPDATE presets SET usage_count = DEFAULT WHERE id = {ONE}", 1),
    "every preset": (None, "UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1", 40),
    "in a query": (None, f"WITH u AS (UPDATE presets SET usage_count = 0 WHERE id = {ONE} RETURNING id) SELECT count(*) FROM u", 1),
    "an upsert that adds": ("service_role", UPSERT.format(id=ONE, n="DEFAULT") + "usage_count = presets.usage_count + 1", 1),
    "an upsert of a number": ("service_role", UPSERT.format(id=ONE, n="999") + "usage_count = EXCLUDED.usage_count", 2),
    "an insert": ("service_role", "INSERT INTO presets (name, usage_count) VALUES ('new', 5), ('newer', 7), ('newest', 0)", None),
    "in a block": (None, f"DO $$BEGIN UPDATE presets SET usage_count = 0 WHERE id = {ONE}; END$$", 1),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITES)
def test_refused(guarded: App, mode: str, what: str) -> None:
    name, statement, writes = WRITES[what]
    before = guarded.one(COUNTER)
    with client(guarded, name) as connection:
        refused(guarded, mode, connection, statement, writes=writes)
    assert guarded.one(COUNTER) == before
    guarded.use(guarded.preset(1))
    assert guarded.drift() == (0, 0), "counting goes on"


def test_merge(guarded: App, mode: str) -> None:
    if guarded.db.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    with client(guarded, None) as connection:
        merge = (
            f"MERGE INTO presets t USING (VALUES ({ONE}), (gen_random_uuid())) s (id) ON s.id = t.id"
            " WHEN MATCHED THEN UPDATE SET usage_count = 1 WHEN NOT MATCHED THEN INSERT (name, usage_count) VALUES ('m', 3)"
        )
        refused(guarded, mode, connection, merge, writes=2)


def test_a_view(guarded: App, mode: str) -> None:
    guarded.sql("CREATE VIEW shown AS SELECT id, usage_count FROM presets")
    guarded.sql("GRANT ALL ON shown TO authenticated")
    with client(guarded, "authenticated") as connection:
        refused(guarded, mode, connection, f"UPDATE shown SET usage_count = 9 WHERE id = {ONE}")


def test_the_rest_of_the_statement_goes_through(guarded: App, mode: str) -> None:
    with client(guarded, "service_role") as connection:
        refused(
            guarded, mode, connection, f"UPDATE presets SET usage_count = 999, description = 'mine' WHERE id = {ONE}"
        )
    expected = None if mode == "reject" else "mine"
    assert (
        guarded.one(
            f"SELECT description FROM presets WHERE id = {ONE} AND description = 'mine'" if expected else "SELECT NULL"
        )
        == expected
    )


NO_WRITES = {
    "other columns": f"UPDATE presets SET description = 'changed' WHERE id = {ONE}",
    "the number that it has": f"UPDATE presets SET usage_count = usage_count, description = 'changed' WHERE id = {ONE}",
    "an upsert of the number that it has": "INSERT INTO presets SELECT * FROM presets"
    " ON CONFLICT (id) DO UPDATE SET usage_count = EXCLUDED.usage_count, description = 'changed'",
    "an insert of 0": "INSERT INTO presets (name, usage_count, description) VALUES ('new', 0, 'changed')",
    "an insert of null": "INSERT INTO presets (name, usage_count, description) VALUES ('new', NULL, 'changed')",
    "an insert of the default": "INSERT INTO presets (name, description) VALUES ('new', 'changed')",
    "no row": "UPDATE presets SET usage_count = 5 WHERE false; UPDATE presets SET description = 'changed'",
    "a preset that goes": f"UPDATE presets SET description = 'changed'; DELETE FROM presets WHERE id = {TWO}",
}  # fmt: skip


@pytest.mark.parametrize("what", NO_WRITES)
def test_no_write_of_the_counter(guarded: App, mode: str, what: str) -> None:
    told = list[str]()
    with client(guarded, "service_role") as connection:
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        connection.execute(NO_WRITES[what].encode())
    assert guarded.one("SELECT count(*) > 0 FROM presets WHERE description = 'changed'")
    assert told == []
    assert (guarded.one(NOTED), guarded.one(REJECTED)) == (0, 0)
    assert guarded.drift() == (0, 0)
    assert guarded.one("SELECT count(*) FROM presets WHERE usage_count IS NULL") == 0


COMPETITORS = {
    "rows, before ours": "CREATE TRIGGER aaa AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION compete()",
    "rows, before they are written": "CREATE TRIGGER zzz BEFORE INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION compete()",
    "statements, before ours": "CREATE TRIGGER aaa AFTER INSERT ON preset_usage FOR EACH STATEMENT EXECUTE FUNCTION compete()",
    "statements, after ours": "CREATE TRIGGER zzz AFTER INSERT ON preset_usage FOR EACH STATEMENT EXECUTE FUNCTION compete()",
    "at the commit": "CREATE CONSTRAINT TRIGGER zzz AFTER INSERT ON preset_usage DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION compete()",
}  # fmt: skip
COMPETE = (
    "CREATE FUNCTION compete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN"
    f" UPDATE presets SET usage_count = usage_count + 1 WHERE id = {ONE}; RETURN NEW; END$$"
)


@pytest.mark.parametrize("kind", COMPETITORS)
def test_a_trigger_that_counts_too(guarded: App, mode: str, kind: str) -> None:
    guarded.sql(COMPETE)
    guarded.sql(COMPETITORS[kind])
    before = guarded.one(COUNTER)
    insert = f"INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ({ONE}, md5('user 1')::uuid, 'showcase_creation')"
    with client(guarded, "authenticated") as connection:
        refused(guarded, mode, connection, insert)
    assert guarded.one(COUNTER) == before + (mode != "reject")


APPLICATION = {
    "after, by an update": (
        "BEGIN IF pg_trigger_depth() < 4 THEN UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.id; END IF; RETURN NULL; END",
        "CREATE TRIGGER {} AFTER UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION meddle()",
    ),
    "before, in the row": (
        "BEGIN IF NEW.description = 'x' THEN NEW.usage_count := NEW.usage_count + 1; END IF; RETURN NEW; END",
        "CREATE TRIGGER {} BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION meddle()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["aaa", "update_counter", "zz"])
@pytest.mark.parametrize("kind", APPLICATION)
def test_a_trigger_of_the_application_on_presets(guarded: App, mode: str, kind: str, name: str) -> None:
    body, trigger = APPLICATION[kind]
    guarded.sql(f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $${body}$$")
    guarded.sql(trigger.format(name))
    with client(guarded, "service_role") as connection:
        refused(guarded, mode, connection, f"UPDATE presets SET description = 'x' WHERE id = {ONE}", writes=None)


def test_events_that_a_trigger_on_presets_records_meanwhile(fixed: App) -> None:
    """They are counted in between, and what the statement has still to count is counted as well."""
    fixed.sql(
        "CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF pg_trigger_depth() < 3 THEN"
        f" INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ({TWO}, md5('user 1')::uuid, 'showcase_creation');"
        " END IF; RETURN NULL; END$$"
    )
    fixed.sql("CREATE TRIGGER record AFTER UPDATE OF usage_count ON presets FOR EACH ROW EXECUTE FUNCTION record()")
    fixed.sql(
        "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT id, md5('user 1')::uuid, 'showcase_creation' FROM presets"
    )
    assert fixed.drift() == (0, 0)
    fixed.sql("DELETE FROM preset_usage WHERE user_id = md5('user 1')::uuid")
    assert fixed.drift() == (0, 0)
    assert fixed.one(NOTED) == 0


FORGED = (
    "public",
    "public, pg_temp, pg_usagefix_preset_usage_count_0",
    "public, pg_temp, pg_usagefix_preset_usage_count_1",
    "public, pg_temp, pg_usagefix_preset_usage_count_2",
)


@pytest.mark.parametrize("path", FORGED)
def test_a_permit_cannot_be_forged(guarded: App, mode: str, path: str) -> None:
    for name in (None, "service_role", "authenticated"):
        with client(guarded, name) as connection:
            connection.execute(f"SET search_path = {path}".encode())
            refused(guarded, mode, connection, f"UPDATE presets SET usage_count = 7 WHERE id = {ONE}")
            refused(guarded, mode, connection, f"SELECT increment_preset_usage({ONE})")


@pytest.mark.parametrize("path", FORGED)
def test_a_permit_cannot_be_forged_for_a_trigger_of_ones_own_rights(guarded: App, mode: str, path: str) -> None:
    guarded.sql(COMPETE.replace(" SECURITY DEFINER", ""))
    guarded.sql(COMPETITORS["rows, before ours"])
    with client(guarded, "authenticated") as connection:
        connection.execute(f"SET search_path = {path}".encode())
        insert = (
            f"INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ({ONE}, auth.uid(), 'showcase_creation')"
        )
        refused(guarded, mode, connection, insert)


EVENTS = "INSERT INTO {} (preset_id, user_id, usage_type, created_at) SELECT id, md5('user 1')::uuid, 'showcase_creation', {} FROM presets"
COUNTS = {
    "one": EVENTS.format("preset_usage", "now()") + " LIMIT 1",
    "many": EVENTS.format("preset_usage", "now()"),
    "none": EVENTS.format("preset_usage", "now()") + " LIMIT 0",
    "deleted": "DELETE FROM preset_usage WHERE user_id IN (md5('user 1')::uuid, md5('user 2')::uuid)",
    "none deleted": "DELETE FROM preset_usage WHERE false",
    "moved": f"UPDATE preset_usage SET preset_id = {TWO} WHERE preset_id = {ONE}",
    "truncated": "TRUNCATE preset_usage",
    "below zero": "SET LOCAL usagefix.bypass_guard = 'on'; UPDATE presets SET usage_count = 1 WHERE usage_count > 1; DELETE FROM preset_usage",
    "straight into a later partition": "CREATE TABLE later PARTITION OF preset_usage FOR VALUES FROM ('2090-01-01') TO ('2091-01-01'); "
    + EVENTS.format("later", "'2090-02-02'::timestamptz"),
    "out of a later partition": "CREATE TABLE later PARTITION OF preset_usage FOR VALUES FROM ('2090-01-01') TO ('2091-01-01'); "
    + EVENTS.format("later", "'2090-02-02'::timestamptz") + "; DELETE FROM later",
}  # fmt: skip


@pytest.mark.parametrize("what", COUNTS)
def test_a_permit_ends_with_the_count(request: pytest.FixtureRequest, what: str) -> None:
    app: App = request.getfixturevalue("counted" if "partition" in what else "fixed")
    with app.connect(autocommit=False) as connection:
        before = connection.execute(b"SHOW search_path").fetchall()
        connection.execute(COUNTS[what].encode())
        assert connection.execute(b"SHOW search_path").fetchall() == before
        connection.commit()
    assert app.drift() == (0, 0)


def test_a_permit_does_not_outlive_an_error(guarded: App, mode: str) -> None:
    """The counting function fails at depth 2; what comes afterwards at depth 2 in the same transaction is no count."""
    guarded.sql("ALTER TABLE presets ADD CONSTRAINT low CHECK (name <> 'Neon city' OR description = 'x') NOT VALID")
    guarded.sql("CREATE TABLE outer_log (a integer)")
    guarded.sql("CREATE TABLE inner_log (permit text)")
    guarded.sql(
        "CREATE FUNCTION on_inner() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        f" UPDATE presets SET usage_count = usage_count + 1 WHERE id = {TWO}; RETURN NEW; END$$"
    )
    guarded.sql("CREATE TRIGGER t BEFORE INSERT ON inner_log FOR EACH ROW EXECUTE FUNCTION on_inner()")
    guarded.sql(
        "CREATE FUNCTION on_outer() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type)"
        "   SELECT id, md5('user 1')::uuid, 'showcase_creation' FROM presets WHERE name = 'Neon city';"
        "   RAISE 'the count must fail'; EXCEPTION WHEN check_violation THEN NULL; END;"
        " INSERT INTO inner_log VALUES (current_setting('search_path')); RETURN NEW; END$$"
    )
    guarded.sql("CREATE TRIGGER t BEFORE INSERT ON outer_log FOR EACH ROW EXECUTE FUNCTION on_outer()")
    with client(guarded, None) as connection:
        refused(guarded, mode, connection, "INSERT INTO outer_log VALUES (1)")
    assert guarded.one("SELECT count(*) FROM inner_log WHERE permit LIKE '%usagefix%'") == 0


def test_savepoints(fixed: App) -> None:
    with fixed.connect(autocommit=False) as connection:
        fixed.use(fixed.preset(1), connection=connection)
        connection.execute("SAVEPOINT a")
        connection.execute("UPDATE presets SET usage_count = 0")
        connection.execute("ROLLBACK TO a")
        fixed.use(fixed.preset(2), connection=connection)
        connection.execute(f"UPDATE presets SET usage_count = 0 WHERE id = {ONE}".encode())
        connection.commit()
    assert fixed.drift() == (0, 0)
    assert fixed.one(NOTED) == 1


BYPASSES = "UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1 WHERE id = "


def test_bypassed_on_purpose(guarded: App, mode: str) -> None:
    """By a superuser, the owner of presets, a member of the owner; in a transaction or a session."""
    with role(guarded, "shopowner"), role(guarded, "maintainer"):
        guarded.sql("GRANT shopowner TO maintainer")
        guarded.sql("ALTER TABLE presets OWNER TO shopowner")
        guarded.sql("ALTER TABLE preset_notifications OWNER TO shopowner; GRANT SELECT ON preset_usage TO shopowner")
        guarded.sql("GRANT ALL ON SCHEMA public TO shopowner")
        assert guarded.usagefix("apply").code == 0
        for number, name in enumerate(("postgres", "shopowner", "maintainer"), 1):
            with guarded.connect(user=name) as connection:
                connection.execute("SET usagefix.bypass_guard = 'on'")
                connection.execute(f"{BYPASSES}{ONE}".encode())
                connection.execute("RESET usagefix.bypass_guard")
            assert guarded.drift() == (1, number)
        with guarded.connect(user="postgres") as connection:
            connection.execute("SET ROLE authenticated")
            connection.execute("SET usagefix.bypass_guard = 'on'")
            with pytest.raises(psycopg.Error) if mode == "reject" else _nothing():
                connection.execute(f"SELECT increment_preset_usage({ONE})".encode())
        assert guarded.drift() == (1, 3)
        assert guarded.usagefix("backfill").code == 0


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.mark.parametrize("name", ["authenticated", "service_role", "anon"])
def test_application_roles_cannot_bypass(guarded: App, mode: str, name: str) -> None:
    guarded.sql("GRANT ALL ON presets TO anon")
    guarded.sql("GRANT EXECUTE ON FUNCTION increment_preset_usage(uuid) TO anon")
    with client(guarded, name) as connection:
        connection.execute("SET usagefix.bypass_guard = 'on'")
        refused(guarded, mode, connection, f"SELECT increment_preset_usage({ONE})")
        refused(
            guarded, mode, connection, "INSERT INTO presets (name, user_id, usage_count) VALUES ('n', auth.uid(), 9)"
        )


def test_what_triggers_write_is_refused_even_while_bypassed(fixed: App) -> None:
    fixed.sql(COMPETE)
    fixed.sql(COMPETITORS["statements, after ours"])
    with fixed.connect() as connection:
        connection.execute("SET usagefix.bypass_guard = 'on'")
        fixed.use(fixed.preset(1), times=3, connection=connection)
    assert fixed.drift() == (0, 0)


def test_restoring_data(guarded: App, mode: str) -> None:
    """With triggers disabled, or on purpose."""
    rows = guarded.sql("SELECT id, name, usage_count FROM presets ORDER BY id LIMIT 2")
    for setting in ("SET session_replication_role = replica", "SET usagefix.bypass_guard = 'on'"):
        with guarded.connect() as connection:
            connection.execute(setting.encode())
            with connection.transaction(force_rollback=True):
                connection.execute("CREATE TEMPORARY TABLE restored ON COMMIT DROP AS SELECT * FROM presets")
                connection.execute("DELETE FROM presets")
                connection.execute("INSERT INTO presets TABLE restored")
                again = connection.execute("SELECT id, name, usage_count FROM presets ORDER BY id LIMIT 2").fetchall()
                assert again == rows


def test_what_is_noted(fixed: App) -> None:
    """Who, by what, how often; and nothing of the data in the statements."""
    fixed.sql(
        "CREATE FUNCTION bump(secret text, n integer) RETURNS void LANGUAGE plpgsql AS $$BEGIN"
        " EXECUTE format(E'UPDATE presets\n SET usage_count = greatest(usage_count, 1) + %s,\n description = %L WHERE id = %L',"
        f" n, secret, {ONE}); END$$"
    )
    fixed.sql('CREATE SCHEMA "Other"')
    fixed.sql(
        "CREATE FUNCTION \"Other\".\"Call It\"(at timestamptz, names text[]) RETURNS void LANGUAGE plpgsql AS $$BEGIN"
        " PERFORM bump('password(1) \"hunter2\"', 3); END$$"
    )  # fmt: skip
    with client(fixed, "service_role") as connection:
        for _ in range(3):
            connection.execute(
                f"UPDATE presets SET usage_count = 1 WHERE id = {ONE} AND description <> 'password'".encode()
            )
        connection.execute(f"SELECT increment_preset_usage({ONE})".encode())
        connection.execute("SET ROLE postgres")
        connection.execute('SELECT "Other"."Call It"(now(), ARRAY[\'secret(text)\'])')
    rows = fixed.sql("SELECT mode, role, application, via, writes FROM usagefix.refused_writes ORDER BY first_at")
    assert rows == [
        ("ignore", "service_role", "api", "", 3),
        ("ignore", "service_role", "api", '"increment_preset_usage"', 1),
        ("ignore", "postgres", "api",
         'bump(text,integer) < "Other"."Call It"(timestamp with time zone,text[])', 1),
    ]  # fmt: skip
    assert "hunter2" not in str(rows)


def test_the_warning_names_what_tried_and_no_data(fixed: App) -> None:
    assert fixed.usagefix("guard", "warn").code == 0
    told = list[str]()
    with client(fixed, "service_role") as connection:
        connection.add_notice_handler(
            lambda said: told.append(f"{said.message_detail} {said.message_hint} {said.message_primary}")
        )
        connection.execute(f"SELECT increment_preset_usage({ONE})".encode())
        connection.execute(f"UPDATE presets SET usage_count = 4711 WHERE id = {ONE}".encode())
    assert [words.rsplit(": ", 1)[1] for words in told] == ['"increment_preset_usage"', "UPDATE"]
    assert "4711" not in "".join(told)


def test_many_in_one_transaction_are_noted_up_to_a_hundred(fixed: App) -> None:
    """Or each would take longer than the one before. What is beyond leaves no row, and is counted."""
    fixed.sql(
        f"DO $$BEGIN FOR n IN 1 .. 1250 LOOP UPDATE presets SET usage_count = n + 100000 WHERE id = {ONE}; END LOOP; END$$"
    )
    assert (fixed.one(NOTED), unnoted(fixed)) == (100, 1150)
    fixed.sql(f"DO $$BEGIN FOR n IN 1 .. 99 LOOP UPDATE presets SET usage_count = -n WHERE id = {ONE}; END LOOP; END$$")
    assert (fixed.one(NOTED), unnoted(fixed)) == (199, 1150)
    assert fixed.drift() == (0, 0)


def unnoted(app: App) -> int:
    return int(app.usagefix("guard", "--format", "json").one["unnoted"])


def test_notes_are_bounded_whatever_a_client_calls_itself(fixed: App) -> None:
    with client(fixed, "service_role") as connection:
        for number in range(400):
            connection.execute(f"SET application_name = 'client {number}'".encode())
            connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
        connection.execute(b"SET application_name = 'client 7'")
        connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
    assert fixed.one("SELECT count(*) FROM usagefix.refused_writes") == 150
    assert (fixed.one(NOTED), unnoted(fixed)) == (151, 250), "each is noted or counted, and who is known stays known"
    writes = {w["application"]: w["writes"] for w in fixed.usagefix("guard", "--format", "json").one["refused"]}
    assert (writes["client 0"], writes["client 7"], writes["client 149"]) == (1, 2, 1)


@pytest.mark.parametrize(
    "setting", ["usagefix.refused = '9999'", "usagefix.refused = '101'", "usagefix.smoke = 'on'", "track_counts = off"]
)
def test_no_setting_inflates_a_note_or_switches_it_off(fixed: App, setting: str) -> None:
    with client(fixed, "service_role") as connection, role(fixed, "stranger"):
        fixed.sql("GRANT service_role TO stranger")
        connection.execute(b"RESET ROLE")
        connection.execute(b"SET SESSION AUTHORIZATION stranger")
        connection.execute(b"SET ROLE service_role")
        with pytest.raises(psycopg.Error) if "track_counts" in setting else _nothing():
            connection.execute(f"SET {setting}".encode())  # that is for superusers
        connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
        assert (fixed.one(NOTED), unnoted(fixed)) == (1, 0)
        connection.execute(b"RESET SESSION AUTHORIZATION")


def test_it_does_without_the_ledger(guarded: App, mode: str) -> None:
    guarded.sql("DROP SCHEMA usagefix CASCADE")
    with client(guarded, "service_role") as connection:
        statement = f"UPDATE presets SET usage_count = 9, description = 'x' WHERE id = {ONE}"
        with pytest.raises(psycopg.Error, match="refused a write of the counter") if mode == "reject" else _nothing():
            connection.execute(statement.encode())
    assert guarded.drift() == (0, 0)
    guarded.use(guarded.preset(1))
    assert guarded.drift() == (0, 0)


def test_a_stranger_who_makes_such_a_table_gets_nothing_run(fixed: App) -> None:
    """The guard runs as the owner of presets: it must not touch a table that somebody else may have prepared."""
    with role(fixed, "plain"), role(fixed, "trapper"):
        fixed.sql("ALTER TABLE presets OWNER TO plain")
        fixed.sql("ALTER TABLE preset_notifications OWNER TO plain; GRANT SELECT ON preset_usage TO plain")
        fixed.sql("GRANT ALL ON SCHEMA public TO plain")
        assert fixed.usagefix("apply").code == 0
        fixed.sql("DROP SCHEMA usagefix CASCADE")
        fixed.sql("CREATE SCHEMA usagefix AUTHORIZATION trapper")
        fixed.sql(
            "CREATE TABLE usagefix.refused_writes (mode text, role text, application text, via text, first_at timestamptz, last_at timestamptz, writes bigint)"
        )
        fixed.sql("ALTER TABLE usagefix.refused_writes OWNER TO trapper")
        fixed.sql("GRANT USAGE ON SCHEMA usagefix TO PUBLIC")
        fixed.sql("GRANT ALL ON usagefix.refused_writes TO PUBLIC")
        with client(fixed, "service_role") as connection:
            connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
        assert fixed.one(NOTED) == 0
        assert fixed.drift() == (0, 0)
        fixed.sql("DROP SCHEMA usagefix CASCADE")


def test_noting_for_an_owner_who_does_not_own_the_ledger(fixed: App) -> None:
    with role(fixed, "plain"):
        fixed.sql("ALTER TABLE presets OWNER TO plain")
        fixed.sql("ALTER TABLE preset_notifications OWNER TO plain; GRANT SELECT ON preset_usage TO plain")
        assert fixed.usagefix("apply").code == 0
        with client(fixed, "service_role") as connection:
            connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
            assert fixed.usagefix("guard", "reject").code == 0
            with pytest.raises(psycopg.Error):
                connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
        assert (fixed.one(NOTED), fixed.one(REJECTED)) == (1, 1)


CHANGES = {
    "another owner": "ALTER TABLE presets OWNER TO other; ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO other;"
    " ALTER FUNCTION auto_adjust_preset_usage_count() OWNER TO other; ALTER FUNCTION guard_preset_usage_count() OWNER TO other",
    "the owner renamed": "ALTER ROLE plain RENAME TO other",
    "everything handed over": "REASSIGN OWNED BY plain TO other",
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_counting_and_guarding_go_on_when_the_owner_of_presets_changes(app: App, what: str) -> None:
    """Exactly, and verify stays right: nothing of it knows a role by name."""
    names = ("plain",) if "renamed" in what else ("plain", "other")
    for name in names:
        app.sql(f"CREATE ROLE {name} LOGIN")
    try:
        app.sql("ALTER TABLE presets OWNER TO plain")
        app.sql("ALTER TABLE preset_notifications OWNER TO plain; GRANT SELECT ON preset_usage TO plain")
        app.sql(f"GRANT ALL ON SCHEMA public TO {', '.join(names)}")
        assert app.usagefix("apply").code == 0
        app.sql(CHANGES[what])
        app.sql("ALTER TABLE preset_notifications OWNER TO other; GRANT SELECT ON preset_usage TO other")
        app.use(app.preset(1), times=2)
        app.sql("DELETE FROM preset_usage WHERE created_at > now() - interval '50 days'")
        assert app.drift() == (0, 0)
        app.sql(COMPETE.replace(" SECURITY DEFINER", ""))
        app.sql(COMPETITORS["rows, before ours"])
        for path in FORGED:
            with client(app, "service_role") as connection:
                connection.execute(f"SET search_path = {path}".encode())
                connection.execute(f"UPDATE presets SET usage_count = 9 WHERE id = {ONE}".encode())
                app.use(
                    app.preset(1), connection=connection
                )  # a trigger that writes the counter with this role's rights
            assert app.drift() == (0, 0)
        app.sql("DROP TRIGGER aaa ON preset_usage")
        found = app.usagefix("verify", "--format", "json")
        assert (found.code, failing(found)) == (0, set())
        app.sql(
            "ALTER FUNCTION auto_increment_preset_usage_count() SECURITY INVOKER"
        )  # for apply to have something to do
        again = app.usagefix("apply")
        assert again.code == 0, again.stderr
        assert app.drift() == (0, 0)
        assert not app.one(
            "SELECT array_agg(relname::text || privilege_type) FILTER (WHERE grantee::regrole::text = 'plain') FROM pg_class, aclexplode(relacl)"
            " WHERE relnamespace = 'usagefix'::regnamespace"
        ), "who does not own presets any more cannot write to the ledger"
    finally:
        for (name,) in app.sql("SELECT rolname FROM pg_roles WHERE rolname IN ('plain', 'other')"):
            app.sql(f"REASSIGN OWNED BY {name} TO postgres")
            app.sql(f"DROP OWNED BY {name}")
            app.sql(f"DROP ROLE {name}")


# What an application's own migration makes, with names that are ours by then.
BY_ROW = (
    "CREATE OR REPLACE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1 WHERE id = NEW.preset_id; RETURN NEW; END'"
)
BY_ROW_TRIGGER = (
    f"DROP TRIGGER IF EXISTS {TRIGGER} ON preset_usage; CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage"
    " FOR EACH ROW EXECUTE FUNCTION auto_increment_preset_usage_count()"
)
OF_ITS_OWN = f"{COMPETE.replace(ONE, 'NEW.preset_id')}; CREATE TRIGGER own AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION compete()"
STEPS_ASIDE: dict[str, tuple[str, str, bool]] = {
    "function and trigger replaced": (f"{BY_ROW}; {BY_ROW_TRIGGER}", "outdated", True),
    "function without its path": ("ALTER FUNCTION auto_increment_preset_usage_count() RESET search_path", "ok", True),
    "trigger gone": (f"DROP TRIGGER {TRIGGER} ON preset_usage", "missing", False),
    "trigger gone, another counts": (f"DROP TRIGGER {TRIGGER} ON preset_usage; {OF_ITS_OWN}", "missing", True),
    "trigger disabled, another counts": (f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}; {OF_ITS_OWN}", "failed", True),
    "function and trigger gone, another counts": (
        f"DROP FUNCTION auto_increment_preset_usage_count() CASCADE; {OF_ITS_OWN}", "missing", True,
    ),
    "function replaced, it counts in a statement": (
        BY_ROW.replace("WHERE id = NEW.preset_id", "WHERE name = (SELECT name FROM presets ORDER BY id = md5(''preset 1'')::uuid DESC LIMIT 1)"),
        "ok", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STEPS_ASIDE)
def test_it_steps_aside_where_nothing_of_usagefix_counts(guarded: App, mode: str, what: str) -> None:
    """No counter is frozen, no insert fails, in no mode; verify says so, and apply mends it."""
    change, trigger, counts = STEPS_ASIDE[what]
    guarded.sql(change)
    before = guarded.one(COUNTER)
    told = list[str]()
    with client(guarded, None) as connection:
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        guarded.use(guarded.preset(1), connection=connection)
    assert guarded.one(COUNTER) == before + counts
    with client(guarded, "service_role") as connection:
        connection.execute(f"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {ONE}".encode())
    assert guarded.one(COUNTER) == before + counts + 1, "the application may have to do it"
    assert (told, guarded.one(NOTED), guarded.one(REJECTED)) == ([], 0, 0)
    found = guarded.usagefix("verify", "--format", "json")
    assert found.code == 1
    (guarding,) = (c for c in found.one["checks"] if c["check_id"] == "guard_enabled")
    assert (guarding["status"], "it lets every write pass" in guarding["detail"]) == ("failed", True)
    assert checks(found)["trigger_enabled"] == trigger
    mended = guarded.usagefix("apply", "--format", "json")
    assert (mended.code, failing(mended)) == (0, set()), mended.stderr
    assert guarded.usagefix("guard", "--format", "json").one["mode"] == mode
    with client(guarded, "service_role") as connection:
        refused(guarded, mode, connection, f"UPDATE presets SET usage_count = 7 WHERE id = {ONE}")
    guarded.use(guarded.preset(1))
    assert guarded.drift() == (0, 0)


BACKFILLS = {
    "held off": ("backfill", "--batch-size", "7"),
    "firing": ("backfill", "--batch-size", "7", "--fire-triggers"),
}


@pytest.mark.parametrize("how", BACKFILLS)
@pytest.mark.parametrize("who", ["postgres", "plain"])
def test_the_backfill_gets_through(app: App, mode: str, how: str, who: str) -> None:
    with role(app, "plain"):
        app.sql(f'GRANT CREATE ON DATABASE "{app.name}" TO plain')
        app.sql("GRANT ALL ON SCHEMA public, auth TO plain")
        app.sql("GRANT SELECT, REFERENCES ON auth.users TO plain")
        for table in ("presets", "preset_usage", "preset_notifications"):
            app.sql(f"ALTER TABLE {table} OWNER TO {who}")
        for function in ("track_preset_usage", "increment_preset_usage", "notify_usage_milestone", "touch_updated_at"):
            app.sql(f"ALTER FUNCTION {function} OWNER TO {who}")
        url = app.url(who)
        applied = run("apply", DATABASE_URL=url)
        assert applied.code == 0, applied.stderr
        assert run("guard", mode, DATABASE_URL=url).code == 0
        app.spoil("UPDATE presets SET usage_count = CASE WHEN name LIKE 'F%%' THEN NULL ELSE 1 END".replace("%%", "%"))
        assert app.drift()[0] > 20
        enabled = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'presets'::regclass AND NOT tgisinternal ORDER BY 1"
        before = app.sql(enabled)
        done = run(*BACKFILLS[how], "--format", "json", DATABASE_URL=url)
        assert done.code == 0, done.stderr
        assert app.drift() == (0, 0)
        assert app.sql(enabled) == before
        assert {trigger["name"] for trigger in done.one["backfill"]["triggers"]} == {
            "presets_notify_usage_milestone", "presets_touch_updated_at",
        }, "the guard is not the application's"  # fmt: skip
        assert (app.one(NOTED), app.one(REJECTED)) == (0, 0)
        assert run("rollback", "--yes", DATABASE_URL=url).code == 0


def test_the_backfill_by_hand_gets_through(guarded: App) -> None:
    guarded.spoil("UPDATE presets SET usage_count = 1")
    done = guarded.psql(MIGRATION / "backfill.sql")
    assert done.returncode == 0, done.stderr
    assert guarded.drift() == (0, 0)
    assert (guarded.one(NOTED), guarded.one(REJECTED)) == (0, 0)
    guarded.spoil("UPDATE presets SET usage_count = 1")
    guarded.sql("BEGIN")
    guarded.sql((MIGRATION / "backfill.sql").read_text())
    assert guarded.one("SELECT current_setting('usagefix.bypass_guard', true)") == ""
    assert guarded.one("SELECT current_setting('session_replication_role')") == "origin"
    guarded.sql("COMMIT")
    assert guarded.drift() == (0, 0)


def test_the_backfill_does_not_let_triggers_write(fixed: App) -> None:
    """Those that fire for its corrections."""
    body, trigger = APPLICATION["after, by an update"]
    fixed.sql(f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    fixed.sql(trigger.format("meddle"))
    fixed.spoil(f"UPDATE presets SET usage_count = 1 WHERE id = {ONE}")
    assert fixed.usagefix("backfill", "--fire-triggers").code == 0
    assert fixed.drift() == (0, 0)


def test_without_the_guard_nothing_is_refused(app: App) -> None:
    """The first version alone: the tests above would notice a guard that does nothing."""
    app.usagefix("apply", "--to", VERSION)
    app.sql(f"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {ONE}")
    assert app.drift() == (1, 1)
    app.sql(COMPETE)
    app.sql(COMPETITORS["statements, after ours"])
    app.use(app.preset(1))
    assert app.drift() == (1, 2)


def test_by_hand_it_needs_the_version_before(app: App) -> None:
    done = app.psql(LEDGER, GUARD / "apply.sql")
    assert done.returncode != 0
    assert f"{VERSION} is not applied" in done.stderr
    app.sql("CREATE FUNCTION guard_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    app.sql("CREATE TRIGGER mine BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION guard_preset_usage_count()")
    for refused in (app.usagefix("apply"), app.usagefix("sql", GUARD.name, "apply", "--adapt")):
        assert refused.code == 1
        assert "another trigger calls guard_preset_usage_count() too: mine on public.presets" in refused.stderr


PARTITIONED = """
    ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey;
    ALTER TABLE preset_notifications DROP CONSTRAINT preset_notifications_preset_id_fkey;
    ALTER TABLE presets RENAME TO whole;
    CREATE TABLE presets (LIKE whole INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY HASH (id);
    CREATE TABLE presets_0 PARTITION OF presets FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE presets_1 PARTITION OF presets FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO presets SELECT * FROM whole;
    DROP TABLE whole;
    ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets ON UPDATE CASCADE ON DELETE CASCADE;
    GRANT ALL ON presets TO service_role;
"""


def test_partitioned_presets(app: App, mode: str) -> None:
    """A preset that moves to another partition is inserted there with its counter: inserts are not guarded."""
    app.sql(PARTITIONED)
    before = app.dump()
    done = app.usagefix("apply")
    assert done.code == 0, done.stderr + done.stdout
    assert app.usagefix("guard", mode).code == 0
    with client(app, "service_role") as connection:
        refused(app, mode, connection, f"UPDATE presets SET usage_count = 3 WHERE id = {ONE}")
        for table in ("presets_0", "presets_1"):
            app.sql(f"GRANT ALL ON {table} TO service_role")
            refused(
                app,
                mode,
                connection,
                f"UPDATE {table} SET usage_count = 30000 WHERE id IN (SELECT id FROM {table} LIMIT 1)",
            )
        for _ in range(8):
            connection.execute(b"UPDATE presets SET id = gen_random_uuid() WHERE name = 'Neon city'")
            assert app.drift() == (0, 0)
    app.use(app.preset(1), times=2)
    assert app.drift() == (0, 0)
    app.sql("REVOKE ALL ON presets_0, presets_1 FROM service_role")
    assert app.usagefix("rollback", "--yes", "--daily-limit", "restore" if app.drift()[0] else "skip").code == 0
    assert GUARDING not in app.dump()
    assert GUARDING not in before


FOREIGN = (
    "CREATE FUNCTION guard_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "GRANT EXECUTE ON FUNCTION guard_preset_usage_count() TO anon",
    "CREATE FUNCTION own_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    f"CREATE TRIGGER {GUARDING} BEFORE UPDATE OF usage_count ON presets FOR EACH ROW EXECUTE FUNCTION {{}}()",
    f"COMMENT ON TRIGGER {GUARDING} ON presets IS 'mine'",
    f"ALTER TABLE presets DISABLE TRIGGER {GUARDING}",
)  # fmt: skip


@pytest.mark.parametrize("calls", ["guard_preset_usage_count", "own_guard"])
@pytest.mark.parametrize("how", ["usagefix", "psql"])
def test_what_was_there_under_its_names_comes_back(app: App, how: str, calls: str) -> None:
    for statement in FOREIGN:
        app.sql(statement.format(calls))
    before = app.dump()
    assert app.usagefix("status", "--format", "json").one["migrations"][1]["state"] == "foreign"
    if how == "usagefix":
        assert app.usagefix("apply").code == 0
        assert app.usagefix("guard", "warn").code == 0
        assert failing(app.usagefix("verify", "--format", "json")) == set()
        assert app.usagefix("rollback", "--to", VERSION, "--yes").code == 0
        assert app.one("SELECT tgenabled::text FROM pg_trigger WHERE tgname = %s", GUARDING) == "D"
        assert app.usagefix("rollback", "--yes").code == 0
    else:
        assert app.by_hand().returncode == 0
        assert app.by_hand().returncode == 0, "and again"
        assert app.by_hand(undo=True).returncode == 0
    assert app.dump() == before
    assert app.one("SELECT to_regclass('usagefix.refused_writes')") is not None, "what was refused is history"


def test_the_command_shows_and_switches(fixed: App) -> None:
    shown = fixed.usagefix("guard")
    assert shown.code == 0
    assert "nothing else has tried" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("mode ignore: ")
    with client(fixed, "service_role") as connection:
        connection.execute(f"SELECT increment_preset_usage({ONE})".encode())
        connection.execute(f"UPDATE presets SET usage_count = 1 WHERE id = {TWO}".encode())
        switched = fixed.usagefix("guard", "reject", "--format", "json").one
        assert (switched["mode"], switched["was"], switched["rejected"]) == ("reject", "ignore", 0)
        with pytest.raises(psycopg.Error):
            connection.execute(f"SELECT increment_preset_usage({ONE})".encode())
    report = fixed.usagefix("guard", "--format", "json").one
    assert (report["mode"], report["was"], report["rejected"]) == ("reject", None, 1)
    assert [(w["role"], w["application"], w["via"], w["writes"]) for w in report["refused"]] == [
        ("service_role", "api", "", 1), ("service_role", "api", '"increment_preset_usage"', 1),
    ]  # fmt: skip
    table = fixed.usagefix("guard", "reject", COLUMNS="160").stdout
    assert "increment_preset_usage" in table
    assert "1 write rejected" in table
    assert "(as before)" in table
    assert "mode reject" in [c["detail"] for c in fixed.usagefix("verify", "--format", "json").one["checks"]]


def test_apply_keeps_the_mode(fixed: App) -> None:
    assert fixed.usagefix("guard", "reject").code == 0
    fixed.sql(f"ALTER TABLE presets DISABLE TRIGGER {GUARDING}")
    assert fixed.usagefix("apply").code == 0
    assert fixed.usagefix("guard", "--format", "json").one["mode"] == "reject"
    assert fixed.by_hand(GUARD).returncode == 0
    assert fixed.usagefix("guard", "--format", "json").one["mode"] == "reject"
    assert fixed.psql(LEDGER, GUARD / "apply.sql").returncode == 0
    assert fixed.usagefix("guard", "--format", "json").one["mode"] == "ignore", "as the file says"


BREAKS = {
    "not applied": (None, "is not applied here"),
    "a trigger is gone": (f"DROP TRIGGER {GUARDING} ON presets", "is not applied here"),
    "disabled": (f"ALTER TABLE presets DISABLE TRIGGER {GUARDING}", "is disabled"),
    "no ledger": ("DROP SCHEMA usagefix CASCADE", "its ledger, schema usagefix, does not exist"),
}


@pytest.mark.parametrize("what", BREAKS)
@pytest.mark.parametrize("arguments", [(), ("warn",)])
def test_not_applied(request: pytest.FixtureRequest, what: str, arguments: tuple[str, ...]) -> None:
    statement, told = BREAKS[what]
    app: App = request.getfixturevalue("fixed" if statement else "app")
    if statement:
        app.sql(statement)
    before = app.dump()
    result = app.usagefix("guard", *arguments)
    assert result.code == 1
    assert told in result.stderr
    assert "hint: run usagefix apply" in result.stderr
    assert app.dump() == before


def test_no_such_mode(fixed: App) -> None:
    assert fixed.usagefix("guard", "off").code == 2
    assert fixed.usagefix("guard", "--format", "json").one["mode"] == GuardMode.IGNORE


def test_a_role_that_may_not_switch(fixed: App) -> None:
    with role(fixed, "reader", options="LOGIN BYPASSRLS", grants="GRANT SELECT ON presets, preset_usage TO reader"):
        assert run("guard", "warn", DATABASE_URL=fixed.url("reader")).code == 5
    assert fixed.usagefix("guard", "--format", "json").one["mode"] == "ignore"


@pytest.mark.parametrize("width", ["40", "60", "80", "120"])
def test_who_it_was_can_be_read_at_every_width(fixed: App, width: str) -> None:
    with client(fixed, "service_role") as connection:
        connection.execute("SET application_name = 'next-api'")
        connection.execute(f"SELECT increment_preset_usage({ONE})".encode())
    shown = fixed.usagefix("guard", COLUMNS=width).stdout
    assert max(map(len, shown.splitlines())) <= int(width)
    for word in ("service_role", "next-api", "increment_preset_usage"):
        assert any(word in line for line in shown.splitlines()), shown
