"""The SQL of a throttle in the names of one table, and what an existing throttle says of itself.

The arguments of the trigger contain what the function was made from: the window, the key of the data with the actor,
and the columns. So nothing else has to be stored, and a dump contains it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from usagefix import catalog
from usagefix.catalog import Statement
from usagefix.counter import LONGEST_NAME
from usagefix.errors import ConfigurationError
from usagefix.models.notifying import Mode, Roles
from usagefix.quoting import literal, quoted
from usagefix.rendering import CODE_TAGS, Column, Renderer
from usagefix.tokens import Kind, tokens

VERSION = "20251126000001"
_TABLE, _SCHEMA = "preset_notifications", "public"
_FUNCTION, _TRIGGER = "collapse_preset_notifications", "zz_collapse_preset_notifications"
# The words of the files, by what the columns are; whether it was read says a boolean or a time.
_WORDS = {
    "recipient": "user_id", "preset": "preset_id", "time": "created_at", "type": "type", "data": "data",
    "actor": "actor_id",
}  # fmt: skip
_READ = {True: "read_at", False: "is_read"}
_ARGUMENTS = "'12 hours'"
_STAMPED, _CERTAIN = "read is a time", "read is never null"


@dataclass(frozen=True, slots=True)
class Made:
    """The names of a throttle that was made when its table had another one, or was in another schema."""

    trigger: str
    schema: str
    function: str


@dataclass(frozen=True, slots=True)
class Written:
    """A throttle as SQL: of which table, with which columns. ``stamped``: the column ``read`` is a time; ``certain``:
    or is never null; ``made``: what it is called where that is not what it would be today.

    ``only``: notifications of these types; of all where it is empty. Raises ConfigurationError for a name that would
    end the function.
    """

    schema: str
    table: str
    roles: Roles
    window: str
    stamped: bool = False
    certain: bool = False
    made: Made | None = None
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.schema, self.table, *self.columns):
            if any(tag in name for tag in CODE_TAGS):
                raise ConfigurationError(
                    f"{name!r} cannot be part of a function", hint=f"rename it, without {', '.join(CODE_TAGS)}"
                )

    @property
    def mode(self) -> Mode:
        return Mode.COLLAPSE if self.roles.data else Mode.DROP

    @property
    def function(self) -> str:
        return self.made.function if self.made else named("collapse_", self.table)

    @property
    def trigger(self) -> str:
        return self.made.trigger if self.made else f"zz_{self.function}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the trigger is given."""
        said = [f"{role}={column}" for role, column in asdict(self.roles).items() if column and role != "actor_key"]
        read = [_STAMPED] if self.stamped else [_CERTAIN] if self.certain else []
        return (self.window, self.roles.actor_key or "", *said, *read, *(f"only={kind}" for kind in self.only))

    @property
    def making(self) -> tuple[Statement, ...]:
        """The statements that make it."""
        text = self._renderer().render(catalog.notifications(self.mode))
        *rest, trigger = catalog.statements(text)
        given = ",\n        ".join(literal(argument).strip() for argument in self.arguments)
        made = (*rest, Statement(trigger.purpose, trigger.text.replace(_ARGUMENTS, given)))
        if self.schema == _SCHEMA:
            return made
        # What the application's own triggers name without a schema is there, or in public.
        own, wider = (f"SET search_path = {', '.join(path)} SET" for path in (self.path[::2], self.path))
        return tuple(Statement(one.purpose, one.text.replace(own, wider, 1)) for one in made)

    @property
    def undoing(self) -> tuple[Statement, ...]:
        """The statements that take it away."""
        return catalog.statements(self._renderer().render(catalog.notifications("off")))

    @property
    def body(self) -> str:
        """The text of its function."""
        made = next(statement.text for statement in self.making if "FUNCTION" in statement.text.partition("\n")[0])
        return next(token.content for token in tokens(made) if token.kind is Kind.DOLLAR)

    @property
    def path(self) -> tuple[str, ...]:
        """Under which its function runs."""
        return (plain(self.schema), *([_SCHEMA] if self.schema != _SCHEMA else []), "pg_temp")

    @property
    def settings(self) -> str:
        """What its function sets, as the catalog has it, but for quotes that the catalog leaves out."""
        return f"search_path={', '.join(self.path)}; lock_timeout=750ms"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return tuple(column for role, column in asdict(self.roles).items() if column and role != "actor_key")

    def _renderer(self) -> Renderer:
        given = asdict(self.roles)
        columns = {word: _column(given[role]) for role, word in _WORDS.items()}
        columns |= {
            word: _column(self.roles.read if self.stamped is stamped else None) for stamped, word in _READ.items()
        }
        words = {word: columns[word].text for word in ("created_at", "data")}  # UPDATE ... SET takes no alias
        words |= {
            _SCHEMA: plain(self.schema), _TABLE: plain(self.table), _FUNCTION: plain(self.function),
            _TRIGGER: plain(self.trigger),
        }  # fmt: skip
        needless = {"actors"} if not (self.roles.actor or self.roles.actor_key) else set()
        needless |= {"actor_in_data"} if not self.roles.actor_key else set()
        needless |= {"only"} if not self.only else set()
        needless |= {"nullable" if self.certain else "certain"}
        elsewhere = {_FUNCTION: plain(self.made.schema)} if self.made else {}
        tables = {"NEW": columns, "noted": columns}
        return Renderer(_SCHEMA, words, tables, frozenset(needless), schemas=elsewhere)


def read(schema: str, table: str, made: Made, arguments: Sequence[str]) -> Written | None:
    """The throttle whose trigger has these names and arguments; None if they are not those of one."""
    if len(arguments) < len(("window", "key")):
        return None
    window, key, *rest = arguments
    given = dict(part.split("=", 1) for part in rest if "=" in part)
    known = {role: column for role, column in given.items() if role in Roles.__dataclass_fields__}
    if not {"recipient", "preset", "time"} <= set(known):
        return None
    only = tuple(part.removeprefix("only=") for part in rest if part.startswith("only="))
    roles = Roles(**known, actor_key=key or None)
    try:
        here = Written(schema, table, roles, window, _STAMPED in rest, _CERTAIN in rest, only=only)
    except ConfigurationError:  # whoever owns a table may call a trigger on it so, and write what they like
        return None
    return here if made == Made(here.trigger, schema, here.function) else replace(here, made=made)


def named(before: str, table: str) -> str:
    """A name made of that of a table, with room for ``zz_``; shortened with a hash where it is too long."""
    most = LONGEST_NAME - len("zz_")
    name = before + table
    if len(name.encode()) <= most:
        return name
    digest = hashlib.sha256(table.encode()).hexdigest()[:6]
    return f"{name.encode()[: most - 7].decode(errors='ignore')}_{digest}"


def plain(name: str) -> str:
    """A name as SQL writes it: plain where the files write it so."""
    usual = {_SCHEMA, _TABLE, _FUNCTION, _TRIGGER, *_WORDS.values(), *_READ.values()}
    return name if name in usual else quoted(name)


def _column(name: str | None) -> Column:
    return Column(plain(name or ""), plain(name or ""), name is None)
