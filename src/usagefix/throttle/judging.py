"""What must be true before a table is throttled, and what to tell a person about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from usagefix.database import Database
from usagefix.errors import ConfigurationError, DatabaseRefused, Refused
from usagefix.models.notifying import Mode, Returning
from usagefix.quoting import quoted
from usagefix.throttle import look
from usagefix.throttle.look import Table, There, in_words
from usagefix.throttle.written import Written

_UNDEFINED = ("42883", "42725")  # no such operator, or several


def require_free(db: Database, wanted: Written, there: There | None) -> None:
    """Raises Refused if something else has the names of a throttle."""
    names = {
        "function": f"{quoted(wanted.schema)}.{quoted(wanted.function)}()",
        "trigger": wanted.trigger,
        "table": f"{quoted(wanted.schema)}.{quoted(wanted.table)}",
    }
    taken = db.values(db.query("throttle_taken"), names)
    about = in_words(wanted.schema, wanted.table)
    if there is not None and (there.trigger, there.function) != (wanted.trigger, wanted.function):
        raise Refused(
            f"{about} had another name when its throttle was created, so the throttle does nothing now",
            hint=f"remove it with usagefix notifications off --table {shlex.quote(about)}; then run this again",
        )
    if taken and there is None:
        raise Refused(
            f"there is {' and '.join(taken)} already, which usagefix did not create",
            hint="check it; rename or drop it, then run this again",
        )


def require_comparable(db: Database, wanted: Written) -> None:
    """Raises Refused for columns whose values cannot be compared, such as json."""
    roles = wanted.roles
    for column in filter(None, (roles.recipient, roles.preset, roles.type)):
        name, table = quoted(column), f"{quoted(wanted.schema)}.{quoted(wanted.table)}"
        try:
            db.described(f"SELECT {name} OPERATOR(pg_catalog.=) {name} FROM {table}")  # noqa: S608
        except DatabaseRefused as refused:
            if refused.sqlstate not in _UNDEFINED:
                raise
            raise Refused(
                f"{in_words(wanted.schema, wanted.table)}.{column} has a type without a comparison",
                hint="name another column, see usagefix notifications --help",
            ) from None


def require_index(wanted: Written, about: Table) -> None:
    """Raises Refused if each notification would read the whole of a large table."""
    if about.size > look.SMALL and not _indexed(wanted, about):
        raise Refused(
            f"no index of {in_words(wanted.schema, wanted.table)} begins with {wanted.roles.recipient} or"
            f" {wanted.roles.preset}, so each new notification would read the whole table",
            hint=f"{_index(wanted)}; then run this again",
        )


def _indexed(wanted: Written, about: Table) -> bool:
    return bool({wanted.roles.recipient, wanted.roles.preset} & set(about.leading))


def _index(wanted: Written) -> str:
    roles = wanted.roles
    columns = ", ".join(quoted(column) for column in (roles.recipient, roles.preset, roles.time))
    unread = ""
    if roles.read:
        read = quoted(roles.read)
        unread = f" WHERE {read} IS NULL" if wanted.stamped else f" WHERE {read} IS NOT TRUE"
        unread = f" WHERE NOT {read}" if wanted.certain else unread
    return f"CREATE INDEX CONCURRENTLY ON {quoted(wanted.schema)}.{quoted(wanted.table)} ({columns}){unread}"


def require_survivable(schema: str, table: str, missing: tuple[Returning, ...]) -> None:
    """Raises Refused if a function of the database fails without the row: then uses would, too."""
    failing = [one for one in missing if one.fails]
    if failing:
        named = "; ".join(f"{one.where} ({one.how})" for one in failing)
        raise Refused(
            (
                "this fails, and the use with it, if it gets no row from its INSERT into"
                f" {in_words(schema, table)}: {named}"
            ),
            hint=(
                "make it accept that: INTO without STRICT, .maybeSingle() in place of .single(); then run this again"
            ),
        )


def require_typed(wanted: Written) -> None:
    """Raises ConfigurationError if only some types are asked for, and no column tells them."""
    if wanted.only and wanted.roles.type is None:
        raise ConfigurationError(
            f"no column of {in_words(wanted.schema, wanted.table)} has the type of a notification",
            hint="name it with --type-column, or omit --only-type",
        )


def remarks(wanted: Written, about: Table, types: list[str], keys: list[str]) -> Iterator[str]:
    """What there is to know before it begins. ``types``: some of those that are there; ``keys``: some of their data."""
    roles = wanted.roles
    if len(types) > 1 and not wanted.only:
        yield (
            f"the trigger merges those of each type ({', '.join(types)}): if the text of a type differs each"
            " time, such as a number that was reached, name the other types with --only-type"
        )
    if wanted.mode is Mode.DROP:
        yield (
            f"{in_words(wanted.schema, wanted.table)} has no jsonb column for the count, so the mode is drop:"
            f" the trigger drops a new notification within {wanted.window} of an unread one, and nothing says"
            " how many it dropped"
        )
    if wanted.mode is Mode.COLLAPSE and "uses" in keys:
        yield (
            f"{roles.data}.uses exists in some notifications already: usagefix takes a number there for how"
            " many one stands for"
        )
    if roles.type is None:
        yield "no column has the type of a notification, so those of all types become one; --type-column names it"
    if roles.read is None:
        yield (
            "no column says whether a notification was read, so the trigger also merges new ones into read"
            " ones; name it with --read-column"
        )
    if not _indexed(wanted, about):
        yield (
            f"each new notification reads the whole table, which is small now; before it grows, run {_index(wanted)}"
        )
    yield from of_rows(wanted.schema, wanted.table, about)


def of_rows(schema: str, table: str, about: Table) -> Iterator[str]:
    """Whose rows are never added to others."""
    if about.hidden:
        yield (
            f"{', '.join(about.hidden)} may insert into {in_words(schema, table)}, but not see or update every"
            " row: the throttle has only the rights of the role that inserts, so it merges what they insert"
            " only into rows that they may see and update"
        )
