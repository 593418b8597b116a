"""What is shipped: wheel and sdist hold what they must, an index takes them, and each can be installed and used."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from readme_renderer import markdown
from support import LONG, ROOT, SQL, VERSION, environment

from usagefix import __version__

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SITE = sysconfig.get_path("purelib")  # with what usagefix depends on


def ran(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment(**({"PYTHONWARNINGS": "", "NO_COLOR": "1"} | variables)),
        capture_output=True, text=True, check=False, timeout=LONG,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist, and of the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


def in_wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(built / f"usagefix-{__version__}-py3-none-any.whl")


def in_sdist(built: Path) -> set[str]:
    with tarfile.open(built / f"usagefix-{__version__}.tar.gz") as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def metadata(built: Path) -> Message:
    with in_wheel(built) as archive:
        return Parser().parsestr(archive.read(f"usagefix-{__version__}.dist-info/METADATA").decode())


def bundled() -> set[str]:
    return {str(path.relative_to(SQL)) for path in SQL.rglob("*.sql")}


def test_the_wheel_carries_the_sql_the_schemas_and_the_page(built: Path) -> None:
    names = set(in_wheel(built).namelist())
    assert {f"usagefix/sql/{name}" for name in bundled()} <= names
    assert "usagefix/py.typed" in names
    schemas = {path.name for path in (ROOT / "src" / "usagefix" / "schemas").glob("*.json")}
    assert "verify.json" in schemas
    assert {f"usagefix/schemas/{name}" for name in schemas} <= names
    templates = (ROOT / "src" / "usagefix" / "render" / "page" / "templates").iterdir()
    assert {f"usagefix/render/page/templates/{path.name}" for path in templates} <= names
    assert {name.split("/")[0] for name in names} == {"usagefix", f"usagefix-{__version__}.dist-info"}


def test_the_sdist_is_the_repository(built: Path) -> None:
    """All that its tests and pages need, and nothing that only lies about in a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    tracked = {name for name in ran("git", "ls-files", cwd=ROOT).split("\n") if (ROOT / name).is_file()}
    new = set(ran("git", "ls-files", "--others", "--exclude-standard", cwd=ROOT).split("\n"))
    assert tracked <= in_sdist(built)
    assert in_sdist(built) - {"PKG-INFO"} <= tracked | new


def test_an_index_takes_them(built: Path) -> None:
    said = ran(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.iterdir()))
    assert said.count("PASSED") == 2


def test_the_description_leads_out_of_the_index(built: Path) -> None:
    """Links and pictures, as an index shows them: absolute, to a file of this version's tag."""
    page = markdown.render(str(metadata(built).get_payload()))
    assert page is not None
    repository = PYPROJECT["project"]["urls"]["Repository"]
    targets = re.findall(r'\b(?:href|src|srcset)="(?!#user-content-)([^"]*)"', page)  # not the headings' own
    assert len(targets) > 15
    for target in targets:
        found = re.fullmatch(rf"{repository}/(blob|raw)/v{__version__}/([^#]+)(#.+)?", target)
        assert found, f"leads nowhere on a page of an index: {target}"
        assert (ROOT / found[2]).is_file(), target
        assert (found[1] == "raw") == (found[2].endswith((".svg", ".png"))), target


def test_the_repository_has_one_address() -> None:
    written = [
        ROOT / "pyproject.toml",
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "src").rglob("*.py"),
    ]
    addresses = {
        found for file in written for found in re.findall(r"https://[\w.-]+/[\w-]+/usagefix\b", file.read_text())
    }
    assert addresses == {PYPROJECT["project"]["urls"]["Repository"]}


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_an_installed_one_works(built: Path, tmp_path: Path, kind: str) -> None:
    """In an environment of its own, far from the checkout, with what the suite's environment has in place of an index."""
    venv.create(tmp_path / "venv", with_pip=False)
    folder = tmp_path / "venv" / "bin"
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(
        f"{SITE}\n"
    )  # its own .pth files, such as an editable usagefix, are not read
    (archive,) = built.glob(kind)
    ran(
        sys.executable, "-m", "pip", "--quiet", "--python", folder / "python", "install", "--no-index", "--no-deps",
        "--no-build-isolation", "--ignore-installed", archive, PYTHONPATH="",
    )  # fmt: skip

    def printed(program: str, *arguments: str) -> str:
        return ran(folder / program, *arguments, cwd=tmp_path, PYTHONPATH="")

    assert printed("usagefix", "--version") == f"usagefix {__version__}\n"
    released = SQL / f"{VERSION}_fix_usage_tracking" / "rollback.sql"
    assert printed("usagefix", "sql", VERSION, "rollback") == released.read_text()
    root = printed("python", "-c", "from usagefix import catalog; print(catalog.root())")
    assert root.strip() == str(site / "usagefix" / "sql")


def test_an_editable_install_finds_the_checkout() -> None:
    where = ran(sys.executable, "-c", "from usagefix import catalog; print(catalog.root())", cwd=Path("/"))
    assert where.strip() == str(SQL)
