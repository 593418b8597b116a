"""The rules of who can get in, and of track_preset_usage(), through which uses come in."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix.doctor.case import Case
from usagefix.doctor.counting import ERROR, WARNING, Rule
from usagefix.doctor.excerpts import of_names
from usagefix.doctor.relying import relying, revoked
from usagefix.doctor.words import a, listed
from usagefix.models.diagnosis import Finding
from usagefix.picture.objects import Function
from usagefix.reading import unknown_columns


def search_path_open(case: Case) -> Iterator[Finding]:
    """SECURITY DEFINER without a search_path of its own, or with one that finds temporary tables first."""
    for function in case.picture.functions:
        path = function.search_path
        if not function.security_definer or path == '""' or (path is not None and "pg_temp" in path):
            continue
        open_to_all = path is None and function.everybody and not function.is_trigger
        found = "looks for tables on its caller's path" if path is None else "looks for temporary tables first"
        yield Finding(
            "search_path_open",
            ERROR if open_to_all else WARNING,
            "A caller can make a SECURITY DEFINER function use other tables",
            function.signature,
            f"it runs as {function.owner}, and {found}; its search_path: {path or 'none'}",
            f"ALTER FUNCTION {function.signature} SET search_path = {path or _path(case)}, pg_temp",
        )


def _path(case: Case) -> str:
    """Where such a function found its names so far: the schema of the tables, and what is configured here."""
    return ", ".join(dict.fromkeys((case.counter.schema_sql, *case.picture.surroundings.path)))


def open_to_everybody(case: Case) -> Iterator[Finding]:
    """Who is not signed in may count or record."""
    counting = {function.oid for function in case.counting}
    for function in case.picture.functions:
        counts = function.oid in counting
        if not function.everybody or not (counts or function.name == case.counter.recorder):
            continue
        if function.is_trigger and not function.security_definer:
            continue  # nobody can call it; as a trigger on another table it does what its user may do anyway
        roles = listed(role for role in function.executors if role != "authenticated")
        needing = relying(case, function)
        attach, does = (
            "attach" if function.is_trigger else "call",
            "counts" if counts else f"records {a(case.nouns.event)}",
        )
        yield Finding(
            "open_to_everybody",
            ERROR if function.security_definer and not function.is_trigger else WARNING,
            f"Everybody may {attach} a function that {does}",
            function.signature,
            f"EXECUTE is granted to {roles}"
            + (f"; it runs as {function.owner}" if function.security_definer else "")
            + (f"; only for that reason it may be called by {listed(needing)}" if needing else ""),
            revoked(case, function, roles),
        )


def tracker_unknown_columns(case: Case) -> Iterator[Finding]:
    """track_preset_usage() that cannot work."""
    for function in _trackers(case):
        unknown = unknown_columns(function.body, case.picture.events.columns, case.subject)
        if unknown:
            yield Finding(
                "tracker_unknown_columns",
                ERROR,
                f"{case.counter.recorder}() cannot record {a(case.nouns.event)}",
                function.signature,
                f"it names columns that {case.counter.child} lacks: {', '.join(unknown)}",
                str(case.outlook.by_hand.get("tracker_inserts_only", "usagefix apply repairs it if possible")),
                excerpt=of_names(function, unknown),
            )


def tracker_trusts_argument(case: Case) -> Iterator[Finding]:
    """track_preset_usage() that is told who its user is."""
    for function in _trackers(case):
        told = [name for name in function.arguments if "user" in name.lower()]
        if told:
            anybody = function.security_definer and bool(function.executors)
            yield Finding(
                "tracker_trusts_argument",
                ERROR if anybody else WARNING,
                f"{case.counter.recorder}() takes the user from an argument",
                function.signature,
                f"argument {listed(told)}: a caller can record {case.nouns.events} as another user"
                + (f"; {listed(function.executors)} may call it" if function.executors else ""),
                "take the user from the session (auth.uid() on Supabase), or let only the server call it",
            )


def _trackers(case: Case) -> Iterator[Function]:
    return (function for function in case.picture.functions if function.name == case.counter.recorder)


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (tracker_unknown_columns, tracker_trusts_argument, open_to_everybody, search_path_open)
}
