"""What trials tell a person: why apply stops and what is the cause, or what could not be tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from usagefix.accepting import NotAcceptable, acceptable, require, with_fix
from usagefix.catalog import MigrationKind, Statement
from usagefix.database import Database
from usagefix.errors import Busy, DatabaseRefused, Refused
from usagefix.models.nouns import Nouns
from usagefix.models.trial import LIMITED, Outcome
from usagefix.nouns import nouns
from usagefix.picture.objects import Trigger
from usagefix.planning.plan import Plan
from usagefix.planning.scene import Scene
from usagefix.planning.ways import Try
from usagefix.quoting import quoted
from usagefix.trying import Made, Trials, Tried, made

_RAISED = re.compile(r"PL/pgSQL function (\S+?)(?:\([^)]*\))? line (\d+)")
_SAME_ROW = "27000"  # triggered_data_change_violation: a BEFORE trigger changed the row that is being changed


@dataclass(frozen=True, slots=True)
class Tested:
    """A plan with trials of what it makes; none if it makes nothing that counts."""

    plan: Plan
    trials: Trials
    made: Made | None

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Those of the plan, and of the trials before the version is recorded."""
        if self.made is None:
            return self.plan.statements
        recording = self.plan.recording
        return (*(s for s in self.plan.statements if s not in recording), *self.made.statements, *recording)

    def remarks(self, db: Database) -> list[str]:
        """What the trials have to say, now that they are made. Raises NotAcceptable, Busy."""
        if self.made is None:
            return []
        events = db.counter.child if db.counter.child != db.counter.parent else ""
        found = require(self.trials, self.made, db.said, limit_stays=not self.plan.recording, events=events)
        return list(remarks(self.trials, self.made, found, db.nouns))


def tested(scene: Scene, plan: Plan, trials: Trials) -> Tested:
    """A plan with its trials."""
    counts = plan.migration.kind is MigrationKind.COUNTING
    return Tested(plan, trials, with_fix(scene, trials, limit_stays=not plan.recording) if counts else None)


def remarks(trials: Trials, made: Made, found: Sequence[Outcome], words: Nouns) -> Iterator[str]:
    """What is to be known of a plan that goes on."""
    if not trials.cases:
        yield f"{words.untried}: run usagefix smoke when there is"
    untried = [*trials.held, *(each.case for each, said in zip(made.tries, found, strict=True) if not said.tried)]
    for told in dict.fromkeys(str(replace(case, kind=None)) for case in untried):
        yield f"{told} could not be tried: another session holds the {words.row}; later, usagefix smoke tries it"
    for one in trials.functions:
        yield from _of_function(
            one, called=any(t.way.name == one.function.signature for t in made.tries), trials=trials
        )
    edited = [(t, said) for t, said in zip(made.tries, found, strict=True) if trials.how(t.way) == "edited"]
    for name, tries in groupby(sorted(edited, key=lambda each: each[0].way.name), key=lambda each: each[0].way.name):
        yield from _of_way(
            words, name, [(t, said) for t, said in tries if not (trials.limited and said.state == LIMITED)]
        )


def _of_function(one: Tried, *, called: bool, trials: Trials) -> Iterator[str]:
    name, lacking = one.function.signature, ", ".join(one.unknown)
    never = f"{name} never worked here, because it names columns that the events lack ({lacking})"
    if one.how == "repaired":
        yield f"{never}: apply removes them from it"
    elif one.how == "rewritten":
        yield f"{never}: apply writes a new one with the same signature"
    elif one.how == "kept":
        yield (
            f"{name} does not work, and usagefix cannot write one that does: apply leaves it as it is (it"
            f" names columns that the events lack: {lacking})"
        )
    elif trials.cases and not called:
        yield f"{name} could not be tried: usagefix does not know what to pass as {one.untold or 'its arguments'}"


def _of_way(words: Nouns, name: str, tries: list[tuple[Try, Outcome]]) -> Iterator[str]:
    failing = [(t, said) for t, said in tries if said.fails]
    for complaint in dict.fromkeys(said.complaint for _, said in failing):
        cases = "; ".join(str(t.case) for t, said in failing if said.complaint == complaint)
        of = "" if len(failing) == len(tries) else f" for {cases}"
        yield f"{name} could not be tried{of}: before the fix and with it, it fails: {complaint}"
    counted = [(t, said) for t, said in tries if said.tried and not said.fails and t.way.records]
    if counted and not any(said.records for _, said in counted):
        yield f"{name} recorded nothing when apply tried it, before the fix and with it"
    for t, said in counted:
        if said.records and (said.inserted or 0) < t.uses:
            yield f"{name} records {said.inserted} of {t.uses} {words.events} by one person on one day ({t.case})"
            return


def refused(db: Database, scene: Scene, plan: Plan, error: NotAcceptable) -> Refused:
    """Why apply stops: what it tried, all that the server said, the cause, and what to change."""
    what, said = error.what, error.said
    if said.fails:
        told = f"tried with the fix, {what.way.name} {said}. Before the fix it worked ({what.case})"
    else:
        told = f"tried with the fix, {what.way.name} does not count right: {said} ({what.case})"
    triggers = _to_blame(db, scene, plan, error)
    if not triggers and said.state == _SAME_ROW:
        triggers = [t for t in _suspects(scene) if t.timing == "BEFORE" and t.is_on("presets")]
    where = next(_RAISED.finditer(_without_ours(scene, said.context)), None)
    if triggers:
        told += f"; the cause: trigger {', '.join(map(str, triggers))}"
    elif said.constraint and said.table:
        told += f"; the cause: constraint {said.constraint} of table {said.table}"
    elif where:
        told += f"; the error comes from {where[1]}(), line {where[2]}"
    return Refused(told, hint=_hint(scene, said, triggers))


def _hint(scene: Scene, said: Outcome, triggers: Sequence[Trigger]) -> str:
    counter = f"{scene.counter.parent}.{scene.counter.column}"
    words = nouns(scene.counter)
    row = words.row
    on_presets = [t for t in triggers if t.is_on("presets")]
    if said.state == _SAME_ROW:
        return (
            f"an event changes {counter}, so a trigger that writes events before a {row} is changed changes the {row}"
            " as well: make it an AFTER trigger, then run this again"
        )
    if on_presets:
        function = scene.code.function(on_presets[0].function)
        named = function.signature if function else on_presets[0].name
        return (
            f"each {words.event} updates {counter} as the tables' owner, whoever {words.does}: let {named} pass an"
            f" UPDATE that changes nothing but that, or give trigger {on_presets[0].name} the columns it is for"
            " (UPDATE OF …), then run this again"
        )
    if triggers:
        first = triggers[0]
        return (
            "the trigger of the fix counts: remove what changes the counter from the function or, if it does"
            f" nothing else, ALTER TABLE {first.on_table} DISABLE TRIGGER {quoted(first.name)}, then run this"
            " again"
        )
    if said.constraint:
        return f"each {words.event} updates {counter}: let that constraint allow the new value, then run this again"
    return (
        f"does it, or a function that it calls, also change {counter}, or refuse the change? Change that, then"
        " run this again"
    )


def _without_ours(scene: Scene, context: str) -> str:
    """The lines of a context that are not about the trial itself or functions of usagefix."""
    ours = ("usagefix_trial", "inline_code_block", *scene.counter.functions)
    return "\n".join(line for line in context.splitlines() if not any(name in line for name in ours))


def _suspects(scene: Scene) -> list[Trigger]:
    everywhere = scene.triggers_on("presets", "preset_usage", "partition")
    return [trigger for trigger in everywhere if trigger.fires and trigger.name not in scene.counter.triggers]


def _to_blame(db: Database, scene: Scene, plan: Plan, error: NotAcceptable) -> list[Trigger]:
    """The triggers without one of which it works: the plan is run once more, and undone."""
    found: list[Trigger] = []
    limit_stays = not plan.recording
    trials = made(scene, [error.what], "")
    script = "\n".join(statement.text for statement in trials.statements)
    with suppress(Busy, DatabaseRefused), db.transaction(rollback=True):
        db.end_autovacuum([db.counter.child_sql])
        db.run(plan.script)
        for trigger in _suspects(scene):
            db.said.clear()
            db.run(
                f"SAVEPOINT usagefix_blame; ALTER TABLE {trigger.on_table} DISABLE TRIGGER {quoted(trigger.name)};\n"
                f"{script}\nROLLBACK TO SAVEPOINT usagefix_blame"
            )
            (said,) = trials.outcomes(db.said)
            if said.tried and acceptable(error.what, error.before, said, "edited", limit_stays=limit_stays):
                found.append(trigger)
    return found
