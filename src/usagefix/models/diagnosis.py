"""What doctor finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from usagefix.models.advice import Step
from usagefix.models.keyed import Keyed

DOCS = "https://github.com/usagefix/usagefix/blob/main/docs"
PAGE = "doctor.md"  # has a section for each finding


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # the counter is or will be wrong, or somebody can get in
    WARNING = "warning"  # likely trouble
    INFO = "info"  # good to know


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A few lines of code, from ``first_line`` on: of a ``file`` below the folder that was read, or of the body of a
    ``function`` of the database. ``line`` and ``column``, from 1, and ``length`` are what the finding is about."""

    file: str | None
    function: str | None
    line: int
    column: int
    length: int
    first_line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of ``doctor``. ``cause`` is 1 to 4 for one of the four root causes, see ``usagefix.doctor``."""

    finding_id: str
    severity: Severity
    title: str
    object: str
    evidence: str
    remedy: str
    cause: int | None = None
    excerpt: Excerpt | None = None
    docs: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "docs", f"{DOCS}/{PAGE}#{self.finding_id}")


@dataclass(frozen=True, slots=True)
class SourceRead:
    """How much of the application's source ``doctor`` has read below ``folder``: how many files, and every file and
    folder that it passed over, each as "path: why"."""

    folder: str
    files_read: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DoctorReport(Keyed):
    """Every finding, the worst first. ``source`` is None if no source was given; ``counted``: whether the role could
    read the counters and the events, without which nothing is known to be right; ``next``: what to do about errors that
    apply or backfill mends."""

    findings: tuple[Finding, ...]
    source: SourceRead | None
    counted: bool = True
    next: Step | None = None

    @property
    def ok(self) -> bool:
        return self.counted and all(finding.severity is not Severity.ERROR for finding in self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings of a severity there are."""
        return sum(finding.severity is severity for finding in self.findings)

    def keys(self) -> dict[str, Any]:
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "counts": {severity: self.count(severity) for severity in Severity},
            "source": asdict(self.source) if self.source else None,
            "next": asdict(self.next) if self.next else None,
        }
