"""doctor: the four root causes, every rule broken and mended, every application, roles that see little, and the source."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import ADJUSTING, APPLICATIONS, TRIGGER, VERSION, App, role

from usagefix.database import connect
from usagefix.doctor import RULES, doctor
from usagefix.models.diagnosis import DoctorReport, Finding, Severity
from usagefix.picture import counter
from usagefix.target import locate

TRACK = "track_preset_usage(uuid, text, jsonb)"
INCREMENT = "increment_preset_usage(uuid)"
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def examine(app: App, *, schema: str = "public", source: Path | None = None, user: str | None = None) -> DoctorReport:
    db = connect(locate(app.url(user), "a test"))
    try:
        db.counter = counter(db, schema)
        return doctor(db, source)
    finally:
        db.close()


def keys(report: DoctorReport) -> Counter[tuple[str, str]]:
    return Counter((finding.finding_id, finding.object) for finding in report.findings)


def only(report: DoctorReport, finding_id: str) -> Finding:
    (finding,) = (finding for finding in report.findings if finding.finding_id == finding_id)
    return finding


# The root causes


def test_the_sample_shows_the_four_root_causes(app: App) -> None:
    result = app.usagefix("doctor", "--format", "json")
    assert result.code == 1
    found = result.one["findings"]
    assert [(f["cause"], f["severity"], f["finding_id"]) for f in found[:4]] == [
        (1, "error", "increment_not_called"),
        (2, "error", "use_not_counted"),
        (3, "error", "daily_limit"),
        (4, "error", "drift"),
    ]
    assert {f["cause"] for f in found[4:]} == {None}
    uncalled, uncounted, limit, drift = found[:4]
    assert uncalled["object"] == "public.increment_preset_usage(uuid)"
    assert "no caller found in: triggers, functions; not the source (--source DIR)" in uncalled["evidence"]
    assert "except public.increment_preset_usage(uuid)" in uncounted["evidence"]
    assert "nothing counts what these record: public.track_preset_usage(uuid,text,jsonb)" in uncounted["evidence"]
    assert "UNIQUE INDEX idx_preset_usage_daily_unique" in limit["evidence"]
    wrong, _ = app.drift()
    assert drift["evidence"].startswith(f"{wrong} of 40 presets inaccurate, drift +")
    assert {f["remedy"].split(":")[0] for f in found[:4]} == {"usagefix apply"}
    assert result.one["counts"] == dict(Counter(f["severity"] for f in found))
    assert result.one["source"] is None


@pytest.mark.parametrize(
    "caller",
    [
        "CREATE FUNCTION use_it(uuid) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM public.increment_preset_usage($1); END'",
        "CREATE FUNCTION use_it(a uuid) RETURNS void BEGIN ATOMIC SELECT increment_preset_usage(a); END",
        "CREATE PROCEDURE use_it(uuid) LANGUAGE sql AS 'SELECT increment_preset_usage($1)'",
    ],
    ids=("plpgsql", "a body in SQL", "a procedure"),
)
def test_a_function_that_something_calls_is_no_cause(app: App, caller: str) -> None:
    app.sql(caller)
    report = examine(app)
    assert "increment_not_called" not in {finding.finding_id for finding in report.findings}
    assert only(report, "counter_writer").evidence == "called by function public.use_it(uuid)"
    assert only(report, "use_not_counted").severity is ERROR


def test_a_comment_or_a_message_is_no_call(app: App) -> None:
    app.sql(
        "CREATE FUNCTION talk() RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN -- increment_preset_usage(x)\n RETURN 'increment_preset_usage(x)'; END$$"
    )
    assert only(examine(app), "increment_not_called").severity is ERROR


def test_a_tracker_that_counts_by_itself_is_not_enough(app: App) -> None:
    app.sql(COUNTING_TRACKER)
    uncounted = only(examine(app), "use_not_counted")
    assert (uncounted.severity, uncounted.cause) == (WARNING, 2)
    assert "nothing counts a direct insert" in uncounted.evidence


def test_what_a_new_preset_begins_with_is_no_competing_writer(fixed: App) -> None:
    fixed.sql(
        "CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.usage_count := 0; RETURN NEW; END'"
    )
    fixed.sql("CREATE TRIGGER first BEFORE INSERT ON presets FOR EACH ROW EXECUTE FUNCTION first()")
    report = examine(fixed)
    assert report.ok
    assert only(report, "counter_writer").evidence == "called by trigger first on public.presets"


def test_functions_that_call_each_other_lead_to_the_one_that_counts(app: App) -> None:
    """Each in the tables' way to the counter, the wrong turns first."""
    call = "CREATE FUNCTION {}(uuid) RETURNS void LANGUAGE plpgsql AS 'BEGIN {} END'"
    app.sql(call.format("a_turn", "PERFORM b_turn($1); PERFORM increment_preset_usage($1);"))
    app.sql(call.format("b_turn", "PERFORM a_turn($1);"))
    app.sql(
        call.format("trigger_turn()", "")
        .replace("()(uuid) RETURNS void", "() RETURNS trigger")
        .replace("BEGIN  END", "BEGIN PERFORM b_turn(NEW.preset_id); RETURN NULL; END")
    )
    app.sql("CREATE TRIGGER turning AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION trigger_turn()")
    found = {finding.finding_id for finding in examine(app).findings}
    assert "use_not_counted" not in found
    assert "counting_blocked" not in found, "increment_preset_usage() is SECURITY DEFINER"
    app.sql("ALTER FUNCTION increment_preset_usage(uuid) SECURITY INVOKER")
    assert "called by turning on public.preset_usage" in only(examine(app), "counting_blocked").evidence


# Every application


@dataclass(frozen=True)
class Application:
    """Its files, and what doctor finds before and after apply."""

    files: tuple[str, ...]
    before: str
    after: str
    schema: str = "public"


WRITERS = "may_write_counter may_write_counter"  # authenticated and service_role
SAMPLE = f"counter_indexed fires_on_count fires_on_count increment_not_called {WRITERS}"
CAUSES = f"{SAMPLE} use_not_counted drift"
EVERY = {
    "the sample": Application((), f"{CAUSES} daily_limit", f"{SAMPLE}"),
    "other columns": Application(
        ("other_columns",),
        "counter_indexed fires_on_count increment_not_called use_not_counted drift daily_limit no_index search_path_open"
        f" tracker_unknown_columns {WRITERS}",
        f"counter_indexed fires_on_count increment_not_called no_index search_path_open {WRITERS}",
    ),
    "bigint keys in another schema": Application(
        ("bigint_keys",), "drift use_not_counted open_to_everybody", "open_to_everybody", "Shop floor"
    ),
    "text keys, nothing else": Application(
        ("text_keys",), "drift use_not_counted no_index events_without_preset", "no_index events_without_preset", "app"
    ),
    "partitioned events": Application(
        ("partitioned",), f"{CAUSES} search_path_open", f"{SAMPLE} search_path_open"
    ),
    "the fix by hand": Application(
        ("by_hand",),
        f"{SAMPLE} counter_writer drift open_to_everybody removal_not_counted search_path_open search_path_open",
        f"{SAMPLE} search_path_open",
    ),
    "counted four times": Application(
        ("by_hand", "counted_twice"),
        "counter_indexed fires_on_count fires_on_count drift counted_twice counting_blocked"
        " counter_writer counter_writer counter_writer counter_writer open_to_everybody open_to_everybody"
        f" search_path_open search_path_open search_path_open {WRITERS}",
        "counter_indexed fires_on_count fires_on_count counter_writer counter_writer trigger_disabled trigger_disabled"
        f" search_path_open search_path_open {WRITERS}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_every_application_before_and_after(app: App, name: str) -> None:
    application = EVERY[name]
    for file in application.files:
        with app.connect(autocommit=False) as connection:
            connection.execute((APPLICATIONS / f"{file}.sql").read_bytes())
    before = examine(app, schema=application.schema)
    assert sorted(finding.finding_id for finding in before.findings) == sorted(application.before.split())
    assert not before.ok
    assert app.usagefix("apply", USAGEFIX_SCHEMA=application.schema).code == 0
    after = examine(app, schema=application.schema)
    assert sorted(finding.finding_id for finding in after.findings) == sorted(application.after.split())
    assert after.ok


def test_half_way_and_back(app: App) -> None:
    before = keys(examine(app))
    assert app.usagefix("apply", "--to", VERSION).code == 1, "the checks of the guard fail still"
    half = examine(app)
    assert half.ok
    assert not {"removal_not_counted", "use_not_counted", "drift"} & {finding.finding_id for finding in half.findings}
    assert app.usagefix("apply").code == 0
    assert app.usagefix("rollback", "--yes").code == 0
    assert keys(examine(app)) == before - Counter({("drift", f"{PRESETS}.usage_count"): 1})


# Every rule


TRACKER = (
    "CREATE OR REPLACE FUNCTION track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"
    " RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS "
)
INSERT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param)"
COUNT = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid"
COUNTING_TRACKER = f"{TRACKER} $$BEGIN {INSERT}; {COUNT}; RETURN NULL; END$$"
ROWS = "REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION auto_increment_preset_usage_count()"
PRESET = "(SELECT min(id::text)::uuid FROM presets)"
DAY = "((created_at AT TIME ZONE 'UTC')::date)"
ANOTHER = (
    "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS"
    " $$BEGIN UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id; RETURN NEW; END$$;"
    "REVOKE ALL ON FUNCTION another() FROM PUBLIC"
)
GUARD = (
    "CREATE TABLE IF NOT EXISTS usagefix.refused_writes (mode text NOT NULL, role text NOT NULL, application text NOT NULL,"
    " via text NOT NULL, first_at timestamptz NOT NULL DEFAULT now(), last_at timestamptz NOT NULL DEFAULT now(), writes bigint NOT NULL)"
)
CRON = "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, schedule text, command text)"
EVENTS, PRESETS = "public.preset_usage", "public.presets"
TRACKED = "public.track_preset_usage(uuid,text,jsonb)"


@dataclass(frozen=True)
class Case:
    """What breaks a database after apply, what it is found by, and what mends it; or files of the source.

    ``{tracker}`` in ``mend`` is track_preset_usage() as it was.
    """

    rule: str
    severity: Severity
    on: str
    evidence: str = ""
    broken: str = ""
    mend: str = ""
    setup: str = ""
    also: frozenset[tuple[str, str]] = frozenset()
    gone: frozenset[tuple[str, str]] = frozenset()
    files: dict[str, str] = field(default_factory=dict)


CASES = (
    Case("increment_not_called", INFO, "public.increment_preset_usage(uuid)", "no caller found",
         "CREATE FUNCTION increment_preset_usage(uuid) RETURNS void LANGUAGE sql AS ''", f"DROP FUNCTION {INCREMENT}",
         setup=f"DROP FUNCTION {INCREMENT}"),
    Case("use_not_counted", ERROR, EVENTS, "no trigger counts new events",
         f"DROP TRIGGER {TRIGGER} ON preset_usage", f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage {ROWS}"),
    Case("daily_limit", ERROR, "public.daily", "CREATE UNIQUE INDEX daily",
         f"CREATE UNIQUE INDEX daily ON preset_usage (preset_id, user_id, usage_type, {DAY})", "DROP INDEX daily"),
    Case("daily_limit", ERROR, "Once a day", "CREATE UNIQUE INDEX",
         'ALTER TABLE preset_usage ADD CONSTRAINT "Once a day" UNIQUE (day, preset_id, user_id, usage_type)',
         'ALTER TABLE preset_usage DROP CONSTRAINT "Once a day"',
         setup=f"ALTER TABLE preset_usage ADD COLUMN day date GENERATED ALWAYS AS {DAY} STORED"),
    Case("drift", ERROR, f"{PRESETS}.usage_count", "1 of 40 presets inaccurate, drift -3 in all",
         f"UPDATE presets SET usage_count = usage_count + 3 WHERE id = {PRESET}",
         f"UPDATE presets SET usage_count = usage_count - 3 WHERE id = {PRESET}"),
    Case("counter_writer", INFO, "public.bump(uuid)", "no caller found in",
         "CREATE FUNCTION bump(uuid) RETURNS void LANGUAGE sql AS 'UPDATE presets SET usage_count = usage_count + 1 WHERE id = $1';"
         "REVOKE ALL ON FUNCTION bump(uuid) FROM PUBLIC", "DROP FUNCTION bump"),
    Case("competing_writer", WARNING, "job 7", "at 0 3 * * * it writes the counter in addition to the trigger",
         "INSERT INTO cron.job VALUES (7, '0 3 * * *', 'UPDATE public.presets SET usage_count = 0')", "DELETE FROM cron.job", setup=CRON),
    Case("competing_writer", WARNING, "job 8", "it writes the counter",
         "INSERT INTO cron.job VALUES (8, '0 3 * * *', 'SELECT increment_preset_usage(id) FROM presets')", "DELETE FROM cron.job", setup=CRON,
         also=frozenset({("counter_writer", "public.increment_preset_usage(uuid)")}),
         gone=frozenset({("increment_not_called", "public.increment_preset_usage(uuid)")})),
    Case("competing_writer", WARNING, TRACKED, f"but {TRIGGER} on {EVENTS} also counts it", COUNTING_TRACKER, "{tracker}",
         also=frozenset({("counter_writer", TRACKED)})),
    Case("competing_writer", WARNING, "kept on public.presets", "writes the counter in addition to the trigger",
         "CREATE TRIGGER kept BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION kept()", "DROP TRIGGER kept ON presets",
         setup="CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.usage_count := OLD.usage_count; RETURN NEW; END'",
         also=frozenset({("fires_on_count", "kept on public.presets")})),
    Case("competing_writer", WARNING, "on_login on auth.users", "writes the counter in addition to the trigger",
         "CREATE TRIGGER on_login AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION reset()", "DROP TRIGGER on_login ON auth.users",
         setup="CREATE FUNCTION reset() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE presets SET usage_count = 0; RETURN NEW; END'"),
    Case("counted_twice", ERROR, EVENTS, f"{TRIGGER} on {EVENTS}, once_more on {EVENTS}",
         f"CREATE TRIGGER once_more AFTER INSERT ON preset_usage {ROWS}", "DROP TRIGGER once_more ON preset_usage"),
    Case("counted_twice", ERROR, EVENTS, f"once_more on {EVENTS}",
         "CREATE TRIGGER once_more BEFORE DELETE ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()",
         "DROP TRIGGER once_more ON preset_usage", setup=ANOTHER),
    Case("trigger_disabled", ERROR, f"{TRIGGER} on {EVENTS}", "it is disabled; nothing else counts INSERT",
         f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}", f"ALTER TABLE preset_usage ENABLE TRIGGER {TRIGGER}"),
    Case("trigger_disabled", ERROR, f"{ADJUSTING}_delete on {EVENTS}", "fires on replicas only; nothing else counts DELETE",
         f"ALTER TABLE preset_usage ENABLE REPLICA TRIGGER {ADJUSTING}_delete", f"ALTER TABLE preset_usage ENABLE TRIGGER {ADJUSTING}_delete"),
    Case("counts_some", ERROR, f"once_more on {EVENTS}", "its condition: (new.usage_type = 'showcase_creation'::text)",
         "CREATE TRIGGER once_more AFTER INSERT ON preset_usage FOR EACH ROW WHEN (NEW.usage_type = 'showcase_creation') EXECUTE FUNCTION another()",
         "DROP TRIGGER once_more ON preset_usage", setup=ANOTHER, also=frozenset({("counted_twice", EVENTS)})),
    Case("counting_blocked", ERROR, "public.auto_increment_preset_usage_count()", "it is not SECURITY DEFINER",
         "ALTER FUNCTION auto_increment_preset_usage_count() SECURITY INVOKER", "ALTER FUNCTION auto_increment_preset_usage_count() SECURITY DEFINER"),
    Case("removal_not_counted", WARNING, EVENTS, "no trigger counts deletes",
         f"DROP TRIGGER {ADJUSTING}_delete ON preset_usage",
         f"CREATE TRIGGER {ADJUSTING}_delete AFTER DELETE ON preset_usage REFERENCING OLD TABLE AS old_events"
         " FOR EACH STATEMENT EXECUTE FUNCTION auto_adjust_preset_usage_count()"),
    Case("tracker_unknown_columns", ERROR, TRACKED, "columns that preset_usage lacks: kind",
         f"{TRACKER} $$BEGIN {INSERT.replace('usage_type)', 'kind)')}; RETURN NULL; END$$", "{tracker}"),
    Case("tracker_trusts_argument", ERROR, "public.track_preset_usage(uuid,uuid)", "argument p_user_id",
         "CREATE FUNCTION track_preset_usage(preset uuid, p_user_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp"
         " AS 'INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ($1, $2, ''showcase_creation'')';"
         "REVOKE ALL ON FUNCTION track_preset_usage(uuid, uuid) FROM PUBLIC; GRANT EXECUTE ON FUNCTION track_preset_usage(uuid, uuid) TO authenticated",
         "DROP FUNCTION track_preset_usage(uuid, uuid)"),
    Case("open_to_everybody", ERROR, TRACKED, "granted to anon; it runs as postgres",
         f"GRANT EXECUTE ON FUNCTION {TRACK} TO anon", f"REVOKE EXECUTE ON FUNCTION {TRACK} FROM anon"),
    Case("open_to_everybody", ERROR, "public.increment_preset_usage(uuid)", "granted to PUBLIC, anon",
         f"GRANT EXECUTE ON FUNCTION {INCREMENT} TO PUBLIC", f"REVOKE EXECUTE ON FUNCTION {INCREMENT} FROM PUBLIC",
         also=frozenset({("may_write_counter", "every role (PUBLIC)")})),
    Case("search_path_open", ERROR, "public.increment_preset_usage(uuid)", "on its caller's path; its search_path: none",
         f"ALTER FUNCTION {INCREMENT} RESET search_path", f"ALTER FUNCTION {INCREMENT} SET search_path = public, pg_temp",
         setup=f"GRANT EXECUTE ON FUNCTION {INCREMENT} TO anon"),
    Case("search_path_open", WARNING, TRACKED, "looks for temporary tables first; its search_path: public",
         f"ALTER FUNCTION {TRACK} SET search_path = public", f"ALTER FUNCTION {TRACK} SET search_path = ''"),
    Case("search_path_open", WARNING, TRACKED, "it runs as postgres",
         f"ALTER FUNCTION {TRACK} RESET search_path", f"ALTER FUNCTION {TRACK} SET search_path = public, pg_temp"),
    Case("replication", WARNING, "subscription from_elsewhere", "it is disabled now",
         "CREATE SUBSCRIPTION from_elsewhere CONNECTION 'dbname=nowhere password=S3cretWord' PUBLICATION p WITH (connect = false)",
         "ALTER SUBSCRIPTION from_elsewhere SET (slot_name = NONE); DROP SUBSCRIPTION from_elsewhere"),
    Case("refused_writes", WARNING, "old-api", "7 writes by role authenticated through public.bump(uuid), last",
         "INSERT INTO usagefix.refused_writes (counter, mode, role, application, via, in_transaction, writes)"
         " VALUES ('preset_usage_count', 'ignore', 'authenticated', 'old-api', 'public.bump(uuid)', '1', 3), ('preset_usage_count', 'ignore', 'authenticated', 'old-api', 'public.bump(uuid)', '2', 4)",
         "TRUNCATE usagefix.refused_writes"),
    Case("no_index", WARNING, EVENTS, "read the whole table",
         "DROP INDEX idx_preset_usage_preset_id; CREATE INDEX part ON preset_usage (preset_id) WHERE user_id IS NOT NULL;"
         "CREATE INDEX later ON preset_usage (user_id, preset_id)",
         "CREATE INDEX idx_preset_usage_preset_id ON preset_usage (preset_id)"),
    Case("time_not_indexed", INFO, EVENTS, "about 9,300,000 rows without an index on created_at; they are stored in its order, so a BRIN index is enough, of about 48 kB",
         "DROP INDEX idx_preset_usage_created_at; UPDATE pg_class SET reltuples = 9300000, relpages = 130000 WHERE oid = 'preset_usage'::regclass;"
         "DELETE FROM pg_statistic WHERE starelid = 'preset_usage'::regclass",
         "CREATE INDEX idx_preset_usage_created_at ON preset_usage USING brin (created_at)"),
    Case("materialised_view", INFO, "public.trending", "it shows the counter as of its last REFRESH",
         "CREATE MATERIALIZED VIEW trending AS SELECT id, usage_count FROM presets", "DROP MATERIALIZED VIEW trending"),
    Case("materialised_view", INFO, "public.daily", "it was never filled",
         "CREATE MATERIALIZED VIEW daily AS SELECT preset_id FROM preset_usage WITH NO DATA", "DROP MATERIALIZED VIEW daily"),
    Case("view_of_counter", INFO, "public.presets.usage_count", "public.popular",
         "CREATE VIEW popular AS SELECT id FROM presets WHERE usage_count > 10", "DROP VIEW popular"),
    Case("counter_indexed", WARNING, "public.by_ten", "by_ten ON public.presets",
         "CREATE INDEX by_ten ON presets ((usage_count / 10))", "DROP INDEX by_ten"),
    Case("counter_indexed", WARNING, "public.used", "WHERE (usage_count > 0)",
         "CREATE INDEX used ON presets (name) WHERE usage_count > 0", "DROP INDEX used"),
    Case("counter_indexed", WARNING, "public.carried", "INCLUDE (usage_count)",
         "CREATE INDEX carried ON presets (name) INCLUDE (usage_count)", "DROP INDEX carried"),
    Case("apply_refuses", ERROR, "public.presets", "rule l on public.presets",
         "CREATE RULE l AS ON UPDATE TO presets DO INSTEAD NOTHING", "DROP RULE l ON presets"),
    Case("deletes_refused", WARNING, EVENTS, "does not have a replica identity",
         "ALTER TABLE preset_usage REPLICA IDENTITY NOTHING", "ALTER TABLE preset_usage REPLICA IDENTITY DEFAULT",
         setup="CREATE PUBLICATION shop FOR TABLE preset_usage"),
    Case("triggerless", ERROR, "session_replication_role", "set to replica for DATABASE",
         "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database()); END $$",
         "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ALL', current_database()); END $$"),
    Case("unlogged", WARNING, EVENTS, "UNLOGGED", "ALTER TABLE preset_usage SET UNLOGGED", "ALTER TABLE preset_usage SET LOGGED"),
    Case("index_invalid", WARNING, "public.idx_preset_usage_user_id", "CREATE INDEX",
         "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_preset_usage_user_id'::regclass",
         "REINDEX INDEX idx_preset_usage_user_id"),
    Case("events_of_gone_presets", WARNING, f"{EVENTS}.preset_id", "1 event",
         "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT gen_random_uuid(), id, 'showcase_creation' FROM auth.users LIMIT 1",
         "DELETE FROM preset_usage WHERE preset_id NOT IN (SELECT id FROM presets)",
         setup="ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey"),
    Case("events_without_preset", INFO, f"{EVENTS}.preset_id", "1 event",
         "INSERT INTO preset_usage (user_id, usage_type) SELECT id, 'showcase_creation' FROM auth.users LIMIT 1",
         "DELETE FROM preset_usage WHERE preset_id IS NULL", setup="ALTER TABLE preset_usage ALTER COLUMN preset_id DROP NOT NULL"),
    Case("no_foreign_key", WARNING, f"{EVENTS}.preset_id", "does not exist",
         "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey",
         "ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets ON DELETE CASCADE"),
    Case("no_foreign_key", WARNING, "not_checked", "NOT VALID",
         "ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey,"
         " ADD CONSTRAINT not_checked FOREIGN KEY (preset_id) REFERENCES presets ON DELETE CASCADE NOT VALID",
         "ALTER TABLE preset_usage VALIDATE CONSTRAINT not_checked"),
    Case("counter_near_limit", WARNING, f"{PRESETS}.usage_count", "the largest is 2,000,000,000; integer ends at 2,147,483,647",
         f"UPDATE presets SET usage_count = usage_count + 2000000000 - usage_count WHERE id = {PRESET}",
         f"UPDATE presets SET usage_count = (SELECT count(*) FROM preset_usage WHERE preset_id = presets.id) WHERE id = {PRESET}",
         also=frozenset({("drift", f"{PRESETS}.usage_count"), ("events_incomplete", f"{PRESETS}.usage_count")})),
    Case("not_looked_at", WARNING, "public.odd()", "it is in strange",
         "CREATE FUNCTION odd() RETURNS void LANGUAGE strange AS 'usage_count'", "DROP FUNCTION odd()",
         setup="CREATE LANGUAGE strange HANDLER plpgsql_call_handler"),
    Case("fires_on_count", INFO, "told on public.presets", "once a statement",
         "CREATE TRIGGER told AFTER UPDATE OF usage_count ON presets FOR EACH STATEMENT EXECUTE FUNCTION touch_updated_at()", "DROP TRIGGER told ON presets"),
    Case("source_writes", WARNING, "api/use.ts:1", "usage_count",
         files={"api/use.ts": "await sql`UPDATE presets SET usage_count = usage_count + 1 WHERE id = ${id}`\n"}),
    Case("source_writes", WARNING, "app/presets.rb:2", "increment!",
         files={"app/presets.rb": "# preset.increment!(:other)\npreset.increment!(:usage_count)\n"}),
    Case("source_carries", WARNING, "api/new.ts:1", "body.usage_count",
         files={"api/new.ts": "await supabase.from('presets').insert({ name, usage_count: body.usage_count })\n"}),
    Case("source_calls", WARNING, "api/use.ts:2", "increment_preset_usage",
         files={"api/use.ts": "const id = 1\nawait supabase.rpc('increment_preset_usage', { preset_id: id })\n"},
         also=frozenset({("counter_writer", "public.increment_preset_usage(uuid)")}),
         gone=frozenset({("increment_not_called", "public.increment_preset_usage(uuid)")})),
    Case("source_calls", INFO, "api/use.ts:1", "track_preset_usage",
         files={"api/use.ts": "await supabase.rpc('track_preset_usage', { preset_uuid: id })\n"}),
    Case("source_inserts", INFO, "seed.py:1", "INSERT INTO preset_usage",
         files={"seed.py": "db.execute('INSERT INTO preset_usage (preset_id) VALUES (%s)', [preset])\n"}),
    Case("source_scripts", INFO, "supabase/migrations/1.sql", "line 2",
         files={"supabase/migrations/1.sql": "-- old\nUPDATE presets SET usage_count = 0;\n"}),
)  # fmt: skip


OF_TRUTH = {"events_incomplete", "events_not_recorded", "user_key_elsewhere"}  # test_trust.py
OF_RIGHTS = {
    "path_open_to_others",
    "may_write_counter",
    "dump_needs_ledger",
    "counting_replaced",
}  # test_doctor_rights.py
OF_OTHERS = {"stops_at_zero", "counts_anew", "update_forgotten"}  # test_doctor_elsewhere.py
OF_NOTIFICATIONS = {"throttle_altered"}  # test_notifications.py


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} | OF_RIGHTS | OF_TRUTH | OF_OTHERS | OF_NOTIFICATIONS == set(RULES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.on.split('(')[0]}")
def test_a_rule_finds_what_is_broken_and_nothing_once_it_is_mended(fixed: App, tmp_path: Path, case: Case) -> None:
    fixed.sql("SET usagefix.bypass_guard = 'on'")
    if case.setup:
        fixed.sql(case.setup)
    whole = keys(examine(fixed))
    tracker = fixed.one(f"SELECT pg_get_functiondef('{TRACK}'::regprocedure)")
    for statement in filter(None, case.broken.split(";") if "SUBSCRIPTION" in case.broken else [case.broken]):
        fixed.sql(statement)
    for name, content in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    report = examine(fixed, source=tmp_path if case.files else None)
    broken = keys(report)
    assert set(broken - whole) == {(case.rule, case.on), *case.also}
    assert set(whole - broken) == case.gone
    (finding,) = (
        finding for finding in report.findings if (finding.finding_id, finding.object) == (case.rule, case.on)
    )
    assert finding.severity is case.severity
    assert case.evidence in finding.evidence
    assert finding.title
    assert finding.remedy
    assert "S3cretWord" not in str(report)
    for statement in filter(None, case.mend.split(";") if "SUBSCRIPTION" in case.mend else [case.mend]):
        fixed.sql(statement.replace("{tracker}", tracker))
    assert keys(examine(fixed)) == whole


def test_a_subscription_that_brings_events_leaves_them_uncounted(fixed: App) -> None:
    fixed.sql("CREATE SUBSCRIPTION brings CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)")
    add = "INSERT INTO pg_subscription_rel SELECT oid, %s::regclass, 'r', NULL FROM pg_subscription WHERE subname = 'brings'"
    fixed.sql("SET allow_system_table_mods = on")
    try:
        fixed.sql(add, "auth.users")
        assert "replication" not in {finding.finding_id for finding in examine(fixed).findings}
        fixed.sql(add, "preset_usage")
        assert only(examine(fixed), "replication").severity is ERROR
    finally:
        fixed.sql("ALTER SUBSCRIPTION brings SET (slot_name = NONE)")
        fixed.sql("DROP SUBSCRIPTION brings")


def test_a_counting_function_whose_owner_row_level_security_stops(fixed: App) -> None:
    with role(fixed, "doctor_weak"):
        fixed.sql("ALTER FUNCTION auto_increment_preset_usage_count() OWNER TO doctor_weak")
        assert "may not update public.presets" in only(examine(fixed), "counting_blocked").evidence
        fixed.sql("GRANT UPDATE ON presets TO doctor_weak")
        assert "from whom row level security hides presets" in only(examine(fixed), "counting_blocked").evidence
        fixed.sql("ALTER TABLE presets OWNER TO doctor_weak")
        assert "counting_blocked" not in {finding.finding_id for finding in examine(fixed).findings}
        fixed.sql("ALTER TABLE presets FORCE ROW LEVEL SECURITY")
        assert "from whom row level security hides presets" in only(examine(fixed), "counting_blocked").evidence


def test_a_trigger_on_a_single_partition_does_not_count_the_whole(partitioned: App) -> None:
    partitioned.sql(ANOTHER)
    partitioned.sql("CREATE TRIGGER part AFTER INSERT ON usage_old FOR EACH ROW EXECUTE FUNCTION another()")
    found = {finding.finding_id for finding in examine(partitioned).findings}
    assert "use_not_counted" in found
    partitioned.sql("CREATE TRIGGER whole AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()")
    found = {finding.finding_id for finding in examine(partitioned).findings}
    assert "use_not_counted" not in found
    assert "counted_twice" in found


def test_how_often_an_index_on_the_counter_costs_is_measured(fixed: App) -> None:
    counted = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'presets'::regclass"
    before = fixed.one(counted)
    with fixed.connect() as client:
        client.execute("UPDATE presets SET usage_count = usage_count")
        client.execute(f"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {PRESET}")
    fixed.wait_for(f"SELECT ({counted}) >= %s + 41", before)
    updates, hot = fixed.sql(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'presets'::regclass"
    )[0]
    finding = only(examine(fixed), "counter_indexed")
    assert f"{hot} of {updates} updates of presets so far were HOT" in finding.evidence


# Roles that see little


def test_an_owner_who_is_no_superuser_sees_it_all(app: App) -> None:
    with role(app, "doctor_owner"):
        for table in ("presets", "preset_usage"):
            app.sql(f"ALTER TABLE {table} OWNER TO doctor_owner")
        by_superuser = examine(app)
        assert keys(examine(app, user="doctor_owner")) == keys(by_superuser)


def test_a_role_without_rights_is_told_what_it_does_not_see(app: App) -> None:
    app.sql(CRON)
    app.sql("CREATE SCHEMA usagefix")
    app.sql(GUARD)
    whole = keys(examine(app))
    with role(app, "doctor_nobody"):
        report = examine(app, user="doctor_nobody")
        asked = app.usagefix("doctor", DATABASE_URL=app.url(user="doctor_nobody"))
        assert (asked.code, "right:" in asked.stdout.replace("not right:", "")) == (1, False), (
            "what was not looked at is not right"
        )
    unseen = {finding.object: finding for finding in report.findings if finding.finding_id == "not_looked_at"}
    assert set(unseen) == {"the counters and events", "jobs of pg_cron", "writes that the guard refused"}
    assert "may not read public.presets" in unseen["the counters and events"].evidence
    assert set(whole - keys(report)) == {("drift", f"{PRESETS}.usage_count")}


def test_a_role_from_which_rows_are_hidden_does_not_count_wrong(app: App) -> None:
    with role(app, "doctor_filtered", grants="GRANT SELECT ON presets, preset_usage TO doctor_filtered"):
        result = app.usagefix("doctor", DATABASE_URL=app.url("doctor_filtered"))
        assert result.code == 1
        assert "row level security hides rows of public.presets" in " ".join(result.stdout.split())
        app.sql("GRANT pg_monitor TO doctor_filtered")
        assert only(examine(app, user="doctor_filtered"), "not_looked_at").severity is WARNING


def test_what_the_server_refuses_to_read_is_named(fixed: App) -> None:
    fixed.sql("CREATE SCHEMA cron")
    fixed.sql("CREATE VIEW cron.one AS SELECT 1 / 0 AS jobid")
    fixed.sql("CREATE TABLE cron.job (jobid bigint, command text, active text)")
    fixed.sql("INSERT INTO cron.job VALUES (1, 'SELECT 1', 'perhaps')")
    finding = only(examine(fixed), "not_looked_at")
    assert finding.object == "jobs of pg_cron"
    assert "invalid input syntax" in finding.evidence


def test_a_role_that_may_not_enter_the_schema_is_told(app: App) -> None:
    with app.connect(autocommit=False) as connection:
        connection.execute((APPLICATIONS / "bigint_keys.sql").read_bytes())
    with role(app, "doctor_outside"):
        result = app.usagefix("--schema", "Shop floor", "doctor", DATABASE_URL=app.url("doctor_outside"))
    assert result.code == 5
    assert "permission denied for schema Shop floor" in result.stderr


def test_columns_that_cannot_be_compared_are_not_counted(fixed: App) -> None:
    fixed.sql("ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey, ALTER COLUMN preset_id TYPE text")
    unseen = [finding for finding in examine(fixed).findings if finding.finding_id == "not_looked_at"]
    assert [finding.object for finding in unseen] == ["the drift", "events without a preset"]
    assert "operator does not exist" in unseen[0].evidence


def test_another_database(app: App) -> None:
    app.sql("ALTER TABLE presets RENAME TO something")
    result = app.usagefix("doctor")
    assert result.code == 2
    assert "no table public.presets" in result.stderr


# The source


ROUTE = """
export async function POST(request: Request) {
  const { presetId } = await request.json()
  await supabase.rpc('track_preset_usage', { preset_uuid: presetId, usage_type_param: 'showcase_creation' })
  await supabase.rpc('increment_preset_usage', { preset_id: presetId })
  await supabase.from('presets').update({ usage_count: count + 1 }).eq('id', presetId)
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "app" / "api").mkdir(parents=True)
    (tmp_path / "app" / "api" / "route.ts").write_text(ROUTE)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "left-out.js").write_text(ROUTE)
    (tmp_path / "reset.py").write_text(
        "connect('postgresql://root:S3cretWord@db/x').execute('UPDATE presets SET usage_count = 0')\n"
    )
    (tmp_path / "broken.ts").write_bytes(b"\xff\xfe usage_count")
    return tmp_path


def marked(excerpt: dict[str, Any]) -> str:
    """What the carets are below."""
    line = excerpt["lines"][excerpt["line"] - excerpt["first_line"]]
    return str(line[excerpt["column"] - 1 :][: excerpt["length"]])


def test_an_api_that_counts_after_tracking(app: App, tree: Path) -> None:
    before = examine(app, source=tree)
    assert "increment_not_called" not in {finding.finding_id for finding in before.findings}
    assert only(before, "counter_writer").evidence == "called by app/api/route.ts:5"
    assert "app/api/route.ts:6" in only(before, "use_not_counted").evidence
    severities = {f.object: f.severity for f in before.findings if f.finding_id in ("source_calls", "source_writes")}
    assert severities["app/api/route.ts:5"] is WARNING
    writer = only(before, "counter_writer")
    assert writer.excerpt is not None
    assert (writer.excerpt.function, marked(dataclasses.asdict(writer.excerpt))) == (writer.object, "usage_count")

    for version, severity, code in (
        (VERSION, "error", 1),
        ("20251101000001", "warning", 0),
    ):  # the guard comes last
        app.usagefix("apply", "--to", version)
        result = app.usagefix("doctor", "--source", str(tree), "--format", "json")
        assert result.code == code
        found = {(f["finding_id"], f["object"]): f["severity"] for f in result.one["findings"]}
        assert found["source_calls", "app/api/route.ts:4"] == "info"
        assert found["source_calls", "app/api/route.ts:5"] == severity
        assert found["source_writes", "app/api/route.ts:6"] == severity
        assert found["source_writes", "reset.py:1"] == severity
    names = {f["object"]: marked(f["excerpt"]) for f in result.one["findings"] if f["finding_id"].startswith("source_")}
    assert set(names.values()) == {"usage_count", "increment_preset_usage", "track_preset_usage"}
    assert names["reset.py:1"] == "usage_count"
    assert result.one["source"]["files_read"] == 2
    assert result.one["source"]["skipped"] == [
        "broken.ts: not text in UTF-8",
        "node_modules/: a folder of others' or made files, not entered",
    ]
    for width in ("40", "60", "80", "120"):
        shown = app.usagefix("doctor", "--source", str(tree), COLUMNS=width)
        assert "S3cretWord" not in shown.stdout + shown.stderr + result.stdout
        assert "usagefix guard" in " ".join(shown.stdout.split())
        assert "2 files read, 1 file not read, 1 folder not entered" in " ".join(shown.stdout.split())
        assert max(map(len, shown.stdout.splitlines())) <= int(width)


def test_a_tracker_that_counts_is_still_to_be_called(app: App, tree: Path) -> None:
    app.sql(COUNTING_TRACKER)
    called = [f for f in examine(app, source=tree).findings if f.object == "app/api/route.ts:4"]
    assert [(f.finding_id, f.severity) for f in called] == [("source_calls", INFO)]


def test_a_call_of_a_function_that_is_not_there(fixed: App, tree: Path) -> None:
    fixed.sql(f"DROP FUNCTION {INCREMENT}")
    called = [f for f in examine(fixed, source=tree).findings if f.object == "app/api/route.ts:5"]
    assert [(f.finding_id, f.severity) for f in called] == [("source_calls", WARNING)]
    assert "which does not exist" in called[0].title


def test_a_folder_that_is_not_there(app: App) -> None:
    result = app.usagefix("doctor", "--source", "/nowhere/at/all")
    assert result.code == 2
    assert "does not exist" in result.stderr
    assert "target:" not in result.stderr


# What is printed


def test_text_of_the_database_is_harmless(fixed: App) -> None:
    fixed.sql('CREATE INDEX "[red]\x1b[2J" ON presets (usage_count)')
    shown = fixed.usagefix("doctor", COLUMNS="160")
    assert "[red]\\x1b[2J" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_the_verdict_in_words(app: App, fixed: App) -> None:
    lines = app.usagefix("doctor").stdout.splitlines()
    assert lines[-3] == "source: not read; --source DIR looks for competing writers there"
    assert lines[-2] == "not right: 4 errors, 1 warning, 4 good to know"
    assert lines[-1] == "next: usagefix apply --dry-run"
    right = fixed.usagefix("doctor")
    assert right.code == 0
    assert right.stdout.splitlines()[-1] == "right: 1 warning, 5 good to know"


def test_it_changes_nothing(app: App) -> None:
    before = app.dump()
    examine(app)
    assert app.dump() == before
