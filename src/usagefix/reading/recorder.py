"""What a function that records uses does, and how to write a new one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from usagefix.reading.arguments import arguments_of
from usagefix.reading.counting import Known, counting_hits, usual
from usagefix.reading.inserts import STAND_IN, clause, inserts, needs_limit, unknown_columns
from usagefix.reading.pieces import Piece, pieces, until, word, words
from usagefix.reading.routine import Column, Events, Routine, bare
from usagefix.reading.subject import USUAL, Subject, quoted

_ANEW = "-- Written by usagefix: the one before named what {child} lacks. The trigger counts."
_MUST_SIGN_IN = (
    "    IF caller IS NULL THEN",
    "        RAISE EXCEPTION 'sign in to use a preset' USING ERRCODE = 'insufficient_privilege';",
    "    END IF;",
)


def only_inserts(body: str, subject: Subject = USUAL) -> bool:
    """Whether a recorder does nothing but insert the event, look up the session's user, and turn nobody away: then one
    written anew loses nothing."""
    rest = pieces(body)
    if word(rest, 0) == "declare":
        del rest[: until(rest, 0, {"begin"}) + 1]
    for insert in inserts(rest, subject):
        del rest[insert.start : until(rest, insert.start, {";"}) + 1]
        break
    _drop_user(rest)
    for index in reversed(range(len(rest))):
        if end := _after_check_of_user(rest, index):
            del rest[index:end]
    for index in range(len(rest)):
        if words(rest, index, "exception", "when", "others", "then"):
            del rest[index : index + 4]
            break
    index = 0
    while index < len(rest):
        text = word(rest, index)
        if text == "return":
            index = until(rest, index, {";", "("})  # what is called may do more
        elif text == "select" and word(rest, index + 1) in ("true", "false", "null"):
            index += 2
        elif text in ("begin", "end", "null", ";"):
            index += 1
        else:
            return False
    return True


def _drop_user(rest: list[Piece]) -> None:
    """Take out the first statement that looks up the session's user."""
    select = -1
    for index in range(len(rest)):
        if word(rest, index) == "select":
            select = index
        elif word(rest, index) == ";":
            select = -1
        elif select >= 0 and words(rest, index, "auth", ".", "uid", "("):
            del rest[select : until(rest, index, {";"}) + 1]
            return


def _after_check_of_user(rest: list[Piece], index: int) -> int:
    """The index after an IF … IS NULL THEN that raises or returns; 0 if none stands here."""
    if word(rest, index) != "if":
        return 0
    then = index + (6 if words(rest, index + 1, "auth", ".", "uid", "(", ")") else 2)
    if not words(rest, then, "is", "null", "then") or word(rest, then + 3) not in ("raise", "return"):
        return 0
    end = until(rest, then, {";"})
    return end + 4 if words(rest, end + 1, "end", "if", ";") else 0


@dataclass(frozen=True, slots=True)
class RecorderState:
    """What is wrong with a recorder: it needs the daily limit, counts by itself, names columns that the events lack,
    or holds what apply leaves there until the daily limit is gone."""

    limited: bool
    counting: bool
    unknown: tuple[str, ...]
    unfinished: bool


def recorder_state(
    routine: Routine,
    columns: Collection[str],
    subject: Subject = USUAL,
    limit_columns: Collection[str] = (),
    functions: Known | None = None,
) -> RecorderState:
    """What is wrong with a recorder. ``columns``: those that the events have."""
    found = pieces(routine.body)
    clauses = [clause(routine.body, found, insert, subject, limit_columns) for insert in inserts(found, subject)]
    names = (functions or usual(subject)).counting - {routine.name, subject.recorder}
    return RecorderState(
        limited=needs_limit(routine, subject, limit_columns),
        counting=bool(counting_hits(routine.body, subject, names)),
        unknown=unknown_columns(routine.body, columns, subject),
        unfinished=any(cut.stand_in for cut in clauses if cut),
    )


def caller(events: Events, subject: Subject = USUAL) -> str | None:
    """How an event's user is had from the session, as an expression: auth.uid(), or the profile of that user. None
    where events have no user, or nothing tells the session's."""
    column = events.column(subject.user)
    if column is None or not events.auth_uid:
        return None
    key = events.user_key
    if key is None or not key.profile:
        return f"auth.uid()::{column.type}"
    profile = f"{key.table} AS profile WHERE profile.user_id OPERATOR(pg_catalog.=) auth.uid()"
    return f"(SELECT profile.{quoted(key.key)} FROM {profile})"  # noqa: S608


def fresh_body(routine: Routine, events: Events, *, limit_stays: bool, subject: Subject = USUAL) -> str | None:
    """The body of a recorder written anew, with the signature of the one that is there, for the columns that are there.
    None if that cannot be done; try it before it is believed."""
    given = arguments_of(routine, events.key_type, subject, [column.name for column in events.columns])
    user = caller(events, subject)
    # Whoever calls a new function is who uses: it does not take their word for it.
    if given is None or subject.user in given or routine.returns_set or not routine.is_read:
        return None
    values: dict[str, str] = {}
    for column in events.columns:
        value = _value(column, given, subject, has_user=user is not None)
        if value is not None:
            values[column.name] = value
        elif column.required:
            return None
    key = events.column(subject.event_id)
    returns = {"void": "", "boolean": "true"}
    if key is not None:
        returns = {bare(key.type): "event_id", **returns}
    if routine.returns not in returns:
        return None
    returned = returns[routine.returns]
    head = _ANEW.format(child=" ".join(subject.child.split()))
    if routine.language == "sql":
        values = {name: value if value != "caller" else str(user) for name, value in values.items()}
        insertion = _insertion(values, subject, limit_stays=limit_stays, returning=returned == "event_id")
        return f"\n    {head}\n    {insertion}{'; SELECT true' if returned == 'true' else ''}\n"
    insertion = _insertion(values, subject, limit_stays=limit_stays, returning=returned == "event_id")
    declared, checks = list[str](), list[str]()
    for column in events.columns:
        if values.get(column.name) == "caller":
            declared.append(f"    caller {column.type} := {user};")
            checks += _MUST_SIGN_IN if column.not_null else ()
    if key is not None and returned == "event_id":
        declared.append(f"    event_id {bare(key.type)};")
        insertion += " INTO event_id"
    lines = [head, *(["DECLARE", *declared] if declared else []), "BEGIN", *checks, f"    {insertion};"]
    return "\n".join(["", *lines, f"    RETURN {returned};".replace(" ;", ";"), "END", ""])


def _insertion(values: dict[str, str], subject: Subject, *, limit_stays: bool, returning: bool) -> str:
    table = f"{quoted(subject.schema)}.{quoted(subject.child)}"
    given = f"({', '.join(map(quoted, values))}) VALUES ({', '.join(values.values())})"
    returned = f" RETURNING {quoted(subject.child)}.{quoted(subject.event_id)}" if returning else ""
    return f"INSERT INTO {table} {given}{STAND_IN if limit_stays else ''}{returned}"


def _value(column: Column, given: dict[str, int], subject: Subject, *, has_user: bool) -> str | None:
    """What a column of an event is given; None for what the table fills, or nothing is known of."""
    if column.name == subject.foreign_key:
        return f"${given[column.name]}"
    if column.name == subject.user:
        return "caller" if has_user else None
    if column.name == subject.data and column.name in given:
        return f"COALESCE(${given[column.name]}, '{{}}')::{column.type}"
    if column.name in given:
        return f"${given[column.name]}::{column.type}"
    return "pg_catalog.now()" if column.name in subject.times and column.required else None
