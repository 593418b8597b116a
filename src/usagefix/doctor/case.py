"""What the rules ask of a database: who writes the counter, who calls whom, what counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from usagefix import catalog
from usagefix.advice import Outlook
from usagefix.counter import Counter
from usagefix.doctor.words import columns, is_script, where
from usagefix.models.figures import plural
from usagefix.models.notifying import Throttle
from usagefix.models.nouns import Nouns
from usagefix.nouns import nouns
from usagefix.picture.code import subject
from usagefix.picture.objects import Function, Index, Picture, Trigger
from usagefix.quoting import shown
from usagefix.reading import Found, Subject, Use, in_sql

if TYPE_CHECKING:
    from usagefix.reading import Place, Scan


@dataclass
class Case:
    """One database, and its application's source once that is read."""

    picture: Picture
    counter: Counter
    source: Scan | None = None
    folder: Path | None = None
    outlook: Outlook = field(default_factory=Outlook)
    throttles: tuple[Throttle, ...] = ()
    _released: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._released = catalog.released_bodies(self.counter)

    @property
    def subject(self) -> Subject:
        """What code is read for."""
        return subject(self.counter)

    @property
    def presets(self) -> str:
        return _named(self.counter.schema, self.counter.parent)

    @property
    def events(self) -> str:
        return _named(self.counter.child_schema or self.counter.schema, self.counter.child)

    @property
    def counted_column(self) -> str:
        return f"{self.presets}.{shown(self.counter.column)}"

    @property
    def foreign_key(self) -> str:
        return f"{self.events}.{columns(self.keys[1])}"

    @property
    def keys(self) -> tuple[list[str], list[str]]:
        """The columns by which a row is found, and those of an event that refer to it."""
        of_rows, of_events = zip(*self.counter.keys, strict=True)
        return [shown(name) for name in of_rows], [shown(name) for name in of_events]

    @cached_property
    def uses(self) -> dict[int, list[Found]]:
        """What each function does, by its oid."""
        names = {function.name for function in self.picture.functions if not function.is_trigger}
        return {
            function.oid: in_sql(function.body, functions=sorted(names - {function.name}), subject=self.subject)
            for function in self.picture.functions
        }

    def does(self, function: Function, use: Use) -> bool:
        return any(found.use is use for found in self.uses[function.oid])

    def calls(self, function: Function) -> set[str]:
        """The names of the functions that it calls."""
        return {found.name for found in self.uses[function.oid] if found.use is Use.CALLS}

    @cached_property
    def writers(self) -> tuple[Function, ...]:
        """The functions that write the counter themselves."""
        return tuple(
            function
            for function in self.picture.functions
            if self.does(function, Use.WRITES_COUNTER) and function.oid not in self._guards_of_others
        )

    @cached_property
    def _guards_of_others(self) -> set[int]:
        """The functions of usagefix's guards of other counters, whose columns may have the same name."""
        return {
            trigger.function
            for trigger in self.picture.triggers
            if trigger.name.startswith("zz_trigger_guard_")
            and not self.is_ours(trigger)
            and "pg_usagefix_" in (trigger.condition or "")
        }

    @cached_property
    def counting(self) -> tuple[Function, ...]:
        """The functions that write the counter, or call one that does."""
        return self._and_callers(self.writers)

    @cached_property
    def recorders(self) -> tuple[Function, ...]:
        """The functions that insert an event themselves."""
        return tuple(function for function in self.picture.functions if self.does(function, Use.INSERTS_EVENT))

    @cached_property
    def recording(self) -> tuple[Function, ...]:
        """The functions that insert an event, or call one that does."""
        return self._and_callers(self.recorders)

    def _and_callers(self, functions: Iterable[Function]) -> tuple[Function, ...]:
        reached = {function.oid: function for function in functions}
        while more := [
            function
            for function in self.picture.functions
            if function.oid not in reached and self.calls(function) & {callee.name for callee in reached.values()}
        ]:
            reached |= {function.oid: function for function in more}
        return tuple(reached.values())

    def way_to_counter(self, function: Function) -> list[Function]:
        """From a function that counts, by the fewest calls, to one that writes the counter."""
        ways, seen = [[function]], {function.oid}
        while not self.does(ways[0][-1], Use.WRITES_COUNTER):
            way = ways.pop(0)
            called = self.calls(way[-1])
            for callee in self.counting:
                if callee.name in called and callee.oid not in seen:
                    seen.add(callee.oid)
                    ways.append([*way, callee])
        return ways[0]

    @property
    def callable_names(self) -> set[str]:
        """The functions whose calls in the source matter."""
        known = (*self.counting, *self.recording)
        named = {self.counter.incrementer or "", self.counter.recorder or ""} - {""}
        return named | {function.name for function in known if not function.is_trigger}

    def named_as_ours(self, function: Function) -> str | None:
        """What a function that has a name of usagefix's own would be for: ``auto_increment`` …"""
        ours = {name: role for role, name in self.counter.objects.items()}
        same_place = function.schema == self.counter.schema and function.is_trigger
        return ours.get(function.name) if same_place else None

    @cached_property
    def applied(self) -> bool:
        """Whether the ledger says that usagefix made what counts."""
        return catalog.counting().version in self.picture.applied

    def replaced(self, function: Function) -> bool:
        """Whether it stands where one that counts was put by usagefix, and is another one."""
        ours = self.named_as_ours(function) in ("auto_increment", "auto_adjust")
        return self.applied and ours and not self.released(function)

    def released(self, function: Function) -> bool:
        """Whether it is one of usagefix's, as released."""
        return function.body in self._released

    @cached_property
    def _counting_oids(self) -> set[int]:
        return {function.oid for function in self.counting}

    def is_ours(self, trigger: Trigger) -> bool:
        """Whether a trigger has a name of usagefix's own."""
        return trigger.name in self.counter.triggers

    def triggers(self, *places: str) -> Iterator[Trigger]:
        """The triggers that somebody made in these places, or in any."""
        return (trigger for trigger in self.picture.triggers if not trigger.cloned and trigger.is_on(*places))

    @cached_property
    def counting_triggers(self) -> tuple[Trigger, ...]:
        """The triggers on the events that count, enabled or not."""
        return tuple(
            trigger for trigger in self.triggers("preset_usage", "partition") if trigger.function in self._counting_oids
        )

    def counters_of(self, event: str, *, enabled: bool = True) -> tuple[Trigger, ...]:
        """What counts INSERT, DELETE, UPDATE or TRUNCATE of the whole table; one of usagefix's stands for all."""
        found = [
            trigger
            for trigger in self.counting_triggers
            if event in trigger.events and (trigger.fires or not enabled)
            and (trigger.is_on("preset_usage") or (trigger.for_each_row and not self.is_ours(trigger)))
        ]  # fmt: skip
        ours = [trigger for trigger in found if self.is_ours(trigger)]
        return (*ours[:1], *(trigger for trigger in found if trigger not in ours))

    @property
    def counted(self) -> bool:
        """Whether a trigger counts new events."""
        return any(trigger.is_on("preset_usage") for trigger in self.counters_of("INSERT"))

    @property
    def meant_to_be_counted(self) -> bool:
        """The same, where the trigger may be disabled."""
        return any(trigger.is_on("preset_usage") for trigger in self.counters_of("INSERT", enabled=False))

    @property
    def competed_with(self) -> bool:
        """Whether a competing writer changes a counter that is counted: no guard is there to refuse it."""
        guard = self.counter.objects["zz_trigger_guard"]
        guards = (t for t in self.picture.triggers if t.is_on("presets") and t.name == guard)
        return self.counted and not any(trigger.fires for trigger in guards)

    @cached_property
    def nouns(self) -> Nouns:
        """The application's own words."""
        return nouns(self.counter)

    @property
    def who_counts(self) -> str:
        """Why nothing else need count, or will have to."""
        return "the trigger counts each event" if self.counted else "after usagefix apply a trigger counts each event"

    def remove(self, what: str, *, recorded: bool) -> str:
        """What to do about something that counts by itself. ``recorded``: it records an event, too; where it does not,
        to remove it would lose events."""
        if recorded:
            return f"{what}: {self.who_counts}"
        return f"record an event there, if none is recorded yet; then {what}: {self.who_counts}, and nothing else"

    def records_there(self, place: Place) -> bool:
        """Whether the file of a place of the source records events, too."""
        names = {function.name for function in self.recording} | {self.counter.recorder}
        return any(
            other.path == place.path
            and (other.found.use is Use.INSERTS_EVENT or (other.found.use is Use.CALLS and other.found.name in names))
            for other in (self.source.places if self.source else ())
        )

    @property
    def repair(self) -> str:
        """What makes the counter right."""
        if self.picture.drift and self.picture.drift.doubt:
            return "first decide which side is right: the counters, or the events"
        return "usagefix backfill" if self.counted else "usagefix apply"

    def callers(self, function: Function) -> list[str]:
        """What calls a function, in words."""
        found = [
            f"trigger {trigger}{'' if trigger.fires else ' (disabled)'}"
            for trigger in self.picture.triggers
            if trigger.function == function.oid and not trigger.cloned
        ]
        found += [
            f"function {caller.signature}"
            for caller in self.picture.functions
            if caller.oid != function.oid and function.name in self.calls(caller)
        ]
        found += [
            f"job {job.name} of pg_cron"
            for job in self.picture.jobs
            if any(use.use is Use.CALLS for use in in_sql(job.command, functions=[function.name], subject=self.subject))
        ]
        return found + [where(place) for place in self.places(Use.CALLS) if place.found.name == function.name]

    def places(self, use: Use) -> Iterator[Place]:
        """The places in the source that do this. SQL files are not among them: what they made is in the database."""
        return (place for place in self.all_places(use) if not is_script(place))

    def all_places(self, use: Use) -> Iterator[Place]:
        return (place for place in (self.source.places if self.source else ()) if place.found.use is use)

    @property
    def looked_at(self) -> str:
        """Where a caller was looked for."""
        source = f"{plural(self.source.files_read, 'file')} of the source" if self.source else ""
        jobs = "jobs of pg_cron" if self.picture.surroundings.sees_jobs else ""
        return ", ".join(part for part in ("triggers", "functions", jobs, source) if part) + (
            "" if source else "; not the source (--source DIR)"
        )

    @cached_property
    def daily_limits(self) -> tuple[Index, ...]:
        """A unique index on what a person does once is none, where the counter is not said to have one."""
        limited = self.counter.daily is not None
        return tuple(index for index in self.picture.indexes if limited and index.daily)


def _named(schema: str, table: str) -> str:
    return f"{shown(schema)}.{shown(table)}"
