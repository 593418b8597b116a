"""Writes what is made from the program itself: docs/commands.md, the JSON Schemas, and in each verify.sql the md5 of the
function bodies that its apply.sql makes. With ``--check``, says what is stale.

python docs/generate.py
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer

from usagefix import catalog
from usagefix.catalog import Face, Migration
from usagefix.cli import app
from usagefix.cli.shared import COUNTERS, EVERY, LACKING
from usagefix.models.advice import Step
from usagefix.models.amount import Amount
from usagefix.models.correction import BackfillReport
from usagefix.models.diagnosis import Finding, Severity, SourceRead
from usagefix.models.discovery import DiscoverReport
from usagefix.models.guarding import GuardReport
from usagefix.models.history import LogReport
from usagefix.models.insight import DashboardReport, HeatmapReport, TopReport, TrendsReport, WrittenPage
from usagefix.models.migration import Durations, ExportReport, PlannedStatement, RollbackReport, StatusReport
from usagefix.models.notifying import NotificationsReport
from usagefix.models.outcome import ABOUT_COUNTERS
from usagefix.models.probe import ProbeReport
from usagefix.models.smoke import SmokeReport
from usagefix.models.target import Target
from usagefix.models.verification import Doubt, RowReport, VerifyReport
from usagefix.render.document import SCHEMA_VERSION

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "commands.md"
SCHEMAS = ROOT / "src" / "usagefix" / "schemas"


@dataclasses.dataclass(frozen=True)
class Error:
    """What went wrong. ``sqlstate`` is the server's code where the server spoke; ``changes`` says what is left in the
    database; ``hint`` what to do."""

    sqlstate: str | None
    message: str
    changes: str | None
    hint: str


@dataclasses.dataclass(frozen=True)
class Envelope:
    """The keys that every command has. ``error`` is the worst, where there are several. ``target`` is null where it never connected, ``error`` where it went through;
    ``ok`` is true where ``exit_code`` is 0; ``duration_ms`` is in milliseconds."""

    schema_version: int
    command: str
    target: Target | None
    ok: bool
    exit_code: int
    duration_ms: int
    error: Error | None


@dataclasses.dataclass(frozen=True)
class Entry:
    """What came of one counter, which ``counter`` names: the keys of the report, where ``error`` is null."""

    counter: str
    ok: bool
    error: Error | None


# The keys of each command beside those, with their types: of each counter, where it is about counters.
VERIFIED = get_type_hints(VerifyReport)
BODIES: Mapping[str, Mapping[str, Any]] = {
    "apply": {
        "dry_run": bool,
        "migrations": tuple[str, ...],
        "before": VerifyReport,
        "backfill": BackfillReport,
        "plan": tuple[PlannedStatement, ...],
        "tracker_diff": str,
        "remarks": tuple[str, ...],
        "durations": Durations | None,
        **VERIFIED,
    },
    "verify": VERIFIED,
    "doctor": {
        "findings": tuple[Finding, ...],
        "counts": dict[Severity, int],
        "source": SourceRead | None,
        "next": Step | None,
    },
    "discover": get_type_hints(DiscoverReport),
    "trends": get_type_hints(TrendsReport),
    "heatmap": get_type_hints(HeatmapReport),
    "top": get_type_hints(TopReport),
    "dashboard": get_type_hints(DashboardReport),
    "backfill": {"backfill": BackfillReport, "doubt": Doubt},
    "rollback": get_type_hints(RollbackReport),
    "check": get_type_hints(RowReport),
    "check-preset": get_type_hints(RowReport),
    "status": get_type_hints(StatusReport),
    "log": get_type_hints(LogReport),
    "guard": get_type_hints(GuardReport),
    "notifications": get_type_hints(NotificationsReport),
    "smoke": get_type_hints(SmokeReport),
    "probe-api": get_type_hints(ProbeReport),
    "export": get_type_hints(ExportReport),
    "usagefix": {},  # what fails before there is a command
}
# What is there once, beside the counters.
BESIDE: Mapping[str, Mapping[str, Any]] = {"dashboard": get_type_hints(WrittenPage)}
# The variables that are read elsewhere than where the command line is parsed.
VARIABLES = {"database_url": "DATABASE_URL"}
# What needs more than a database to run.
ELSEWHERE = ("demo", "probe-api")
# Not there after a dry run; there only where it refused.
OPTIONAL = {"apply": frozenset(VERIFIED), "backfill": frozenset({"doubt"})}
MD5 = re.compile(r"'[0-9a-f]{32}(?: [0-9a-f]{32})?'")


def schema(command: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a command's object."""
    definitions: dict[str, Any] = {}
    envelope = {name: _schema(kind, definitions) for name, kind in get_type_hints(Envelope).items()}
    envelope["schema_version"] = {"const": SCHEMA_VERSION}
    envelope["command"] = {"const": command}
    keys = {name: _schema(kind, definitions) for name, kind in body.items()}
    if command in ABOUT_COUNTERS:
        part = {name: _schema(kind, definitions) for name, kind in get_type_hints(Entry).items()}
        entry = {"description": _prose(Entry.__doc__)} | _object(part, keys, OPTIONAL.get(command, frozenset()))
        envelope["counters"] = {"type": "array", "items": entry}
        keys = {name: _schema(kind, definitions) for name, kind in BESIDE.get(command, {}).items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"usagefix {command} --format json",
        "description": _prose(Envelope.__doc__),
        **_object(envelope, keys, frozenset()),
        "$defs": dict(sorted(definitions.items())),
    }


def _object(always: dict[str, Any], keys: dict[str, Any], optional: frozenset[str]) -> dict[str, Any]:
    """An object of which some keys are there always, and some where there is no error."""
    return {
        "type": "object",
        "properties": always | keys,
        "required": list(always),
        "additionalProperties": False,
        "if": {"properties": {"error": {"type": "null"}}},
        "then": {"required": [name for name in keys if name not in optional]},
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind == Amount:
        return {"type": "number"}
    plain = {str: "string", int: "integer", bool: "boolean", float: "number", Decimal: "number", types.NoneType: "null"}
    if kind in plain:
        return {"type": plain[kind]}
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(option, definitions) for option in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        key, value = arguments
        if key is str:
            return {"type": "object", "additionalProperties": _schema(value, definitions)}
        named = {str(name): _schema(value, definitions) for name in key}
        return {"type": "object", "properties": named, "required": list(named), "additionalProperties": False}
    if issubclass(kind, StrEnum):
        return {"enum": [str(member) for member in kind]}
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # it may refer to itself
        keys = {name: _schema(hint, definitions) for name, hint in get_type_hints(kind).items()}
        definitions[kind.__name__] = {
            "description": _prose(kind.__doc__),
            "type": "object",
            "properties": keys,
            "required": list(keys),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _prose(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())


def commands() -> Iterator[str]:
    """The lines of the page of commands."""
    group = typer.main.get_command(app)
    yield "# Commands"
    yield ""
    yield "Made from the program itself by `make docs`. `usagefix COMMAND --help`, `usagefix COMMAND -h` and `usagefix help COMMAND` show the same."
    yield ""
    yield from _those_of_all(group)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        arguments = " ".join(
            p.make_metavar(typer.Context(command)) for p in command.params if p.param_type_name == "argument"
        )
        yield f"## usagefix {name}{arguments and ' '}{arguments}"
        yield ""
        *paragraphs, example = (command.help or "").strip().split("\n\n")
        for paragraph in paragraphs:
            yield from (" ".join(paragraph.split()), "")
        if name in ELSEWHERE:
            yield "<!-- test: elsewhere -->"
        yield from ("```sh", example.removeprefix("Example: "), "```", "")
        yield from _options(command)


def _those_of_all(group: Any) -> Iterator[str]:
    """What commands share, once."""
    yield "## Options of every command"
    yield ""
    yield (
        "Commands share these options. They work before the command and after it: `usagefix --schema shop verify` and "
        "`usagefix verify --schema shop` are the same. Where an option is given twice, the later one wins; `--counter` "
        "adds to the one before. An option wins over its variable."
    )
    yield ""
    yield from _options(group, EVERY)
    yield f"{_those_lacking('wait')} need no database, and take none of these. `sql` prints SQL, and takes neither `--format` nor `--output`."
    yield ""
    yield "## Options that declare counters"
    yield ""
    yield f"All commands but {_those_lacking('events')} take these, too. [counters.md](counters.md) explains them."
    yield ""
    yield from _options(group, COUNTERS)


def _those_lacking(option: str) -> str:
    *most, last = (f"`{name}`" for name, options in LACKING.items() if option in options)
    return f"{', '.join(most)} and {last}"


def _options(command: Any, panel: str | None = None) -> Iterator[str]:
    options = [p for p in command.params if p.param_type_name == "option" and (p.envvar or p.name in VARIABLES)]
    options = [option for option in options if option.rich_help_panel == panel]
    if not options:
        return
    yield "| option | variable | |"
    yield "|---|---|---|"
    for option in options:
        said = ", ".join(f"`{name}`" for name in option.opts)
        if not option.is_flag:
            said = said.replace("`", "", 2).replace(option.opts[0], f"`{option.opts[0]} {_value(option)}`")
        default = f" Default: `{_shown(option.default)}`." if _shown(option.default) and option.show_default else ""
        yield f"| {said} | `{option.envvar or VARIABLES[option.name]}` | {option.help}{default} |"
    yield ""


def _value(option: Any) -> str:
    choices = getattr(option.type, "choices", None)
    return "\\|".join(map(str, choices)) if choices else option.metavar.replace("|", "\\|")


def _shown(default: Any) -> str:
    return "" if default is None or default is False else str(default)


def checked(migration: Migration, text: str, bodies: list[str]) -> str:
    """The text of its verify.sql, with the checksums of each body of its apply.sql, in their order; so the file of the
    checks of partitions."""
    if len(MD5.findall(text)) != len(bodies):
        raise SystemExit(f"{migration}: verify.sql must hold one md5 for each function of apply.sql")
    places = iter(bodies)
    return MD5.sub(lambda _: f"'{next(places)}'", text)


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file with its text."""
    for migration in catalog.migrations():
        text = migration.read(Face.VERIFY)
        yield migration.folder / f"{Face.VERIFY}.sql", checked(migration, text, migration.checksums())
        if text := migration.partitions_verified():
            file = migration.folder / "verify_partitions.sql"
            yield file, checked(migration, text, migration.partitions_checksums())
    yield PAGE, "\n".join(commands()).rstrip() + "\n"
    for command, body in BODIES.items():
        yield SCHEMAS / f"{command}.json", json.dumps(schema(command, body), indent=2) + "\n"


def main() -> int:
    """Write the files; or only compare them, and say which are stale."""
    stale = [(path, text) for path, text in files() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
