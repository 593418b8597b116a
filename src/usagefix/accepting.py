"""Tries uses with the fix in place, before the commit: what worked before has to work, and to count once."""

from __future__ import annotations

from collections.abc import Sequence

from usagefix.models.trial import LIMITED, Outcome
from usagefix.planning import ways
from usagefix.planning.scene import Scene
from usagefix.planning.ways import Try
from usagefix.trying import Made, Trials, made


def with_fix(scene: Scene, trials: Trials, *, limit_stays: bool) -> Made:
    """The trials with the fix in place, to run in the same transaction."""
    calls = [way for way in (ways.of_recorder(scene, t.function) for t in trials.functions) if way]
    uses = 1 if limit_stays or scene.counter.daily is None else 2
    tries = [Try(way, case, uses) for case in trials.cases for way in calls]
    tries += [Try(way, case) for case in trials.cases for way in trials.ways]
    tries += [Try(way, case) for case in trials.cases[:1] for way in trials.whole]
    called = f"{scene.counter.recorder}(), " if calls else ""
    return made(scene, tries, f"Before the commit, try {called}a plain INSERT and a DELETE, and undo them")


class NotAcceptable(Exception):
    """A use that worked before fails with the fix, or does not count right."""

    def __init__(self, what: Try, before: Outcome, said: Outcome) -> None:
        super().__init__(str(said))
        self.what, self.before, self.said = what, before, said


def require(
    trials: Trials, tried: Made, said: Sequence[str], *, limit_stays: bool, events: str = ""
) -> tuple[Outcome, ...]:
    """What came of the trials with the fix; ``events``: their table, where it is not that of the counter, too. Raises
    NotAcceptable, Busy."""
    found = tried.outcomes(said)
    for what, outcome in zip(tried.tries, found, strict=True):
        if events and outcome.table == events and outcome.state == LIMITED and not trials.limited:
            continue  # we write no event: somebody has written the same one meanwhile
        then, how = trials.before(what.way, what.case), trials.how(what.way)
        if not acceptable(what, then, outcome, how, limit_stays=limit_stays, limited=trials.limited):
            raise NotAcceptable(what, then, outcome)
    return found


def acceptable(what: Try, before: Outcome, now: Outcome, how: str, *, limit_stays: bool, limited: bool = True) -> bool:
    """Whether a use may end so with the fix. The daily limit, if there is one (``limited``), may refuse a use until
    apply drops it. Any other unique key refuses for good."""
    if how == "kept" or not now.tried:
        return True
    if now.fails:
        if limit_stays and now.state == LIMITED and (how != "edited" or before.state == LIMITED):
            return True
        # The daily limit may refuse this use because other uses were recorded.
        return before.fails and not (limited and before.state == LIMITED)
    if not now.agrees:
        return False
    must = (before.records or how != "edited") and what.way.records and not limit_stays
    return now.records or not must
