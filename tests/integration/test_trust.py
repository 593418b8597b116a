"""A true number is never made false: where the events do not look like the whole truth, a person says which side is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import GUARD, INDEX, LEDGER, MIGRATION, App, checks, failing, role, run

FIX = (LEDGER, MIGRATION / "stops.sql", MIGRATION / "apply.sql", GUARD / "apply.sql", MIGRATION / "backfill.sql")
# Drift in one snapshot, baselines counted: what usagefix calls right, counted by somebody else.
DRIFT = """
    SELECT count(*) FILTER (WHERE p.usage_count IS DISTINCT FROM coalesce(b.baseline, 0) + coalesce(e.n, 0))
    FROM presets p LEFT JOIN (SELECT preset_id, count(*) AS n FROM preset_usage GROUP BY 1) e ON e.preset_id = p.id
    LEFT JOIN usagefix.baselines b ON b.row_key = p.id::text
"""
TOTAL = "SELECT sum(usage_count) FROM presets"


def make(app: App, counters: str, *, events: str = "false", used: str = "now()") -> App:
    """300 presets, or fewer: ``counters`` over n from 1; an event for each count where ``events`` is true; when used."""
    with app.db.transaction():
        app.sql("SET LOCAL session_replication_role = replica")
        app.sql("TRUNCATE preset_usage, presets, preset_notifications")
        app.sql(
            "INSERT INTO presets (id, user_id, name, is_public, usage_count, last_used_at)"
            " SELECT md5('preset ' || n)::uuid, md5('user ' || 1 + n % 60)::uuid, 'Preset ' || n, true, uses, "
            f"{used} FROM generate_series(1, 300) AS n, LATERAL (SELECT {counters} AS uses) AS c WHERE uses IS NOT NULL"
        )
        app.sql(f"DROP INDEX IF EXISTS {INDEX}")
        app.sql(
            "INSERT INTO preset_usage (preset_id, user_id, usage_type, created_at) SELECT id, user_id, 'showcase_creation',"
            f" now() - interval '90 days' FROM presets, generate_series(1, usage_count) WHERE {events}"
        )
    return app


@pytest.fixture
def production(app: App) -> App:
    """300 presets, 43,271 uses shown, and no event: none could be recorded."""
    return make(app, "CASE WHEN n <= 71 THEN 145 ELSE 144 END")


def everything(app: App) -> str:
    done = app.program("pg_dump")
    assert done.returncode == 0
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.mark.parametrize("command", [("apply",), ("apply", "--dry-run"), ("backfill",), ("backfill", "--dry-run")])
def test_nothing_is_changed_before_a_person_has_said_what_is_true(production: App, command: tuple[str, ...]) -> None:
    if command == ("backfill",):
        production.sql("SET session_replication_role = replica")  # counting, but nothing was ever recorded or corrected
        assert production.usagefix("apply", "--trust", "events").code == 0
        production.spoil("UPDATE presets SET usage_count = CASE WHEN name <= 'Preset 16' THEN 145 ELSE 144 END")
    before = everything(production)
    result = production.usagefix(*command, "--format", "json")
    assert everything(production) == before, "byte for byte"
    assert result.code == 1
    assert "300 of 300 counters would fall, their sum from 43," in result.stderr
    assert " to 0 " in result.stderr
    for way in ("--trust events", "--trust counters", "usagefix doctor", "nothing in the database was changed"):
        assert way in result.stderr
    assert sum(" → 0" in line for line in result.stderr.splitlines()) == 10, "the ten largest"
    found = result.one["doubt"]
    assert (found["falling"], found["falls_to"], len(found["largest"])) == (300, 0, 10)
    assert found["largest"][0]["displayed_count"] == 145


def test_verify_and_doctor_say_it_first(production: App) -> None:
    verified = production.usagefix("verify", "--format", "json")
    assert verified.one["checks"][0]["check_id"] == "events_complete"
    assert verified.one["checks"][0]["status"] == "failed"
    assert "43,271 to 0" in verified.one["checks"][0]["detail"]
    said = production.usagefix("verify").stdout
    assert "next: find out why with usagefix doctor; then usagefix apply --trust events, or --trust counters" in said
    first = production.usagefix("doctor", "--format", "json").one["findings"][0]
    assert first["finding_id"] == "events_incomplete"
    assert "43,271 to 0" in first["evidence"]


def test_counters_that_are_trusted_keep_what_they_show(production: App) -> None:
    preset = production.preset()
    planned = production.usagefix("apply", "--dry-run", "--trust", "counters", "--format", "json")
    assert planned.code == 0, planned.stderr
    assert planned.one["backfill"]["baselines"] == {"rows": 300, "total": 43_271}
    assert planned.one["backfill"]["drift_removed"] == 0
    applied = production.usagefix("apply", "--trust", "counters", "--format", "json")
    assert applied.code == 0, applied.stderr
    assert applied.one["backfill"]["baselines"] == {"rows": 300, "total": 43_271}
    assert (failing(applied), production.one(TOTAL), production.one(DRIFT)) == (set(), 43_271, 0)

    production.use(preset, times=5)
    assert production.one("SELECT usage_count FROM presets WHERE id = %s", preset) == 150
    told = production.usagefix("check-preset", preset, "--format", "json").one["row"]
    assert [told[key] for key in ("displayed_count", "actual_records", "baseline", "drift")] == [150, 5, 145, 0]
    page = production.usagefix("check-preset", preset)
    assert page.code == 0
    assert "baseline" in page.stdout
    verified = production.usagefix("verify", "--format", "json")
    assert (verified.code, failing(verified)) == (0, set())
    counts = verified.one["counts"]
    assert (counts["baseline_total"], counts["rows_with_baseline"], counts["actual_total"]) == (43_271, 300, 5)
    assert counts["accurate"] == 300
    assert "baseline" in production.usagefix("verify").stdout
    by_hand = production.program("psql", "-XAt", "-f", str(MIGRATION / "verify.sql"))
    totals = "|".join(str(value) for name, value in counts.items() if name != "orphans")
    assert totals in by_hand.stdout.splitlines()
    assert "300 presets have baselines of 43,271 uses in all" in production.usagefix("status").stdout
    assert production.usagefix("smoke").code == 0
    assert production.usagefix("doctor").code == 0

    assert production.usagefix("backfill", "--format", "json").one["backfill"]["rows_changed"] == 0
    for _ in range(2):  # once is as good as twice
        again = production.usagefix("backfill", "--trust", "counters", "--format", "json").one["backfill"]
        assert (again["rows_changed"], again["baselines"]) == (0, {"rows": 0, "total": 0})
    production.spoil("UPDATE presets SET usage_count = usage_count - 3 WHERE id = %s", preset)
    assert "counters_accurate" in failing(production.usagefix("verify", "--format", "json"))
    assert production.usagefix("check-preset", preset).code == 1
    assert production.usagefix("backfill").code == 0
    assert (production.one(DRIFT), production.one(TOTAL)) == (0, 43_276)

    told_of = production.one("SELECT count(*) FROM preset_notifications")
    production.sql("TRUNCATE preset_usage")
    assert (production.one(DRIFT), production.one(TOTAL)) == (0, 43_271), "not 0: what the counters hold on purpose"
    assert production.one("SELECT count(*) FROM preset_notifications") == told_of, "nobody is told of it"
    assert production.usagefix("verify").code == 0


def test_events_that_are_trusted_let_the_counters_fall(production: App) -> None:
    planned = production.usagefix("apply", "--dry-run", "--trust", "events", "--format", "json")
    assert planned.one["backfill"]["drift_removed"] == -43_271
    applied = production.usagefix("apply", "--trust", "events", "--format", "json")
    assert (applied.code, production.one(TOTAL), production.drift()) == (0, 0, (0, 0))
    assert production.one("SELECT count(*) FROM usagefix.baselines") == 0


def test_events_that_are_trusted_later_end_the_baselines(production: App) -> None:
    assert production.usagefix("apply", "--trust", "counters").code == 0
    production.use(production.preset(), times=2)
    planned = production.usagefix("backfill", "--dry-run", "--trust", "events", "--format", "json").one["backfill"]
    done = production.usagefix("backfill", "--trust", "events", "--format", "json").one["backfill"]
    for report in (planned, done):
        assert (report["forgotten"], report["drift_removed"]) == ({"rows": 300, "total": 43_271}, -43_271)
    assert (production.one(TOTAL), production.drift()) == (2, (0, 0))
    assert production.usagefix("verify").code == 0


def test_a_tiny_database_is_asked_about_too(app: App) -> None:
    make(app, "CASE n WHEN 1 THEN 42 WHEN 2 THEN 17 WHEN 3 THEN 9 END")
    assert app.usagefix("apply").code == 1
    assert app.one("SELECT to_regnamespace('usagefix')") is None


def test_one_counter_too_high_of_hundreds_is_no_question(app: App) -> None:
    make(app, "n", events="true")
    app.sql("UPDATE presets SET usage_count = usage_count + 7 WHERE name = 'Preset 100'")
    assert app.usagefix("apply").code == 0
    assert app.drift() == (0, 0)


def test_presets_used_later_than_their_newest_event_are_asked_about(app: App) -> None:
    """A tenth of the counters is a little ahead of its events: it goes on, if those presets were used since."""
    make(app, "100", events="true", used="now() - interval '90 days'")
    app.sql("UPDATE presets SET usage_count = usage_count + 5 WHERE name < 'Preset 14'")
    assert app.usagefix("apply", "--dry-run").code == 0
    app.sql("UPDATE presets SET last_used_at = now() WHERE name < 'Preset 14'")
    for command in ("apply", "verify"):
        asked = app.usagefix(command)
        assert asked.code == 1
        assert "used later than their newest event" in " ".join((asked.stderr + asked.stdout).split())


def test_a_new_preset_does_not_inherit_a_baseline(production: App) -> None:
    assert production.usagefix("apply", "--trust", "counters").code == 0
    preset, other = production.preset(1), production.preset(2)
    production.sql(  # an upsert finds the old one there
        "INSERT INTO presets (id, name) VALUES (%s, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name", other
    )
    production.sql("DELETE FROM presets WHERE id = %s", preset)
    assert production.usagefix("verify").code == 0, "one that is gone is in nobody's way"
    production.sql("INSERT INTO presets (id, name) VALUES (%s, 'another')", preset)
    production.use(preset, times=2)
    assert production.one("SELECT usage_count FROM presets WHERE id = %s", preset) == 2
    assert (production.one(DRIFT), production.usagefix("verify").code) == (0, 0)
    production.sql("DELETE FROM presets WHERE id = %s", other)
    assert production.usagefix("backfill").code == 0
    assert production.one("SELECT count(*) FROM usagefix.baselines") == 298, "a backfill forgets what is gone"


def test_a_baseline_goes_along_with_its_preset(production: App) -> None:
    """Keys that change, and events that move where a foreign key follows such changes: these are counted anew."""
    production.sql("ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_preset_id_fkey")
    production.sql("ALTER TABLE preset_usage ADD FOREIGN KEY (preset_id) REFERENCES presets ON UPDATE CASCADE")
    assert production.usagefix("apply", "--trust", "counters").code == 0
    preset, other = production.preset(1), production.preset(2)
    production.use(preset, times=3)
    production.sql("UPDATE presets SET id = md5('moved')::uuid WHERE id = %s", preset)
    assert (production.one(DRIFT), production.one(TOTAL)) == (0, 43_274)
    assert production.one("SELECT usage_count FROM presets WHERE id = md5('moved')::uuid") == 148
    production.sql(
        "UPDATE preset_usage SET preset_id = %s WHERE id = (SELECT min(id::text)::uuid FROM preset_usage)", other
    )
    assert (production.one(DRIFT), production.one(TOTAL)) == (0, 43_274)
    assert production.usagefix("verify").code == 0


def test_rolled_back_and_applied_again(production: App) -> None:
    for _ in range(2):
        assert production.usagefix("apply", "--trust", "counters").code == 0
        assert (production.one(DRIFT), production.one(TOTAL)) == (0, 43_271)
        assert production.usagefix("rollback", "--yes").code == 0
    assert production.usagefix("rollback", "--yes", "--purge").code == 0
    assert production.one(TOTAL) == 43_271


def test_who_may_not_read_the_baselines_gets_an_error_not_a_count(production: App) -> None:
    assert production.usagefix("apply", "--trust", "counters").code == 0
    with role(
        production, "auditor_2", options="LOGIN BYPASSRLS", grants="GRANT SELECT ON presets, preset_usage TO auditor_2"
    ):
        refused = run("verify", DATABASE_URL=production.url("auditor_2"))
        assert refused.code == 5
        assert "GRANT SELECT ON usagefix.baselines TO auditor_2" in refused.stderr
        production.sql("GRANT USAGE ON SCHEMA usagefix TO auditor_2; GRANT SELECT ON usagefix.baselines TO auditor_2")
        assert run("verify", DATABASE_URL=production.url("auditor_2")).code == 0


@pytest.mark.parametrize("whose", ["nobody", "somebody else"])
def test_truncate_works_without_a_ledger_that_is_trusted(production: App, whose: str) -> None:
    assert production.usagefix("apply", "--trust", "counters").code == 0
    production.sql("DROP TABLE usagefix.baselines")
    if whose != "nobody":
        production.sql("CREATE VIEW usagefix.baselines AS SELECT 1 / 0 AS baseline, id::text AS row_key FROM presets")
    production.sql("TRUNCATE preset_usage")
    assert production.one(TOTAL) == 0


def test_by_hand_it_stops_before_it_changes_a_counter(production: App) -> None:
    production.sql("DROP FUNCTION track_preset_usage(uuid, text, jsonb)")
    before = everything(production)
    stopped = production.psql(*FIX)
    assert stopped.returncode != 0
    assert "300 of 300 counters would fall, their sum from 43271 to 0" in stopped.stderr
    assert "SET usagefix.trust = ''" not in stopped.stderr
    assert "SET usagefix.trust = 'events'" in stopped.stderr
    assert everything(production) == before
    assert production.psql(*FIX, PGOPTIONS="-c usagefix.trust=nonsense").returncode != 0
    for _ in range(2):
        done = production.psql(*FIX, PGOPTIONS="-c usagefix.trust=counters")
        assert done.returncode == 0, done.stderr
        assert (production.one(DRIFT), production.one(TOTAL)) == (0, 43_271)
    assert production.psql(MIGRATION / "backfill.sql").returncode == 0, "there is nothing to ask any more"
    assert failing(production.usagefix("verify", "--format", "json")) == set()
    assert production.psql(MIGRATION / "backfill.sql", PGOPTIONS="-c usagefix.trust=events").returncode == 0
    assert (production.one(TOTAL), production.drift()) == (0, (0, 0))


@pytest.mark.parametrize(("trust", "total"), [("events", 0), ("counters", 43_271)])
def test_what_is_printed_and_exported_can_have_the_answer_in_it(
    production: App, trust: str, total: int, tmp_path: Path
) -> None:
    assert production.by_hand().returncode != 0, "printed without, it stops"
    production.sql("SELECT set_config('usagefix.trust', '', false)")
    done = production.by_hand(options=("--trust", trust))
    assert done.returncode == 0, done.stderr
    assert production.one(TOTAL) == total
    assert checks(production.usagefix("verify", "--format", "json"))["counters_accurate"] == "ok"
    for adapt in ((), ("--adapt",)):
        folder = tmp_path / (adapt or ("plain",))[0]
        folder.mkdir()
        assert production.usagefix("export", str(folder), "--trust", trust, *adapt).code == 0
        (written,) = folder.glob("*_backfill_usage_count.sql")
        assert f"SET LOCAL usagefix.trust = '{trust}';" in written.read_text()


# Why no events are recorded

PROFILES = """
    CREATE TABLE profiles (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid UNIQUE REFERENCES auth.users);
    ALTER TABLE preset_usage DROP CONSTRAINT preset_usage_user_id_fkey;
    ALTER TABLE preset_usage ADD FOREIGN KEY (user_id) REFERENCES profiles (id);
    DROP FUNCTION track_preset_usage(uuid, text, jsonb)
"""
ROUTE = """
const { data: { user } } = await supabase.auth.getUser();
await supabase.from('preset_usage').insert({
  preset_id: id,
  user_id: user.id,
  usage_type: 'showcase_creation',
});
"""
TRACKING = """
    CREATE FUNCTION track_preset_usage(preset_uuid uuid) RETURNS void LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, {user}, 'x'); END$$
"""
KEY_OF_PROFILE = "(SELECT id FROM profiles WHERE user_id = auth.uid())"


@pytest.mark.parametrize(
    ("route", "function", "by"),
    [
        (ROUTE, "", "route.ts:3"),
        (ROUTE.replace("user.id,", "session?.user?.id,"), "", "route.ts:3"),
        (ROUTE.replace("user_id: user.id", "user_id: userId"), "", "route.ts:3"),
        ("", TRACKING.format(user="auth.uid()"), "function"),
        (ROUTE.replace("user.id,", "profile.id,"), "", ""),
        ("", TRACKING.format(user=KEY_OF_PROFILE), ""),
    ],
)
def test_doctor_finds_that_a_profile_is_wanted_where_the_session_is_inserted(
    production: App, tmp_path: Path, route: str, function: str, by: str
) -> None:
    production.sql(PROFILES)
    if function:
        production.sql(function)
    (tmp_path / "route.ts").write_text(route or "export {}")
    found = production.usagefix("doctor", "--source", str(tmp_path), "--format", "json").one["findings"]
    assert "events_not_recorded" in {finding["finding_id"] for finding in found}
    about = [finding for finding in found if finding["finding_id"] == "user_key_elsewhere"]
    assert bool(about) == bool(by)
    for finding in about:
        assert finding["severity"] == "error"
        assert "profiles(id)" in finding["evidence"]
        assert ("track_preset_usage" if by == "function" else by) in finding["evidence"]


def test_doctor_without_the_source_names_the_key_as_what_may_be_why(production: App) -> None:
    production.sql(PROFILES)
    found = production.usagefix("doctor", "--format", "json").one["findings"]
    (about,) = (finding for finding in found if finding["finding_id"] == "user_key_elsewhere")
    assert (about["severity"], "--source DIR" in about["evidence"]) == ("warning", True)


def test_doctor_finds_that_events_have_stopped(app: App) -> None:
    def stopped() -> list[str]:
        found = app.usagefix("doctor", "--format", "json").one["findings"]
        return [f["evidence"] for f in found if f["finding_id"] == "events_not_recorded"]

    assert stopped() == []
    app.sql("UPDATE preset_usage SET created_at = created_at - interval '1000 days'")
    app.sql("UPDATE presets SET last_used_at = now() WHERE name = 'Neon city'")
    (evidence,) = stopped()
    assert "newest event" in evidence
    assert "the last use of a preset" in evidence


@pytest.mark.parametrize(
    ("code", "loses"),
    [
        ("await supabase.from('presets').update({ usage_count: count + 1 }).eq('id', id);\n", True),
        (
            "await supabase.from('presets').update({ usage_count: count + 1 }).eq('id', id);\n"
            "await supabase.rpc('track_preset_usage', { preset_uuid: id });\n",
            False,
        ),
        ("await supabase.rpc('increment_preset_usage', { preset_id: id });\n", True),
    ],
)
def test_a_remedy_loses_no_use(app: App, tmp_path: Path, code: str, loses: bool) -> None:
    """To take the counter out of code that records no event would end the counting of what it does."""
    (tmp_path / "use.ts").write_text(code)
    found = app.usagefix("doctor", "--source", str(tmp_path), "--format", "json").one["findings"]
    (remedy,) = (
        f["remedy"]
        for f in found
        if f["finding_id"] in ("source_writes", "source_calls") and "the guard" in f["remedy"]
    )
    assert remedy.startswith("record an event there, if none is recorded yet; then") == loses
