"""What would refuse a use later is found before anything is changed: by apply, its dry run, verify and doctor."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from support import INDEX, LEDGER, MIGRATION, VERSION, App, checks, failing

from usagefix import catalog
from usagefix.counter import STANDARD

OLD_ROW = "ALTER TABLE presets DROP CONSTRAINT IF EXISTS presets_usage_count_check; UPDATE presets SET description = '' WHERE name = 'Neon city'"
KEYS = """
    CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE SCHEMA app;
    CREATE TABLE app.presets (id text {presets} PRIMARY KEY, usage_count integer);
    CREATE TABLE app.preset_usage (preset_id {events});
    INSERT INTO app.presets VALUES ('a', 2), ('b', 0);
    INSERT INTO app.preset_usage VALUES ('a'), ('A'), ('a'), ('A')
"""


@dataclass(frozen=True)
class Case:
    """A database in which uses would be refused, or not be counted; what is said of it, and what mends it."""

    spoil: str
    said: str
    hint: str
    mend: str


CASES = {
    "published without identity": Case(
        "ALTER TABLE presets REPLICA IDENTITY NOTHING; CREATE PUBLICATION shop FOR TABLE presets",
        'cannot update table "presets" because it does not have a replica identity',
        "REPLICA IDENTITY", "ALTER TABLE presets REPLICA IDENTITY DEFAULT",
    ),
    "all tables published": Case(
        "ALTER TABLE presets REPLICA IDENTITY NOTHING; CREATE PUBLICATION shop FOR ALL TABLES",
        "does not have a replica identity", "publication", "DROP PUBLICATION shop",
    ),
    "row filter": Case(
        "CREATE PUBLICATION shop FOR TABLE presets WHERE (is_public)",
        "Column used in the publication WHERE expression is not part of the replica identity",
        "row filter", "ALTER TABLE presets REPLICA IDENTITY FULL",
    ),
    "column list": Case(
        "CREATE PUBLICATION shop FOR TABLE presets (name)", "Column list used by the publication does not cover",
        "columns", "DROP PUBLICATION shop",
    ),
    "rule beside an update": Case(
        "CREATE TABLE log (n integer); CREATE RULE l AS ON UPDATE TO presets DO ALSO INSERT INTO log VALUES (1)",
        "rule l on public.presets makes something else of each count", "DROP RULE l ON public.presets",
        "DROP RULE l ON presets",
    ),
    "rule in place of an update": Case(
        "CREATE RULE l AS ON UPDATE TO presets DO INSTEAD NOTHING", "rule l on public.presets", "DROP RULE",
        "DROP RULE l ON presets",
    ),
    "rule that counts": Case(
        "CREATE RULE l AS ON INSERT TO preset_usage DO ALSO UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id",
        "rule l on public.preset_usage may count, too", "DROP RULE l ON public.preset_usage", "DROP RULE l ON preset_usage",
    ),
    "rule that calls": Case(
        "CREATE RULE l AS ON INSERT TO preset_usage DO ALSO SELECT increment_preset_usage(NEW.preset_id)",
        "rule l on public.preset_usage may count, too", "DROP RULE", "DROP RULE l ON preset_usage",
    ),
    "rule that leads elsewhere": Case(
        "CREATE TABLE new_events (LIKE preset_usage);"
        "CREATE RULE l AS ON INSERT TO preset_usage DO INSTEAD INSERT INTO new_events VALUES (NEW.*)",
        "lead events elsewhere", "DROP RULE", "DROP RULE l ON preset_usage",
    ),
    "check that an old row breaks": Case(
        f"{OLD_ROW}; ALTER TABLE presets ADD CONSTRAINT told CHECK (length(description) > 0) NOT VALID",
        "constraint told of public.presets refuses updates of rows that break it", "VALIDATE CONSTRAINT told",
        "UPDATE presets SET description = 'x' WHERE description = ''",
    ),
    "foreign key that an old row breaks": Case(
        "CREATE TABLE kinds (kind text PRIMARY KEY); ALTER TABLE presets ADD kind text;"
        "UPDATE presets SET kind = 'gone' WHERE name = 'Neon city';"
        "ALTER TABLE presets ADD CONSTRAINT kinds FOREIGN KEY (kind) REFERENCES kinds NOT VALID",
        "foreign key kinds of public.presets refuses the second update in a transaction", "VALIDATE CONSTRAINT kinds", "INSERT INTO kinds VALUES ('gone')",
    ),
    "check of another day": Case(
        "ALTER TABLE presets ADD ends timestamptz CHECK (ends > now()) DEFAULT 'infinity';"
        "SET session_replication_role = replica; ALTER TABLE presets DROP CONSTRAINT presets_ends_check;"
        "UPDATE presets SET ends = '2001-01-01' WHERE name = 'Neon city';"
        "ALTER TABLE presets ADD CONSTRAINT lasts CHECK (ends > now()) NOT VALID; RESET session_replication_role;"
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'lasts'",
        "constraint lasts of public.presets refuses updates", "correct them", "ALTER TABLE presets DROP CONSTRAINT lasts",
    ),
    "check of the counter": Case(
        "UPDATE presets SET usage_count = LEAST(usage_count, 40); ALTER TABLE presets ADD CONSTRAINT quota CHECK (usage_count <= 40)",
        "constraint quota of public.presets would refuse the next use", "DROP CONSTRAINT quota",
        "ALTER TABLE presets DROP CONSTRAINT quota",
    ),
    "generated from the counter": Case(
        "UPDATE presets SET usage_count = 0; "
        "ALTER TABLE presets ADD share integer GENERATED ALWAYS AS (100 / (usage_count - 1)) STORED",
        "share of public.presets cannot be made of the counters that the events ask for: division by zero", "any counter", "ALTER TABLE presets DROP share",
    ),
    "index made of the counter": Case(
        "UPDATE presets SET usage_count = 0; CREATE INDEX shares ON presets ((100 / (usage_count - 1))) WHERE usage_count < 9",
        "shares of public.presets cannot be made", "any counter", "DROP INDEX shares",
    ),
    "schema closed to the owner": Case(
        "CREATE ROLE keeper; ALTER TABLE presets OWNER TO keeper; ALTER TABLE preset_usage OWNER TO keeper;"
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, keeper",
        "keeper, who owns public.presets, may not use its schema", "GRANT USAGE ON SCHEMA public TO keeper",
        "ALTER TABLE presets OWNER TO postgres; ALTER TABLE preset_usage OWNER TO postgres; DROP ROLE keeper",
    ),
    "counter only once": Case(
        "UPDATE presets SET usage_count = n FROM (SELECT id, row_number() OVER () AS n FROM presets) AS new WHERE presets.id = new.id;"
        "CREATE UNIQUE INDEX ranks ON presets (usage_count)", "index public.ranks allows a counter only once", "drop it",
        "DROP INDEX ranks",
    ),
    "foreign key of the counter": Case(
        "CREATE TABLE levels (n integer PRIMARY KEY); INSERT INTO levels SELECT generate_series(0, 5000);"
        "ALTER TABLE presets ADD CONSTRAINT level FOREIGN KEY (usage_count) REFERENCES levels",
        "foreign key level of public.presets is about the counter", "DROP CONSTRAINT level",
        "ALTER TABLE presets DROP CONSTRAINT level",
    ),
    "identity": Case(
        "UPDATE presets SET usage_count = 0 WHERE usage_count IS NULL; ALTER TABLE presets ALTER usage_count DROP DEFAULT, ALTER usage_count SET NOT NULL, ALTER usage_count ADD GENERATED ALWAYS AS IDENTITY",
        "a generated or identity column cannot be counted in", "ordinary column",
        "ALTER TABLE presets ALTER usage_count DROP IDENTITY, ALTER usage_count DROP NOT NULL",
    ),
    "inherited presets": Case(
        "CREATE TABLE more_presets () INHERITS (presets)", "other tables inherit from public.presets: public.more_presets",
        "NO INHERIT", "DROP TABLE more_presets",
    ),
    "daily limit that identifies": Case(
        "ALTER TABLE preset_usage ADD day date GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED NOT NULL;"
        "DROP INDEX idx_preset_usage_daily_unique; CREATE UNIQUE INDEX once ON preset_usage (user_id, preset_id, usage_type, day);"
        "ALTER TABLE preset_usage REPLICA IDENTITY USING INDEX once; CREATE PUBLICATION shop FOR TABLE preset_usage",
        "the daily limit, public.once, is the replica identity of public.preset_usage", "REPLICA IDENTITY DEFAULT",
        "ALTER TABLE preset_usage REPLICA IDENTITY DEFAULT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_would_refuse_a_use_is_found_before_anything_is_changed(app: App, case: Case) -> None:
    app.db.execute(case.spoil)
    result = app.usagefix("apply")
    assert result.code == 1, result.stderr
    assert case.said in result.stderr
    assert case.hint in result.stderr
    assert "nothing in the database was changed" in result.stderr
    assert app.one("SELECT to_regnamespace('usagefix') IS NULL")
    found = [
        f for f in app.usagefix("doctor", "--format", "json").one["findings"] if f["finding_id"] == "apply_refuses"
    ]
    assert any(case.said in finding["evidence"] for finding in found), found
    app.db.execute(case.mend)
    result = app.usagefix("apply", "--dry-run", "--trust", "events")
    assert result.code == 0, result.stderr


def test_what_else_the_daily_limit_was_for_is_said(app: App) -> None:
    """Nothing is replicated, so no DELETE is refused; rollback gives both back."""
    app.db.execute(
        "ALTER TABLE preset_usage ADD day date GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED NOT NULL;"
        f"DROP INDEX {INDEX}; CREATE UNIQUE INDEX once ON preset_usage (user_id, preset_id, usage_type, day);"
        "ALTER TABLE preset_usage REPLICA IDENTITY USING INDEX once; CLUSTER preset_usage USING once"
    )
    remarks = app.usagefix("apply", "--dry-run", "--format", "json").one["remarks"]
    assert [remark for remark in remarks if "CLUSTER" in remark or "replica identity" in remark][1:]


def test_a_dry_run_says_so_too_and_a_script_is_not_written(app: App) -> None:
    app.db.execute(CASES["check that an old row breaks"].spoil)
    for command in (("apply", "--dry-run"), ("sql", VERSION, "apply", "--adapt")):
        result = app.usagefix(*command)
        assert result.code == 1, result.stdout
        assert str(app.one("SELECT id FROM presets WHERE description = ''")) in result.stderr


ALLOWED = {
    "a constraint that every row keeps": "ALTER TABLE presets ADD CHECK (length(name) > 0) NOT VALID",
    "a check of the counter that always holds": "ALTER TABLE presets ADD CHECK (usage_count > -1)",
    "a foreign key that every row keeps": "ALTER TABLE presets ADD FOREIGN KEY (user_id) REFERENCES auth.users NOT VALID",
    "a domain that an old row breaks": (
        "CREATE DOMAIN told AS text; ALTER TABLE presets ADD more told DEFAULT '';"
        "ALTER DOMAIN told ADD CHECK (length(VALUE) > 0) NOT VALID"
    ),
    "events that nobody may change": (
        "CREATE RULE a AS ON UPDATE TO preset_usage DO INSTEAD NOTHING;"
        "CREATE TABLE log (n integer); CREATE RULE b AS ON INSERT TO preset_usage DO ALSO INSERT INTO log VALUES (1)"
    ),
    "published with its key": "CREATE PUBLICATION shop FOR TABLE presets, preset_usage",
    "events that are published, and not deleted": (
        "ALTER TABLE preset_usage REPLICA IDENTITY NOTHING; CREATE PUBLICATION shop FOR TABLE preset_usage"
    ),
    "a unique index that names the key, too": "CREATE UNIQUE INDEX ON presets (usage_count, id)",
}


@pytest.mark.parametrize("state", ALLOWED.values(), ids=ALLOWED)
def test_what_refuses_no_use_is_no_obstacle(app: App, state: str) -> None:
    app.db.execute(state)
    result = app.usagefix("apply")
    assert result.code == 0, result.stderr + result.stdout
    app.use(app.preset(), times=2)
    assert app.drift() == (0, 0)
    assert app.usagefix("verify").code == 0


LATER = {
    "published without identity": "ALTER TABLE presets REPLICA IDENTITY NOTHING; CREATE PUBLICATION shop FOR TABLE presets",
    "a rule": "CREATE RULE l AS ON UPDATE TO presets DO INSTEAD NOTHING",
    "a row": f"{OLD_ROW}; ALTER TABLE presets ADD CONSTRAINT told CHECK (length(description) > 0) NOT VALID",
    "a right": "ALTER TABLE presets OWNER TO service_role; REVOKE UPDATE ON presets FROM service_role",
}


@pytest.mark.parametrize("spoil", LATER.values(), ids=LATER)
def test_verify_never_says_right_while_uses_are_refused(fixed: App, spoil: str) -> None:
    fixed.db.execute(spoil)
    verified = fixed.usagefix("verify", "--format", "json")
    assert verified.code == 1
    assert "uses_accepted" in failing(verified)
    found = fixed.usagefix("doctor", "--format", "json").one["findings"]
    assert "apply_refuses" in {finding["finding_id"] for finding in found}


def test_who_may_only_read_is_told_what_can_be_seen(fixed: App) -> None:
    fixed.sql("GRANT SELECT ON presets, preset_usage TO service_role")
    fixed.db.execute("ALTER ROLE service_role LOGIN")
    try:
        result = fixed.usagefix("verify", "--format", "json", DATABASE_URL=fixed.url("service_role"))
    finally:
        fixed.db.execute("ALTER ROLE service_role NOLOGIN")
    assert checks(result)["uses_accepted"] == "ok", result.stderr


def test_verify_waits_for_nobody_who_builds_an_index(fixed: App) -> None:
    with fixed.connect(autocommit=False) as building:
        building.execute("LOCK TABLE presets IN SHARE MODE")
        assert fixed.usagefix("verify").code == 0


@pytest.mark.parametrize("trigger", [False, True], ids=["constraint", "trigger"])
def test_a_backfill_corrects_all_rows_but_those_that_are_refused(fixed: App, trigger: bool) -> None:
    """Whatever refuses them: the others are right, and the report names those that are not."""
    fixed.spoil(OLD_ROW)
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 3")
    fixed.spoil(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.description = '' THEN RAISE EXCEPTION 'not told' USING ERRCODE = 'ZZ001'; END IF; RETURN NEW; END$$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION refuse()"
        if trigger
        else "ALTER TABLE presets ADD CONSTRAINT told CHECK (length(description) > 0) NOT VALID"
    )
    wrong = fixed.one("SELECT id::text FROM presets WHERE description = ''")
    result = fixed.usagefix(
        "backfill", "--trust", "events", "--format", "json", *(["--fire-triggers"] if trigger else [])
    )
    assert result.code == 1, result.stderr
    (left,) = result.one["backfill"]["unrepaired"]
    assert left["id"] == wrong
    assert ("not told" if trigger else "told") in left["why"]
    assert result.one["backfill"]["rows_changed"] == fixed.one("SELECT count(*) - 1 FROM presets")
    assert fixed.drift() == (1, 3)
    assert "not corrected" in fixed.usagefix("backfill", *(["--fire-triggers"] if trigger else [])).stdout
    assert "counters_accurate" in failing(fixed.usagefix("verify", "--format", "json"))


def test_a_backfill_stops_where_no_row_can_be_corrected(fixed: App) -> None:
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 3")
    fixed.db.execute("ALTER TABLE presets ADD CONSTRAINT never CHECK (name = '') NOT VALID")
    result = fixed.usagefix("backfill", "--trust", "events")
    assert result.code == 5
    assert "never" in result.stderr


SIDES = {
    "one side": ("COLLATE ci", "text", False),
    "other side": ("", "text COLLATE ci", False),
    "both": ("COLLATE ci", "text COLLATE ci", True),
    "two of the server's": ('COLLATE "C"', 'text COLLATE "und-x-icu"', False),
    "one of the server's": ("", 'text COLLATE "C"', True),
    "other type": ("", "varchar(20)", True),
}


@pytest.mark.parametrize(("presets", "events", "exact"), SIDES.values(), ids=SIDES)
def test_keys_that_are_compared_in_two_ways_are_never_called_right(
    app: App, presets: str, events: str, exact: bool
) -> None:
    app.db.execute(KEYS.format(presets=presets, events=events))
    commands = (("verify",), ("apply", "--dry-run"), ("apply",), ("verify",))
    results = [app.usagefix("--schema", "app", *command) for command in commands]
    if not exact:
        assert [result.code for result in results] == [1] * 4
        assert all("no count is right for both" in result.stderr for result in results)
        assert "apply_refuses" in app.usagefix("--schema", "app", "doctor", "--format", "json").stdout
        return
    assert results[-1].code == 0, results[-1].stderr + results[-1].stdout
    app.sql("INSERT INTO app.preset_usage VALUES ('a'), ('A')")
    equal = app.sql(
        "SELECT usage_count, (SELECT count(*) FROM app.preset_usage WHERE preset_id = presets.id) FROM app.presets"
    )
    assert all(shown == actual for shown, actual in equal)


CITUS = """
    SET allow_system_table_mods = on;
    CREATE TABLE pg_catalog.pg_dist_partition (
        logicalrelid regclass NOT NULL, partmethod "char" NOT NULL, partkey text, colocationid integer NOT NULL DEFAULT 0,
        repmodel "char" NOT NULL DEFAULT 's', autoconverted boolean NOT NULL DEFAULT false);
    RESET allow_system_table_mods;
"""
LAYOUTS = {
    "colocated": (
        "('presets', 'h', 'id', 1, 's'), ('preset_usage', 'h', 'preset_id', 1, 's')",
        "public.presets is distributed by hash, public.preset_usage is distributed by hash",
    ),
    "reference and distributed": (
        "('presets', 'n', NULL, 7, 't'), ('preset_usage', 'h', 'id', 1, 's')",
        "public.presets is a reference table, public.preset_usage is distributed by hash",
    ),
    "local and distributed": ("('preset_usage', 'h', 'id', 1, 's')", "public.preset_usage is distributed by hash"),
    "managed": ("('presets', 'n', NULL, 0, 's')", "public.presets is a local table that Citus manages"),
    "distributed schema": (
        "('presets', 'n', NULL, 3, 's'), ('preset_usage', 'n', NULL, 3, 's')",
        "in a distributed schema",
    ),
}


@pytest.mark.parametrize(("rows", "said"), LAYOUTS.values(), ids=LAYOUTS)
def test_tables_that_citus_keeps_are_refused_and_verified(app: App, rows: str, said: str) -> None:
    """With a stand-in for the table in which Citus notes how it keeps tables."""
    app.db.execute(CITUS)
    app.db.execute(
        "INSERT INTO pg_catalog.pg_dist_partition (logicalrelid, partmethod, partkey, colocationid, repmodel) VALUES "
        + rows
    )
    before = app.drift()
    result = app.usagefix("apply")
    assert result.code == 1
    assert said in result.stderr
    assert "undistribute_table('public." in result.stderr
    verified = app.usagefix("verify", "--format", "json")
    found = {check["check_id"]: check for check in verified.one["checks"]}
    assert said in found["uses_accepted"]["detail"]
    assert "undistribute_table" in found["trigger_enabled"]["hint"], "apply would be refused"
    assert verified.one["counts"]["inaccurate"] == before[0]
    remedies = [f["remedy"] for f in app.usagefix("doctor", "--format", "json").one["findings"]]
    assert not [remedy for remedy in remedies if remedy.startswith("usagefix apply")]
    done = app.psql(LEDGER, MIGRATION / "stops.sql", MIGRATION / "apply.sql")
    assert done.returncode != 0
    assert "Citus keeps" in done.stderr
    assert app.one("SELECT to_regnamespace('usagefix') IS NULL")


def test_tables_that_citus_leaves_alone_are_local(app: App) -> None:
    app.db.execute(CITUS)
    app.db.execute("INSERT INTO pg_catalog.pg_dist_partition VALUES ('auth.users', 'h', 'id', 1)")
    assert app.usagefix("apply").code == 0
    assert app.usagefix("verify").code == 0


def test_verify_asks_each_table_on_its_own(app: App) -> None:
    """No join of the two tables themselves, and no setting: that is what Citus answers on every layout."""
    for name in ("accuracy", "behind"):
        query = catalog.query(name, STANDARD)
        assert not re.search(r"JOIN\s+(LATERAL|\()|FROM public\.\w+[^()]*JOIN|_setting", query)
        assert query.count("AS MATERIALIZED") >= 2


FORBIDDEN = {
    "CREATE FUNCTION": "ddl_command_end",
    "CREATE TRIGGER": "ddl_command_start",
    "CREATE SCHEMA": "ddl_command_start",
    "DROP INDEX": "sql_drop",
}


@pytest.mark.parametrize("tag", FORBIDDEN)
def test_what_an_event_trigger_forbids_is_said_by_its_name_and_undone(app: App, tag: str) -> None:
    """A daily limit that cannot go is found before the triggers are in; so with DROP INDEX as soon as it begins."""
    app.db.execute(
        "CREATE FUNCTION frozen() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'ask a DBA'; END$$;"
        f"CREATE EVENT TRIGGER frozen_schema ON {FORBIDDEN[tag]} WHEN TAG IN ('{tag}') EXECUTE FUNCTION frozen()"
    )
    for command in (("apply", "--dry-run"), ("apply",)):
        result = app.usagefix(*command)
        assert result.code == 1, result.stderr
        assert "event trigger frozen_schema forbids" in result.stderr
        assert "ask a DBA" in result.stderr
        assert "nothing in the database was changed" in result.stderr
    assert app.one("SELECT to_regnamespace('usagefix') IS NULL")
    app.db.execute("ALTER EVENT TRIGGER frozen_schema DISABLE")
    assert app.usagefix("apply").code == 0
