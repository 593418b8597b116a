"""The bundled SQL: names, faces, checksums of what is released, and how scripts are split."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlparse
from support import LEDGER, MIGRATION, ROOT, SQL, VERSION

from usagefix import catalog
from usagefix.catalog import Face, Migration
from usagefix.counter import STANDARD
from usagefix.errors import ConfigurationError

# A released file never changes; a change is a new version. Each version with its checksum, from its release on.
RELEASED: dict[str, str] = {}


def test_every_folder_is_a_version_with_four_faces() -> None:
    folders = {path.name for path in SQL.iterdir() if path.is_dir()} - {"queries", "sample"}
    assert folders == {str(migration) for migration in catalog.migrations()}
    for migration in catalog.migrations():
        assert re.fullmatch(r"\d{14}_[a-z0-9_]+", str(migration))
        assert {path.name for path in migration.folder.iterdir()} == {f"{face}.sql" for face in Face}


def test_released_files_are_frozen() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    if re.search(r"^## \d", changelog, re.MULTILINE):
        assert RELEASED, "a release must hold the checksums of its SQL here"
    for version, checksum in RELEASED.items():
        assert catalog.migration(version).checksum == checksum


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
    statements = catalog.statements(migration.read(Face.APPLY))
    assert len(statements) == count
    for statement in statements:
        assert statement.purpose, statement.text
        assert statement.text.startswith(("DO", "CREATE", "SELECT usagefix.", "INSERT INTO usagefix."))


@pytest.mark.parametrize("migration", catalog.migrations(), ids=str)
def test_the_object_checks_are_the_first_statement_of_verify(migration: Migration) -> None:
    first = catalog.statements(migration.read(Face.VERIFY))[0].text
    assert migration.object_checks().rstrip().endswith(first.rstrip(";"))


@pytest.mark.parametrize("path", sorted((SQL / "queries").iterdir()), ids=lambda path: path.stem)
def test_queries_are_one_statement_that_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("-- ")
    assert len(sqlparse.split(text)) == 1
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
