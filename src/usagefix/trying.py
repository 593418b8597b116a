"""Trying what records events, before apply changes anything and with the fix in place; every trial is undone.

A function that worked before must work afterwards, and count each use once. One that never worked, since it names
columns that are not there, is repaired, or written anew if it does nothing else, where a trial says that this works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from usagefix.catalog import Statement
from usagefix.counter import quoted
from usagefix.database import Database, Limits
from usagefix.errors import Busy, DatabaseRefused, Refused, TrialFailed
from usagefix.picture.code import routine
from usagefix.picture.objects import Function, Trigger
from usagefix.planning import trial
from usagefix.planning.plan import Plan
from usagefix.planning.scene import Scene
from usagefix.reading import Uneditable, with_body

NOT_ACCEPTABLE = TrialFailed
_NOTHING = "0 counted, 0 recorded"


@dataclass(frozen=True, slots=True)
class Tried:
    """A function that records uses, and what came of one use before anything was changed; None where it cannot be
    tried.

    ``how``: edited, repaired, rewritten or kept; ``loose``: its body while the daily limit stays, ``final``: in the
    end; ``unknown``: columns that it names and the events lack.
    """

    function: Function
    said: str | None
    how: str
    loose: str
    final: str
    unknown: tuple[str, ...] = ()


def before(db: Database, scene: Scene, limits: Limits | None) -> tuple[Tried, ...]:
    """Try each function that records uses as it is, and choose what becomes of it."""
    return tuple(_chosen(db, scene, function, limits) for function in scene.code.recorders)


def untried(scene: Scene) -> Mapping[int, tuple[str, str]]:
    """The functions that name columns which the events lack, repaired, for a plan that is only written down: what such
    an INSERT should have done it has never done, so nothing needs to be tried. As in :class:`Choices`, by oid."""
    found: dict[int, tuple[str, str]] = {}
    for function in scene.code.recorders:
        with suppress(Uneditable):
            if scene.code.reader.unknown_columns(routine(function)):
                body = scene.code.reader.repaired(routine(function), limit_stays=False)
                found |= {} if body is None else {function.oid: (body, "repaired")}
    return found


def again(tried: Tried, scene: Scene) -> Tried:
    """The same function as it is by now; a later look has another text of it."""
    now = next((f for f in scene.code.recorders if f.signature == tried.function.signature), tried.function)
    return replace(tried, function=now)


def _chosen(db: Database, scene: Scene, function: Function, limits: Limits | None) -> Tried:
    reader, of = scene.code.reader, routine(function)
    said = _said(db, scene, function, None, limits)
    unknown = reader.unknown_columns(of)
    never_worked = unknown and said is not None and (said.startswith("fails: 42703") or said.endswith(", 0 recorded"))
    if not never_worked:
        return Tried(function, said, "edited", "", "", unknown)
    for how, make in (("repaired", reader.repaired), ("rewritten", reader.fresh)):
        try:
            loose, final = make(of, limit_stays=scene.code.limit is not None), make(of, limit_stays=False)
        except Uneditable:
            continue
        if loose is None or final is None:
            continue
        works = _said(db, scene, function, final, limits) or ""
        if works.endswith(" 1 recorded") or (scene.code.limit is not None and works.startswith("fails: 23505")):
            return Tried(function, said, how, loose, final, unknown)
    return Tried(function, said, "kept", function.body, function.body, unknown)


def _said(db: Database, scene: Scene, function: Function, body: str | None, limits: Limits | None) -> str | None:
    """What came of one use through a function, with another body where one is given. All of it is undone."""
    making = trial.of_recorder(scene, function, 1)
    if making is None:
        return None

    def attempt() -> str | None:
        with db.transaction(limits, rollback=True):
            if body is not None:
                try:
                    db.run(with_body(routine(function), body))
                except DatabaseRefused as refused:
                    if isinstance(refused, Busy):
                        raise
                    return f"fails: {refused.message}"  # not even a function
            db.run(making)
            (said,) = db.values(f"SELECT {trial.FUNCTION}")
            return None if said is None else str(said)

    return db.retrying(attempt, limits)


def statements(scene: Scene, tried: tuple[Tried, ...], *, limit_stays: bool) -> Iterator[Statement]:
    """The trials with the fix in place, for the same transaction."""
    uses = 1 if limit_stays else 2
    for one in tried:
        making = trial.of_recorder(scene, one.function, uses)
        if making is not None:
            title = f"Try {scene.counter.recorder}() before this is committed; what it does is undone"
            yield Statement(title, making.rstrip())
            yield trial.checked("", _acceptable(one, uses, limit_stays=limit_stays))
    yield Statement("Try a plain INSERT; it is undone", trial.of_insert(scene).rstrip())
    yield trial.checked("", ("1 counted%", "0 counted%", "fails: %"))


def _acceptable(tried: Tried, uses: int, *, limit_stays: bool) -> list[str]:
    """Patterns of what a trial with the fix may say."""
    found = [f"{uses} counted, {uses} recorded"]
    if tried.how == "kept":
        return ["%"]
    if tried.how != "edited":
        return [*found, "fails: 23505%"] if limit_stays else found
    if limit_stays or tried.said is None or tried.said.endswith(", 0 recorded"):
        found.append(_NOTHING)
    if tried.said is None or tried.said.startswith("fails: "):
        found.append("fails: %")
    return found


def remarks(db: Database, plan: Plan, tried: tuple[Tried, ...]) -> Iterator[str]:
    """What the trials have to say; ``db.said`` has what each said, in order."""
    if not db.said:
        return
    for one, said in zip(tried, db.said, strict=False):
        name, lacking = one.function.signature, ", ".join(one.unknown)
        if one.how == "repaired":
            yield (
                f"{name} never worked here, for it names columns that the events lack ({lacking}): they are taken out"
                " of it"
            )
        elif one.how == "rewritten":
            yield (
                f"{name} never worked here, for it names columns that the events lack ({lacking}): it is written anew,"
                " with the same signature"
            )
        elif one.how == "kept":
            yield (
                f"{name} does not work, and usagefix cannot write one that does: it is left as it was"
                f" (it names columns that the events lack: {lacking})"
            )
        elif said.startswith("fails: "):
            yield f"{name} could not be tried: before the fix and with it, it {said}"
        elif said == _NOTHING and not plan_keeps_limit(plan):
            yield f"{name} records nothing when it is tried, neither before the fix nor with it"


def plan_keeps_limit(plan: Plan) -> bool:
    """Whether the version is not recorded yet, because the daily limit is still there."""
    return not any(s.text.startswith("INSERT INTO usagefix.history") for s in plan.statements)


def refused(db: Database, scene: Scene, error: TrialFailed) -> Refused:
    """Why apply stops: the trial's own word, and what counts beside the fix."""
    culprits = tuple(_culprits(db, scene))
    suspects = ", ".join(str(trigger) for trigger in culprits)
    hint = f"take out of {scene.counter.recorder}() what changes the counter (the trigger counts), then run this again"
    if culprits:
        first = culprits[0]
        hint = (
            "take out of its function what changes the counter, or, where it does nothing else,"
            f" ALTER TABLE {first.on_table} DISABLE TRIGGER {quoted(first.name)}, then run this again"
        )
    return Refused(
        f"tried with the fix, {scene.counter.recorder}() or a plain INSERT does not count right: {error.message}"
        + (f"; counted by trigger {suspects}, too" if suspects else ""),
        hint=hint,
    )


def _culprits(db: Database, scene: Scene) -> Iterator[Trigger]:
    """The triggers that count by themselves: with them alone, an event moves the counter. Undone, each."""
    for suspect in scene.triggers_on("preset_usage", "partition"):
        if "INSERT" not in suspect.events or not suspect.fires or suspect.name in scene.counter.triggers:
            continue
        try:
            with db.transaction(rollback=True):
                db.run(f"ALTER TABLE {suspect.on_table} DISABLE TRIGGER USER")
                db.run(f"ALTER TABLE {suspect.on_table} ENABLE TRIGGER {quoted(suspect.name)}")
                db.run(trial.of_insert(scene))
                (said,) = db.values(f"SELECT {trial.FUNCTION}")
        except (Busy, DatabaseRefused):
            continue
        if said is not None and not str(said).startswith(("0 counted", "fails: ")):
            yield suspect
