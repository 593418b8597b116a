"""Further uses of a smoke test: of presets that are somebody else's, one's own or nobody's, and of each kind.

Each is made in a savepoint that is undone at once, with what is deferred to the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby

from usagefix.database import Database
from usagefix.errors import DatabaseRefused
from usagefix.models.figures import grouped
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Status
from usagefix.picture.cases import OTHERS, Case, cases, kinds
from usagefix.smoke.stage import Preset, Stage, User
from usagefix.smoke.tracker import recorder

_INTEGRITY = (
    "23"  # the class of SQLSTATEs that no made-up pair of preset and user excuses: what follows a use broke a rule
)
_HINT = "check what else a use of that preset, or of that kind, does: its triggers, and constraints on what they write"

Look = Callable[[str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Further:
    """What is tried beside the preset and the kind of the test."""

    cases: tuple[Case, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Came:
    """What came of a use. ``good``: None if that tells nothing."""

    case: Case
    good: bool | None
    told: str


def further(db: Database, *, preset: str | None, usage_type: str | None) -> Further:
    """What there is to try beside; a preset or a kind that was asked for is the only one."""
    return Further(cases(db) if preset is None else (), kinds(db) if usage_type is None else ())


def steps(db: Database, stage: Stage, look: Look, what: Further | None) -> Iterable[SmokeStep]:
    """The steps; skipped where ``what`` is None, since the first use failed. ``look``: counter and events of a
    preset."""
    nothing = "the use of the first preset failed already" if what is None else ""
    what, before = what or Further((), ()), cache(look)  # each use is undone, so before the next one all is as it was
    came: list[_Came] = []
    for _, candidates in groupby(what.cases, key=lambda case: case.whose):
        tried: list[_Came] = []
        for case in candidates:
            tried.append(_use(db, stage, case, before, look))
            if tried[-1].good:
                break
        came.append(max(tried, key=_weight))
    yield _step("presets", "Own, others', nobody's presets count", came, nothing or "there is no other preset")
    others = next((each.case for each in came if each.good and each.case.whose == OTHERS), None)
    base = others or Case(stage.preset.id, stage.user.key, stage.user.claim or "", stage.kind, "the preset")
    found = [_use(db, stage, case, before, look) for case in base.of_kinds(what.kinds)]
    found = [each for each in found if not _is_no_kind(db, each)]
    yield _step("kinds", "Each other kind of use counts", found, nothing or f"{db.counter.child} lists no other kind")


def _weight(came: _Came) -> int:
    return {True: 2, False: 1, None: 0}[came.good]


def _step(step_id: str, title: str, came: Sequence[_Came], nothing: str) -> SmokeStep:
    bad = [each for each in came if each.good is False]
    good = [each for each in came if each.good]
    told = "; ".join(dict.fromkeys(f"{_which(step_id, each.case)}: {each.told}" for each in bad or came)) or nothing
    if good and not bad:
        told = ", ".join(_which(step_id, each.case) for each in good)
    status = Status.FAILED if bad else Status.OK if good else Status.SKIPPED
    return SmokeStep(step_id, title, status, told, _HINT if bad else "")


def _which(step_id: str, case: Case) -> str:
    return str(case.kind) if step_id == "kinds" else case.whose


def _use(db: Database, stage: Stage, case: Case, before: Look, look: Look) -> _Came:
    db.run("SAVEPOINT usagefix_further")
    try:
        came = _recorded(db, _as(stage, case), case, before, look)
    except DatabaseRefused as refused:
        state = refused.sqlstate or ""
        excused = not case.proven and not state.startswith(_INTEGRITY) and case.kind == stage.kind
        came = _Came(case, None if excused else False, refused.message)
    db.run("ROLLBACK TO SAVEPOINT usagefix_further")
    return came


def _as(stage: Stage, case: Case) -> Stage:
    return replace(
        stage, preset=Preset(case.preset, ""), user=User(case.user, case.claim), kind=case.kind or stage.kind
    )


def _recorded(db: Database, stage: Stage, case: Case, before: Look, look: Look) -> _Came:
    if not db.values(f"{db.query('smoke_hold')} SKIP LOCKED", {"preset": case.preset}):
        return _Came(case, None, "another session has locked it")
    used = recorder(db, stage)
    shown, events = before(case.preset)
    used.record(db, stage)
    db.act("SET CONSTRAINTS ALL IMMEDIATE", role=used.owner, returns=False)
    shown_now, events_now = look(case.preset)
    told = f"counter {grouped(shown)} → {grouped(shown_now)}, events {grouped(events)} → {grouped(events_now)}"
    if shown_now - shown != events_now - events:
        return _Came(case, False, told)
    return _Came(case, True if events_now > events else None, told)


def _is_no_kind(db: Database, came: _Came) -> bool:
    """Whether it is the events that take no such kind: a constraint was read for more than it says."""
    return came.good is False and f'"{db.counter.child}"' in came.told and "check" in came.told
