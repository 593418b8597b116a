"""Which column of a table of notifications is what: by the options, else by name, type and foreign keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from usagefix.errors import ConfigurationError
from usagefix.models.notifying import Roles

# Names by what they are, the surest first. Of those in `_LIKELY` one alone is a recipient.
_RECIPIENTS = ("recipient_id", "recipient", "receiver_id", "to_user_id", "recipient_user_id", "notified_id", "to_id")
_LIKELY = ("user_id", "creator_id", "owner_id", "profile_id", "account_id", "member_id", "author_id")
_TYPES = ("type", "kind", "notification_type", "event_type", "notifiable_type", "category", "event", "action")
_READ = ("is_read", "read", "seen", "is_seen", "read_at", "seen_at", "opened_at")
_DATA = ("data", "payload", "metadata", "meta", "details", "context", "extra", "params")
_TIMES = ("created_at", "inserted_at", "created", "sent_at", "notified_at", "timestamp", "date")
_ACTORS = ("actor_id", "actor", "from_user_id", "sender_id", "triggered_by", "source_user_id", "from_id")
_ACTOR_KEYS = ("actor_id", "actor", "from_user_id", "sender_id", "used_by", "user_id", "triggered_by")
_STAMPS = ("timestamp with time zone", "timestamp without time zone")
OPTIONS = {
    "recipient": "--recipient", "preset": "--preset-column", "type": "--type-column", "read": "--read-column",
    "data": "--data-column", "time": "--time-column", "actor": "--actor",
}  # fmt: skip
_KINDS = {"read": ("boolean", *_STAMPS), "data": ("jsonb",), "time": _STAMPS}


@dataclass(frozen=True, slots=True)
class Column:
    """``type`` by the catalog's name, of a domain what it is made of; ``refers``: the table of its foreign key;
    ``written``: not generated; ``filled``: never null."""

    name: str
    type: str
    refers: str | None
    written: bool
    filled: bool = False

    @property
    def plain(self) -> bool:
        """Whether its type is PostgreSQL's own: to read it runs no code that somebody wrote."""
        return "." not in self.type


@dataclass(frozen=True, slots=True)
class Found:
    """``stamped``: what says whether one was read is a time; ``certain``: or a boolean that is never null."""

    roles: Roles
    stamped: bool
    certain: bool


def found(table: str, columns: Sequence[Column], given: Mapping[str, str | None], keys: Sequence[str]) -> Found:
    """What is what. ``given``: what the options say, by role; ``keys``: those of the data of some notifications.

    Raises ConfigurationError if nothing tells recipient, preset or time, or an option names what cannot be it.
    """
    by_name = {column.name: column for column in columns}
    said = {role: name for role, name in given.items() if name}
    key = said.pop("actor") if said.get("actor") and said["actor"] not in by_name else None
    for role, name in said.items():
        _require_fits(table, by_name, role, name)
    roles: dict[str, str | None] = {"recipient": _recipient(by_name), "data": None, **said}
    _require(table, roles["recipient"], "the recipient of a notification", "--recipient", columns)
    roles["preset"] = said.get("preset") or _preset(columns, str(roles["recipient"]))
    _require(table, roles["preset"], "the preset of a notification", "--preset-column", columns)
    for role, names in (("type", _TYPES), ("read", _READ), ("data", _DATA), ("time", _TIMES), ("actor", _ACTORS)):
        if role not in said:
            free = (name for name in names if name not in roles.values())
            roles[role] = next((name for name in free if _fits(by_name.get(name), role)), None)
    _require(table, roles["time"], "the time of a notification", "--time-column", columns)
    if key is None and roles["actor"] is None and roles["data"]:
        key = next((name for name in _ACTOR_KEYS if name in keys), None)
    roles["actor"] = None if key else roles["actor"]
    if key is not None and roles["data"] is None:
        raise ConfigurationError(
            f"{table} has no column {key}, and no data in jsonb that could have such a key",
            hint=f"--actor takes one of {', '.join(by_name)}",
        )
    _require_apart(roles)
    read = by_name.get(roles["read"] or "")
    whole = Roles(**roles, actor_key=key if roles["data"] else None)  # type: ignore[arg-type] # both are certain by now
    stamped = read is not None and read.type in _STAMPS
    return Found(whole, stamped, certain=read is not None and read.filled and not stamped)


def _recipient(by_name: Mapping[str, Column]) -> str | None:
    sure = next((name for name in _RECIPIENTS if name in by_name), None)
    likely = [name for name in _LIKELY if name in by_name]
    return sure or (likely[0] if len(likely) == 1 else None)


def _preset(columns: Sequence[Column], recipient: str) -> str | None:
    """``preset_id``; else the only column that refers to a table which is not that of people."""
    if any(column.name == "preset_id" for column in columns):
        return "preset_id"
    people = {column.refers for column in columns if column.name in (recipient, *_LIKELY, *_RECIPIENTS, *_ACTORS)}
    linked = [c.name for c in columns if c.refers and c.refers not in people and c.name != recipient]
    return linked[0] if len(linked) == 1 else None


def _fits(column: Column | None, role: str) -> bool:
    if column is None or (role in ("data", "time") and not column.written):
        return False
    return column.type in _KINDS.get(role, (column.type,))


def _require_fits(table: str, by_name: Mapping[str, Column], role: str, name: str) -> None:
    column = by_name.get(name)
    if column is None:
        raise ConfigurationError(
            f"{table} has no column {name}, which {OPTIONS[role]} names", hint=f"it has {', '.join(by_name)}"
        )
    if not _fits(column, role):
        why = f"is of type {column.type}" if column.written else "is generated"
        raise ConfigurationError(
            f"{table}.{name} {why}, so it cannot be the column of {OPTIONS[role]}",
            hint=f"{OPTIONS[role]} takes a column of type {' or '.join(_KINDS.get(role, ('any',)))}",
        )


def _require_apart(roles: Mapping[str, str | None]) -> None:
    names = [name for name in roles.values() if name]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        options = " and ".join(OPTIONS[role] for role, name in roles.items() if name == twice)
        raise ConfigurationError(f"{options} name the same column, {twice}", hint="name a different column with each")


def _require(table: str, column: str | None, what: str, option: str, columns: Sequence[Column]) -> None:
    if column is None:
        names = ", ".join(column.name for column in columns)
        raise ConfigurationError(
            f"usagefix cannot tell which column of {table} has {what}", hint=f"name it with {option}; there are {names}"
        )
