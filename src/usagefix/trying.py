"""Tries uses before apply changes anything, and with the fix in place; every trial is undone.

What worked before must work afterwards, and count each use once: through each function that records uses, by a plain
INSERT and by a DELETE; of one's own preset, of somebody else's, of nobody's; of each kind. If a function never worked,
because it names columns that do not exist, apply repairs it, or writes a new one if it only records, provided that a
trial says that this works.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from usagefix.catalog import Statement
from usagefix.database import Database, Limits
from usagefix.errors import Busy, DatabaseRefused
from usagefix.models.trial import LIMITED, Outcome
from usagefix.picture import differing, examples
from usagefix.picture.cases import Case, cases, kinds
from usagefix.picture.code import routine
from usagefix.picture.objects import Function
from usagefix.planning import trial, ways
from usagefix.planning.scene import Scene
from usagefix.planning.ways import Fillers, Try, Way
from usagefix.quoting import quoted
from usagefix.reading import Uneditable, with_body

_UNKNOWN_COLUMN = "42703"
_NO_LABEL, _NO_KIND = "22P02", ("23514", "23503")  # of its type; by a check or foreign key of the events
_NOTHING = Outcome()


@dataclass(frozen=True, slots=True)
class Tried:
    """A function that records uses, and what becomes of it. ``how``: edited, repaired, rewritten or kept; ``loose``:
    its body while the daily limit stays, ``final``: in the end; ``unknown``: columns that it names and the events
    lack; ``untold``: the arguments for which it cannot be called."""

    function: Function
    how: str
    loose: str
    final: str
    unknown: tuple[str, ...] = ()
    untold: str = ""


@dataclass(frozen=True, slots=True)
class Trials:
    """What was tried before anything is changed. ``said``: what came of each, by way and case; ``ways``: without those
    of ``functions``; ``whole``: those that are tried with the first case only; ``limited``: a daily limit may turn uses
    away, which goes; ``held``: cases that could not be tried, because other sessions had locked their rows."""

    functions: tuple[Tried, ...] = ()
    cases: tuple[Case, ...] = ()
    ways: tuple[Way, ...] = ()
    whole: tuple[Way, ...] = ()
    said: Mapping[tuple[str, Case], Outcome] = field(default_factory=dict)
    limited: bool = True
    held: tuple[Case, ...] = ()

    def before(self, way: Way, case: Case) -> Outcome:
        return self.said.get((way.name, case), _NOTHING)

    def how(self, way: Way) -> str:
        """What became of the function that is called; edited where it is a plain statement."""
        return next((tried.how for tried in self.functions if tried.function.signature == way.name), "edited")


@dataclass(frozen=True, slots=True)
class Made:
    """Trials for a script: its statements, and how what they say is read."""

    tries: tuple[Try, ...]
    statements: tuple[Statement, ...]
    token: str

    def outcomes(self, said: Sequence[str]) -> tuple[Outcome, ...]:
        """What came of each. Raises Busy if no preset was free until all ways to use it had been tried."""
        found = self.heard(said)
        _require_one(dict(zip(self.tries, found, strict=True)))
        return found

    def heard(self, said: Sequence[str]) -> tuple[Outcome, ...]:
        """What came of each; nothing of one whose preset was held."""
        found = [_NOTHING] * len(self.tries)
        for text in said:
            with suppress(ValueError, TypeError, KeyError):
                heard = json.loads(text, parse_float=Decimal)
                if heard["token"] == self.token:
                    found[heard["n"]] = Outcome(**heard["said"])
        return tuple(found)


def _require_one(came: Mapping[Try, Outcome]) -> None:
    """Raises Busy if there is no case of which all was tried."""
    untried = {each.case for each, outcome in came.items() if not outcome.tried}
    if came and not {each.case for each in came} - untried:
        raise Busy("every preset that could be tried is held", hint="run this again", sqlstate="55P03")


def made(scene: Scene, tries: Sequence[Try], title: str) -> Made:
    """Trials as statements."""
    token = secrets.token_hex(8)
    return Made(tuple(tries), trial.statements(scene, tries, title, token) if tries else (), token)


def before(db: Database, scene: Scene, limits: Limits | None) -> Trials:
    """Try uses as things are without the triggers of usagefix, and choose what becomes of each function."""
    with db.snapshot():
        candidates = cases(db) if scene.counter.usual else examples.examples(db)
        fillers = _fillers(db, scene)
    calls = [way for way in (ways.of_recorder(scene, f) for f in scene.code.recorders) if way]
    plain = (ways.insert(scene, fillers), ways.delete(scene, fillers))
    said = _run(db, scene, [Try(way, case) for case in candidates for way in (*calls, *plain)], limits)
    chosen = _best(candidates, [*calls, plain[0]], said)
    held = {case.whose: case for case in candidates if case.whose not in {one.whose for one in chosen}}
    others = chosen[0].of_kinds(kinds(db)) if chosen and scene.counter.usual else ()
    said |= _run(db, scene, [Try(way, case) for case in others for way in (*calls, *plain)], limits)
    chosen += [case for case in others if not _is_no_kind(scene, said[plain[0].name, case])]
    whole = tuple(_whole(scene, fillers))
    said |= _run(db, scene, [Try(way, case) for case in chosen[:1] for way in whole], limits)
    limited = scene.counter.daily is not None
    found = Trials((), tuple(chosen), plain, whole, said, limited=limited, held=tuple(held.values()))
    return replace(
        found, functions=tuple(_chosen(db, scene, function, found, limits) for function in scene.code.recorders)
    )


def _run(
    db: Database, scene: Scene, tries: Sequence[Try], limits: Limits | None, first: str = ""
) -> dict[tuple[str, Case], Outcome]:
    """What comes of uses without the triggers of usagefix; ``first``: a statement before them. All of it is undone.
    Raises Busy if no preset becomes free."""
    came = dict.fromkeys(tries, _NOTHING)

    def attempt() -> None:
        left = made(scene, [each for each, outcome in came.items() if not outcome.tried], "")
        script = "\n".join([*_idle(scene), first, *(statement.text for statement in left.statements)])
        with db.transaction(limits, rollback=True):
            db.run(script)
            came.update(zip(left.tries, left.heard(db.said), strict=True))
        _require_one(came)

    if tries:
        db.retrying(attempt, limits)
    return {(each.way.name, each.case): outcome for each, outcome in came.items()}


def _idle(scene: Scene) -> Iterator[str]:
    """Statements that let the triggers of usagefix count nothing, in this transaction only; no table is locked."""
    for role in scene.counter.roles_of_functions:
        function = scene.named(scene.counter.objects[role])
        if role != "guard" and function is not None and scene.code.is_released(function):
            yield (
                f"CREATE OR REPLACE FUNCTION {scene.counter.schema_sql}.{scene.counter.sql(role)}()"
                " RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            )


def _best(candidates: Sequence[Case], ways: Sequence[Way], said: Mapping[tuple[str, Case], Outcome]) -> list[Case]:
    """Of each way a preset may be somebody's, the one with which most works."""
    best: dict[str, Case] = {}

    def works(case: Case) -> int:
        return sum(said[way.name, case].records for way in ways)

    for case in candidates:
        tried = all(said[way.name, case].tried for way in ways)
        if tried and (case.whose not in best or works(case) > works(best[case.whose])):
            best[case.whose] = case
    return list(best.values())


def _is_no_kind(scene: Scene, said: Outcome) -> bool:
    """Whether the events take no such kind: a constraint was read for more than it says."""
    return said.state == _NO_LABEL or (said.state in _NO_KIND and said.table == scene.counter.child)


def _fillers(db: Database, scene: Scene) -> Fillers:
    """Values in SQL for an event's columns that are not merely copied from another event."""
    usual = scene.counter.usual
    found: dict[str, str] = {}
    for column in differing.needing(db).values():
        expression = column.made_up
        if column.refers is not None and column.refers_key is not None:
            expression = f"(SELECT {column.refers_key} FROM {column.refers} LIMIT 1)"  # noqa: S608 - of the catalog
        if not column.alone or not usual:
            expression = f"COALESCE(example.{quoted(column.name)}, {expression})"
        found[column.name] = expression if column.required else ""
    if usual:
        return Fillers(found)
    different = differing.different(db)
    names = tuple(differing.written(scene.counter, scene.code.events.columns, different))
    return Fillers({name: value for name, value in found.items() if value}, different.names, names)


def _whole(scene: Scene, fillers: Fillers) -> Iterator[Way]:
    """What is done to a preset, where a trigger of the application runs before it, which may write events."""
    ours = scene.counter.triggers
    on = [
        t
        for t in scene.triggers_on("presets")
        if t.fires and t.for_each_row and t.timing == "BEFORE" and t.name not in ours
    ]
    columns = [name for name, facts in scene.code.parent.columns.items() if not facts["filled"]]
    kept = [name for name in columns if name not in (scene.counter.key, scene.counter.column, scene.counter.last)]
    if kept and any("UPDATE" in trigger.events for trigger in on):
        yield ways.change(scene, kept)
    if any("DELETE" in trigger.events for trigger in on):
        yield ways.removal(scene, fillers)


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


def again(trials: Trials, scene: Scene) -> Trials:
    """The same trials of functions as these are by now; a later look has another text of them."""
    now = {function.signature: function for function in scene.code.recorders}
    functions = (replace(t, function=now.get(t.function.signature, t.function)) for t in trials.functions)
    return replace(trials, functions=tuple(functions))


def _chosen(db: Database, scene: Scene, function: Function, trials: Trials, limits: Limits | None) -> Tried:
    reader, of, limited = scene.code.reader, routine(function), scene.code.limit is not None
    unknown, way = reader.unknown_columns(of), ways.of_recorder(scene, function)
    said = trials.before(way, trials.cases[0]) if way and trials.cases else _NOTHING
    if way is None or not unknown or not (said.state == _UNKNOWN_COLUMN or said.recorded == 0):
        return Tried(function, "edited", "", "", unknown, "" if way else ways.untold(scene, function))
    for how, make in (("repaired", reader.repaired), ("rewritten", reader.fresh)):
        try:
            loose, final = make(of, limit_stays=limited), make(of, limit_stays=False)
        except Uneditable:
            continue
        if loose is None or final is None:
            continue
        with suppress(DatabaseRefused, Uneditable):  # not even a function
            (works,) = _run(db, scene, [Try(way, trials.cases[0])], limits, with_body(of, final) + ";").values()
            if works.records or (limited and works.state == LIMITED):
                return Tried(function, how, loose, final, unknown)
    return Tried(function, "kept", function.body, function.body, unknown)
