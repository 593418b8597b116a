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
from conftest import load_partitioned, load_sample
from support import LONG, MIGRATIONS, SQL, App

from usagefix import embedded
from usagefix.counter import STANDARD

# Function, and the beginning of what is said of it → why it stays.
CAST = "performance: target type is different type than source type"
SIZES = "a number that holds counters of either size, integer or bigint; not where a single use is counted"
EXCUSED = {
    ("public.auto_adjust_preset_usage_count", CAST): SIZES,
    ("public.auto_count_row_preset_usage_count", CAST): SIZES,
    ("public.guard_preset_usage_count", CAST): SIZES,
    ("public.track_preset_usage", 'warning extra: unused parameter "usage_data_param"'): (
        "the application's own, which apply leaves as it is"
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
        schema.nspname = 'usagefix' OR schema.nspname = 'public' AND function.proname ~ '^(auto_|guard_|track_preset_usage$)')
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
SCRIPTS = sorted([*SQL.glob("2*/*.sql"), *SQL.glob("*.sql")])
QUERIES = sorted(SQL.glob("queries/*.sql"))
SAMPLE = sorted(SQL.glob("sample/*.sql"))


@pytest.fixture(scope="module")
def checker() -> Iterator[App]:
    """The maintenance database of a server with the checker."""
    binaries = components.path("plpgsql_check")
    with embedded.running(binaries, prefix="usagefix-test-") as running:
        app = App(running.host, running.port, "postgres", binaries)
        yield app
        app.close()


@pytest.fixture(scope="module", params=[load_sample, load_partitioned], ids=["plain", "partitioned"])
def checked(checker: App, request: pytest.FixtureRequest) -> Iterator[App]:
    """The application after ``usagefix apply``, in a database with the checker."""
    name = f"checked_{request.param.__name__}"
    checker.sql(f"CREATE DATABASE {name}")
    app = App(checker.host, checker.port, name, checker.binaries)
    request.param(conninfo=app.url())
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
    released = {f"public.{name}" for name in STANDARD.objects.values() if name.startswith(("auto_", "guard_"))}
    partitions = {name for name in released if "_note_" in name or "_count_row_" in name}
    assert len(partitions) == 2
    partitioned = checked.name.endswith("partitioned")
    assert found.keys() == released - (set() if partitioned else partitions) | {"public.track_preset_usage"}
    said = {(name, finding) for name, its in found.items() for finding in its}
    used = {
        excuse: {(name, finding) for name, finding in said if name == excuse[0] and finding.startswith(excuse[1])}
        for excuse in EXCUSED
    }
    assert said - set().union(*used.values()) == set()
    if partitioned:
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
        capture_output=True, text=True, check=False, timeout=LONG,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return [(finding["rule_name"], f"{finding['file']}:{finding['line'] + 1}") for finding in json.loads(done.stdout)]


@components.needs("squawk")
def test_scripts() -> None:
    assert len(SCRIPTS) >= 9
    assert squawk(*SCRIPTS) == []


@components.needs("squawk")
def test_queries(tmp_path: Path) -> None:
    """With a parameter as the server has it."""
    assert len(QUERIES) >= 40
    copies = [tmp_path / path.name for path in QUERIES]
    for path, copy in zip(QUERIES, copies, strict=True):
        copy.write_text(re.sub(r"%\(\w+\)s", "$1", path.read_text()).replace("%%", "%"))
    assert squawk(*copies) == []


@components.needs("squawk")
def test_the_sample_can_be_read() -> None:
    """An application as it is found, with the columns that applications have: nobody migrates to it."""
    assert {rule for rule, _ in squawk(*SAMPLE)} == {"prefer-text-field"}


@components.needs("squawk")
@pytest.mark.parametrize("database", ["app", "partitioned"])
def test_what_is_printed_for_a_database(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> None:
    app: App = request.getfixturevalue(database)
    scripts = [tmp_path / f"{version.name}.sql" for version in MIGRATIONS]
    for script in scripts:
        printed = app.usagefix("sql", script.stem, "apply", "--adapt")
        assert printed.code == 0, printed.stderr
        script.write_text(printed.stdout)
    folder = tmp_path / "migrations"
    folder.mkdir()
    exported = app.usagefix("export", str(folder), "--adapt")
    assert exported.code == 0, exported.stderr
    files = [Path(line) for line in exported.stdout.splitlines()]
    assert len(files) == len(MIGRATIONS) + 1
    assert squawk(*scripts, *files) == []
    assert app.usagefix("apply").code == 0
    for script in scripts:
        printed = app.usagefix("sql", script.stem, "rollback", "--adapt")
        assert (printed.code == 0) == (script is scripts[-1]), "the newest first"
        script.write_text(printed.stdout or "SELECT 1;")
    assert squawk(*scripts) == []


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
