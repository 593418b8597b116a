"""doctor on roles and on what counts: who may create on a path, write the counter, dump; what replaced usagefix's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support import ADJUSTING, APPLICATIONS, GUARD, INDEX, LEDGER, MIGRATION, TRIGGER, App, role

from usagefix.database import connect
from usagefix.doctor import doctor
from usagefix.models.diagnosis import DoctorReport, Finding, Severity
from usagefix.picture import counter
from usagefix.target import locate

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
TRACK, INCREMENT = "track_preset_usage(uuid,text,jsonb)", "increment_preset_usage(uuid)"
RECORDER = (
    "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb"
    " DEFAULT '{}') RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS"
    " $$ BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type)"
    " VALUES (preset_uuid, auth.uid(), usage_type_param); RETURN NULL; END $$"
)


def examine(app: App, *, schema: str = "public", user: str | None = None) -> DoctorReport:
    db = connect(locate(app.url(user), "a test"))
    try:
        db.counter = counter(db, schema)
        return doctor(db)
    finally:
        db.close()


def keys_of(finding: Finding) -> tuple[str, str]:
    return finding.finding_id, finding.object


def keys(report: DoctorReport) -> Counter[tuple[str, str]]:
    return Counter(map(keys_of, report.findings))


def found(app: App, finding_id: str, on: str | None = None) -> Finding:
    (finding,) = (
        finding
        for finding in examine(app).findings
        if finding.finding_id == finding_id and on in (None, finding.object)
    )
    return finding


@pytest.fixture
def right(app: App) -> App:
    """The sample with the fix by hand: the recorder only inserts, both versions are in."""
    app.sql(RECORDER)
    files = (LEDGER, MIGRATION / "stops.sql", MIGRATION / "apply.sql", MIGRATION / "backfill.sql", GUARD / "apply.sql")
    done = app.psql(*files)
    assert done.returncode == 0, done.stderr
    assert examine(app).ok
    return app


@pytest.fixture
def roles(right: App) -> Iterator[Callable[..., str]]:
    """Makes roles that go with the test."""
    with ExitStack() as stack:

        def made(name: str, options: str = "LOGIN", grants: str = "") -> str:
            return stack.enter_context(role(right, name, options=options, grants=grants))

        yield made


@dataclass(frozen=True)
class Case:
    """What breaks a right database, the finding, and what mends it; ``remedy``: that the finding's own remedy does."""

    rule: str
    severity: Severity
    on: str
    evidence: str
    broken: str
    mend: str = ""
    setup: str = ""
    gone: frozenset[tuple[str, str]] = frozenset()


EVENTS = "public.preset_usage"
COUNTS = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id"
ROW = "FOR EACH ROW EXECUTE FUNCTION auto_increment_preset_usage_count()"
STATEMENT = "REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION"
THE_TRIGGER = f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage {STATEMENT}"
OTHER = (
    "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS"
    f" $$ BEGIN {COUNTS.replace('NEW.preset_id', '(SELECT preset_id FROM new_events LIMIT 1)')}; RETURN NULL; END $$;"
    " REVOKE ALL ON FUNCTION other() FROM PUBLIC"
)
CASES = (
    Case("path_open_to_others", ERROR, "schema public",
         f"PUBLIC may CREATE in it; it is on the path of public.{INCREMENT}, which runs as postgres,"
         f" public.{TRACK}, which runs as postgres,"
         " public.notify_usage_milestone(), which runs as postgres when a count fires"
         " presets_notify_usage_milestone on public.presets,",
         "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    Case("path_open_to_others", ERROR, "schema public", "doctor_maker may CREATE in it",
         "GRANT CREATE ON SCHEMA public TO doctor_maker"),
    Case("path_open_to_others", ERROR, 'schema "Half open"', f"PUBLIC may CREATE in it; it is on the path of public.{TRACK}",
         f'ALTER FUNCTION {TRACK} SET search_path = public, "Half open", pg_temp',
         setup='CREATE SCHEMA "Half open"; GRANT ALL ON SCHEMA "Half open" TO PUBLIC'),
    Case("path_open_to_others", ERROR, "schema open_to_all", "when a count fires quietly on public.presets",
         "CREATE TRIGGER quietly BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION quietly()",
         "DROP TRIGGER quietly ON presets",
         setup="CREATE SCHEMA open_to_all; GRANT CREATE ON SCHEMA open_to_all TO PUBLIC;"
         " CREATE FUNCTION quietly() RETURNS trigger LANGUAGE plpgsql SET search_path = open_to_all, pg_temp"
         " AS 'BEGIN RETURN NEW; END'"),
    Case("path_open_to_others", WARNING, "schema of_maker", "doctor_maker owns it; it is on the path",
         f"ALTER FUNCTION {TRACK} SET search_path = public, of_maker, pg_temp",
         setup="CREATE SCHEMA of_maker AUTHORIZATION doctor_maker"),
    Case("path_open_to_others", ERROR, f"public.{TRACK}",
         "leads to $user, not_yet, which does not exist: doctor_maker may create that schema",
         f'ALTER FUNCTION {TRACK} SET search_path = "$user", public, not_yet, pg_temp',
         setup="DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO doctor_maker', current_database()); END $$"),
    Case("may_write_counter", INFO, "role doctor_maker", "through UPDATE on public.presets",
         "GRANT UPDATE ON presets TO doctor_maker"),
    Case("may_write_counter", INFO, "role doctor_maker", "through UPDATE on public.presets.usage_count",
         "GRANT UPDATE (usage_count, name) ON presets TO doctor_maker"),
    Case("may_write_counter", INFO, "every role (PUBLIC)", "through UPDATE on public.presets.usage_count",
         "GRANT UPDATE (usage_count) ON presets TO PUBLIC"),
    Case("may_write_counter", INFO, "role doctor_maker", f"EXECUTE on public.{INCREMENT}, which runs as postgres",
         f"GRANT EXECUTE ON FUNCTION {INCREMENT} TO doctor_maker"),
    Case("may_write_counter", INFO, "role doctor_maker", "through EXECUTE on public.by_way(uuid), which runs as postgres",
         "GRANT EXECUTE ON FUNCTION by_way(uuid) TO doctor_maker",
         setup="CREATE FUNCTION by_way(uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp"
         " AS 'SELECT increment_preset_usage($1)'; REVOKE ALL ON FUNCTION by_way(uuid) FROM PUBLIC"),
    Case("may_write_counter", INFO, "role pg_write_all_data", "so may its members: doctor_maker",
         "GRANT pg_write_all_data TO doctor_maker"),
    Case("dump_needs_ledger", WARNING, "role doctor_maker", "every table of schema public, but not all of schema usagefix",
         "GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_maker"),
    Case("counting_replaced", ERROR, "public.auto_increment_preset_usage_count()", "its body is not the released one",
         "CREATE OR REPLACE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql"
         f" SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN {COUNTS}; RETURN NEW; END $$", "{counting}"),
    Case("counting_replaced", ERROR, f"{TRIGGER} on {EVENTS}", "it fires AFTER INSERT, for each row",
         f"DROP TRIGGER {TRIGGER} ON preset_usage; CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage {ROW}",
         f"DROP TRIGGER {TRIGGER} ON preset_usage; {THE_TRIGGER} auto_increment_preset_usage_count()"),
    Case("counting_replaced", ERROR, f"{TRIGGER} on {EVENTS}", "it calls another function",
         f"{THE_TRIGGER} other()", f"{THE_TRIGGER} auto_increment_preset_usage_count()", setup=OTHER),
    Case("counting_replaced", ERROR, f"{ADJUSTING}_truncate on {EVENTS}", "it fires BEFORE TRUNCATE, once a statement",
         f"CREATE OR REPLACE TRIGGER {ADJUSTING}_truncate BEFORE TRUNCATE ON preset_usage"
         " FOR EACH STATEMENT EXECUTE FUNCTION auto_adjust_preset_usage_count()",
         f"CREATE OR REPLACE TRIGGER {ADJUSTING}_truncate AFTER TRUNCATE ON preset_usage"
         " FOR EACH STATEMENT EXECUTE FUNCTION auto_adjust_preset_usage_count()"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.on}")
def test_a_rule_finds_just_what_is_broken_and_its_remedy_mends_it(
    right: App, roles: Callable[..., str], case: Case
) -> None:
    roles("doctor_maker")
    if case.setup:
        right.sql(case.setup)
    whole = keys(examine(right))
    counting = right.one("SELECT pg_get_functiondef('auto_increment_preset_usage_count()'::regprocedure)")
    right.sql(case.broken)
    report = examine(right)
    broken = keys(report)
    also = {("fires_on_count", "quietly on public.presets")} if "quietly" in case.broken else set()
    also |= {("counter_writer", "public.other()")} if case.setup == OTHER else set()
    assert set((broken - whole) + (whole - broken)) - also == {(case.rule, case.on)}
    finding = found(right, case.rule, case.on)
    assert (finding.severity, finding.cause) == (case.severity, None)
    assert case.evidence in finding.evidence
    if case.mend:
        right.sql(case.mend.replace("{counting}", counting))
    else:  # as it is pasted
        right.sql(finding.remedy.split(", unless it should")[0].split("; or dump with")[0])
    assert keys(examine(right)) - Counter(also) == whole - Counter(also)


def test_who_is_trusted_may_create(right: App, roles: Callable[..., str]) -> None:
    """The owners of the tables, of the function and of the database, and superusers."""
    whole = keys(examine(right))
    owner, writer, root = roles("doctor_owner"), roles("doctor_writer"), roles("doctor_root", "SUPERUSER")
    right.sql(f"GRANT CREATE ON SCHEMA public TO {owner}, {root}")
    assert found(right, "path_open_to_others").evidence.startswith(f"{owner} may CREATE")
    right.sql(f"ALTER TABLE presets OWNER TO {owner}")
    assert "path_open_to_others" not in {finding.finding_id for finding in examine(right).findings}
    right.sql("ALTER TABLE presets OWNER TO postgres")
    right.sql(f"REVOKE CREATE ON SCHEMA public FROM {owner}, {root}")
    right.sql(f'CREATE SCHEMA apart; GRANT CREATE ON SCHEMA apart TO {writer}')  # fmt: skip
    right.sql(f"ALTER FUNCTION {TRACK} SET search_path = apart, pg_temp")
    assert found(right, "path_open_to_others").object == "schema apart"
    right.sql(f"ALTER FUNCTION {TRACK} OWNER TO {writer}; GRANT SELECT, INSERT ON preset_usage TO {writer}")
    assert keys(examine(right)) == whole


def test_before_the_fix_an_open_path_of_triggers_alone_is_a_warning(app: App) -> None:
    app.sql(f"ALTER FUNCTION {TRACK} SECURITY INVOKER; ALTER FUNCTION {INCREMENT} SECURITY INVOKER")
    app.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    finding = found(app, "path_open_to_others")
    assert finding.severity is WARNING
    assert "presets_touch_updated_at on public.presets, after usagefix apply" in finding.evidence


def test_a_right_sample_says_who_may_write_the_counter(right: App) -> None:
    findings = [finding for finding in examine(right).findings if finding.finding_id == "may_write_counter"]
    assert [(finding.object, finding.severity) for finding in findings] == [
        ("role authenticated", INFO),
        ("role service_role", INFO),
    ]
    for finding in findings:
        assert "UPDATE on public.presets, EXECUTE on public.increment_preset_usage(uuid)" in finding.evidence
    right.sql(findings[0].remedy.split(", unless")[0])
    assert [f.object for f in examine(right).findings if f.finding_id == "may_write_counter"] == ["role service_role"]
    assert right.one("SELECT has_column_privilege('authenticated', 'presets', 'name', 'UPDATE')")
    assert not right.one("SELECT has_column_privilege('authenticated', 'presets', 'usage_count', 'UPDATE')")


def test_members_of_the_owner_and_of_roles_that_may_write(right: App, roles: Callable[..., str]) -> None:
    owner, deputy = roles("doctor_owner", "NOLOGIN"), roles("doctor_deputy")
    right.sql(f"ALTER TABLE presets OWNER TO {owner}; GRANT {owner}, authenticated TO {deputy}")
    assert found(right, "may_write_counter", f"role {deputy}").evidence.startswith(f"through membership in {owner}")
    assert f"its members: {deputy}" in found(right, "may_write_counter", "role authenticated").evidence
    right.sql(found(right, "may_write_counter", f"role {deputy}").remedy.split(", unless")[0])
    assert ("may_write_counter", f"role {deputy}") not in keys(examine(right))


def test_what_is_taken_from_everybody_stays_with_those_who_have_it_only_so(
    right: App, roles: Callable[..., str]
) -> None:
    """Every REVOKE of doctor, as it is pasted: the application works as before, and strangers do not get in."""
    web, builder = roles("doctor_web"), roles("doctor_builder", "NOLOGIN")
    right.sql(f"REVOKE EXECUTE ON FUNCTION {TRACK}, {INCREMENT} FROM authenticated, service_role")
    right.sql(f"GRANT EXECUTE ON FUNCTION {TRACK}, {INCREMENT} TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC")
    right.sql(f"SET ROLE {builder}; CREATE TABLE built (); RESET ROLE")
    wanted = ("open_to_everybody", "path_open_to_others", "may_write_counter")
    findings = [f for f in examine(right).findings if f.finding_id in wanted and "PUBLIC" in f.remedy]
    assert {f.finding_id for f in findings} == set(wanted)
    for finding in findings:
        right.sql(finding.remedy.split(", unless it should")[0])
    left = [f for f in examine(right).findings if f.finding_id in wanted]
    assert not [f for f in left if f.finding_id == wanted[0] or "PUBLIC" in f"{f.object} {f.evidence}"]
    may = "SELECT has_function_privilege(%s, %s, 'EXECUTE')"
    for who in (web, "authenticated", "service_role"):
        assert [right.one(may, who, function) for function in (TRACK, INCREMENT)] == [True, True], who
    assert [right.one(may, "anon", function) for function in (TRACK, INCREMENT)] == [False, False]
    creates = "SELECT has_schema_privilege(%s, 'public', 'CREATE')"
    assert [right.one(creates, who) for who in (builder, web)] == [True, False]


def test_a_function_that_is_closed_finds_what_it_found_before(right: App) -> None:
    """On Supabase, what extensions make stands in a schema of its own, to which the database's path leads."""
    right.sql(
        "CREATE SCHEMA extensions; CREATE FUNCTION extensions.right_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'"
    )
    right.sql(f'ALTER DATABASE "{right.name}" SET search_path = "$user", public, extensions')
    right.sql("CREATE FUNCTION by_way(uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS"
              " $$BEGIN PERFORM right_now(), increment_preset_usage($1); END$$")  # fmt: skip
    right.sql(found(right, "search_path_open", "public.by_way(uuid)").remedy)
    assert "search_path_open" not in {finding.finding_id for finding in examine(right).findings}
    right.sql("SELECT by_way(%s)", right.preset())


def test_who_may_not_update_by_the_function_either_is_not_named(right: App, roles: Callable[..., str]) -> None:
    """Its owner may not; nor does a function that runs with its caller's rights give any."""
    weak = roles("doctor_weak")
    right.sql(f"REVOKE UPDATE ON presets FROM authenticated; ALTER FUNCTION {INCREMENT} OWNER TO {weak}")
    assert ("may_write_counter", "role authenticated") not in keys(examine(right))
    right.sql(f"ALTER FUNCTION {INCREMENT} OWNER TO postgres")
    assert ("may_write_counter", "role authenticated") in keys(examine(right))
    right.sql(f"ALTER FUNCTION {INCREMENT} SECURITY INVOKER")
    assert ("may_write_counter", "role authenticated") not in keys(examine(right))


def test_pg_dump_by_a_role_that_reads_the_application(right: App, roles: Callable[..., str]) -> None:
    """Named where the real program ends with an error; not where it works."""
    dumper = roles(
        "doctor_dumper", "LOGIN BYPASSRLS", "GRANT USAGE ON SCHEMA public TO doctor_dumper"
        "; GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_dumper"
        "; GRANT USAGE ON SCHEMA auth TO doctor_dumper; GRANT SELECT ON ALL TABLES IN SCHEMA auth TO doctor_dumper",
    )  # fmt: skip
    as_dumper = replace(right, user=dumper, opened=[])

    def named() -> bool:
        return ("dump_needs_ledger", f"role {dumper}") in keys(examine(right))

    failed = as_dumper.program("pg_dump")
    assert "permission denied for" in failed.stderr
    assert named()
    remedy = found(right, "dump_needs_ledger").remedy
    assert as_dumper.program(*remedy.rsplit(maxsplit=2)[-2:]).returncode == 0, "without the ledger"
    right.sql(
        "GRANT USAGE ON SCHEMA usagefix TO doctor_dumper; GRANT SELECT ON ALL TABLES IN SCHEMA usagefix TO doctor_dumper"
    )
    failed = as_dumper.program("pg_dump")  # in other words from PostgreSQL 18 on
    assert failed.returncode != 0
    assert "sequence" in failed.stderr
    assert named()
    right.sql(remedy.split("; or dump with")[0])
    done = as_dumper.program("pg_dump")
    assert (done.returncode, named()) == (0, False), done.stderr


@pytest.mark.parametrize("setup", [
    "ALTER ROLE doctor_dumper NOLOGIN", "ALTER ROLE doctor_dumper SUPERUSER", "GRANT pg_read_all_data TO doctor_dumper",
    "REVOKE SELECT ON preset_usage FROM doctor_dumper", "ALTER SCHEMA usagefix OWNER TO doctor_dumper", "DROP SCHEMA usagefix CASCADE",
])  # fmt: skip
def test_who_needs_nothing_to_dump(right: App, roles: Callable[..., str], setup: str) -> None:
    roles("doctor_dumper", grants="GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_dumper")
    assert found(right, "dump_needs_ledger").object == "role doctor_dumper"
    right.sql(setup)
    assert "dump_needs_ledger" not in {finding.finding_id for finding in examine(right).findings}


def test_a_function_of_that_name_before_apply_is_nobodys(app: App) -> None:
    app.sql(
        "CREATE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = public, pg_temp AS $$ BEGIN {COUNTS}; RETURN NEW; END $$"
    )
    app.sql(f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage {ROW}")
    assert "counting_replaced" not in {finding.finding_id for finding in examine(app).findings}


def test_a_migration_of_the_application_that_ran_after(right: App, tmp_path: Path) -> None:
    """The whole of it: its function, its trigger, its limit."""
    migration = tmp_path / "20250930000001_fix_usage_tracking.sql"
    migration.write_text(
        "CREATE OR REPLACE FUNCTION auto_increment_preset_usage_count() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {COUNTS}; RETURN NEW; END $$;\nDROP TRIGGER {TRIGGER} ON preset_usage;\n"
        f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage {ROW};\nDROP INDEX IF EXISTS {INDEX};\n"
    )
    assert right.psql(migration).returncode == 0
    report = examine(right)
    assert not report.ok
    named = {finding.object for finding in report.findings if finding.finding_id == "counting_replaced"}
    assert named == {"public.auto_increment_preset_usage_count()", f"{TRIGGER} on {EVENTS}"}
    assert {f.remedy for f in report.findings if f.finding_id == "counting_replaced"} == {"usagefix apply"}


def test_names_that_need_quotes(app: App) -> None:
    """What is pasted works for them, too."""
    with app.connect(autocommit=False) as connection:
        connection.execute((APPLICATIONS / "bigint_keys.sql").read_bytes())
    app.sql("CREATE SCHEMA IF NOT EXISTS usagefix")
    with role(app, '"User"', options="LOGIN"):
        whole = keys(examine(app, schema="Shop floor"))
        app.sql('GRANT USAGE, CREATE ON SCHEMA "Shop floor" TO "User"')
        app.sql('GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA "Shop floor" TO "User"')
        app.sql(
            'ALTER FUNCTION "Shop floor".track_preset_usage SECURITY DEFINER SET search_path = "Shop floor", pg_temp'
        )
        findings = [f for f in examine(app, schema="Shop floor").findings if keys_of(f) not in whole]
        assert {keys_of(f) for f in findings if f.finding_id != "open_to_everybody"} == {
            ("path_open_to_others", 'schema "Shop floor"'),
            ("may_write_counter", 'role "User"'),
            ("dump_needs_ledger", 'role "User"'),
        }
        for finding in findings:
            app.sql(finding.remedy.split(", unless it should")[0].split("; or dump with")[0])
        assert keys(examine(app, schema="Shop floor")) - whole == Counter()


def test_what_a_role_may_not_read_of_the_ledger_is_told(right: App, roles: Callable[..., str]) -> None:
    reader = roles("doctor_reader", "LOGIN BYPASSRLS", "GRANT SELECT ON presets, preset_usage TO doctor_reader")
    unseen = {f.object for f in examine(right, user=reader).findings if f.finding_id == "not_looked_at"}
    assert unseen == {"writes that the guard refused", "the ledger's history"}
