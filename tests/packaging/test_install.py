"""What is shipped: the wheel and the sdist carry the SQL, and an installed wheel finds it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from support import ROOT, SQL, VERSION, environment


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], env=environment(PYTHONWARNINGS=""),
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def bundled() -> set[str]:
    return {str(path.relative_to(SQL)) for path in SQL.rglob("*.sql")}


def test_the_wheel_carries_the_sql_the_schemas_and_the_page(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"usagefix/sql/{name}" for name in bundled()} <= names
    assert "usagefix/py.typed" in names
    schemas = {path.name for path in (ROOT / "src" / "usagefix" / "schemas").glob("*.json")}
    assert "verify.json" in schemas
    assert {f"usagefix/schemas/{name}" for name in schemas} <= names
    templates = (ROOT / "src" / "usagefix" / "render" / "page" / "templates").iterdir()
    assert {f"usagefix/render/page/templates/{path.name}" for path in templates} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_the_sdist_carries_the_sql_and_the_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {f"sql/{name}" for name in bundled()} <= names
    assert {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "tests/conftest.py",
        "action.yml",
        "docs/ci.md",
    } <= names


def test_an_installed_wheel_finds_its_sql(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    interpreter = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies of this environment, without its editable usagefix.
    dependencies = Path(next(path for path in sys.path if path.endswith("site-packages")))
    code = "import sys; from usagefix import catalog; print(catalog.root()); from usagefix.cli import main; main()"
    done = subprocess.run(
        [str(interpreter), "-c", code, "sql", VERSION, "rollback"], cwd=tmp_path,
        env=environment(PYTHONPATH=str(dependencies)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, text = done.stdout.split("\n", 1)
    assert where == str(site / "usagefix" / "sql")
    assert text == (SQL / f"{VERSION}_fix_usage_tracking" / "rollback.sql").read_text()


def test_an_editable_install_finds_the_checkout() -> None:
    code = "from usagefix import catalog; print(catalog.root())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(SQL)
