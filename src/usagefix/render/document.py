"""Reports as JSON: exactly one object a command, also when it fails."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from usagefix.errors import UsagefixError
from usagefix.models.outcome import Outcome, Part
from usagefix.render.words import OBEYED

SCHEMA_VERSION = 2
# A number with all its digits, which json has no way to write: no text of a database or a command line has such a byte.
_AMOUNT = re.compile(r'"\\u0000(-?[0-9.]+)"')


def document(outcome: Outcome, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """The object as text; without ``indent`` on one line."""
    body: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": outcome.command,
        "target": asdict(outcome.target) if outcome.target else None,
        "ok": outcome.ok,
        "exit_code": outcome.exit_code,
        "duration_ms": outcome.duration_ms,
        "error": _error(outcome.failure, outcome.changes),
    }
    if outcome.about_counters:
        body["counters"] = [_part(part, outcome) for part in outcome.parts]
    if outcome.report is not None:
        body |= outcome.report.keys()
    text = _AMOUNT.sub(r"\1", json.dumps(body, ensure_ascii=ascii_only, indent=indent, default=_plain))
    # The runner of GitHub Actions obeys ##[ wherever it stands, and a terminal what turns the direction of writing; the
    # same string, as JSON may also write it.
    return OBEYED.sub(_escaped, text).replace("##[", r"#\u0023[")


def _escaped(match: re.Match[str]) -> str:
    return match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1]


def _part(part: Part, outcome: Outcome) -> dict[str, Any]:
    """What came of one counter: the same keys, however many there are."""
    keys: dict[str, Any] = {
        "counter": part.nouns.counter,
        "ok": part.exit_code == 0,
        "error": _error(part.error, outcome.changes),
    }
    if part.error is not None:
        keys |= {name: asdict(found) for name, found in part.error.keys.items()}  # type: ignore[call-overload]
    return keys | (part.report.keys() if part.report is not None else {})


def _error(error: UsagefixError | None, changes: str) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"sqlstate": error.sqlstate, "message": error.message, "changes": changes or None, "hint": error.hint}


def _plain(value: object) -> str | None:
    if isinstance(value, Decimal):
        return f"\0{value:f}" if value.is_finite() else None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")  # in UTC, but for the hours of a view in its own zone
    return str(value)
