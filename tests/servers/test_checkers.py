"""What independent checkers say of our SQL: plpgsql_check of the functions, squawk of the scripts.

Each finding that stays is excused below, or in squawk.toml, with its reason. Each checker is seen to catch something.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import components
import pytest
from conftest import load_sample
from support import SQL, App

from usagefix import embedded

# Function, and the beginning of what is said of it → why it stays.
EXCUSED = {
    ("public.auto_increment_preset_usage_count", 'warning extra: never read variable "permit"'): (
        "an assignment calls set_config without a query of its own, which PERFORM would be"
    ),
    ("public.auto_adjust_preset_usage_count", 'warning extra: never read variable "permit"'): "the same",
    ("usagefix.fresh_body", "warning: target type is different type than source type"): (
        "takes the literal '{}', the default of an array, for text"
    ),
    ("usagefix.tracker_arguments", "warning: target type is different type than source type"): "the same",
    ("usagefix.tracker_arguments", "performance: target type is different type than source type"): (
        "a name is taken for text, once for each argument of a function"
    ),
    ("usagefix.try_call", "performance: target type is different type than source type"): (
        "the sum of a few integers is numeric; it is cast once"
    ),
    ("usagefix.try_insert", "performance: target type is different type than source type"): (
        "integer to bigint and back, once"
    ),
    ("usagefix.try_call", "security: text type variable is not sanitized"): (
        "it runs the calls that tracker_arguments() and claim() write, in the role of the owner of presets"
    ),
    (
        "usagefix.try_insert",
        "security: text type variable is not sanitized",
    ): "names of columns, each through quote_ident",
    ("usagefix.restore_counting", "security: text type variable is not sanitized"): (
        "it runs the definitions that apply saved, in a ledger that is not believed where others may write to it"
    ),
    ("usagefix.set_guard", "security: text type variable is not sanitized"): (
        "the condition of its triggers, written there, with the owner's name as a literal"
    ),
}
# Every PL/pgSQL function of ours, or edited by us; a function of triggers with a table and the transition tables that
# its triggers have.
OURS = """
    SELECT function.oid, format('%s.%s', schema.nspname, function.proname) AS name, max(trigger.tgrelid) AS relation,
        max(trigger.tgoldtable) AS old_table, max(trigger.tgnewtable) AS new_table
    FROM pg_proc AS function
    JOIN pg_namespace AS schema ON schema.oid = function.pronamespace
    JOIN pg_language AS language ON language.oid = function.prolang
    LEFT JOIN pg_trigger AS trigger ON trigger.tgfoid = function.oid
    WHERE language.lanname = 'plpgsql' AND (
        schema.nspname = 'usagefix' OR schema.nspname = 'public' AND function.proname ~ '^(auto_|track_preset_usage$)')
    GROUP BY function.oid, schema.nspname, function.proname
"""
CHECK = """
    SELECT level || ': ' || message || coalesce(' (line ' || lineno || ')', '')
    FROM plpgsql_check_function_tb(
        %s::oid::regprocedure, relid => coalesce(%s::oid, 0), oldtable => %s, newtable => %s, fatal_errors => false,
        extra_warnings => true, performance_warnings => true, security_warnings => true)
"""
BAD_FUNCTION = """
    CREATE FUNCTION public.auto_bad() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        unused text;
    BEGIN
        INSERT INTO presets (id, no_such_column) SELECT preset_id, 1 FROM new_events;
        RETURN NULL;
    END $$;
    CREATE TRIGGER bad AFTER INSERT ON preset_usage REFERENCING NEW TABLE AS new_events
        FOR EACH STATEMENT EXECUTE FUNCTION auto_bad();
"""
CONFIG = Path(__file__).with_name("squawk.toml")
SCRIPTS = sorted(
    [path for name in ("apply", "backfill", "rollback") for path in SQL.glob(f"2*/{name}.sql")] + [*SQL.glob("*.sql")]
)


@pytest.fixture(scope="module")
def checked() -> Iterator[App]:
    """The application after ``usagefix apply``, in a database with the checker."""
    binaries = components.path("plpgsql_check")
    with embedded.running(binaries, prefix="usagefix-test-") as running:
        app = App(running.host, running.port, "postgres", binaries)
        load_sample(conninfo=app.url())
        applied = app.usagefix("apply")
        assert applied.code == 0, applied.stderr
        app.sql("CREATE EXTENSION plpgsql_check")
        yield app
        app.close()


def findings(app: App) -> dict[str, list[str]]:
    """Function → what is said of it."""
    functions = app.sql(OURS)
    return {name: [said for (said,) in app.sql(CHECK, oid, *tables)] for oid, name, *tables in functions}


@components.needs("plpgsql_check")
def test_functions(checked: App) -> None:
    found = findings(checked)
    assert {"public.track_preset_usage", "usagefix.fit_tracker"} < found.keys()
    assert sum(name.startswith("public.auto_") for name in found) >= 2
    said = {(name, finding) for name, its in found.items() for finding in its}
    used = {
        excuse: {(name, finding) for name, finding in said if name == excuse[0] and finding.startswith(excuse[1])}
        for excuse in EXCUSED
    }
    assert said - set().union(*used.values()) == set()
    assert {excuse for excuse, its in used.items() if not its} == set(), "no longer needed"


@components.needs("plpgsql_check")
def test_a_bad_function_is_reported(checked: App) -> None:
    checked.sql("BEGIN")
    checked.sql(BAD_FUNCTION)
    said = findings(checked)["public.auto_bad"]
    checked.sql("ROLLBACK")
    assert any("no_such_column" in finding and finding.startswith("error") for finding in said), said
    assert any("unused" in finding and finding.startswith("warning") for finding in said), said


def squawk(*scripts: Path) -> list[tuple[str, str]]:
    """Rule and place of each finding."""
    done = subprocess.run(
        [components.path("squawk"), "--config", CONFIG, "--reporter", "json", *scripts],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return [(finding["rule_name"], f"{finding['file']}:{finding['line'] + 1}") for finding in json.loads(done.stdout)]


@components.needs("squawk")
def test_scripts() -> None:
    assert len(SCRIPTS) >= 6
    assert squawk(*SCRIPTS) == []


@components.needs("squawk")
def test_what_is_excused_is_needed(tmp_path: Path) -> None:
    config = CONFIG.read_text()
    for rule in re.findall(r'^\s*"([a-z-]+)",$', config, re.MULTILINE):
        without = tmp_path / "squawk.toml"
        without.write_text(config.replace(f'"{rule}",', ""))
        said = subprocess.run(
            [components.path("squawk"), "--config", without, *SCRIPTS], capture_output=True, text=True, check=False
        )
        assert rule in said.stdout, f"{rule} is excused in vain"


@components.needs("squawk")
def test_a_bad_script_is_reported(tmp_path: Path) -> None:
    blocking, broken = tmp_path / "blocking.sql", tmp_path / "broken.sql"
    blocking.write_text(
        "ALTER TABLE preset_usage ADD COLUMN n integer NOT NULL;\nCREATE INDEX by_n ON preset_usage (n);\n"
    )
    broken.write_text("SELECT FROM WHERE;\n")
    rules = {rule for rule, _ in squawk(blocking, broken)}
    assert {"adding-required-field", "require-concurrent-index-creation", "syntax-error"} <= rules
