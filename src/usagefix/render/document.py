"""Reports as JSON: exactly one object a command, also when it fails."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from usagefix.models.outcome import Outcome

SCHEMA_VERSION = 1
# A number with all its digits, which json has no way to write: no text of a database or a command line has such a byte.
_AMOUNT = re.compile(r'"\\u0000(-?[0-9.]+)"')


def document(outcome: Outcome, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """The object as text; without ``indent`` on one line."""
    error = outcome.error
    body: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": outcome.command,
        "target": asdict(outcome.target) if outcome.target else None,
        "ok": outcome.ok,
        "exit_code": outcome.exit_code,
        "duration_ms": outcome.duration_ms,
        "error": None,
    }
    if error is not None:
        body["error"] = {
            "sqlstate": error.sqlstate,
            "message": error.message,
            "changes": outcome.changes or None,
            "hint": error.hint,
        }
        body |= {name: asdict(found) for name, found in error.keys.items()}  # type: ignore[call-overload]
    if outcome.report is not None:
        body |= outcome.report.keys()
    text = _AMOUNT.sub(r"\1", json.dumps(body, ensure_ascii=ascii_only, indent=indent, default=_plain))
    # The runner of GitHub Actions obeys ##[ wherever it stands; the same string, as JSON may also write it.
    return text.replace("##[", r"#\u0023[")


def _plain(value: object) -> str | None:
    if isinstance(value, Decimal):
        return f"\0{value:f}" if value.is_finite() else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
