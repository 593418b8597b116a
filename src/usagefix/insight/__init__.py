"""What the events say of when a thing is used, what is used most, and by whom. Reads only, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from usagefix.database import Database
from usagefix.errors import NotPermitted, WrongDatabase
from usagefix.insight.reading import Looking
from usagefix.models.insight import Asked, HeatmapReport, Insight, Of, Step, TopReport, TrendsReport
from usagefix.models.verification import VerifyReport
from usagefix.verify import verify

__all__ = ["Asked", "heatmap", "insight", "top", "trends"]

Progress = Callable[[int, int], None]


def trends(db: Database, asked: Asked, on_progress: Progress | None = None) -> TrendsReport:
    """Uses over time, and what changed since the time before.

    Raises ConfigurationError for a window, a zone or a column that cannot be, RowNotFound, Refused where nothing tells
    when events were, WrongDatabase, NotPermitted.
    """
    with db.snapshot():
        return Looking(db, asked, on_progress).trend()


def heatmap(db: Database, asked: Asked, on_progress: Progress | None = None) -> HeatmapReport:
    """Uses by weekday and hour. Raises what :func:`trends` does."""
    with db.snapshot():
        return Looking(db, asked, on_progress).heatmap()


def top(db: Database, of: Of, asked: Asked, limit: int, on_progress: Progress | None = None) -> TopReport:
    """The most used, or the most active. Raises what :func:`trends` does; Refused where events name no user."""
    with db.snapshot():
        return Looking(db, asked, on_progress).top(of, limit)


def insight(db: Database, asked: Asked, limit: int, on_progress: Progress | None = None) -> Insight:
    """All views, and what verify says now, of the same snapshot. Raises what :func:`trends` does."""
    with db.snapshot():
        looking = Looking(db, asked, on_progress)
        lately = Looking(db, replace(asked, since="30d", by=Step.DAY), on_progress)
        return Insight(
            trend=looking.trend(),
            last_30=lately.trend(),
            heatmap=looking.heatmap(),
            presets=looking.top(Of.PRESETS, limit),
            users=looking.top(Of.USERS, limit) if looking.knows_users else None,
            verified=_verified(db),
        )


def _verified(db: Database) -> VerifyReport | None:
    """What verify says; None where the role may see the events and not what it needs for that."""
    try:
        with db.apart():
            return verify(db)
    except (NotPermitted, WrongDatabase):
        return None
