"""A declaration that is wrong cannot make true numbers false; one that is right is not held up by ordinary drift."""

from __future__ import annotations

from dataclasses import replace

import pytest
from declared import COUNTERS, looking
from shapes import SHAPES
from support import App

from usagefix import apply
from usagefix.backfill import backfill
from usagefix.counter import Counter
from usagefix.errors import Doubted
from usagefix.models.choices import Trust
from usagefix.verify import verify

BY_SLUG = {(shape.name, counter.slug): (shape, counter) for shape in SHAPES for counter in COUNTERS.get(shape.name, ())}
WRONG: dict[str, tuple[tuple[str, str], dict[str, object]]] = {
    "no filter": (("reactions", "post_likes_count"), {"where": None}),
    "another filter": (("comments", "post_comments_count"), {"where": "(event.deleted_at IS NOT NULL)"}),
    "the opposite filter": (("donations", "campaign_raised"), {"where": "(event.status <> 'paid'::text)"}),
    "another column": (("votes", "post_score"), {"weight": None}),
    "the other sign": (("votes", "post_score"), {"weight": "(- event.value)"}),
    "another sum": (("donations", "campaign_raised"), {"weight": "event.user_id"}),
    "another key": (("follows", "user_followers_count"), {"foreign_key": "follower_id"}),
}
# What becomes of the counters that are right: so many of a hundred rows, each by an amount.
DRIFT = {
    "a tenth, too high": (10, "{column} + 2"),
    "a fifth, clamped at zero": (20, "GREATEST({column} - 4, 0)"),
    "two fifths, a bit too high": (40, "{column} + 1"),
    "two fifths, too low": (40, "{column} - 1"),
    "two fifths, never counted": (40, "0"),
}


def nothing(_: object) -> None:
    """Progress that nobody reads."""


def agree(app: App, counter: Counter) -> None:
    """Every counter right."""
    with looking(app, counter) as db:
        apply.apply(db, batch_size=500, on_step=nothing, on_progress=nothing, believed=Trust.EVENTS)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_declaration_changes_nothing(empty: App, case: str) -> None:
    of, given = WRONG[case]
    shape, right = BY_SLUG[of]
    shape.load(empty)
    before, rows = empty.dump(), empty.sql(f"SELECT * FROM {right.parent_sql} ORDER BY 1")
    with looking(empty, replace(right, **given)) as db:  # type: ignore[arg-type]
        with pytest.raises(Doubted):
            apply.plan(db)
        with pytest.raises(Doubted) as doubted:
            apply.apply(db, batch_size=7, on_step=nothing, on_progress=nothing)
        assert "counters that are not 0 equal" in doubted.value.message
        assert "declaration" in (doubted.value.hint or "")
        assert "events_complete" in {check.check_id for check in verify(db).checks if check.failed}
    assert (empty.dump(), empty.sql(f"SELECT * FROM {right.parent_sql} ORDER BY 1")) == (before, rows)


@pytest.mark.parametrize(
    "of", [("likes", "post_likes_count"), ("votes", "post_score"), ("comments", "comment_replies_count")]
)
def test_drift_is_no_question(empty: App, of: tuple[str, str]) -> None:
    shape, counter = BY_SLUG[of]
    shape.load(empty)
    agree(empty, counter)
    column = counter.sql("column")
    for case, (share, value) in DRIFT.items():
        key = f"abs(('x' || substr(md5({counter.sql('key')}::text || '{case}'), 1, 8))::bit(32)::int) % 100"
        empty.spoil(f"UPDATE {counter.parent_sql} SET {column} = {value.format(column=column)} WHERE {key} < {share}")
        with looking(empty, counter) as db:
            assert verify(db).doubt is None, case
            assert backfill(db).rows_changed
        assert not shape.wrong(empty)[counter.slug], case
