"""Every verb on counters of many shapes: there and back, and what each has to say on the way."""

from __future__ import annotations

import pytest
from declared import COUNTERS, looking
from shapes import SHAPES, Shape
from support import App

from usagefix import apply
from usagefix.backfill import backfill
from usagefix.counter import Counter
from usagefix.doctor import doctor
from usagefix.guard import guard
from usagefix.models.choices import DailyLimit, GuardMode
from usagefix.models.verification import Status
from usagefix.rollback import plan, rollback
from usagefix.smoke import smoke
from usagefix.status import status
from usagefix.verify import verify

EACH = [
    pytest.param(shape, counter, id=f"{shape}, {counter.slug}")
    for shape in SHAPES
    for counter in COUNTERS.get(shape.name, ())
]


TRIED = {"first_use", "second_use", "events_agree", "many_rows", "delete", "deferred", "kinds", "undone"}


def nothing(_: object) -> None:
    """Progress that nobody reads."""


@pytest.mark.parametrize(("shape", "counter"), EACH)
def test_there_and_back(empty: App, shape: Shape, counter: Counter) -> None:
    shape.load(empty)
    before = empty.dump()
    with looking(empty, counter) as db:
        found = verify(db)
        failed = {check.check_id for check in found.checks if check.failed}
        assert {"trigger_enabled", "counters_accurate"} <= failed
        assert not failed & {"daily_limit_gone", "tracker_inserts_only", "events_complete", "uses_accepted"}
        doctor(db)
        apply.plan(db)
        assert empty.dump() == before
        done = apply.apply(db, batch_size=7, on_step=nothing, on_progress=nothing)
        assert done.after is not None
        assert [check for check in done.after.checks if check.failed] == []
    assert not shape.wrong(empty)[counter.slug]
    with looking(empty, counter) as db:
        steps = smoke(db).steps
        assert [step for step in steps if step.status is Status.FAILED] == []
        tried = {step.step_id for step in steps if step.status is Status.OK}
        assert tried >= TRIED, steps
        assert guard(db, GuardMode.REJECT).mode is GuardMode.REJECT
        backfill(db)
        status(db)
        assert [check for check in verify(db).checks if check.failed] == []
        rollback(db, plan(db, to=None, limit=DailyLimit.RESTORE), on_step=nothing)
    assert empty.dump() == before
