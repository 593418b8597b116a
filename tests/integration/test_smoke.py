"""usagefix smoke: it sees what is wrong, from the call to the counter, and leaves nothing."""

from __future__ import annotations

import re
import threading

import psycopg
import pytest
from cases import EVERY, Application
from support import TRIGGER, App, Result, ended, role, told, wait_until

COUNTING = "auto_increment_preset_usage_count()"


def everything(app: App) -> str:
    """All rows and all sequences. The application's own sequences may skip: they know no transactions."""
    done = app.program("pg_dump", "--no-sync")
    assert done.returncode == 0, done.stderr
    return "\n".join(
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("\\restrict", "\\unrestrict"))
        and not re.match(r"SELECT pg_catalog.setval\('(?!usagefix\.)", line)
    )


def steps(result: Result) -> dict[str, str]:
    assert result.stdout, result.stderr
    return {step["step_id"]: step["status"] for step in result.one["steps"]}


def failed(result: Result) -> set[str]:
    return {step for step, status in steps(result).items() if status == "failed"}


def detail(result: Result, step_id: str) -> str:
    return next(str(step["detail"]) for step in result.one["steps"] if step["step_id"] == step_id)


ALL = {
    "preset", "user", "first_use", "last_use", "second_use", "events_agree", "many_rows", "delete", "presets", "kinds", "deferred",
    "undone",
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_every_application(name: str, app: App) -> None:
    application: Application = EVERY[name]
    application.make(app)
    drifted = everything(app)
    before = application.usagefix(app, "smoke", "--format", "json")
    assert before.code == 1, before.stderr + before.stdout
    assert everything(app) == drifted
    assert application.usagefix(app, "apply").code == 0
    fixed = everything(app)
    after = application.usagefix(app, "smoke", "--format", "json")
    assert after.code == 0, after.stderr + after.stdout
    assert everything(app) == fixed
    assert set(steps(after)) == ALL
    skipped = {step for step, status in steps(after).items() if status == "skipped"}
    assert skipped - {"kinds"} == ({"last_use"} if name == "text keys, nothing else" else set()), after.stdout
    assert after.one["role"] == (
        application.role if application.track and application.schema == "public" else "postgres"
    )
    assert after.one["temporary"] is False


def test_nothing_stays_not_even_a_notification(fixed: App) -> None:
    """The last use but one takes a counter over a milestone: the application's trigger writes a notification."""
    owner = fixed.user_id(2)
    fixed.sql("UPDATE presets SET user_id = %s", owner)
    fixed.sql("DELETE FROM preset_usage WHERE preset_id = %s", fixed.preset())
    fixed.use(fixed.preset(), times=9)
    before = everything(fixed)
    with fixed.connect() as listening:
        listening.execute("LISTEN uses")
        fixed.sql(
            "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN PERFORM pg_notify('uses', NEW.id::text); RETURN NULL; END$$"
        )
        fixed.sql("CREATE TRIGGER tell AFTER INSERT ON preset_notifications FOR EACH ROW EXECUTE FUNCTION tell()")
        before = everything(fixed)
        done = fixed.usagefix("smoke", "--preset", fixed.preset(), "--format", "json")
        assert failed(done) == set(), done.stdout
        assert everything(fixed) == before
        listening.execute("SELECT 1")
        assert list(listening.notifies(timeout=0)) == []


def test_with_no_preset_no_event_and_no_user(fixed: App) -> None:
    fixed.sql("TRUNCATE presets, preset_usage, preset_notifications, auth.users CASCADE")
    before = everything(fixed)
    done = fixed.usagefix("smoke", "--format", "json")
    assert done.code == 0, done.stderr + done.stdout
    assert done.one["temporary"] is True
    assert everything(fixed) == before


def test_a_temporary_preset_needs_rows_elsewhere(fixed: App) -> None:
    fixed.sql("TRUNCATE presets, preset_usage, preset_notifications, auth.users CASCADE")
    fixed.sql("CREATE TYPE mood AS ENUM ('calm', 'wild')")
    fixed.sql("CREATE TABLE teams (slug varchar(8) PRIMARY KEY, rank smallint NOT NULL UNIQUE, moods mood[] NOT NULL)")
    fixed.sql(
        "ALTER TABLE presets ADD team varchar(8) NOT NULL REFERENCES teams, ADD mood mood NOT NULL, ADD born date NOT NULL,"
        " ADD code char(5) NOT NULL UNIQUE, ADD extra json NOT NULL, ADD price numeric NOT NULL, ADD seen inet NOT NULL"
    )
    before = everything(fixed)
    done = fixed.usagefix("smoke", "--format", "json")
    assert done.code == 0, done.stderr + done.stdout
    assert everything(fixed) == before
    fixed.sql("ALTER TABLE presets ADD CHECK (code ~ '^[A-Z]+$')")
    refused = fixed.usagefix("smoke")
    assert refused.code == 1
    assert "no preset, and smoke cannot create one" in refused.stderr
    assert "--preset" in refused.stderr


def test_events_with_columns_of_their_own(fixed: App) -> None:
    """Keys of idempotency, and columns whose values only other events tell."""
    fixed.sql("ALTER TABLE preset_usage ADD once text UNIQUE, ADD origin text CHECK (origin IN ('web', 'app'))")
    fixed.sql("UPDATE preset_usage SET once = id::text, origin = 'app'")
    fixed.sql("ALTER TABLE preset_usage ALTER once SET NOT NULL, ALTER origin SET NOT NULL")
    fixed.sql("DROP FUNCTION track_preset_usage")
    done = fixed.usagefix("smoke", "--as", "postgres", "--format", "json")
    assert failed(done) == set(), done.stdout
    assert "INSERT" in next(s["title"] for s in done.one["steps"] if s["step_id"] == "first_use")


def test_events_that_belong_together_in_two_columns(fixed: App) -> None:
    """A composite foreign key: what is copied is that of an event of the same preset."""
    fixed.sql(
        "ALTER TABLE presets ADD tenant integer NOT NULL DEFAULT 1; UPDATE presets SET tenant = abs(hashtext(id::text) % 9)"
    )
    fixed.sql("ALTER TABLE presets ADD UNIQUE (id, tenant); ALTER TABLE preset_usage ADD tenant integer")
    fixed.sql("UPDATE preset_usage SET tenant = presets.tenant FROM presets WHERE presets.id = preset_id")
    fixed.sql(
        "ALTER TABLE preset_usage ALTER tenant SET NOT NULL, ADD FOREIGN KEY (preset_id, tenant) REFERENCES presets (id, tenant)"
    )
    fixed.sql(
        "CREATE FUNCTION of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.tenant := COALESCE(NEW.tenant,"
        " (SELECT tenant FROM presets WHERE id = NEW.preset_id)); RETURN NEW; END$$"
    )
    fixed.sql("CREATE TRIGGER of_tenant BEFORE INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION of_tenant()")
    for number in (1, 2, 3):
        done = fixed.usagefix("smoke", "--preset", fixed.preset(number), "--format", "json")
        assert failed(done) == set(), done.stdout


def test_events_that_cannot_be_made_up_are_no_finding(fixed: App) -> None:
    fixed.sql(
        "CREATE DOMAIN place AS text NOT NULL CHECK (VALUE <> ''); ALTER TABLE preset_usage ADD place place DEFAULT 'here'"
    )
    fixed.sql("ALTER TABLE preset_usage ALTER place DROP DEFAULT, ADD once text UNIQUE CHECK (once LIKE 'K-%')")
    fixed.sql("UPDATE preset_usage SET once = 'K-' || id; ALTER TABLE preset_usage ALTER once SET NOT NULL")
    body = str(fixed.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)"))
    changed = re.sub(
        r"usage_data\)(\s+VALUES \(.*?)\)( *\n)",
        r"usage_data, place, once)\1, 'here', 'K-' || gen_random_uuid())\2",
        body,
    )
    assert changed != body
    fixed.sql(changed)
    done = fixed.usagefix("smoke", "--format", "json")
    assert done.code == 0, done.stdout
    assert {step for step, status in steps(done).items() if status == "skipped"} == {"many_rows", "delete"}
    assert "cannot be made up" not in detail(done, "first_use")
    assert "cannot make up such events" in detail(done, "many_rows")
    fixed.sql("ALTER TABLE preset_usage DROP once")
    fixed.sql(changed.replace(", once)", ")").replace(", 'K-' || gen_random_uuid())", ")"))
    assert set(steps(fixed.usagefix("smoke", "--format", "json")).values()) == {"ok"}, "of a domain that takes no null"


def test_a_role_that_may_insert_only(fixed: App) -> None:
    """What is copied from other events is read by the session; names and labels with a per cent sign go through."""
    fixed.sql("DROP FUNCTION track_preset_usage; REVOKE SELECT ON preset_usage FROM authenticated")
    fixed.sql("CREATE TYPE price AS ENUM ('50% off')")
    for column, kind in (('"kind"', "text CHECK (kind = '50% off')"), ('"% of"', "price"), ('"other"', "price")):
        fixed.sql(f"ALTER TABLE preset_usage ADD {column} {kind} NOT NULL DEFAULT '50% off'")
        fixed.sql(f"ALTER TABLE preset_usage ALTER {column} DROP DEFAULT")
    done = fixed.usagefix("smoke", "--format", "json")
    assert (failed(done), done.one["role"]) == (set(), "authenticated"), done.stdout
    fixed.sql("TRUNCATE preset_usage; ALTER TABLE preset_usage DROP kind")
    assert failed(fixed.usagefix("smoke", "--format", "json")) == set()


def test_several_functions_of_the_name(fixed: App) -> None:
    """Called by the names of their arguments, as PostgREST does, they are no riddle; what goes out has names too."""
    fixed.sql(
        "CREATE FUNCTION track_preset_usage(OUT done boolean, preset uuid, kind text, data jsonb, source text DEFAULT '')"
        " LANGUAGE sql AS $$SELECT true$$"
    )
    done = fixed.usagefix("smoke", "--format", "json")
    assert failed(done) == set(), done.stdout
    fixed.sql("DROP FUNCTION track_preset_usage(uuid, text, jsonb)")
    other = fixed.usagefix("smoke", "--format", "json")
    assert "track_preset_usage() recorded nothing and returned true" in detail(other, "first_use")


def test_a_trigger_that_updates_what_was_inserted(fixed: App) -> None:
    fixed.sql(
        "CREATE FUNCTION enrich() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$BEGIN UPDATE public.preset_usage SET usage_data = '{}' WHERE id = NEW.id; RETURN NULL; END$$"
    )
    fixed.sql("CREATE TRIGGER enrich AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION enrich()")
    done = fixed.usagefix("smoke", "--format", "json")
    assert failed(done) == set(), done.stdout


def test_a_preset_that_takes_no_use_any_more(fixed: App) -> None:
    """The one that was used longest ago is the likeliest to be deleted: the one used last is tried then."""
    oldest = str(fixed.one("SELECT id FROM presets ORDER BY last_used_at NULLS LAST, usage_count NULLS LAST LIMIT 1"))
    last = str(fixed.one("SELECT id FROM presets ORDER BY last_used_at DESC NULLS LAST LIMIT 1"))
    fixed.sql("CREATE TABLE deleted (preset_id uuid)")
    fixed.sql("INSERT INTO deleted VALUES (%s)", oldest)
    fixed.sql(
        "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN"
        " IF EXISTS (SELECT FROM public.deleted WHERE deleted.preset_id = NEW.preset_id) THEN"
        " RAISE EXCEPTION 'that preset is gone'; END IF; RETURN NEW; END$$"
    )
    fixed.sql("CREATE TRIGGER gone BEFORE INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION gone()")
    before = everything(fixed)
    done = fixed.usagefix("smoke", "--format", "json")
    assert (failed(done), done.one["row"]) == (set(), last), done.stdout
    assert everything(fixed) == before
    asked = fixed.usagefix("smoke", "--preset", oldest, "--format", "json")
    assert "that preset is gone" in detail(asked, "first_use")
    fixed.sql("INSERT INTO deleted VALUES (%s)", last)
    neither = fixed.usagefix("smoke", "--format", "json")
    assert (neither.code, neither.one["row"]) == (1, oldest), "what is told is the first one's"


def test_it_reads_no_other_events(fixed: App) -> None:
    """Somebody may wait for that preset, however many events there are."""
    fixed.sql("ALTER TABLE preset_usage DISABLE TRIGGER USER")
    fixed.sql(
        "INSERT INTO preset_usage (preset_id, user_id, usage_type) SELECT %s, %s, 'showcase_creation' FROM generate_series(1, 30000)",
        fixed.preset(), fixed.user_id(),
    )  # fmt: skip
    fixed.sql("ALTER TABLE preset_usage ENABLE TRIGGER USER; ANALYZE preset_usage")
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'preset_usage'"
    ended = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'usagefix')"
    fixed.sql("SELECT pg_stat_reset()")
    done = fixed.usagefix("smoke", "--format", "json")
    assert failed(done) == set(), done.stdout
    assert done.one["row"] != fixed.preset()
    fixed.wait_for(ended)
    fixed.wait_for(f"SELECT ({read}) > 0")
    so_far = fixed.one(read)
    assert so_far < 30000
    assert fixed.usagefix("smoke", "--preset", fixed.preset(), "--format", "json").code in (0, 1), (
        "its counter is behind"
    )
    fixed.wait_for(ended)
    fixed.wait_for(f"SELECT ({read}) > %s", so_far + 30000)
    assert fixed.one(read) - so_far < 12 * 30000, "its own are counted after each change only"


def test_clocks_of_another_time_zone(fixed: App) -> None:
    """Events that are dated later than now do not hold the last use back."""
    fixed.sql(f"ALTER DATABASE {fixed.name} SET timezone = 'Asia/Kolkata'")
    with fixed.connect() as there:
        there.execute("ALTER TABLE preset_usage ALTER created_at TYPE timestamp")
        fixed.use(fixed.preset(), connection=there)
    done = fixed.usagefix("smoke", "--preset", fixed.preset(), "--format", "json")
    assert failed(done) == set(), done.stdout


def test_it_does_not_say_who_the_user_is(fixed: App) -> None:
    done = fixed.usagefix("smoke")
    assert done.code == 0
    assert "a user as authenticated" in done.stdout
    assert not [user for (user,) in fixed.sql("SELECT id::text FROM auth.users") if user in done.stdout + done.stderr]


def test_a_refusal_names_the_application_s_role(fixed: App) -> None:
    fixed.sql("ALTER FUNCTION track_preset_usage SECURITY INVOKER; DROP POLICY preset_usage_insert ON preset_usage")
    done = fixed.usagefix("smoke", "--format", "json")
    hint = next(step["hint"] for step in done.one["steps"] if step["step_id"] == "first_use")
    assert "violates row-level security policy" in detail(done, "first_use")
    assert "counts would be wrong" not in detail(done, "first_use")
    assert "authenticated" in hint
    assert "--as" in hint


def test_uncounted(app: App) -> None:
    done = app.usagefix("smoke", "--format", "json")
    assert failed(done) == {"first_use", "second_use", "events_agree", "many_rows"}, done.stdout
    assert "recorded, not counted" in detail(done, "first_use")
    assert "recorded nothing" in detail(done, "second_use"), "the daily limit"


@pytest.mark.parametrize(
    ("damage", "expected", "seen"),
    [
        (f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}", {"first_use", "second_use", "events_agree", "many_rows"}, "not counted"),
        ("ALTER TABLE preset_usage DISABLE TRIGGER trigger_auto_adjust_preset_usage_count_delete", {"delete"}, ""),
        (
            "REVOKE EXECUTE ON FUNCTION track_preset_usage FROM authenticated",
            {"first_use", "second_use"},
            "permission denied for function track_preset_usage",
        ),
        (
            "CREATE UNIQUE INDEX once_a_day ON preset_usage (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date))",
            {"second_use", "many_rows"},
            "",
        ),
    ],
)  # fmt: skip
def test_what_is_broken_fails_its_step(fixed: App, damage: str, expected: set[str], seen: str) -> None:
    fixed.sql(damage)
    done = fixed.usagefix("smoke", "--format", "json")
    assert failed(done) == expected, done.stdout
    assert done.code == 1
    if seen:
        assert seen in detail(done, "first_use")


def test_counted_twice(fixed: App) -> None:
    fixed.sql("ALTER TABLE presets DISABLE TRIGGER USER")
    fixed.sql(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$BEGIN UPDATE public.presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id; RETURN NULL; END$$"
    )
    fixed.sql("CREATE TRIGGER again AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION again()")
    done = fixed.usagefix("smoke", "--format", "json")
    assert "counted more than once" in detail(done, "first_use")
    assert {"first_use", "second_use", "events_agree", "many_rows"} <= failed(done)


def test_a_last_use_that_stays_behind(fixed: App) -> None:
    body = fixed.one("SELECT prosrc FROM pg_proc WHERE proname = 'auto_increment_preset_usage_count'")
    changed = re.sub(r"last_used_at = GREATEST\((?:[^()]|\([^()]*\))*\)", "last_used_at = last_used_at", str(body))
    assert changed != body
    definition = str(fixed.one(f"SELECT pg_get_functiondef('{COUNTING}'::regprocedure)"))
    fixed.sql(definition.replace(str(body), changed))
    done = fixed.usagefix("smoke", "--format", "json")
    assert failed(done) == {"last_use"}, done.stdout


def test_what_the_commit_would_refuse(fixed: App) -> None:
    fixed.sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not today'; END$$")
    fixed.sql(
        "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON preset_usage DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION no()"
    )
    done = fixed.usagefix("smoke", "--format", "json")
    assert failed(done) == {"deferred"}, done.stdout
    assert "not today" in detail(done, "deferred")


@pytest.mark.parametrize("mode", ["ignore", "warn", "reject"])
def test_what_the_guard_refuses_meanwhile_is_not_noted(fixed: App, mode: str) -> None:
    """A number that a sequence gave is never given back: the guard draws none in a smoke test."""
    body = str(fixed.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)"))
    competing = re.sub(
        r"(?i)\bRETURN event_id;",
        "UPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid; RETURN event_id;",
        body,
    )
    assert competing != body
    fixed.sql(competing)
    assert fixed.usagefix("guard", mode).code == 0
    before = everything(fixed)
    done = fixed.usagefix("smoke", "--format", "json")
    assert everything(fixed) == before
    assert failed(done) == ({"first_use", "second_use"} if mode == "reject" else set()), done.stdout
    if mode == "reject":
        with fixed.connect() as client:
            client.execute(f"SET request.jwt.claim.sub = '{fixed.user_id()}'")
            with pytest.raises(psycopg.DatabaseError, match="usage_count"):
                client.execute(f"SELECT track_preset_usage('{fixed.preset()}', 'showcase_creation')")
        assert everything(fixed) != before, "outside of it, it does"
        before = everything(fixed)
        allowed = "GRANT EXECUTE ON FUNCTION track_preset_usage TO clerk"
        with role(fixed, "clerk", grants=allowed), fixed.connect(user="clerk") as client:
            client.execute("SET usagefix.smoke = 'on'")
            client.execute(f"SET request.jwt.claim.sub = '{fixed.user_id()}'")
            with pytest.raises(psycopg.DatabaseError, match="usage_count"):
                client.execute(f"SELECT track_preset_usage('{fixed.preset()}', 'showcase_creation')")
        assert everything(fixed) != before, "nobody else can hush it"


def test_another_role(fixed: App) -> None:
    done = fixed.usagefix("smoke", "--as", "service_role", "--format", "json")
    assert (done.code, done.one["role"]) == (0, "service_role")
    nobody = fixed.usagefix("smoke", "--as", "no such 'role'")
    assert nobody.code == 2
    assert "there is no role" in nobody.stderr
    with role(
        fixed, "owner_only", options="LOGIN NOINHERIT", grants="GRANT USAGE, CREATE ON SCHEMA public TO owner_only"
    ):
        fixed.sql("GRANT ALL ON presets, preset_usage TO owner_only; ALTER ROLE owner_only BYPASSRLS")
        strange = fixed.usagefix("smoke", DATABASE_URL=fixed.url("owner_only"))
        assert strange.code == 5, strange.stdout
        assert "may not act as authenticated" in strange.stderr
        assert "GRANT authenticated TO owner_only" in strange.stderr
        fixed.sql("GRANT authenticated TO owner_only")
        assert fixed.usagefix("smoke", DATABASE_URL=fixed.url("owner_only")).code == 0
        fixed.sql("REVOKE UPDATE ON presets FROM owner_only")
        unable = fixed.usagefix("smoke", DATABASE_URL=fixed.url("owner_only"))
        assert unable.code == 5
        assert "the role lacks a privilege" in unable.stderr


def test_a_preset_by_name_and_kind_of_use(fixed: App) -> None:
    name, preset = fixed.sql("SELECT name, id::text FROM presets WHERE usage_count > 0 ORDER BY id LIMIT 1")[0]
    done = fixed.usagefix("smoke", "--preset", name, "--usage-type", "showcase_creation", "--format", "json")
    assert (done.code, done.one["row"]) == (0, preset)
    wrong = fixed.usagefix("smoke", "--usage-type", "no such kind", "--format", "json")
    assert failed(wrong) == {"first_use", "second_use", "many_rows"}
    assert steps(wrong)["events_agree"] == "skipped", "nothing moved, which proves nothing"
    assert all("--usage-type" in step["hint"] for step in wrong.one["steps"] if step["status"] == "failed")
    absent = fixed.usagefix("smoke", "--preset", "no such preset")
    assert absent.code == 1
    assert "no preset has the id or the name" in absent.stderr


@pytest.mark.parametrize("option", ["--as", "--preset", "--usage-type"])
def test_what_is_no_text(fixed: App, option: str) -> None:
    done = fixed.usagefix("smoke", option, "\udcff")
    assert done.code == 2, done.stderr
    assert "bytes that are no text" in done.stderr


def test_a_preset_that_somebody_holds_is_not_waited_for(fixed: App) -> None:
    last = str(fixed.one("SELECT id FROM presets ORDER BY last_used_at NULLS LAST, usage_count NULLS LAST LIMIT 1"))
    assert fixed.usagefix("smoke", "--format", "json").one["row"] == last
    with fixed.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM presets WHERE id = %s FOR UPDATE", (last,))
        done = fixed.usagefix("smoke", "--format", "json")
        assert (done.code, done.one["row"] != last) == (0, True)
        waiting = fixed.spawn("smoke", "--preset", last)
        fixed.wait_for_waiter()
        told(waiting, "a lock is taken")
        holder.rollback()
        assert ended(waiting).code == 0


def test_uses_by_others_wait_and_count(fixed: App) -> None:
    """While smoke tests run one after the other, people use that very preset: each use counts, each test is right."""
    preset, stop, used, errors = fixed.preset(), threading.Event(), [0], list[str]()

    def use() -> None:
        try:
            with fixed.connect() as connection:
                while not stop.is_set():
                    fixed.use(preset, connection=connection)
                    used[0] += 1
        except psycopg.Error as error:
            errors.append(str(error))

    people = [threading.Thread(target=use) for _ in range(2)]
    events = fixed.one("SELECT count(*) FROM preset_usage")
    for thread in people:
        thread.start()
    try:
        for _ in range(5):
            done = fixed.until_free("smoke", "--preset", preset, "--format", "json")
            assert failed(done) == set(), done.stdout
            target = used[0] + 2
            wait_until(lambda target=target: used[0] >= target or errors)  # type: ignore[misc]
    finally:
        stop.set()
        for thread in people:
            thread.join()
    assert errors == []
    assert fixed.drift() == (0, 0)
    assert fixed.one("SELECT count(*) FROM preset_usage") > events


NOTIFIES = "ALTER TABLE preset_notifications ADD CONSTRAINT known CHECK (%s) NOT VALID"
ONE_KIND = (
    "CREATE FUNCTION of_kind() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.usage_type = 'sample_verification' THEN"
    " RAISE EXCEPTION 'no such kind'; END IF; RETURN NEW; END$$;"
    " CREATE TRIGGER of_kind BEFORE INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION of_kind()"
)
NOT_OTHERS = (
    "CREATE FUNCTION others() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF pg_trigger_depth() > 1 AND"
    " OLD.user_id IS DISTINCT FROM auth.uid() AND OLD.user_id IS NOT NULL THEN RETURN NULL; END IF; RETURN NEW; END$$;"
    " CREATE TRIGGER others BEFORE UPDATE ON presets FOR EACH ROW EXECUTE FUNCTION others()"
)


@pytest.mark.parametrize(
    ("trouble", "step", "said"),
    [
        (NOTIFIES % "type <> 'preset_used'", "presets", 'somebody else\'s preset: the server refused a statement: new row for relation "preset_notifications"'),
        (NOT_OTHERS, "presets", "somebody else's preset: counter"),
        (ONE_KIND, "kinds", "sample_verification: a function or trigger in the database refused it: no such kind"),
    ],
    ids=("a check of what others are told", "others' are not counted", "one kind is refused"),
)  # fmt: skip
def test_other_presets_and_kinds_are_tried(fixed: App, trouble: str, step: str, said: str) -> None:
    """The preset that is least in the way is nobody's: for its use nobody is told."""
    fixed.sql("UPDATE presets SET last_used_at = '2000-01-01', user_id = NULL WHERE id = %s", fixed.preset(35))
    fixed.sql("UPDATE presets SET last_used_at = now() WHERE id <> %s", fixed.preset(35))
    assert failed(fixed.usagefix("smoke", "--usage-type", "showcase_creation", "--format", "json")) == set()
    before = everything(fixed)
    fixed.sql(trouble)
    done = fixed.usagefix(
        "smoke", *(() if step == "kinds" else ("--usage-type", "showcase_creation")), "--format", "json"
    )
    assert (done.code, failed(done), done.one["row"]) == (1, {step}, fixed.preset(35)), done.stdout
    assert said in detail(done, step)
    assert everything(fixed) != before, "the trouble"
