"""Answers every question about what the code of one database does."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from usagefix.reading import counting, editing, inserts, recorder, taking
from usagefix.reading.counting import Known
from usagefix.reading.recorder import RecorderState
from usagefix.reading.routine import Events, Routine
from usagefix.reading.subject import USUAL, Subject
from usagefix.reading.taking import Edited, OnlyCounts, Refused


@dataclass(frozen=True)
class Reader:
    """The functions of a database that have to do with the counter or the events (they name one, or call one that
    does), and what the events look like.

    What edits raises :class:`usagefix.reading.Uneditable` for what a person must edit.
    """

    functions: tuple[Routine, ...] = ()
    events: Events = field(default_factory=Events)
    subject: Subject = USUAL

    @cached_property
    def known(self) -> Known:
        """Which of the functions count."""
        return counting.known(self.functions, self.subject)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The names of the events' columns."""
        return frozenset(column.name for column in self.events.columns)

    @property
    def recorders(self) -> tuple[Routine, ...]:
        """The functions that record a use, by their name."""
        ours = (self.subject.schema, self.subject.recorder)
        return tuple(routine for routine in self.functions if (routine.schema, routine.name) == ours)

    def counts(self, routine: Routine) -> bool:
        """Whether a function counts: it sets the counter, or calls, at any depth, one that does."""
        return counting.counts(routine, self.subject, self.known)

    def of_trigger(self, routine: Routine) -> OnlyCounts | Edited | Refused:
        """What can be done about a trigger function that counts."""
        return taking.of_trigger(routine, self.subject, self.known)

    def recorder_state(self, routine: Routine) -> RecorderState:
        """What is wrong with a recorder."""
        return recorder.recorder_state(
            routine, self.columns, self.subject, self.events.limit_columns, functions=self.known
        )

    def unknown_columns(self, routine: Routine) -> tuple[str, ...]:
        """The columns that a function gives the events, and that they lack."""
        return inserts.unknown_columns(routine.body, self.columns, self.subject)

    def needing_limit(self) -> tuple[Routine, ...]:
        """The functions that would fail without the daily limit; a recorder as it will be."""
        return editing.needing_limit(self.functions, self.subject, self.events.limit_columns, self.known)

    def edited(self, routine: Routine, *, limit_stays: bool) -> str | None:
        """The body of a recorder that only inserts; None if there is no text to edit."""
        return editing.edited_body(
            routine,
            limit_stays=limit_stays,
            subject=self.subject,
            limit_columns=self.events.limit_columns,
            functions=self.known,
        )

    def repaired(self, routine: Routine, *, limit_stays: bool) -> str | None:
        """The edited body without the columns that the events lack; None if its insert is not a plain one."""
        return editing.repaired_body(
            routine,
            self.columns,
            limit_stays=limit_stays,
            subject=self.subject,
            limit_columns=self.events.limit_columns,
            functions=self.known,
        )

    def fresh(self, routine: Routine, *, limit_stays: bool) -> str | None:
        """A recorder's body written anew; None if that cannot be done, or would lose what else it does."""
        if not recorder.only_inserts(routine.body, self.subject):
            return None
        return recorder.fresh_body(routine, self.events, limit_stays=limit_stays, subject=self.subject)
