"""The house keeps its shape: errors documented, start-up light, commands documented with an example."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest
from support import ROOT, environment, run

from usagefix import errors

# Where texts are that go to a server; words that are only printed stand in other files.
SENDING = (
    "planning/*.py", "ledger.py", "trying.py", "daily_limit.py", "apply.py", "backfill/*.py", "rollback.py", "guard.py", "verify.py",
    "judging.py", "counter.py", "catalog.py", "rendering.py", "adapting.py", "exporting/*.py", "preset.py", "probe.py", "smoke/rows.py",
    "smoke/stage.py", "smoke/tracker.py", "database/session.py", "database/settings.py", "database/texts.py",
    "database/waiting.py", "reading/*.py", "doctor/*.py", "discovering/*.py", "throttle/*.py",
    "insight/*.py",
)  # fmt: skip
HEAVY = ("psycopg", "rich", "jinja2", "asyncio", "urllib.request", "http.client", "ssl")


def test_every_error_has_a_docstring_and_an_exit_code_of_the_contract() -> None:
    tree = [
        thing for thing in vars(errors).values() if inspect.isclass(thing) and issubclass(thing, errors.UsagefixError)
    ]
    assert len(tree) > 8
    for error in tree:
        assert error.__doc__
        assert error.exit_code in (1, 2, 3, 4, 5, 70, 130)
        assert error.__name__ in str(errors.__doc__), f"{error.__name__} is not drawn in the tree"


@pytest.mark.parametrize("pattern", SENDING)
def test_what_is_sent_is_ascii(pattern: str) -> None:
    """A database in another encoding refuses all of a statement for one character that it lacks."""
    sources = sorted((ROOT / "src" / "usagefix").glob(pattern))
    assert sources
    for source in sources:
        tree = ast.parse(source.read_text())
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        found = [node.lineno for node in texts if id(node) not in told and not str(node.value).isascii()]
        assert found == [], source


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("apply", "--help"), ("probe-api", "--help"), ("sql", "20250930000001")]
)
def test_what_does_not_connect_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys, usagefix.cli as cli\nsys.argv = ['usagefix', *sys.argv[1:]]\n"
        "try:\n    cli.main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout


COMMANDS = (
    "apply", "verify", "doctor", "discover", "backfill", "rollback", "check-preset", "status", "trends", "heatmap", "top", "dashboard", "guard", "notifications", "smoke", "probe-api", "sql", "export", "schema", "demo",
)  # fmt: skip


def test_help_lists_every_command_and_the_exit_codes() -> None:
    page = run("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in page
    assert "130" in page
    assert "..." not in page.split("Commands:")[1], "no summary is cut off"
    nothing = run()
    assert (nothing.code, nothing.stdout, nothing.stderr.strip()) == (2, "", page.strip())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    page = " ".join(run(command, "--help").stdout.split())
    assert f"Example: usagefix {command}" in page


def test_every_option_has_an_environment_variable_and_says_so() -> None:
    for command in COMMANDS:
        page = " ".join(run(command, "--help").stdout.split("Options:")[1].split())
        for option in page.split(" --")[1:]:
            name = option.split()[0].strip(",")
            if name != "help":
                assert f"[env var: USAGEFIX_{name.upper().replace('-', '_')}" in option, (command, option)


def test_an_environment_variable_sets_its_option() -> None:
    assert run("sql", "20250930000001", USAGEFIX_ADAPT="1").code == 2, "it would connect, and no database is named"
    wrong = run("verify", USAGEFIX_TOP="many")
    assert wrong.code == 2
    assert "USAGEFIX_TOP" in wrong.stderr


def test_help_lists_every_check() -> None:
    from usagefix.models.choices import CHECKS

    page = run("verify", "--help").stdout.split("Checks:")[1].split("Example:")[0]
    assert sorted(page.replace(".", "").replace(",", "").split()) == sorted(CHECKS)


def test_a_misuse_points_to_the_page_of_its_command() -> None:
    for arguments in (("doctor", "--source"), ("verify", "--nonsense"), ("--wait", "1", "verify", "--top", "x")):
        assert f"usagefix {'doctor' if 'doctor' in arguments else 'verify'} --help" in run(*arguments).stderr


def test_version() -> None:
    from usagefix import __version__

    assert run("--version").stdout.strip() == f"usagefix {__version__}"


def test_one_module_writes_numbers_for_people() -> None:
    """Digits in groups, shares and lengths: elsewhere no format does it, and no mere ``len()`` stands in a sentence."""
    found = []
    for source in sorted((ROOT / "src" / "usagefix").rglob("*.py")):
        if source.name != "figures.py":
            said = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.JoinedStr)]
            found += [f"{source.name}:{text.lineno}" for text in said if _writes_a_number(text)]
    assert found == []


def _writes_a_number(text: ast.JoinedStr) -> bool:
    """Whether a sentence formats a number itself."""
    pieces = [ast.unparse(part) for part in text.values]
    for at, part in enumerate(text.values):
        if not isinstance(part, ast.FormattedValue):
            continue
        form = "".join(
            str(piece.value) for piece in getattr(part.format_spec, "values", ()) if isinstance(piece, ast.Constant)
        )
        follows = text.values[at + 1] if at + 1 < len(pieces) else None
        words = str(follows.value) if isinstance(follows, ast.Constant) else ""
        if "," in form or ("%" in form and not any(sign in form for sign in ("%Y", "%H", "%m"))):
            return True
        counts = isinstance(part.value, ast.Call) and ast.unparse(part.value.func) == "len"
        if words.startswith((" s ", " s,", " ms", " kB", " KB")) or (counts and words.startswith(" ")):
            return True
    return False
