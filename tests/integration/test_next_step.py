"""The next step that each command prints leads to the end: nobody is sent in circles, whichever command is asked."""

from __future__ import annotations

import re
import shlex
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import ADJUSTING, GUARDING, TRIGGER, App, Result, failing, give_everything_to, role, run

MOST = 5  # steps from any broken state to the end
STATEMENT = re.compile(r"\b(?:ALTER|DROP|GRANT) .*?(?=, or |$)")
DAY = "((created_at AT TIME ZONE 'UTC')::date)"
LIMIT = f"ON preset_usage (preset_id, user_id, usage_type, {DAY})"
RECORDER = "track_preset_usage(preset_uuid uuid, usage_type_param text, usage_data_param jsonb DEFAULT '{}')"
INSERT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES ($1, auth.uid(), $2)"
COUNT = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = "
MADE_BY_ROW = f"""DROP TRIGGER {TRIGGER} ON preset_usage;
    CREATE TRIGGER {TRIGGER} AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION auto_increment_preset_usage_count()"""


def another(body: str) -> str:
    """A trigger of somebody's on the events."""
    return f"""CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
        AS $body$BEGIN {body} RETURN NULL; END$body$; REVOKE ALL ON FUNCTION another() FROM PUBLIC;
        CREATE TRIGGER another AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION another()"""


def recorder(body: str, returns: str = "void") -> str:
    """Another track_preset_usage()."""
    return f"DROP FUNCTION track_preset_usage; CREATE FUNCTION {RECORDER} RETURNS {returns} LANGUAGE plpgsql AS $$BEGIN {body} END$$"


HIDDEN = "EXECUTE 'UPDATE pre' || 'sets SET usage' || '_count = usage' || '_count + 1 WHERE id = $1' USING "
DYNAMIC = f"EXECUTE '{COUNT}$1' USING "
NEVER_WORKED = INSERT.replace("usage_type)", "kind)")
NEEDS_LIMIT = f"EXECUTE '{INSERT} ON CONFLICT (preset_id, user_id, usage_type, {DAY.replace(chr(39), chr(39) * 2)}) DO NOTHING' USING $1, $2;"


@dataclass(frozen=True)
class Broken:
    """What broke a database, and what a person does where a person has to; each at most once."""

    how: str = ""
    edits: list[str] = field(default_factory=list)
    start: str = "fixed"
    user: str = ""
    owner: str = ""


STATES = {
    "nothing is applied": Broken(start="app"),
    "nothing is applied, a rival cannot be read": Broken(another(DYNAMIC + "NEW.preset_id;"), start="app"),
    "nothing is applied, a rival hides what it does": Broken(another(HIDDEN + "NEW.preset_id;"), start="app"),
    "nothing is applied, the recorder never worked": Broken(
        recorder(NEVER_WORKED + "; RETURN '{}';", "jsonb"), start="app"),
    "nothing is applied, one that nothing calls needs the limit": Broken(
        recorder(NEEDS_LIMIT).replace("track_preset_usage(", "use_preset("), start="app"),
    "trigger missing": Broken(f"DROP TRIGGER {TRIGGER} ON preset_usage"),
    "trigger disabled": Broken(f"ALTER TABLE preset_usage DISABLE TRIGGER {TRIGGER}"),
    "trigger on replicas only": Broken(f"ALTER TABLE preset_usage ENABLE REPLICA TRIGGER {TRIGGER}"),
    "trigger replaced": Broken(MADE_BY_ROW),
    "all triggers disabled": Broken("ALTER TABLE preset_usage DISABLE TRIGGER USER; ALTER TABLE presets DISABLE TRIGGER USER"),
    "adjusting trigger disabled": Broken(f"ALTER TABLE preset_usage DISABLE TRIGGER {ADJUSTING}_delete"),
    "adjusting trigger missing": Broken(f"DROP TRIGGER {ADJUSTING}_update ON preset_usage"),
    "guard disabled": Broken(f"ALTER TABLE presets DISABLE TRIGGER {GUARDING}"),
    "guard missing": Broken(f"DROP TRIGGER {GUARDING} ON presets"),
    "function edited": Broken("CREATE OR REPLACE FUNCTION auto_increment_preset_usage_count() RETURNS trigger"
                              " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"),
    "function open to all": Broken("GRANT EXECUTE ON FUNCTION auto_increment_preset_usage_count() TO PUBLIC"),
    "function with the rights of its caller": Broken("ALTER FUNCTION auto_increment_preset_usage_count() SECURITY INVOKER"),
    "daily limit back": Broken(f"CREATE UNIQUE INDEX idx_preset_usage_daily_unique {LIMIT}"),
    "two daily limits": Broken(f"CREATE UNIQUE INDEX one {LIMIT}; CREATE UNIQUE INDEX two {LIMIT}"),
    "daily limit back as a constraint": Broken(
        f"ALTER TABLE preset_usage ADD COLUMN day date GENERATED ALWAYS AS {DAY} STORED;"
        " ALTER TABLE preset_usage ADD CONSTRAINT \"Once a day\" UNIQUE (day, preset_id, user_id, usage_type)"),
    "rival trigger": Broken(another(COUNT + "NEW.preset_id;")),
    "rival that cannot be read": Broken(another(DYNAMIC + "NEW.preset_id;")),
    "rival that calls our function": Broken(
        "CREATE TRIGGER mine AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION auto_increment_preset_usage_count()"),
    "recorder that counts": Broken(recorder(f"{INSERT}; {COUNT}$1;")),
    "recorder that counts and cannot be read": Broken(
        recorder(f"{INSERT}; {DYNAMIC}$1;"), [recorder(f"{INSERT};")]),
    "recorder that cannot work, and nothing calls": Broken(recorder(NEVER_WORKED + "; RETURN '{}';", "jsonb")),
    "recorder that cannot work, and something calls": Broken(
        recorder(NEVER_WORKED + "; RETURN '{}';", "jsonb") + "; CREATE FUNCTION api_use(a uuid) RETURNS void LANGUAGE plpgsql"
        " AS $$BEGIN PERFORM track_preset_usage(a, 'x'); END$$",
        [recorder(f"{INSERT}; RETURN '{{}}';", "jsonb")]),
    "ledger lost": Broken("DROP SCHEMA usagefix CASCADE"),
    "drift only": Broken("SELECT"),
    "row level security holds its owner too": Broken(
        "ALTER TABLE presets ENABLE ROW LEVEL SECURITY; ALTER TABLE presets FORCE ROW LEVEL SECURITY", owner="app_owner"),
    "rights missing": Broken(user="reader"),
    "rights missing, nothing applied": Broken(start="app", user="reader"),
}  # fmt: skip


@dataclass
class Person:
    """Somebody who does what is printed, and nothing else."""

    app: App
    broken: Broken
    user: str
    edits: list[str]
    last: str = ""

    def asks(self, command: str) -> Result:
        return self.app.usagefix(*shlex.split(command)[1:], "--format", "json", DATABASE_URL=self.app.url(self.user))

    def does(self, step: str) -> str | None:
        """Follow a step; what a command that refused says to do instead."""
        for part in step.removesuffix(".").split(", then "):
            command = self.last if part == "run this again" else part
            if command.startswith("usagefix "):
                self.last = command
                done = self.asks(command)
                if done.json["error"]:
                    return str(done.json["error"]["hint"])
            elif part.startswith("connect as "):
                self.user = part.removeprefix("connect as ")
            elif statement := STATEMENT.search(part):
                self.app.sql(statement[0])
            else:
                assert self.edits, f"a person cannot do this: {part}"
                self.app.sql(self.edits.pop(0))
        return None


def reader(app: App) -> AbstractContextManager[str]:
    """A role that may look, and change nothing."""
    grants = "GRANT SELECT ON presets, preset_usage TO reader"
    return role(app, "reader", options="LOGIN BYPASSRLS", grants=grants)


def drifted(app: App, broken: Broken) -> None:
    app.sql("ALTER TABLE presets DISABLE TRIGGER USER")
    app.sql("UPDATE presets SET usage_count = usage_count + 7 WHERE id = %s", app.preset(2))
    app.sql("ALTER TABLE presets ENABLE TRIGGER USER")
    if broken.how:
        app.sql(broken.how)


@pytest.mark.parametrize("what", STATES)
def test_what_is_printed_leads_to_the_end(request: pytest.FixtureRequest, what: str) -> None:
    broken = STATES[what]
    app: App = request.getfixturevalue(broken.start)
    with ExitStack() as roles:
        roles.enter_context(reader(app))
        if broken.owner:
            roles.enter_context(role(app, broken.owner))
            give_everything_to(app, broken.owner)
            assert app.usagefix("apply").code == 0
        drifted(app, broken)
        somebody = Person(app, broken, broken.user or app.user, list(broken.edits))
        seen: list[tuple[str, frozenset[str]]] = []
        while not (now := somebody.asks("usagefix verify")).json["ok"]:
            step: str | None = now.one["next"]["do"]
            assert now.one["next"]["why"]
            agree(somebody, step)
            state = (str(step), frozenset(failing(now)))
            assert state not in seen, f"in circles: {state}"
            seen.append(state)
            assert len(seen) <= MOST, seen
            while step:
                step = somebody.does(step)
        assert app.drift() == (0, 0)
        assert not somebody.edits
        assert now.one["next"] is None


def agree(somebody: Person, step: str | None) -> None:
    """Every other command that says what to do says the same."""
    status = somebody.asks("usagefix status").one
    assert status["ok"] or status["error"] or status["next"]["do"] == step, "status"
    one = somebody.asks(f"usagefix check-preset {somebody.app.preset(2)}").one
    assert one["ok"] or one["next"]["do"] == step, "check-preset"
    doctor = somebody.asks("usagefix doctor").one
    assert doctor["ok"] or doctor["next"]["do"] in (step, f"{step} --dry-run"), "doctor"
    for remedy in (finding["remedy"] for finding in doctor["findings"]):
        if remedy.startswith(("usagefix apply", "usagefix backfill")):
            assert remedy.startswith(str(step)), f"doctor: {remedy}"


PASTED = re.compile(r"\busagefix (?:'[^']*'|\"[^\"]*\"|[^\s'\",;()|]|(?<!,|;) (?!\())+")


def pasted(app: App, command: str, seen: dict[str, Result], folder: Path) -> None:
    """Run it, and then each command that its last lines name, as they stand; ``folder``: where a file may be written."""
    if command in seen:
        return
    seen[command] = done = run(*shlex.split(command)[1:], cwd=folder, DATABASE_URL=app.url(), COLUMNS="400")
    assert (done.code in (0, 1), "error:" in done.stderr) == (True, False), f"{command}: {done.stdout}{done.stderr}"
    last = [line for line in done.stdout.splitlines() if line.startswith(("next: ", "dry run: "))]
    for named in (found for line in last for found in PASTED.findall(line)):
        pasted(app, re.split(" (?:then|finds|says) ", named)[0].strip(), seen, folder)


@pytest.mark.parametrize(
    ("start", "begin", "reached"),
    [
        ("empty", ("log", "notifications", "discover"), {"usagefix discover"}),
        ("app", ("log", "discover", "doctor", "notifications"), {
            "usagefix verify", "usagefix apply", "usagefix smoke", "usagefix sql 20251101000001 --adapt",
            "usagefix notifications collapse --dry-run",
        }),
        ("fixed", ("rollback --dry-run", "backfill", "rollback --yes --purge", "log"), {
            "usagefix sql 20251101000001 rollback --adapt", "usagefix apply --dry-run", "usagefix smoke",
        }),
    ],
)  # fmt: skip
def test_each_command_that_is_printed_can_be_pasted(
    request: pytest.FixtureRequest, tmp_path: Path, start: str, begin: tuple[str, ...], reached: set[str]
) -> None:
    app: App = request.getfixturevalue(start)
    seen: dict[str, Result] = {}
    for command in begin:
        pasted(app, f"usagefix {command}", seen, tmp_path)
    assert seen.keys() >= reached
    if start == "empty":
        assert "none found: there is no table here" in seen["usagefix discover"].stdout
        assert "there is no table preset_notifications" in seen["usagefix notifications"].stdout


@pytest.mark.parametrize("what", ["trigger missing", "ledger lost", "rights missing"])
def test_a_backfill_that_cannot_be_exact_says_what_verify_says(fixed: App, what: str) -> None:
    drifted(fixed, STATES[what])
    with reader(fixed):
        somebody = Person(fixed, STATES[what], STATES[what].user or fixed.user, [])
        said = somebody.asks("usagefix backfill").json["error"]["hint"]
        assert somebody.asks("usagefix verify").one["next"]["do"].startswith(said)
