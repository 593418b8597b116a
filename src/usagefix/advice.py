"""The only module that decides what to do next, so that no two commands contradict each other. Pure.

``apply``, ``backfill`` or a person repairs a failing check. Which of them depends on the other checks: a backfill is
exact only once new uses are counted, and apply works only if nothing stops it.
:func:`usagefix.planning.outlook.outlook` looks; every hint of every command comes from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from usagefix.models.advice import Step
from usagefix.models.choices import Trust
from usagefix.models.nouns import USUAL, Nouns
from usagefix.models.verification import ACCEPTED, COMPLETE, COUNTING_CHECKS, Check

APPLY, BACKFILL = "usagefix apply", "usagefix backfill"
WHICH_SIDE = Step(
    "find out why with usagefix doctor; then usagefix apply --trust events, or --trust counters",
    "the events do not look like the whole truth: you have to say which side is right",
)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the next step depends on, besides the failing checks.

    ``exact``: new uses are counted and the ledger exists, so a backfill can be exact; ``barred``: what prevents this
    role, or the server, from changing anything; ``refusal``: why apply would stop; ``by_hand``: by check, what apply
    leaves to a person; ``nouns``: the words for the counter.
    """

    exact: bool = False
    barred: Step | None = None
    refusal: Step | None = None
    by_hand: Mapping[str, Step] = field(default_factory=dict)
    nouns: Nouns = USUAL

    @property
    def apply(self) -> Step:
        """What to do so that apply works."""
        why = "it creates what is missing or not as released, and then counts"
        return self.barred or self.refusal or Step(APPLY, why)

    def step(self, check_id: str) -> Step:
        """What repairs one check."""
        if self.barred:
            return self.barred
        if check_id == COMPLETE:
            return WHICH_SIDE
        if check_id in self.by_hand:
            return self.by_hand[check_id]
        if check_id in COUNTING_CHECKS and self.exact:
            return Step(BACKFILL, f"new {self.nouns.events} are counted; only a backfill repairs the old counts")
        return self.apply


def next_step(outlook: Outlook, failing: Iterable[str]) -> Step | None:
    """The step that comes first, for these checks; None if none fails."""
    steps = {outlook.step(check_id): check_id for check_id in failing}
    return min(steps, key=lambda step: _rank(outlook, step, steps[step]), default=None)


def answered(step: Step | None, believed: Trust | None) -> Step | None:
    """The step where a person has said which side is true: apply need not ask that again."""
    if believed is None or step is None or not (step == WHICH_SIDE or step.do == APPLY):
        return step
    return replace(step, do=f"{APPLY} --trust {believed}")


def _rank(outlook: Outlook, step: Step, check_id: str) -> int:
    """What apply does comes before what a person repairs. A backfill comes last, because nothing after it undoes it."""
    if step in (outlook.barred, outlook.refusal) or check_id == ACCEPTED:
        return 0
    if step == WHICH_SIDE:
        return 1
    if step.do == BACKFILL:
        return 4
    return 3 if check_id in outlook.by_hand else 2


def advised(outlook: Outlook, check: Check) -> Check:
    """A check with the hint that repairs it in this database."""
    return replace(check, hint=str(outlook.step(check.check_id))) if check.failed else check


def remedy(outlook: Outlook, said: str, first: Step | None) -> str:
    """The remedy of a rule, if it names apply or backfill: adapted to this database, in which ``first`` is the first
    step."""
    if said.startswith(BACKFILL) and first is not None:
        return str(first)
    if said.startswith(APPLY) and (outlook.barred or outlook.refusal):
        return str(outlook.apply)
    return said


def after(hint: str) -> str:
    """What apply says where it stops, as a step of its own: whatever it is, apply is what follows."""
    do = hint.removesuffix(".").replace("run this again", APPLY)
    return do if APPLY in do else f"{do}, then {APPLY}"
