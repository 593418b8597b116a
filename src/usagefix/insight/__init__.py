"""What the events say of when a thing is used, what is used most, and by whom. Reads only, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from usagefix.database import Database
from usagefix.errors import NotPermitted, Refused, WrongDatabase
from usagefix.insight.reading import Looking
from usagefix.models.insight import Asked, HeatmapReport, Insight, Of, TopReport, TrendsReport
from usagefix.models.verification import VerifyReport
from usagefix.verify import verify

__all__ = ["Asked", "heatmap", "insight", "top", "trends", "views"]

Progress = Callable[[int, int], None]


def trends(db: Database, asked: Asked, on_progress: Progress | None = None) -> TrendsReport:
    """Uses over time, and what changed since the time before.

    Raises ConfigurationError for a window, a zone or a column that cannot be, RowNotFound, Refused if nothing tells
    when events were, WrongDatabase, NotPermitted.
    """
    with db.snapshot():
        return Looking(db, asked, _counting(on_progress, 4)).trend()


def heatmap(db: Database, asked: Asked, on_progress: Progress | None = None) -> HeatmapReport:
    """Uses by weekday and hour. Raises what :func:`trends` does."""
    with db.snapshot():
        return Looking(db, asked, _counting(on_progress, 2)).heatmap()


def top(db: Database, of: Of, asked: Asked, limit: int, on_progress: Progress | None = None) -> TopReport:
    """The most used, or the most active. Raises what :func:`trends` does; Refused if events name no user."""
    with db.snapshot():
        return Looking(db, asked, _counting(on_progress, 3)).top(of, limit)


def insight(db: Database, asked: Asked, limit: int, on_progress: Progress | None = None) -> Insight:
    """All views, and what verify says now, of the same snapshot. Raises what :func:`trends` does."""
    with db.snapshot():
        return replace(views(db, asked, limit, on_progress), verified=_verified(db))


def views(db: Database, asked: Asked, limit: int, on_progress: Progress | None = None) -> Insight:
    """All views of the same snapshot, each question asked once. Raises what :func:`trends` does."""
    with db.snapshot():
        looking = Looking(db, asked, _counting(on_progress, 5), with_last_30=True)
        return Insight(
            trend=looking.trend(),
            last_30=looking.last_30(),
            heatmap=looking.heatmap(),
            presets=looking.top(Of.PRESETS, limit),
            users=looking.top(Of.USERS, limit) if looking.knows_users else None,
            verified=None,
        )


def _counting(on_progress: Progress | None, total: int) -> Callable[[], None]:
    """What is called before each question, of about so many."""
    asked = count()

    def tell() -> None:
        if on_progress is not None:
            on_progress(min(next(asked), total - 1), total)

    return tell


def _verified(db: Database) -> VerifyReport | None:
    """What verify says; None if the role may see the events and not what it needs for that, and where there is
    nothing to compare: a sum that is no number."""
    try:
        with db.apart():
            return verify(db)
    except (NotPermitted, Refused, WrongDatabase):
        return None
