"""What a plan of apply is, and what is written the same way in each of its parts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from usagefix.catalog import Migration, Statement
from usagefix.errors import Refused
from usagefix.ledger import Saved
from usagefix.models.choices import GuardMode
from usagefix.picture.objects import Function, Trigger
from usagefix.planning.scene import Scene
from usagefix.quoting import literal
from usagefix.reading import Uneditable


@dataclass(frozen=True, slots=True)
class Edit:
    """A function that apply edits. ``how``: edited, repaired, rewritten, or kept as it is."""

    function: Function
    body: str
    how: str

    @property
    def changes(self) -> bool:
        return self.body != self.function.body


@dataclass(frozen=True, slots=True)
class Choices:
    """What was decided before a plan is made. ``limit_stays``: the daily limit is dropped on its own later;
    ``recorders``: bodies, and how they came about, of functions that record uses, by oid, where edited is not what they
    are; ``mode``: the guard's; ``by_hand``: the plan is for psql or a migration tool, so it drops the limit itself;
    ``alone``: each version is a transaction of its own."""

    limit_stays: bool = False
    recorders: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    mode: GuardMode = GuardMode.IGNORE
    by_hand: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply does for one version. ``edits``: functions of the application; ``remarks``: what it has to say;
    ``opening``: how many of the statements open the ledger; ``saved``: what it replaces, as the ledger keeps it."""

    migration: Migration
    statements: tuple[Statement, ...]
    edits: tuple[Edit, ...] = ()
    remarks: tuple[str, ...] = ()
    opening: int = 0
    saved: tuple[Saved, ...] = ()

    @property
    def without_ledger(self) -> tuple[Statement, ...]:
        """The statements without those that open the ledger."""
        return self.statements[self.opening :]

    @property
    def recording(self) -> tuple[Statement, ...]:
        """Those that record the version; none while the daily limit is still there."""
        return tuple(s for s in self.statements if s.text.startswith("INSERT INTO usagefix.history"))

    @property
    def script(self) -> str:
        """All of it as one text."""
        return text_of(self.statements)


def text_of(statements: tuple[Statement, ...]) -> str:
    """Statements with their comments, as a file; what the first one sets for the transaction is set once."""
    first, *rest = statements
    text = commented(first)
    for statement in rest:
        if statement != first:
            text += ("\n\n" if statement.purpose else "\n") + commented(statement)
    return f"{text}\n"


def commented(statement: Statement) -> str:
    """A statement below what it is for."""
    lines = [f"-- {line}" for line in textwrap.wrap(statement.purpose, 117, break_on_hyphens=False)]
    return "\n".join([*lines, statement.text])


def array(texts: list[str] | None) -> str:
    """Texts as an array in SQL; NULL for None."""
    return "NULL" if texts is None else f"ARRAY[{', '.join(map(literal, texts))}]::text[]"


def signature_of(scene: Scene, role: str) -> str:
    """How a function of ours is named with its schema, in SQL."""
    return f"{scene.counter.schema_sql}.{scene.counter.sql(role)}()"


def refused(function: Function, error: Uneditable, trigger: Trigger | None = None) -> Refused:
    """Why a function, or that of a trigger, cannot be edited, with the line."""
    where = f" (line {error.line} of {function.signature})" if error.line else ""
    return Refused((f"trigger {trigger}: " if trigger else "") + error.message + where, hint=error.hint)
