"""The bundled SQL: names, faces, checksums of what is released, and how scripts are split."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sqlparse
from support import LEDGER, MIGRATION, ROOT, SQL, VERSION

from usagefix import catalog, judging, tokens
from usagefix.catalog import Face, Migration, MigrationKind
from usagefix.counter import STANDARD, Counter
from usagefix.errors import ConfigurationError
from usagefix.models import verification
from usagefix.models.choices import CHECKS, Trust

# A released file never changes; a change is a new version. Each version with its checksum, from its release on.
RELEASED: dict[str, str] = {}
PINNED = {"pg_catalog, pg_temp", "public, pg_temp, pg_usagefix_preset_usage_count_1"}
CODE = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))


def test_every_folder_is_a_version_with_its_faces() -> None:
    """The backfill, what stops it by hand and what partitions need come with the version that counts; the guard has neither."""
    folders = {path.name for path in SQL.iterdir() if path.is_dir()} - {"queries", "sample", "notifications"}
    assert folders == {str(migration) for migration in catalog.migrations()}
    every = {f"{face}.sql" for face in Face}
    files = {
        MigrationKind.COUNTING: every | {"partitions.sql", "verify_partitions.sql", "stops.sql"},
        MigrationKind.GUARD: every - {"backfill.sql"},
    }
    for migration in catalog.migrations():
        assert re.fullmatch(r"\d{14}_[a-z0-9_]+", str(migration))
        assert {path.name for path in migration.folder.iterdir()} == files[migration.kind]
        assert migration.read(Face.BACKFILL) == (catalog.counting().folder / "backfill.sql").read_text()


def test_the_header_of_a_version_says_what_it_is() -> None:
    """Nothing else knows a version: one that counts, then its guard."""
    kinds = {migration.kind: migration.effect for migration in catalog.migrations()}
    assert kinds == {
        MigrationKind.COUNTING: "every use is counted",
        MigrationKind.GUARD: "only the triggers change the counter",
    }
    assert catalog.counting() is catalog.migrations()[0]


def test_every_check_has_its_place_in_the_report() -> None:
    """In ``verify.sql``, in the code that judges code, and in the report of a verification."""
    in_sql = {
        found
        for migration in catalog.migrations()
        for found in re.findall(r"SELECT '([a-z_]+)'(?= AS check_id|,)", migration.script(Face.VERIFY))
    }
    in_sql |= {f"{of}_{end}" for of in ("function", "adjusting_function") for end in ("current", "secure")}
    judged = {check for check in CHECKS if f'"{check}"' in inspect.getsource(judging)}
    in_sql |= {"partitions_counted", "partition_changes_counted"}
    assert judged == {"counted_once", "daily_limit_gone", "tracker_inserts_only"}
    reported = {verification.COMPLETE, verification.COUNTERS, verification.LAST_USED, verification.ACCEPTED}
    assert in_sql | judged | reported == set(CHECKS)
    assert len(CHECKS) == len(set(CHECKS))


def test_released_files_are_frozen() -> None:
    now = {migration.version: migration.checksum for migration in catalog.migrations()}
    (newest, *_) = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    frozen = now if newest[0].isdigit() else {version: now.get(version) for version in RELEASED}
    assert frozen == RELEASED, f"released SQL is frozen; where {newest} releases it, RELEASED is {frozen}"


def test_a_version_by_number_and_by_name() -> None:
    assert catalog.migration(VERSION) is catalog.migration(MIGRATION.name)
    with pytest.raises(ConfigurationError) as caught:
        catalog.migration("20990101000000")
    assert VERSION in caught.value.hint


@pytest.mark.parametrize("face", list(Face))
@pytest.mark.parametrize("migration", catalog.migrations(), ids=str)
def test_scripts_run_as_they_are_in_one_transaction(migration: Migration, face: Face) -> None:
    """No psql commands, and nothing that begins or ends a transaction."""
    text = migration.read(face)
    assert not re.search(r"^\s*\\", text, re.MULTILINE)
    for statement in catalog.statements(text):
        assert not re.match(r"(BEGIN|COMMIT|ROLLBACK|START|SET|LOCK)\b", statement.text, re.IGNORECASE), statement.text


@pytest.mark.parametrize(("migration", "count"), list(zip(catalog.migrations(), (14, 8), strict=True)), ids=str)
def test_every_statement_of_apply_says_what_it_is_for(migration: Migration, count: int) -> None:
    """A comment stands above each, or above the first of several of a kind."""
    statements = catalog.statements(migration.read(Face.APPLY))
    assert len(statements) == count
    kind = ""
    for statement in statements:
        kind = statement.text.split()[0] if statement.purpose else kind
        assert statement.text.split()[0] == kind, statement.text
        assert statement.text.startswith(("DO", "CREATE OR REPLACE", "DROP INDEX", "REVOKE", "INSERT INTO usagefix."))


@pytest.mark.parametrize("face", list(Face))
@pytest.mark.parametrize("migration", catalog.migrations(), ids=str)
def test_a_file_finds_every_name_in_pg_catalog(migration: Migration, face: Face) -> None:
    """Before anything else: a role that may create in some other schema must not be asked what a name means."""
    first, *rest = catalog.statements(migration.read(face))
    assert re.search(
        r"PERFORM pg_catalog\.set_config\('search_path', 'pg_catalog, pg_temp', (true|false)\)", first.text
    )
    others = "\n".join(statement.text for statement in rest)
    # A counting function adds the name that the guard knows it by, which is no schema.
    assert not re.search(r"set_config\('search_path', (?!pg_catalog\.concat\()", others)
    assert set(re.findall(r"SET search_path = (.*)", others)) <= PINNED


def test_the_words_of_a_comment_that_decide_what_a_plan_runs() -> None:
    """Where one of these comments is reworded, a plan would run what only a file does, or not find its place."""
    marked = {
        (migration.kind, face): [number for number, s in enumerate(migration.statements(face)) if s.is_by_hand]
        for migration in catalog.migrations()
        for face in (Face.APPLY, Face.ROLLBACK)
    }
    assert marked == {
        (MigrationKind.COUNTING, Face.APPLY): [1, 2, 3, 12],
        (MigrationKind.COUNTING, Face.ROLLBACK): [1],
        (MigrationKind.GUARD, Face.APPLY): [1],
        (MigrationKind.GUARD, Face.ROLLBACK): [1],
    }
    text = catalog.counting().read(Face.BACKFILL)
    assert [number for number, s in enumerate(catalog.statements(text)) if s.is_by_hand] == [1, 3]
    work = catalog.statements(catalog.decided(text, Trust.EVENTS))
    assert [s.text for s in work if s.text.startswith("SET ")] == ["SET LOCAL usagefix.trust = 'events';"]
    assert work[2].text.startswith("SET ")
    locks = [(m.kind, s.text) for m in catalog.migrations() for s in m.statements(Face.APPLY) if s.is_lock]
    assert [kind for kind, _ in locks] == [MigrationKind.GUARD]
    assert "CREATE" not in locks[0][1]


def test_what_is_done_by_hand_only_is_marked() -> None:
    """A plan leaves it out: it stops, or does, what a plan knows better."""
    for migration in catalog.migrations():
        for face in (Face.APPLY, Face.ROLLBACK):
            by_hand = [statement for statement in migration.statements(face) if statement.is_by_hand]
            assert by_hand, migration
            assert by_hand[0] == migration.statements(face)[1], "it stops before anything is changed"
            assert "--adapt" in by_hand[0].text


@pytest.mark.parametrize("migration", catalog.migrations(), ids=str)
def test_the_object_checks_are_the_first_question_of_verify(migration: Migration) -> None:
    """And that of the file about partitions, where there is one."""
    _, first, *_ = catalog.statements(migration.read(Face.VERIFY))
    of_partitions = catalog.statements(migration.partitions_verified())[1:]
    questions = [s.text.rstrip(";") for s in (first, *of_partitions)]
    assert migration.object_checks() == "\nUNION ALL (\n".join(questions) + "\n)" * len(of_partitions)


@pytest.mark.parametrize("path", sorted((SQL / "queries").iterdir()), ids=lambda path: path.stem)
def test_queries_are_one_statement_that_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("-- ")
    assert len(sqlparse.split(text)) == 1
    assert f'"{path.stem}"' in CODE, "nothing asks it"
    parameters = set(re.findall(r"%\((\w+)\)s", text))
    comment = " ".join(line.lstrip("- ") for line in text.splitlines() if line.startswith("--"))
    for parameter in parameters - set(STANDARD.params):
        assert parameter in comment, f"{path.name} does not name its parameter {parameter}"


@pytest.mark.parametrize(
    "path", [LEDGER, *SQL.glob("2*/*.sql"), *SQL.glob("queries/*.sql")], ids=lambda path: str(path).rsplit("/sql/")[-1]
)
def test_tables_are_named_with_their_schema(path: Path) -> None:
    """Ours; the sample is an application, and names its tables as applications do."""
    code = re.sub(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", "''", path.read_text())
    bare = re.findall(r"(?i)\b(?:FROM|JOIN|INTO|UPDATE|ON)\s+(presets|preset_usage)\b(?!\s*[.(])", code)
    assert bare == [], f"{path.name}: {bare}"


def test_for_a_further_counter_no_file_is_cut_into_tokens_again() -> None:
    """Of sixty counters each takes the time of its names, not of the files. Only the checks say its tables in words."""
    first, second = (
        replace(STANDARD, parent=f"{name}s", child=f"{name}_likes", slug=f"{name}_likes_count", baselines=False)
        for name in ("post", "page")
    )

    def write(counter: Counter) -> None:
        for query in (catalog.root() / "queries").glob("*.sql"):
            catalog.query(query.stem, counter)
        for migration in catalog.migrations():
            assert counter.child in migration.object_checks(counter)
        assert catalog.released_bodies(counter)

    write(first)
    before = tokens.lexed.cache_info().misses
    write(second)
    assert tokens.lexed.cache_info().misses - before <= 1 + len(catalog.migrations())
