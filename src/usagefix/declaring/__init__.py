"""Which counters a command is about: those of a file, of options, or the usual one. Asks no database."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from usagefix import naming
from usagefix.counter import STANDARD, Counter
from usagefix.declaration import Declaration, Missing, Name
from usagefix.declaring.entries import Entry, Mistake, Mistaken, declarations
from usagefix.declaring.files import FILE, found
from usagefix.declaring.fragments import constants
from usagefix.declaring.identifiers import Unreadable, column_of
from usagefix.errors import ConfigurationError

__all__ = ["USUAL", "Declared", "Flags", "Mistake", "Mistaken", "chosen", "declared", "is_usual", "unseen"]

USUAL = Declaration(
    parent=Name(None, STANDARD.parent),
    column=STANDARD.column,
    name=STANDARD.slug,
    events=Name(None, STANDARD.child),
    foreign_key=(STANDARD.foreign_key,),
)
"""The counter that is meant where nobody declares any."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The options that declare one counter, or select some; as they were given."""

    config: Path | None = None
    counter: tuple[str, ...] = ()
    events: str | None = None
    where: str | None = None
    sum: str | None = None
    last: str | None = None
    key: str | None = None
    missing: str | None = None
    only_rows: str | None = None
    label: str | None = None
    name: str | None = None
    recorder: str | None = None
    truth: str | None = None

    @property
    def describing(self) -> dict[str, str]:
        """Those that say what the counter is, by option."""
        names = (field.name for field in fields(self) if field.name not in ("config", "counter"))
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def as_typed(self) -> str:
        """All of them, as a command line has them."""
        config = {"config": str(self.config)} if self.config is not None else {}
        given = [*config.items(), *(("counter", name) for name in self.counter), *self.describing.items()]
        return shlex.join(word for name, value in given for word in (f"--{name.replace('_', '-')}", value))


@dataclass(frozen=True, slots=True)
class Declared:
    """All counters that are declared, in the order in which they are; ``selected``: the names of those that are asked
    for, none for all; ``by``: the file that they are from, None if no file declares them; ``notes``: what should be
    said of it."""

    counters: tuple[Declaration, ...]
    selected: tuple[str, ...] = ()
    by: str | None = None
    notes: tuple[str, ...] = ()


def declared(flags: Flags, folder: Path) -> Declared:
    """The counters that the options declare; else those of the file in this folder; else the usual one.

    Raises ConfigurationError for a file that cannot be read, Mistaken with all that is wrong with what is declared.
    """
    if flags.describing:
        return _by_flags(flags, folder)
    file = found(folder, flags.config)
    if file is None:
        return Declared((USUAL,), flags.counter)
    return Declared(declarations(file.entries), flags.counter, file.name, file.notes)


def chosen(given: Sequence[str], there: Sequence[Declaration], by: str | None = None) -> tuple[Declaration, ...]:
    """Those of the counters that are asked for, by name or as ``table.column``; all where none is.

    Raises ConfigurationError for one that nobody declares.
    """
    if not given:
        return tuple(there)
    wanted = [_one(text, there, by) for text in given]
    return tuple(declaration for declaration in there if declaration in wanted)


def _one(text: str, there: Sequence[Declaration], by: str | None) -> Declaration:
    for declaration in there:
        if declaration.name == text:
            return declaration
    try:
        schema, table, columns = column_of(text)
    except Unreadable:
        schema, table, columns = None, text, ()
    same = [
        d for d in there if d.parent.table == table and columns == (d.column,) and schema in (None, d.parent.schema)
    ]
    if len(same) == 1:
        return same[0]
    known = ", ".join(declaration.name for declaration in there)
    what = "is more than one counter" if same else "is no counter"
    where = f" of {by}" if by else ""
    hint = f"there {'is' if len(there) == 1 else 'are'} {known}" if there else "declare it"
    if not by:
        hint += f"; {FILE} declares others, or --counter table.column --events table.column"
    raise ConfigurationError(f"--counter {text} {what}{where}", hint=hint)


def _by_flags(flags: Flags, folder: Path) -> Declared:
    """One counter by options alone."""
    given: dict[str, Any] = dict(flags.describing)
    mistakes = []
    if "events" not in given and "truth" not in given:
        said = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigurationError(
            f"{said} declares no counter without --events", hint="or declare it in usagefix.toml, and select it by name"
        )
    if not flags.counter:
        raise ConfigurationError(
            "--counter is missing, the column that people see",
            hint="--counter table.column --events table.column; or declare it in usagefix.toml",
        )
    if flags.config is not None:
        mistakes.append(Mistake("--config", "stands beside --events or --truth: declare by the one or the other"))
    if len(flags.counter) > 1:
        mistakes.append(Mistake("--counter", "is given more than once; options declare one counter, a file many"))
    if mistakes:
        raise Mistaken(mistakes)
    if "only_rows" in given:
        given["only"] = given.pop("only_rows")
    if "last" in given:
        column, _, time = given["last"].partition("=")
        given["last"] = {"column": column, **({"from": time} if time else {})}
    values = {**({"counter": flags.counter[0]} if flags.counter else {}), **given}
    found = declarations((Entry(values, _option, ""),))
    unread = (f"{FILE} is not read: options declare the counter",) if (folder / FILE).is_file() else ()
    return Declared(found, notes=unread)


def _option(key: str) -> str:
    return "--only-rows" if key == "only" else f"--{key}"


def is_usual(declaration: Declaration) -> bool:
    """Whether it is the counter of the usual application, however it came to be declared."""
    return (declaration.parent.table, declaration.column) == naming.USUAL and (
        declaration.events is not None
        and (declaration.events.table, declaration.foreign_key) == (STANDARD.child, (STANDARD.foreign_key,))
        and declaration.where is declaration.weight is declaration.only is None
        and declaration.missing is Missing.IGNORE
        and declaration.key in ((), (STANDARD.key,))
        and declaration.events.schema in (None, declaration.parent.schema)
    )


def unseen(declaration: Declaration, schema: str) -> Counter:
    """The counter, for SQL that is written without a look at the database: what was not said is as it mostly is. Raises
    ConfigurationError for one that is only verified."""
    if is_usual(declaration):
        return Counter(schema=declaration.parent.schema or schema)
    if declaration.events is None:
        raise ConfigurationError(
            f"{declaration.name} is only verified: there is no SQL that keeps it",
            hint="name another with --counter, or declare it with events",
        )
    own = declaration.parent.schema or schema
    key = declaration.key or (STANDARD.key,)
    fixed = constants(declaration.only) if declaration.only else None
    return Counter(
        schema=own,
        parent=declaration.parent.table,
        key=key[0],
        column=declaration.column,
        last=declaration.last,
        label=declaration.label,
        child=declaration.events.table,
        child_schema=declaration.events.schema if declaration.events.schema not in (None, own) else None,
        foreign_key=declaration.foreign_key[0],
        more_keys=tuple(zip(key[1:], declaration.foreign_key[1:], strict=False)),
        time=declaration.time,
        user=None,
        kind=None,
        data=None,
        where=declaration.where and f"({declaration.where})",
        weight=declaration.weight and f"({declaration.weight})",
        only=declaration.only and f"({declaration.only})",
        constants=fixed or (),
        creates=declaration.missing is Missing.CREATE,
        slug=declaration.name,
        recorder=declaration.recorder,
        incrementer=None,
        daily=None,
    )
