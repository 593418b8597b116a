"""Reports as JSON: exactly one object a command, also when it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, assert_never

from usagefix.errors import UsagefixError
from usagefix.models import (
    ApplyReport,
    BackfillReport,
    DoctorReport,
    ExportReport,
    GuardReport,
    PresetReport,
    RollbackReport,
    Severity,
    StatusReport,
    Target,
    VerifyReport,
)

SCHEMA_VERSION = 1
Report = (
    VerifyReport
    | ApplyReport
    | BackfillReport
    | RollbackReport
    | StatusReport
    | PresetReport
    | ExportReport
    | GuardReport
    | DoctorReport
)


def document(
    command: str,
    *,
    target: Target | None,
    exit_code: int,
    duration_ms: int,
    report: Report | None = None,
    error: UsagefixError | None = None,
    changes: str | None = None,
) -> str:
    """The object as text. ``changes`` says what a failed command had committed; it becomes part of the message."""
    body: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "target": asdict(target) if target else None,
        "ok": exit_code == 0,
        "exit_code": exit_code,
        "duration_ms": duration_ms,
        "error": None,
    }
    if error is not None:
        message = f"{error.message}. {changes}" if changes else error.message
        body["error"] = {"sqlstate": error.sqlstate, "message": message, "hint": error.hint}
    if report is not None:
        body |= _keys(report)
    return json.dumps(body, ensure_ascii=False, indent=2, default=_plain)


def _keys(report: Report) -> Mapping[str, Any]:
    match report:
        case VerifyReport() | StatusReport() | PresetReport() | ExportReport() | GuardReport():
            return asdict(report)
        case DoctorReport():
            return {
                "findings": [asdict(finding) for finding in report.findings],
                "counts": {severity: report.count(severity) for severity in Severity},
                "source": asdict(report.source) if report.source else None,
            }
        case BackfillReport():
            return {"backfill": asdict(report)}
        case RollbackReport():
            return asdict(report)
        case ApplyReport():
            keys = {
                "dry_run": report.dry_run,
                "migrations": report.migrations,
                "before": asdict(report.before),
                "backfill": asdict(report.backfill),
                "plan": [asdict(step) for step in report.plan],
                "tracker_diff": report.tracker_diff,
                "remarks": report.remarks,
            }
            return keys | (asdict(report.after) if report.after else {})
        case _:
            assert_never(report)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
