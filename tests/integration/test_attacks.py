"""Nobody gets in: attacks from who may create in the schema, from the tables' owner, and from the application's users."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from planted import ATTACKER, ATTEMPT, MARK, OWNER, Log, functions, operators, ours, plant
from support import SQL, App, Connection, role

RIGHTS = (
    "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolcanlogin,"
    " ARRAY(SELECT roleid FROM pg_catalog.pg_auth_members WHERE member = roles.oid ORDER BY roleid)"
    " FROM pg_catalog.pg_roles AS roles WHERE rolname !~ '^pg_' ORDER BY rolname"
)


@pytest.fixture
def theirs(owned: App) -> App:
    """The same after an apply by the owner, to whom the ledger belongs then; what follows a superuser runs."""
    owned.sql(f"GRANT CREATE ON DATABASE {owned.name} TO {OWNER}")
    done = owned.usagefix("apply", DATABASE_URL=owned.url(OWNER))
    assert done.code == 0, done.stderr
    return owned


@pytest.fixture
def applied(owned: App) -> App:
    """The same after a superuser's apply."""
    done = owned.usagefix("apply")
    assert done.code == 0, done.stderr
    return owned


# Everything that a superuser runs, in an order in which each has something to do, and how it ends.
COMMANDS = (
    ("verify", 1),
    ("status", 0),
    ("doctor", 1),
    ("apply --dry-run", 0),
    ("apply", 0),
    ("verify", 0),
    ("status", 0),
    ("backfill", 0),
    ("guard warn", 0),
    ("guard", 0),
    ("smoke", 0),
    ("doctor", None),
    ("check-preset", 0),
    ("use", None),
    ("export", 0),
    ("rollback --yes", 0),
    ("rollback --yes --purge", 0),
)
EVENT = "INSERT INTO public.preset_usage (preset_id, user_id, usage_type, created_at)"
USES = (
    f"{EVENT} SELECT id, user_id, 'showcase_creation', pg_catalog.now() FROM public.presets WHERE user_id IS NOT NULL LIMIT 3",
    f"{EVENT} SELECT id, user_id, 'showcase_creation', '1990-01-01' FROM public.presets WHERE user_id IS NOT NULL LIMIT 1",
    "UPDATE public.preset_usage SET preset_id = (SELECT id FROM public.presets WHERE usage_count = 0 LIMIT 1)"
    " WHERE created_at = '1990-01-01'",
    "DELETE FROM public.preset_usage WHERE created_at = '1990-01-01' OR created_at = pg_catalog.now()",
    "UPDATE public.presets SET usage_count = 4711",
    "INSERT INTO public.presets (name, description, usage_count) VALUES ('new', 'new', 3)",
    "DELETE FROM public.presets WHERE description = 'new'",
    "TRUNCATE public.preset_usage",
)


def use(app: App) -> None:
    """What makes each counting function and the guard do all that they do; undone at the end. By the owner: a superuser
    who has set a role would be one again after the first RESET ROLE of something planted."""
    with app.connect(autocommit=False, user=OWNER) as connection:
        connection.execute("SET LOCAL search_path = pg_catalog, public")  # a trigger of the sample needs it
        for statement in USES:
            connection.execute(statement.encode())
        connection.rollback()


PLANTS = {"nothing": lambda _: [], "functions": functions, "operators": operators}


@pytest.mark.parametrize("what", PLANTS)
def test_what_is_planted_in_the_schema_is_never_called(owned: App, what: str, tmp_path: Path) -> None:
    """PostgreSQL 14's default, kept by upgrades: everybody may create in public."""
    owned.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    statements = PLANTS[what](owned)
    planted = plant(owned, statements)
    assert planted > 1000 or what == "nothing", f"{planted} of {len(statements)}"
    before, rights, log = owned.dump(), owned.sql(RIGHTS), Log.of(owned)
    wrong = []
    for command, expected in COMMANDS:
        if command == "use":
            try:
                use(owned)
            except psycopg.Error as error:
                wrong.append(f"use: {error}")
            continue
        arguments = command.split() + {"check-preset": [owned.preset()], "export": [str(tmp_path), "--adapt"]}.get(
            command, []
        )
        done = owned.usagefix(*arguments)
        if done.code != expected if expected is not None else done.code > 1:
            wrong.append(f"{command}: exit {done.code}: {done.stderr[-300:]}")
    gained = [row for row in owned.sql(RIGHTS) if row not in rights]
    assert (gained, log.ours(), log.as_superuser(), wrong) == ([], [], [], [])
    assert owned.dump() == before


@pytest.mark.parametrize("what", ["functions", "operators"])
def test_files_by_hand_call_nothing_that_is_planted(owned: App, what: str, tmp_path: Path) -> None:
    owned.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert owned.usagefix("export", str(tmp_path), "--adapt").code == 0
    assert plant(owned, PLANTS[what](owned)) > 1000
    rights, log, wrong = owned.sql(RIGHTS), Log.of(owned), []
    for file in sorted(tmp_path.glob("*.sql")):
        done = owned.psql(file)
        if done.returncode:
            wrong.append(f"{file.name}: {done.stderr[:300]}")
    verified = owned.usagefix("verify").code
    # A rollback by hand may refuse: the function that records was edited. It calls nothing either.
    for name in ("verify", "rollback"):
        for file in sorted(SQL.glob(f"2*/{name}.sql"), reverse=True):
            owned.psql(file)
    gained = [row for row in owned.sql(RIGHTS) if row not in rights]
    assert (gained, log.ours(), log.as_superuser(), wrong) == ([], [], [], [])
    assert verified == 0


TRACKERS = {
    "fewer arguments": "(preset_uuid uuid, usage_type_param text)",
    "another order": "(usage_type_param text, preset_uuid uuid)",
    "more arguments": "(preset_uuid uuid, usage_type_param text, usage_data_param jsonb, more text DEFAULT NULL)",
}


@pytest.mark.parametrize("what", TRACKERS)
def test_a_function_of_somebody_else_is_not_tried_with_the_owners_rights(owned: App, what: str) -> None:
    """It has the name of the function that records, but belongs to a role that owns nothing else."""
    owned.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with owned.connect(user=ATTACKER) as attacker:
        attacker.execute(
            f"CREATE FUNCTION public.track_preset_usage{TRACKERS[what]} RETURNS uuid LANGUAGE plpgsql AS $$BEGIN {ATTEMPT}"
            " INSERT INTO public.preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param);"
            " RETURN NULL; END$$".encode()
        )
    rights, log, ended = owned.sql(RIGHTS), Log.of(owned), []
    for command in ("verify", "doctor", "apply --dry-run", "apply", "smoke", "rollback --yes"):
        before = len(log.calls())
        owned.usagefix(*command.split())
        ended += [(command, call.user) for call in log.calls()[before:] if call.user != ATTACKER]
    assert sorted(set(ended)) == []
    assert owned.sql(RIGHTS) == rights


def test_functions_that_wait_under_our_names_give_their_maker_nothing(owned: App) -> None:
    """CREATE OR REPLACE keeps the owner and the grants of what was there."""
    made = (
        "SELECT oid::pg_catalog.regprocedure::text, proowner::pg_catalog.regrole::text,"
        f" pg_catalog.has_function_privilege('{ATTACKER}', oid, 'EXECUTE') FROM pg_catalog.pg_proc"
        " WHERE pronamespace = 'public'::pg_catalog.regnamespace AND prorettype = 'trigger'::pg_catalog.regtype"
    )
    sample = {name for name, _, _ in owned.sql(made)}
    assert owned.usagefix("apply").code == 0
    names = [name for name, _, _ in owned.sql(made) if name not in sample]
    assert len(names) >= 2
    assert owned.usagefix("rollback", "--yes", "--purge").code == 0
    assert {name for name, _, _ in owned.sql(made)} == sample
    owned.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with owned.connect(user=ATTACKER) as attacker:
        for name in names:
            attacker.execute(
                f"CREATE FUNCTION {name} RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {ATTEMPT} RETURN NULL; END$$;"
                f" GRANT EXECUTE ON FUNCTION {name} TO {ATTACKER}, authenticated WITH GRANT OPTION".encode()
            )
    log, done = Log.of(owned), owned.usagefix("apply")
    assert log.calls() == []
    if done.code == 0:
        for name, owner, callable_by_attacker in owned.sql(made):
            if name in names:
                assert (owner in (OWNER, "postgres"), callable_by_attacker) == (True, False), name
        use(owned)
        assert log.calls() == []
        assert owned.usagefix("verify").code == 0
    else:
        assert done.code in (1, 5)
        assert "nothing in the database was changed" in done.stderr
        assert any(name.removesuffix("()") in done.stderr for name in names)


# In a session of the application: what pg_temp may hold.

TEMPORARY = """
    CREATE FUNCTION pg_temp.note(what text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN {attempt} RETURN true; END$$;
    CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {attempt} RETURN NEW; END$$;
"""


def plant_temporary(client: Connection) -> None:
    """Relations, types and functions of every name of ours, in the schema that is searched first where none says otherwise."""
    client.execute(TEMPORARY.format(attempt=ATTEMPT).encode())
    text = ours()
    kept = client.execute(
        "SELECT c.relname::text, n.nspname::text, ARRAY(SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute"
        "  WHERE attrelid = c.oid AND (attnum > 0 OR attname = 'oid') AND atttypid <> 'anyarray'::regtype AND NOT attisdropped)"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('pg_catalog', 'public', 'usagefix') AND c.relkind IN ('r', 'v')"
    ).fetchall()
    for name, schema, columns in kept:
        if not re.search(rf"\b{name}\b", text):
            continue
        if schema == "pg_catalog":
            client.execute(
                f"CREATE TEMP VIEW {name} AS SELECT {', '.join(columns)} FROM pg_catalog.{name}"
                f" WHERE pg_temp.note('{name}')".encode()
            )
        elif schema == "public":
            client.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM public.{name}".encode())
            client.execute(
                f"CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON pg_temp.{name} FOR EACH ROW EXECUTE FUNCTION pg_temp.note()".encode()
            )
        else:
            client.execute(f"CREATE TEMP VIEW {name} AS SELECT 1 AS a WHERE pg_temp.note('{name}')".encode())
    for name in ("new_events", "old_events", "new_rows", "old_rows"):
        client.execute(
            f"CREATE TEMP VIEW {name} AS SELECT *, 1 AS n FROM public.preset_usage WHERE pg_temp.note('{name}')".encode()
        )
    for name in (
        "text",
        "name",
        "oid",
        "regclass",
        "regprocedure",
        "uuid",
        "jsonb",
        "tid",
        "int8",
        "int4",
        "timestamptz",
    ):
        client.execute(f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.note('{name}'))".encode())


def test_temporary_objects_of_our_names_lead_nowhere(applied: App) -> None:
    applied.sql("UPDATE public.presets SET user_id = pg_catalog.md5('user 1')::uuid, is_public = true")
    presets = applied.one("SELECT pg_catalog.array_agg(id::text ORDER BY id) FROM public.presets WHERE usage_count > 0")
    log = Log.of(applied)
    applied.sql(f"GRANT authenticated TO {ATTACKER}")
    rights = applied.sql(RIGHTS)
    with applied.connect(user=ATTACKER) as client:
        client.execute("SET ROLE authenticated")
        client.execute(f"SET request.jwt.claim.sub = '{applied.user_id(1)}'".encode())
        plant_temporary(client)
        before = applied.sql("SELECT id, usage_count FROM public.presets ORDER BY id")
        for preset in presets[:2]:
            client.execute("SELECT public.track_preset_usage(%s, 'showcase_creation')", (preset,))
            client.execute(f"{EVENT} VALUES (%s, auth.uid(), 'showcase_creation', now())".encode(), (preset,))
        client.execute(f"{EVENT} SELECT id, auth.uid(), 'showcase_creation', now() FROM public.presets".encode())
        client.execute("UPDATE public.presets SET usage_count = 4711, description = 'x'")
        client.execute("INSERT INTO public.presets (name, user_id, usage_count) VALUES ('new', auth.uid(), 3)")
        client.execute("DELETE FROM public.presets WHERE id = %s", (presets[2],))
    after = dict(applied.sql("SELECT id, usage_count FROM public.presets"))
    used = {preset: 3 if str(preset) in presets[:2] else 1 for preset, _ in before}
    assert {preset: count + used[preset] for preset, count in before if preset in after} == {
        preset: after[preset] for preset, _ in before if preset in after
    }
    assert {(call.user, call.through) for call in log.calls() if call.user != "authenticated"} == set()
    assert applied.sql(RIGHTS) == rights


# The tables' owner, against a superuser.

GAIN = f"ALTER ROLE {OWNER} CREATEROLE"
TAMPERED = {
    "a statement after it": ("{0} || '; {1}; --'", f"; {GAIN}"),
    "a block instead": ("'{1}'", f"DO $x$BEGIN EXECUTE ''RESET ROLE''; EXECUTE ''{GAIN}''; END$x$"),
    "another role first": ("'{1}' || {0}", f"RESET ROLE; RESET SESSION AUTHORIZATION; {GAIN}; "),
    "out of its quotes": ("{0} || '{1}'", f"'' $function$ $$; RESET ROLE; {GAIN}; --"),
}
COLUMNS = """
    SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, NULL)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'usagefix'::pg_catalog.regnamespace AND c.relkind = 'r' AND a.atttypid IN ('text'::pg_catalog.regtype, 'text[]'::pg_catalog.regtype)
    ORDER BY 1, 2
"""
IS_SQL = r"\m(create|alter|begin|select|insert|update|trigger|reset|set|grant)\M"


@pytest.mark.parametrize("how", TAMPERED)
def test_what_the_owner_wrote_into_the_ledger_is_not_run_with_more_rights(theirs: App, how: str) -> None:
    pattern, words = TAMPERED[how]
    rights, gained, halfway, tried = theirs.sql(RIGHTS), list[str](), list[str](), 0
    for table, column, kind in theirs.sql(COLUMNS):
        if not theirs.one(f"SELECT count(*) FROM usagefix.{table} WHERE {column}::text ~* %s", IS_SQL):
            continue
        tried += 1
        theirs.sql(f"CREATE TABLE public.kept AS TABLE usagefix.{table}")
        tampered = f"ARRAY['{words}']" if kind == "text[]" else pattern.format(column, words)
        try:
            with theirs.connect(user=OWNER) as owner:
                owner.execute(f"UPDATE usagefix.{table} SET {column} = {tampered} WHERE {column} IS NOT NULL".encode())
        except psycopg.Error:
            pass  # not theirs to write, or not of that form
        before = theirs.dump()
        done = theirs.usagefix("rollback", "--yes")
        if theirs.sql(RIGHTS) != rights:
            gained.append(f"{table}.{column}")
            theirs.sql(f"ALTER ROLE {OWNER} NOCREATEROLE")
        if done.code == 0:
            theirs.sql("DROP SCHEMA usagefix CASCADE")
        else:
            if theirs.dump() != before:
                halfway.append(f"{table}.{column}")
            theirs.sql(f"DELETE FROM usagefix.{table}")
            theirs.sql(f"INSERT INTO usagefix.{table} OVERRIDING SYSTEM VALUE SELECT * FROM public.kept")
        theirs.sql("DROP TABLE public.kept")
        again = theirs.usagefix("apply", DATABASE_URL=theirs.url(OWNER))
        assert again.code == 0, f"{table}.{column}: {again.stderr}"
    assert tried > 0, "the ledger holds no SQL: this test proves nothing"
    assert (gained, halfway) == ([], [])


TABLE = "CREATE TABLE usagefix.history (entry int, counter text, version text, action text, tool text)"
TRAPS = {
    "a type": "CREATE TYPE usagefix.odd AS (a int); CREATE FUNCTION usagefix.cast_it(usagefix.odd) RETURNS text"
    " LANGUAGE sql AS $$SELECT usagefix.evil(1)::text$$; CREATE CAST (usagefix.odd AS text)"
    " WITH FUNCTION usagefix.cast_it(usagefix.odd) AS IMPLICIT;"
    "CREATE TABLE usagefix.history (entry int, counter usagefix.odd, version text, action text, tool text)",
    "a view": "CREATE VIEW usagefix.history AS SELECT usagefix.evil(1) AS entry, 'x' AS counter, 'x' AS version",
    "no sequence": "CREATE VIEW usagefix.rejected_preset_usage_count AS SELECT usagefix.evil(1) AS last_value",
    "an index": f"{TABLE}; CREATE INDEX ON usagefix.history (usagefix.evil(1))",
    "part of an index": f"{TABLE}; CREATE INDEX ON usagefix.history (entry) WHERE usagefix.evil(1) > 0",
    "statistics": f"{TABLE}; CREATE STATISTICS usagefix.s ON (usagefix.evil(entry)) FROM usagefix.history",
    "a child": f"{TABLE}; CREATE TABLE usagefix.child () INHERITS (usagefix.history)",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_schema_of_our_name_that_somebody_made_is_not_read(app: App, trap: str) -> None:
    """All that it takes is the right to create a schema: who only looks would run its code."""
    with role(app, "mallory", grants=f'GRANT CREATE ON DATABASE "{app.name}" TO mallory'):
        with app.connect() as theirs:
            theirs.execute("SET ROLE mallory")
            theirs.execute("CREATE SCHEMA usagefix")
            theirs.execute(
                "CREATE FUNCTION usagefix.evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN"
                " IF current_user <> 'mallory' THEN RAISE EXCEPTION 'evil as %', current_user; END IF; RETURN 1; END$$"
            )
            theirs.execute(TRAPS[trap].encode())
        for command in ("verify", "log"):
            done = app.usagefix(command)
            said = "usagefix.rejected_preset_usage_count" if trap == "no sequence" else "usagefix.history"
            assert (done.code, "evil" in done.stderr) == (5, False), done.stderr
            assert f"{said} is not as usagefix creates it" in done.stderr


ON_A_LEDGER = {
    "trigger": "CREATE TRIGGER evil_thing BEFORE INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION public.evil()",
    "rule": "CREATE RULE evil_thing AS ON INSERT TO {} DO ALSO SELECT public.evil('x')",
    "policy": "CREATE POLICY evil_thing ON {0} USING (public.evil('x') IS NULL); ALTER TABLE {0} ENABLE ROW LEVEL SECURITY",
}
CHANGING = ("apply", "backfill", "guard reject", "rollback --yes")


@pytest.mark.parametrize("kind", ON_A_LEDGER)
def test_a_ledger_that_runs_somebodys_code_is_refused(theirs: App, kind: str) -> None:
    with theirs.connect(user=OWNER) as owner:
        for arguments, returns, answer in (("", "trigger", "NEW"), ("text", "text", "$1")):
            owner.execute(
                f"CREATE FUNCTION public.evil({arguments}) RETURNS {returns} LANGUAGE plpgsql AS"
                f" $$BEGIN {ATTEMPT} RETURN {answer}; END$$".encode()
            )
    rights, log = theirs.sql(RIGHTS), Log.of(theirs)
    tables = [
        table
        for (table,) in theirs.sql(
            "SELECT 'usagefix.' || relname FROM pg_catalog.pg_class"
            " WHERE relnamespace = 'usagefix'::pg_catalog.regnamespace AND relkind = 'r' ORDER BY 1"
        )
    ]
    assert len(tables) > 1
    let_through = []
    for number, table in enumerate(tables):
        with theirs.connect(autocommit=False) as connection:
            connection.execute(ON_A_LEDGER[kind].format(table).encode())
            connection.commit()
            # All of them on one table, one on each other.
            for command in CHANGING if number == 0 else (CHANGING[number % len(CHANGING)],):
                done = theirs.usagefix(*command.split())
                if done.code not in (1, 5) or "evil_thing" not in done.stderr:
                    let_through.append((table, command, done.code, done.stderr[-200:]))
            connection.execute(f"DROP {kind} IF EXISTS evil_thing ON {table}".encode())
            connection.execute(f"ALTER TABLE IF EXISTS {table} DISABLE ROW LEVEL SECURITY".encode())
        if theirs.one("SELECT pg_catalog.to_regclass(%s) IS NULL", "usagefix.history"):
            break
        if number + 1 < len(tables) and let_through:
            theirs.usagefix("apply", DATABASE_URL=theirs.url(OWNER))
    assert let_through == []
    assert log.calls() == []
    assert theirs.sql(RIGHTS) == rights


# What the owner of the application wrote runs in a trial, or while a superuser corrects the counters.

TAKE_OVER = (
    """
    DECLARE
        way pg_catalog.text;
    BEGIN
        FOREACH way IN ARRAY ARRAY['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION postgres', 'SET ROLE postgres',
            'SELECT pg_catalog.set_config(''role'', ''none'', false)', 'SELECT pg_catalog.set_config(''role'', ''postgres'', true)'] LOOP
            BEGIN
                EXECUTE way;
                IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user) THEN
                    RAISE LOG '"""
    + MARK
    + """ % % %', pg_catalog.current_database(), current_user, way;
                    EXECUTE 'ALTER ROLE appowner CREATEROLE';
                END IF;
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
    END;
"""
)
TRIGGER_FUNCTION = (
    f"CREATE FUNCTION public.hostile() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {TAKE_OVER} RETURN NEW; END$$;"
)
EXPRESSION = f"CREATE FUNCTION public.hostile(uuid) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS $$BEGIN {TAKE_OVER} RETURN $1; END$$;"
OF_A_CHECK = EXPRESSION.replace("IMMUTABLE", "VOLATILE")  # in which SET ROLE is allowed
HOSTILE = {
    "the function that records": "CREATE OR REPLACE FUNCTION public.track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"
    " RETURNS uuid LANGUAGE plpgsql SECURITY INVOKER AS $$DECLARE new_id uuid; BEGIN " + TAKE_OVER +
    " INSERT INTO public.preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param) RETURNING id INTO new_id; RETURN new_id; END$$;"
    "ALTER FUNCTION public.track_preset_usage(uuid, text, jsonb) RESET search_path",
    "a trigger on the events": f"{TRIGGER_FUNCTION} CREATE TRIGGER hostile AFTER INSERT OR DELETE ON public.preset_usage FOR EACH ROW EXECUTE FUNCTION public.hostile()",
    "a trigger on the presets": f"{TRIGGER_FUNCTION} CREATE TRIGGER hostile BEFORE UPDATE ON public.presets FOR EACH ROW EXECUTE FUNCTION public.hostile()",
    "a trigger that replicas run too": f"{TRIGGER_FUNCTION} CREATE TRIGGER hostile BEFORE UPDATE ON public.presets FOR EACH ROW EXECUTE FUNCTION public.hostile();"
    "ALTER TABLE public.presets ENABLE ALWAYS TRIGGER hostile",
    "a check of the presets": f"{OF_A_CHECK} ALTER TABLE public.presets ADD CHECK (public.hostile(id) IS NOT NULL) NOT VALID",
    "a check of the events": f"{OF_A_CHECK} ALTER TABLE public.preset_usage ADD CHECK (public.hostile(preset_id) IS NOT NULL) NOT VALID",
    "a check that gives code to PostgreSQL's function": f"{OF_A_CHECK} ALTER TABLE public.presets ADD CHECK"
    " (pg_catalog.query_to_xml('SELECT public.hostile(NULL)', true, true, '') IS NOT NULL) NOT VALID",
    "a check that gives a type to PostgreSQL's function": f"{OF_A_CHECK} CREATE DOMAIN public.hidden AS text CHECK (public.hostile(NULL) IS NULL);"
    "ALTER TABLE public.presets ADD CHECK (pg_catalog.array_in('{x}', 'public.hidden'::regtype, -1) IS NOT NULL) NOT VALID",
    "a check that casts to a composite type": f"{OF_A_CHECK} CREATE DOMAIN public.hidden AS text CHECK (public.hostile(NULL) IS NULL);"
    "CREATE TYPE public.of_hidden AS (a public.hidden);"
    "ALTER TABLE public.presets ADD CHECK (('(x' || id || ')')::public.of_hidden IS NOT NULL) NOT VALID",
    "an index of the presets": f"{EXPRESSION} CREATE INDEX ON public.presets (public.hostile(id))",
    "an index of the events": f"{EXPRESSION} CREATE INDEX ON public.preset_usage (public.hostile(id))",
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_the_owners_code_never_runs_with_the_rights_of_a_superuser(owned: App, what: str) -> None:
    with owned.connect(user=OWNER) as owner:
        owner.execute(HOSTILE[what].encode())
    rights, log, ended = owned.sql(RIGHTS), Log.of(owned), []
    for command in (
        "verify",
        "doctor",
        "apply",
        "smoke",
        "spoil",
        "backfill",
        "spoil",
        "backfill --fire-triggers",
        "rollback --yes",
    ):
        if command == "spoil":
            with owned.connect(user=OWNER, autocommit=False) as owner:
                owner.execute("SET LOCAL usagefix.bypass_guard = 'on'")
                owner.execute("UPDATE public.presets SET usage_count = 0")
                owner.commit()
            continue
        before = len(log.calls())
        done = owned.usagefix(*command.split())
        if len(log.calls()) > before:
            ended.append((command, done.code, sorted({call.through for call in log.calls()[before:]})))
    assert ended == [], "took over"
    assert owned.sql(RIGHTS) == rights


def test_smoke_acts_as_the_owner_where_there_is_no_role_of_supabase(owned: App) -> None:
    owned.sql(f"REVOKE USAGE ON SCHEMA public FROM authenticated, PUBLIC; GRANT USAGE ON SCHEMA public TO {OWNER}")
    with owned.connect(user=OWNER) as owner:
        owner.execute(HOSTILE["the function that records"].encode())
    assert owned.usagefix("apply").code == 0
    log = Log.of(owned)
    done = owned.usagefix("smoke")
    assert (done.code, log.calls()) == (0, []), done.stderr + done.stdout


# Code in a table, which the server runs when it plans a query of whoever reads that table, or casts a column.

HIDING = (
    "CREATE FUNCTION public.evil_now() RETURNS int VOLATILE LANGUAGE plpgsql AS $$BEGIN"
    " IF current_user <> session_user OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"
    f" THEN RAISE LOG '{MARK} % % %', pg_catalog.current_database(), current_user, 'hidden'; END IF; RETURN 1; END$$;"
    "CREATE FUNCTION public.evil() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT public.evil_now()';"
)
HIDDEN = {
    "an index": "CREATE INDEX ON public.presets (public.evil())",
    "part of an index": "CREATE INDEX ON public.preset_usage (created_at) WHERE public.evil() = 2",
    "statistics": "CREATE STATISTICS public.s ON (public.evil() + usage_count) FROM public.presets",
    "a generated column": "ALTER TABLE public.presets ADD COLUMN x int GENERATED ALWAYS AS (public.evil()) STORED",
    "a child's constraint": "CREATE TABLE public.child (CHECK (public.evil() = 1)) INHERITS (public.presets)",
    "an operator": "CREATE FUNCTION public.odd(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT public.evil()';"
    "CREATE OPERATOR public.### (FUNCTION = public.odd, LEFTARG = int, RIGHTARG = int);"
    "CREATE INDEX ON public.presets ((1 OPERATOR(public.###) 2))",
    "a cast": "CREATE TYPE public.odd AS (a text); CREATE FUNCTION public.plain(public.odd) RETURNS text LANGUAGE sql AS"
    " $$SELECT 'x' || public.evil_now()$$; CREATE CAST (public.odd AS text) WITH FUNCTION public.plain(public.odd);"
    "ALTER TABLE public.presets ALTER name TYPE public.odd USING ROW(name)::public.odd",
    "a domain": "CREATE DOMAIN public.odd AS text CHECK (public.evil_now() = 1);"
    "ALTER TABLE public.presets ALTER name TYPE public.odd",
    "a domain that gives code to PostgreSQL's function": "CREATE DOMAIN public.odd AS text CHECK ("
    "pg_catalog.query_to_xml('SELECT public.evil_now()', true, true, '') IS NOT NULL);"
    "ALTER TABLE public.presets ALTER name TYPE public.odd",
    "a domain in a composite type": "CREATE DOMAIN public.odd AS text CHECK (public.evil_now() = 1);"
    "CREATE TYPE public.of_odd AS (a public.odd); ALTER TABLE public.presets ADD x public.of_odd",
    "a domain in a range": "CREATE DOMAIN public.odd AS int CHECK (public.evil_now() = 1);"
    "CREATE TYPE public.of_odd AS RANGE (SUBTYPE = public.odd); ALTER TABLE public.presets ADD x public.of_odd",
    "the distances of a range": "CREATE FUNCTION public.apart(int, int) RETURNS double precision IMMUTABLE LANGUAGE sql"
    " AS 'SELECT public.evil()::double precision'; CREATE TYPE public.of_odd AS RANGE (SUBTYPE = int,"
    " SUBTYPE_DIFF = public.apart); ALTER TABLE public.presets ADD x public.of_odd",
}
# By a server of this version on, a constraint leads from the type of the key to a domain that no column has.
LEADING = {
    "a cast": (0, "('x' || coalesce(VALUE::text, 'y'))::public.hidden IS NOT NULL"),
    "a cast to a composite type": (0, "('(x' || coalesce(VALUE::text, 'y') || ')')::public.of_hidden IS NOT NULL"),
    "a cast to an array": (0, "ARRAY['x' || coalesce(VALUE::text, 'y')]::public.hidden[] IS NOT NULL"),
    "an oid": (0, "pg_catalog.array_in('{x}', {oid}, -1) IS NOT NULL"),
    "a text": (160000, "pg_catalog.pg_input_is_valid('x', 'public.hidden')"),
    "a value of JSON": (170000, "JSON_VALUE('[\"x\"]', '$[0]' RETURNING public.hidden) IS NOT NULL"),
}  # fmt: skip
HIDDEN |= {
    f"a domain that another leads to by {what}": "CREATE DOMAIN public.hidden AS text CHECK (public.evil_now() = 1);"
    "CREATE TYPE public.of_hidden AS (a public.hidden);"
    f"DO $$BEGIN EXECUTE replace($make$CREATE DOMAIN public.odd AS uuid CHECK ({check})$make$,"
    " '{oid}', 'public.hidden'::regtype::oid::text); END$$;"
    "ALTER TABLE public.presets ALTER id TYPE public.odd; ALTER TABLE public.preset_usage ALTER preset_id TYPE public.odd"
    for what, (_, check) in LEADING.items()
}


@pytest.mark.parametrize("what", HIDDEN)
def test_code_hidden_in_a_table_does_not_run_with_the_rights_of_a_superuser(owned: App, what: str) -> None:
    since, _ = LEADING.get(what.partition(" leads to by ")[2], (0, ""))
    if owned.db.info.server_version < since:
        pytest.skip("only newer servers can")
    with owned.connect(user=OWNER) as owner:
        owner.execute((HIDING + HIDDEN[what]).encode())
    log = Log.of(owned)
    for command in ("verify", "sql 20250930000001 apply --adapt"):
        done = owned.usagefix(*command.split())
        assert (done.code, OWNER in done.stderr) == (5, True), done.stderr
    assert owned.usagefix("discover").code in (0, 1)
    assert log.calls() == []
    theirs = owned.usagefix("verify", DATABASE_URL=owned.url(OWNER))
    assert theirs.code == 1, f"who wrote it may: {theirs.stderr}"


def test_a_declared_function_of_the_owner_does_not_run_with_the_rights_of_a_superuser(owned: App) -> None:
    """Whoever owns it may replace it after a person declared it."""
    with owned.connect(user=OWNER) as owner:
        owner.execute(HIDING.encode())
    log = Log.of(owned)
    of = ("--counter", "presets.usage_count", "--events", "preset_usage.preset_id", "--where", "public.evil() = 1")
    for command in ("verify", "apply", "backfill"):
        done = owned.usagefix(command, *of)
        assert (done.code, "public.evil" in done.stderr) == (2, True), done.stderr
    assert log.calls() == []
    assert owned.usagefix("verify", *of, DATABASE_URL=owned.url(OWNER)).code == 1, "who wrote it may"


def test_discover_reads_no_table_that_hides_code_of_a_stranger(owned: App) -> None:
    """Who may create a table anywhere would else get the rights of whoever looks for counters."""
    owned.sql(f"GRANT CREATE ON SCHEMA public TO {ATTACKER}; GRANT pg_read_all_data TO {OWNER}")
    with owned.connect(user=ATTACKER) as attacker:
        attacker.execute(
            f"{HIDING} CREATE TABLE public.bait (id int PRIMARY KEY, bait_likes int);"
            " CREATE TABLE public.bait_likes (id int PRIMARY KEY, bait_id int REFERENCES public.bait);"
            " CREATE INDEX ON public.bait_likes (public.evil());"
            " CREATE TABLE public.news (user_id int, preset_id int, data jsonb, type text, created_at timestamptz);"
            " CREATE FUNCTION public.collapse_news() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            " CREATE TRIGGER zz_collapse_news BEFORE INSERT ON public.news FOR EACH ROW EXECUTE FUNCTION"
            " public.collapse_news('1 hour', '', 'recipient=user_id', 'preset=preset_id', 'time=created_at', 'data=data');"
            " CREATE INDEX ON public.news (public.evil())".encode()
        )
    log = Log.of(owned)
    for user in (None, OWNER):
        found = owned.usagefix("discover", "--format", "json", DATABASE_URL=owned.url(user)).json
        passed = {one["what"]: one["why"] for one in found["passed_over"]}
        assert "public.evil()" in passed["public.bait_likes"], user
    assert "zz_collapse_news" in owned.usagefix("notifications").stdout
    assert owned.usagefix("notifications", "collapse", "--table", "news").code == 5
    assert log.calls() == []
    owned.sql(f"REVOKE pg_read_all_data FROM {OWNER}")


# The application's users.


@pytest.mark.parametrize("whose", ["postgres", OWNER])
def test_users_of_the_application_reach_nothing_of_ours(owned: App, whose: str) -> None:
    kinds = {"TABLES": "ALL", "FUNCTIONS": "ALL", "SEQUENCES": "ALL", "SCHEMAS": "ALL"}
    sample = {
        oid
        for (oid,) in owned.sql(
            "SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'public'::pg_catalog.regnamespace"
        )
    }
    for kind, rights in kinds.items():
        owned.sql(f"ALTER DEFAULT PRIVILEGES FOR ROLE {whose} GRANT {rights} ON {kind} TO PUBLIC, authenticated")
    done = owned.usagefix("apply")
    assert done.code == 0, done.stderr
    assert owned.usagefix("guard", "warn").code == 0
    made = [
        (oid, name)
        for oid, name in owned.sql(
            "SELECT oid, oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc"
            " WHERE pronamespace IN ('public'::pg_catalog.regnamespace, 'usagefix'::pg_catalog.regnamespace)"
        )
        if oid not in sample
    ]
    assert len(made) >= 2
    parts = owned.sql(
        "SELECT oid, oid::pg_catalog.regclass::text, relkind = 'S' FROM pg_catalog.pg_class"
        " WHERE relnamespace = 'usagefix'::pg_catalog.regnamespace AND relkind IN ('r', 'S', 'v')"
    )
    for name in ("anon", "authenticated", "service_role", ATTACKER):
        assert not owned.one("SELECT has_schema_privilege(%s, 'usagefix', 'USAGE, CREATE')", name), name
        for oid, function in made:
            assert not owned.one("SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')", name, oid), (name, function)
        for oid, part, is_sequence in parts:
            if is_sequence:
                assert not owned.one(
                    "SELECT has_sequence_privilege(%s, %s::oid, 'USAGE, SELECT, UPDATE')", name, oid
                ), (name, part)
            else:
                wanted = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
                assert not owned.one("SELECT has_table_privilege(%s, %s::oid, %s)", name, oid, wanted), (name, part)
    with owned.connect() as client:
        client.execute("SET ROLE authenticated")
        for _, part, _ in parts:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(f"SELECT * FROM {part}".encode())
        client.execute("CREATE TEMP TABLE mine (a integer)")
        for _, function in made:
            if not function.endswith("()"):
                continue
            name = function.removesuffix("()")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(
                    f"CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION {name}()".encode()
                )


# The guard.

ONE = "md5('preset 1')::uuid"
WRITER = """
    SET search_path = public, pg_temp, pg_usagefix_preset_usage_count_1;
    CREATE TEMP TABLE own (a integer);
    CREATE FUNCTION pg_temp.count_too() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        UPDATE public.presets SET usage_count = usage_count + 1 WHERE id = md5('preset 1')::uuid;
        RETURN NEW;
    END$$;
    CREATE TRIGGER own BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION pg_temp.count_too();
"""
NEW_OWNER = {
    "as it was": "",
    "the owner is renamed": f"ALTER ROLE {OWNER} RENAME TO appowner_now",
    "the table has another owner": f"ALTER TABLE public.presets OWNER TO {ATTACKER}",
}


def settings() -> list[str]:
    """Each setting of ours that stands in the code, and two that used to stand there."""
    found = re.findall(r"(?:['\"]|\bset\s+(?:local\s+)?)(usagefix\.[a-z_]+)\b", ours(), re.IGNORECASE)
    return sorted({*found, "usagefix.counting", "usagefix.refused"})


@pytest.mark.parametrize("change", NEW_OWNER)
def test_a_role_that_may_update_does_not_pass_the_guard_from_its_own_trigger(applied: App, change: str) -> None:
    counter = f"SELECT usage_count FROM public.presets WHERE id = {ONE}"
    with role(applied, "writer", options="LOGIN BYPASSRLS", grants="GRANT SELECT, UPDATE ON public.presets TO writer"):
        try:
            applied.sql(NEW_OWNER[change] or "SELECT 1")
            before = applied.one(counter)
            with applied.connect(user="writer") as client:
                client.execute(WRITER.encode())
                client.execute("INSERT INTO own SELECT generate_series(1, 50)")
                for name in settings():
                    for value in ("1", "0", "2", "on", "off", "4711", "true", OWNER, ""):
                        client.execute("SELECT set_config(%s, %s, false)", (name, value))
                        client.execute("INSERT INTO own VALUES (1)")
                        client.execute(
                            f"UPDATE public.presets SET usage_count = usage_count + 1 WHERE id = {ONE}".encode()
                        )
                    client.execute("SELECT set_config(%s, '', false)", (name,))
            assert applied.one(counter) == before
            if change != "the table has another owner":
                applied.sql(f"{EVENT} VALUES ({ONE}, md5('user 1')::uuid, 'showcase_creation', now())")
                assert applied.one(counter) == before + 1, "counting goes on"
        finally:
            if "renamed" in change:
                applied.sql(f"ALTER ROLE appowner_now RENAME TO {OWNER}")


def noted(app: App) -> int:
    done = app.usagefix("guard", "--format", "json")
    assert done.code == 0, done.stderr
    return sum(refused["writes"] for refused in done.one["refused"])


def test_no_setting_changes_what_the_guard_notes(fixed: App) -> None:
    write = f"UPDATE presets SET usage_count = 4711 WHERE id = {ONE}".encode()
    values = ("9999", "101", "99999999", "-5", "on", "1")
    wrong, before = {}, noted(fixed)
    for name in settings():
        for value in values:
            with fixed.connect() as client:
                client.execute("SET SESSION AUTHORIZATION service_role")
                client.execute("SELECT set_config(%s, %s, false)", (name, value))
                client.execute(write)
        after = noted(fixed)
        if after != before + len(values):
            wrong[name] = after - before
        before = after
    assert wrong == {}, f"{len(values)} writes each"


ROWS = "SELECT coalesce(sum((xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM ' || oid::regclass, false, true, '')))[1]::text::bigint), 0)::bigint FROM pg_class WHERE relnamespace = 'usagefix'::regnamespace AND relkind = 'r'"


def test_application_names_do_not_fill_the_ledger(fixed: App) -> None:
    rows, before = fixed.one(ROWS), noted(fixed)
    with fixed.connect() as client:
        client.execute("SET ROLE service_role")
        client.execute(
            f"DO $$BEGIN FOR n IN 1 .. 2000 LOOP PERFORM set_config('application_name', 'app ' || n, false);"
            f" UPDATE presets SET usage_count = n WHERE id = {ONE}; COMMIT; END LOOP; END$$".encode()
        )
    assert fixed.one(ROWS) - rows <= 150
    report = fixed.usagefix("guard", "--format", "json").one
    assert len(report["refused"]) <= 150
    assert noted(fixed) + report["unnoted"] == before + 2000, "each is noted or counted"


# What doctor says of it.


def findings(app: App, finding_id: str) -> list[dict[str, str]]:
    return [
        found
        for found in app.usagefix("doctor", "--format", "json").one["findings"]
        if found["finding_id"] == finding_id
    ]


def test_doctor_names_who_may_create_on_the_path_of_the_applications_functions(owned: App) -> None:
    """They run with the owner's rights whenever a use is recorded."""
    trusted = "SELECT coalesce((SELECT string_agg(grantee::regrole::text, ',') FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public' AND privilege_type = 'CREATE'), '')"
    assert ATTACKER not in owned.one(trusted)
    assert findings(owned, "path_open_to_others") == []
    for grantee, says in ((ATTACKER, ATTACKER), ("PUBLIC", "")):
        owned.sql(f"GRANT CREATE ON SCHEMA public TO {grantee}")
        found = findings(owned, "path_open_to_others")
        assert found, grantee
        assert {finding["severity"] for finding in found} == {"error"}
        told = " ".join(str(finding) for finding in found)
        assert "public" in told
        assert says in told
        assert "REVOKE" in " ".join(finding["remedy"] for finding in found)
        assert owned.usagefix("doctor").code == 1
        owned.sql(f"REVOKE CREATE ON SCHEMA public FROM {grantee}")
    assert findings(owned, "path_open_to_others") == []
    # A schema that only the path of one function leads to.
    owned.sql("CREATE SCHEMA parts; GRANT CREATE, USAGE ON SCHEMA parts TO attacker")
    assert findings(owned, "path_open_to_others") == []
    owned.sql("ALTER FUNCTION public.track_preset_usage(uuid, text, jsonb) SET search_path = public, parts, pg_temp")
    found = findings(owned, "path_open_to_others")
    assert "parts" in str(found)
    assert "track_preset_usage" in str(found)


@pytest.mark.parametrize("state", ["before apply", "after apply"])
def test_doctor_names_who_may_write_the_counter(owned: App, state: str) -> None:
    grants = {
        "counter_only": "GRANT UPDATE (usage_count) ON public.presets TO counter_only",
        "caller_only": "GRANT EXECUTE ON FUNCTION public.increment_preset_usage(uuid) TO caller_only",
        "reader_only": "GRANT SELECT ON public.presets, public.preset_usage TO reader_only",
        "other_column": "GRANT UPDATE (description) ON public.presets TO other_column",
    }
    with ExitStack() as held:
        for name, grant in grants.items():
            held.enter_context(role(owned, name, grants=grant))
        if state == "after apply":
            assert owned.usagefix("apply").code == 0
        found = findings(owned, "may_write_counter")
    assert {finding["severity"] for finding in found} == {"info"}
    told = " ".join(f"{finding['object']} {finding['evidence']}" for finding in found)
    for name in ("authenticated", "service_role", "counter_only", "caller_only"):
        assert name in told
    for name in ("reader_only", "other_column"):
        assert name not in told
    assert "increment_preset_usage" in told
