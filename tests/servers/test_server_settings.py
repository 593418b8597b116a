"""The whole life of a counter under settings that a database or a role may have, and in other encodings than UTF-8.

Settings that do not touch each other are tried together: what is right under all of them is right under each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import components
import psycopg
import pytest
from conftest import TestServer, load_partitioned, load_sample
from support import INDEX, MIGRATION, App, Connection, give_everything_to, role

from usagefix import embedded
from usagefix.database import connect
from usagefix.target import locate

# How text is read and written.
TEXTS = {
    "standard_conforming_strings": "off",
    "escape_string_warning": "on",
    "backslash_quote": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Chatham",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "xmloption": "document",
    "xmlbinary": "hex",
}
# How functions are made and run.
FUNCTIONS = {
    "plpgsql.extra_errors": "all",
    "plpgsql.variable_conflict": "use_variable",
    "plpgsql.check_asserts": "off",
    "check_function_bodies": "off",
    "track_functions": "all",
    "default_toast_compression": "pglz",
    "row_security": "off",
    "search_path": "shop, public",
    "createrole_self_grant": "set, inherit",
    "event_triggers": "off",
    "restrict_nonsystem_relation_kind": "view",
    "default_tablespace": "elsewhere",
    "temp_tablespaces": "elsewhere",
}
# What a transaction may do and how long.
TRANSACTIONS = {
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1min",
    "lock_timeout": "1min",
    "transaction_timeout": "1min",
    "idle_in_transaction_session_timeout": "1min",
    "idle_session_timeout": "5min",
    "synchronous_commit": "off",
}
# How a statement is planned.
PLANS = {
    "default_transaction_isolation": "repeatable read",
    "search_path": "",
    "plpgsql.variable_conflict": "use_column",
    "constraint_exclusion": "on",
    "enable_seqscan": "off",
    "enable_indexonlyscan": "off",
    "enable_nestloop": "off",
    "enable_hashjoin": "off",
    "enable_hashagg": "off",
    "enable_sort": "off",
    "enable_material": "off",
    "enable_partition_pruning": "off",
    "jit": "on",
    "jit_above_cost": "0",
    "plan_cache_mode": "force_generic_plan",
    "from_collapse_limit": "1",
    "join_collapse_limit": "1",
    "cursor_tuple_fraction": "1",
}
GROUPS = {"texts": TEXTS, "functions": FUNCTIONS, "transactions": TRANSACTIONS, "plans": PLANS}


def known(app: App, settings: Mapping[str, str]) -> dict[str, str]:
    """Those that this version of the server has."""
    app.sql("LOAD 'plpgsql'")
    names = {name.lower() for (name,) in app.sql("SELECT name FROM pg_settings UNION ALL VALUES ('role')")}
    return {name: value for name, value in settings.items() if name.lower() in names}


def use(connection: Connection, app: App) -> None:
    """Uses in every way, as the application's sessions with these settings write them."""
    inserted = "INSERT INTO public.preset_usage (preset_id, user_id, usage_type) SELECT %s::uuid, %s::uuid, 'showcase_creation'"
    one, other, somebody = app.preset(3), app.preset(4), app.user_id(3)
    connection.read_only = False
    with connection.transaction():
        connection.execute("SET LOCAL ROLE authenticated")
        connection.execute("SELECT set_config('request.jwt.claim.sub', %s, true)", (somebody,))
        for _ in range(2):  # the second one of the day
            connection.execute("SELECT public.track_preset_usage(%s, 'showcase_creation')", (one,))
    with connection.transaction():
        connection.execute(inserted, (one, somebody))
        connection.execute(f"{inserted} FROM generate_series(1, 6)".encode(), (one, somebody))
        connection.execute(f"{inserted} FROM generate_series(1, 3)".encode(), (other, somebody))
        connection.execute(
            f"{inserted.replace('%s::uuid, %s', 'unnest(%s::uuid[]), %s', 1)}".encode(), ([one, other], somebody)
        )
    mine = "id IN (SELECT id FROM public.preset_usage WHERE preset_id = %s ORDER BY created_at DESC LIMIT %s)"
    with connection.transaction():
        connection.execute("SELECT public.increment_preset_usage(%s)", (one,))  # which the guard passes over
        connection.execute(f"DELETE FROM public.preset_usage WHERE {mine}".encode(), (one, 2))
        connection.execute(f"UPDATE public.preset_usage SET preset_id = %s WHERE {mine}".encode(), (other, one, 3))


def live(app: App, user: str, name: str = "Neon city", shown_name: str = "Neon city") -> None:
    """Drifted → applied → used → proven → rolled back, by this user's usagefix."""
    newest = app.one("SELECT max(created_at) FROM preset_usage")
    url = {"DATABASE_URL": app.url(user)}
    assert app.drift()[0] > 0, "the sample must be drifted, or this proves nothing"

    def done(*arguments: str, code: int = 0) -> str:
        result = app.usagefix(*arguments, **url)
        assert result.code == code, f"{arguments}: {result.code} {result.stdout}{result.stderr}"
        return result.stdout

    done("verify", code=1)
    done("apply", "--trust", "events")
    assert app.drift() == (0, 0)
    with app.connect(user=user) as session:
        shown = app.one("SELECT usage_count FROM presets WHERE id = %s", app.preset(3))
        use(session, app)
    assert app.one("SELECT usage_count FROM presets WHERE id = %s", app.preset(3)) == shown + 2 + 1 + 6 + 1 - 2 - 3
    assert app.drift() == (0, 0), "the guard lets only the triggers count"
    (via,) = app.sql("SELECT via::bytea FROM usagefix.refused_writes")[0]
    assert via == b'"increment_preset_usage"', "and says who tried"
    done("verify")
    done("smoke")
    app.spoil("UPDATE presets SET usage_count = 7 WHERE id = %s", app.preset(2))
    done("verify", "--format", "json", code=1)
    done("backfill")
    assert app.drift() == (0, 0)
    assert shown_name in done("check-preset", name, "--recent", "2")
    done("status", "--format", "json")
    done("doctor")
    app.sql("DELETE FROM preset_usage WHERE created_at > %s", newest)
    done("rollback", "--yes")
    assert app.drift() == (0, 0)


@contextmanager
def set_for(app: App, user: str, settings: Mapping[str, str], *, as_role: bool) -> Iterator[None]:
    """Settings of the database, or of the role."""
    whose = psycopg.sql.SQL("ROLE {}").format(psycopg.sql.Identifier(user)) if as_role else None
    whose = whose or psycopg.sql.SQL("DATABASE {}").format(psycopg.sql.Identifier(app.name))
    settings = known(app, settings)
    for name, value in settings.items():
        # A path is a list of names, not one.
        values = [psycopg.sql.Literal(part) for part in (value.split(", ") if name == "search_path" else [value])]
        setting = psycopg.sql.SQL(".").join(map(psycopg.sql.Identifier, name.split(".")))
        app.db.execute(
            psycopg.sql.SQL("ALTER {} SET {} = {}").format(whose, setting, psycopg.sql.SQL(", ").join(values))
        )
    try:
        with app.connect(user=user) as session:
            for name, value in settings.items():
                (found,) = session.execute("SELECT current_setting(%s)", (name,)).fetchall()[0]
                assert found.replace('"', "") == value, name
        yield
    finally:
        app.db.execute(psycopg.sql.SQL("ALTER {} RESET ALL").format(whose))


def surround(app: App) -> None:
    """A schema that stands first on a path, with names that lead astray; another place for tables."""
    app.sql("CREATE SCHEMA shop")
    app.sql("CREATE TABLE shop.presets (id uuid, usage_count text)")
    app.sql("CREATE FUNCTION shop.count(text) RETURNS text LANGUAGE sql AS $$ SELECT 'no' $$")
    app.sql("CREATE FUNCTION shop.auto_increment_preset_usage_count() RETURNS text LANGUAGE sql AS $$ SELECT 'no' $$")
    app.sql("GRANT USAGE ON SCHEMA shop TO PUBLIC")
    if not app.sql("SELECT 1 FROM pg_tablespace WHERE spcname = 'elsewhere'"):
        app.sql("SET allow_in_place_tablespaces = on")
        app.sql("CREATE TABLESPACE elsewhere LOCATION ''")


# Each group once as settings of the database, once as those of the role that owns the tables: a role's rank higher.
PAIRS = [("texts", "plans"), ("plans", "texts"), ("functions", "transactions"), ("transactions", "functions")]


@pytest.mark.parametrize(("of_database", "of_role"), PAIRS, ids=map("-".join, PAIRS))
def test_settings(app: App, of_database: str, of_role: str) -> None:
    surround(app)
    # The owner, or a role that becomes the owner as it logs in.
    user = "visitor" if of_role == "texts" else "shopkeeper"
    settings = GROUPS[of_role] | ({"role": "shopkeeper"} if user == "visitor" else {})
    with role(app, "shopkeeper", options="LOGIN"), role(app, "visitor", options="LOGIN IN ROLE shopkeeper"):
        give_everything_to(app, "shopkeeper")
        app.sql("GRANT authenticated TO shopkeeper; GRANT CREATE ON TABLESPACE elsewhere TO shopkeeper")
        before = app.dump()
        with (
            set_for(app, user, GROUPS[of_database], as_role=False),
            set_for(app, user, settings, as_role=True),
        ):
            live(app, user)
        assert app.dump() == before


def test_settings_that_come_after_apply_or_go_before_rollback(app: App) -> None:
    before = app.dump()
    for first, then in (({}, TEXTS), (TEXTS, {})):
        with set_for(app, "postgres", first, as_role=False):
            assert app.usagefix("apply").code == 0
        with set_for(app, "postgres", then, as_role=False):
            again = app.usagefix("apply", "--format", "json")
            assert (again.code, again.one["migrations"]) == (0, [])
            rolled_back = app.usagefix("rollback", "--yes", "--format", "json")
            assert rolled_back.code == 0, rolled_back.stderr
        assert app.dump() == before


@components.needs("postgresql-18")
def test_settings_that_later_versions_have() -> None:
    settings = TRANSACTIONS | FUNCTIONS | {"jit": "on"}
    with embedded.running(components.path("postgresql-18"), prefix="usagefix-test-") as running:
        maintenance = App(running.host, running.port, "postgres", running.binaries)
        maintenance.sql("CREATE DATABASE later")
        app = App(running.host, running.port, "later", running.binaries)
        load_partitioned(conninfo=app.url())
        surround(app)
        before = app.dump()
        assert known(app, settings).keys() == settings.keys()
        with set_for(app, "postgres", settings, as_role=False):
            live(app, "postgres")
        assert app.dump() == before
        app.close()
        maintenance.close()


def test_a_server_that_speaks_another_language(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    german = {"lc_messages": "C.UTF-8"}
    with embedded.running(server.binaries, prefix="usagefix-test-", settings=german) as running:
        app = App(running.host, running.port, "postgres", running.binaries)
        try:
            with pytest.raises(psycopg.errors.UndefinedTable) as caught:
                app.sql("TABLE nowhere")
            if "existiert nicht" not in str(caught.value):
                pytest.skip("this server has no German messages")
            load_sample(conninfo=app.url())
            before = app.dump()
            for command in (("apply",), ("verify",), ("rollback", "--yes")):
                result = app.usagefix(*command)
                assert result.code == 0, result.stderr
            assert app.dump() == before
            elsewhere = App(app.host, app.port, "nowhere", app.binaries)
            result = elsewhere.usagefix("verify")
            assert (result.code, "hint: the server itself refuses" in result.stderr) == (3, True), result.stderr
        finally:
            app.close()


def test_limits_of_the_role_do_not_end_what_usagefix_does(app: App) -> None:
    limits = {
        "statement_timeout": "100ms", "lock_timeout": "10ms", "idle_in_transaction_session_timeout": "100ms",
        "transaction_timeout": "100ms", "default_transaction_read_only": "on", "default_tablespace": "elsewhere",
    }  # fmt: skip
    surround(app)
    # A session without these limits, which began before.
    with app.connect(autocommit=False) as older, set_for(app, "postgres", limits, as_role=False):
        db = connect(locate(app.url(), "the test"))
        for began in (db.snapshot, db.transaction):
            with began():
                time.sleep(0.15)
                db.run("SELECT pg_catalog.pg_sleep(0.15)")
        assert db.values(f"SELECT pg_catalog.to_regclass('public.{INDEX}')::text") == [f"public.{INDEX}"]
        older.execute("SELECT FROM preset_usage")
        end = threading.Timer(0.3, older.commit)
        end.start()
        db.run_alone(f"DROP INDEX CONCURRENTLY {INDEX}", 20)
        end.join()
        db.run_alone(f"CREATE INDEX CONCURRENTLY {INDEX} ON public.preset_usage (user_id)", 20)
        assert app.one("SELECT reltablespace FROM pg_class WHERE relname = %s", INDEX) == 0
        assert db.values("SHOW default_tablespace") == ["elsewhere"], "what was set for the two statements is no more"
        db.close()


# A name in the encoding, and bytes that are none of its characters.
ENCODINGS = {
    "LATIN1": ("Caf\xe9 \xa7".encode("latin-1"), b""),
    "WIN1252": ("Caf\xe9 \u20ac".encode("cp1252"), b"\x81"),
    "EUC_JP": ("\u65e5\u672c\u8a9e".encode("euc_jp"), b""),
    "SQL_ASCII": ("Caf\xe9 \u65e5".encode(), b"\xe9\xff"),
}
CODECS = {"LATIN1": "latin-1", "WIN1252": "cp1252", "EUC_JP": "euc_jp", "SQL_ASCII": "utf-8"}


@pytest.fixture(params=ENCODINGS)
def encoded(app: App, request: pytest.FixtureRequest) -> Iterator[tuple[App, str, str]]:
    """The sample in a database of its own encoding; with the name of a preset as text, and as a report shows it."""
    encoding: str = request.param
    text, stray = ENCODINGS[encoding]
    name = f"in_{encoding.lower()}"
    app.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    there = App(app.host, app.port, name, app.binaries)
    try:
        load_sample(conninfo=there.url())
        with psycopg.connect(there.url(), autocommit=True, client_encoding=encoding) as raw:
            raw.execute(
                b"UPDATE presets SET usage_count = 9999, name = '" + text + stray + b"' WHERE name = 'Neon city'"
            )
            found = raw.execute("SELECT pg_get_functiondef('track_preset_usage'::regproc)::bytea").fetchall()
            raw.execute(found[0][0].replace(b"-- One use", b"-- " + text + stray))
            raw.execute(b'ALTER TABLE presets ADD "' + text + b'" text')
            raw.execute(b'CREATE ROLE "' + text + b'"')
            raw.execute(b'GRANT UPDATE ON presets TO "' + text + b'"')
        codec = CODECS[encoding]
        shown = text.decode(codec) + "".join(f"\\x{byte:02x}" for byte in stray)
        yield there, (text + stray).decode(codec, "surrogateescape"), shown
        with psycopg.connect(there.url(), autocommit=True, client_encoding=encoding) as raw:
            raw.execute(b'DROP OWNED BY "' + text + b'"')
            raw.execute(b'DROP ROLE "' + text + b'"')
    finally:
        there.close()
        app.sql(f"DROP DATABASE {name}")


def test_other_encodings(encoded: tuple[App, str, str]) -> None:
    app, name, shown = encoded
    for form in ("table", "json", "markdown", "github", "junit"):
        result = app.usagefix("verify", "--format", form)
        assert result.code == 1, result.stderr
        assert "error:" not in result.stderr
        if form == "markdown":
            assert shown.replace("\\", "\\\\") in result.stdout
        if form == "table":
            assert shown in result.stdout, form
        if form == "json":
            assert name in {row["label"] for row in result.one["rows"]}
    before = app.dump()
    live(app, "postgres", name, shown)
    assert app.dump() == before


def test_by_hand(app: App) -> None:
    """The scripts that `usagefix sql --adapt` prints, with psql; and verify.sql as it is."""
    surround(app)
    settings = TEXTS | FUNCTIONS | {"search_path": ""}
    definition = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
    app.sql(definition.replace("-- One use", "-- Caf\xe9 \u65e5\u672c: one use"))
    before = app.dump()
    with set_for(app, "postgres", settings, as_role=False):
        done = app.by_hand()
        assert done.returncode == 0, done.stderr
        assert app.drift() == (0, 0)
        checked = app.psql(MIGRATION / "verify.sql")
        assert checked.returncode == 0, checked.stderr
        assert not {"failed", "missing", "outdated", "unexpected"} & set(checked.stdout.split()), checked.stdout
        assert app.usagefix("verify").code == 0
        newest = app.one("SELECT max(created_at) FROM preset_usage")
        with app.connect() as session:
            use(session, app)
        assert app.drift() == (0, 0)
        app.sql("DELETE FROM preset_usage WHERE created_at > %s", newest)
        done = app.by_hand(undo=True)
        assert done.returncode == 0, done.stderr
    assert app.dump() == before
