"""The house keeps its shape: errors documented, start-up light, commands documented with an example."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from support import ROOT, environment, run

from usagefix import errors
from usagefix.cli import app as command_line
from usagefix.cli.shared import LACKING

# Where texts are that go to a server; words that are only printed stand in other files.
SENDING = (
    "planning/*.py", "ledger.py", "trying.py", "daily_limit.py", "apply.py", "backfill/*.py", "rollback.py", "guard.py", "verify.py",
    "judging.py", "counter.py", "catalog.py", "rendering.py", "adapting.py", "exporting/*.py", "preset.py", "probe.py", "smoke/rows.py",
    "smoke/stage.py", "smoke/tracker.py", "database/session.py", "database/settings.py", "database/texts.py",
    "database/waiting.py", "reading/*.py", "doctor/*.py", "discovering/*.py", "throttle/*.py",
    "insight/*.py",
)  # fmt: skip
HEAVY = ("psycopg", "rich", "jinja2", "sqlparse", "asyncio", "urllib.request", "http.client", "ssl")


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
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.stdout


# About usagefix itself, or a URL that holds a password: several variables name it.
OF_THE_PROGRAM = ("_version", "install_completion", "show_completion", "database_url")
COMMANDS = (
    "apply", "verify", "doctor", "discover", "backfill", "rollback", "check-preset", "status", "trends", "heatmap", "top", "dashboard", "guard", "notifications", "smoke", "probe-api", "sql", "export", "schema", "demo", "help",
)  # fmt: skip


def test_help_lists_every_command_and_the_exit_codes() -> None:
    page = run("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in page
    assert "130" in page
    assert "..." not in run("--help", COLUMNS="60").stdout.split("\n\n", 1)[1], "no summary is cut off"
    nothing = run()
    assert (nothing.code, nothing.stdout, nothing.stderr.strip()) == (2, "", page.strip())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    page = " ".join(run(command, "--help").stdout.split())
    assert f"Example: usagefix {command}" in page


def test_every_option_has_an_environment_variable_and_says_so() -> None:
    group: Any = typer.main.get_command(command_line)
    for command in (group, *group.commands.values()):
        page = " ".join(run(*([command.name] if command is not group else []), "--help").stdout.split())
        assert ("--dry-run is USAGEFIX_DRY_RUN" in page) == (page.count(" --") > 3), command.name
        for param in command.params:
            if param.param_type_name == "option" and param.name not in OF_THE_PROGRAM:
                said = f"USAGEFIX_{param.opts[0].removeprefix('--').upper().replace('-', '_')}"
                assert param.envvar == said or f"[env var: {param.envvar}" in page, (command.name, said)


@pytest.mark.parametrize("columns", ["80", "100"])
def test_a_page_has_its_own_options_first_and_those_of_all_last(columns: str) -> None:
    for command in COMMANDS:
        page = run(command, "--help", COLUMNS=columns).stdout
        assert max(map(len, page.splitlines())) <= int(columns)
        headings = re.findall(r"^(\w.*):$", page, re.MULTILINE)
        assert headings == [
            title for title in ("Arguments", "Options", "Counters", "Every command") if title in headings
        ]
        (*_, last), of_all = headings, page.split("\nEvery command:\n")[1].split("\n\n")[0]
        assert (last, of_all.splitlines()[-1].split()) == (
            "Every command",
            ["-h,", "--help", "Show", "this", "message", "and", "exit."],
        )
        assert len(re.findall("^  --format .*or .*", page, re.MULTILINE)) == (
            command not in LACKING or "output" not in LACKING[command]
        )
        assert run("help", command, COLUMNS=columns).stdout == page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verfy",), "did you mean verify?"),
        (("verify", "--datbase-url", "x"), "did you mean --database-url?"),
        (("--datbase-url", "x", "verify"), "did you mean --database-url?"),
        (("help", "verfy"), "did you mean verify?"),
        (("help", "notifications", "colapse"), "did you mean collapse?"),
        (("help", "verify", "now"), "usagefix help verify"),
        (("help", "nonsense"), "there is no command 'nonsense'"),
        (("verify", "--batch-size", "3"), "--batch-size is an option of apply, backfill"),
        (("--batch-size", "3", "apply"), "--batch-size goes after the command"),
        (("demo", "--database-url", "x"), "there is no option --database-url"),
        (("--format", "table", "sql", "20250930000001"), "there is no option --format"),
        (("verify", "--wait", "x"), "error: --wait: 'x' is no number"),
        (("verify", "--top", "x"), "error: --top: 'x' is no whole number"),
        (("--wait", "-1", "verify"), "error: --wait: -1.0 is not between 0 and 86400"),
        (("verify", "-o"), "error: -o needs a value"),
        (("verify", "more", "than"), "error: too many arguments: more than\n"),
        (("check-preset",), "error: the argument ID is missing\n"),
        (("probe-api",), "error: the option --url is missing\n"),
        (("guard", "maybe"), "error: MODE: 'maybe' is not one of ignore, warn, reject\n"),
        (("sql", "20250930000001", "x"), "error: 'x' is not one of apply, verify, backfill, rollback\n"),
        (("log", "--format", "csv"), "only trends, heatmap and top have the format csv\n"),
        (("trends", "--format", "junit"), "trends has no format junit, because nothing"),
        (("postgresql://u:secret@h/d",), "--database-url URL"),
        (("verify", "postgresql://u:secret@h/d"), "--database-url URL"),
    ],
)
def test_what_was_meant(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert (done.code, words in done.stderr, "secret" in done.stderr) == (2, True, False), done.stderr


def test_the_page_of_an_action_is_that_of_its_command() -> None:
    assert run("help", "notifications", "collapse").stdout == run("notifications", "-h").stdout
    assert run("help").stdout == run("-h").stdout == run("--help").stdout


def test_a_shared_option_stands_anywhere_and_the_later_one_wins(tmp_path: Path) -> None:
    """Nothing is connected to: the error names the file that was read last."""
    for arguments, read in (
        (("verify", "--env-file", "b"), "b"),
        (("--env-file", "b", "verify"), "b"),
        (("--env-file", "a", "verify", "--env-file", "b"), "b"),
        (("--env-file", "a", "--env-file=b", "--schema", "x", "verify", "--wait", "0"), "b"),
        (("verify", "--env-file", "a", "--wait", "0", "--env-file", "b"), "b"),
        (("--schema", "x", "--", "verify", "--env-file", "b"), "b"),
    ):
        done = run(*arguments, USAGEFIX_ENV_FILE="c", cwd=tmp_path)
        assert f"error: there is no file {read} to read" in done.stderr, arguments
    assert "there is no file c to read" in run("verify", USAGEFIX_ENV_FILE="c", cwd=tmp_path).stderr
    before = run("--format", "json", "--env-file", "a", "verify", cwd=tmp_path)
    assert (before.code, before.json["command"]) == (2, "verify")


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

    for flag in ("--version", "-V"):
        assert run(flag).stdout.strip() == f"usagefix {__version__}"


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
