"""The result of a smoke test."""

from __future__ import annotations

from dataclasses import dataclass

from usagefix.models.keyed import Keyed
from usagefix.models.verification import Status


@dataclass(frozen=True, slots=True)
class SmokeStep:
    """One step: ``status`` is ok, failed, or skipped if there was nothing to try."""

    step_id: str
    title: str
    status: Status
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SmokeReport(Keyed):
    """Each step in order, all undone. ``role``: the one that recorded the uses; ``row``: the id of the row whose
    counter was tried; ``temporary``: smoke created that row for the test."""

    role: str
    row: str
    temporary: bool
    steps: tuple[SmokeStep, ...]

    @property
    def ok(self) -> bool:
        return all(step.status is not Status.FAILED for step in self.steps)
