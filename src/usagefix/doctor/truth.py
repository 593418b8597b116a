"""The rules of whether events are recorded at all: without them a counter can only be made wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, timedelta

from usagefix.doctor.case import Case
from usagefix.doctor.counting import ERROR, WARNING, Rule
from usagefix.doctor.excerpts import first, of_function, of_place
from usagefix.doctor.words import a, listed, where
from usagefix.models.diagnosis import Finding
from usagefix.models.figures import plural
from usagefix.quoting import shown
from usagefix.reading import Place, Use
from usagefix.trust import DECLARATION

_LONG = timedelta(days=7)
_STATEMENT = 25  # lines that an insert goes on for, at most
# Names in code for the id of the signed-in user; the name of a profile's id says so.
_OF_SESSION = re.compile(
    r"\b(?:session|auth|claims|token|jwt|payload|current_?user|user)\b[\w.?!()\[\]'\"]*"
    r"(?:\.(?:id|sub|uid)\b|\[['\"](?:id|sub|uid)['\"]\])|\bauth\.uid\(\)|\b(?:session_?|auth_?)?user_?id\b|\buid\b",
    re.IGNORECASE,
)


def events_incomplete(case: Case) -> Iterator[Finding]:
    """What apply asks before it changes anything."""
    doubt = case.picture.drift.doubt if case.picture.drift else None
    if doubt is not None:
        title, remedy = "The counters do not look like what these events count", DECLARATION
        if doubt.definition is None:
            title = "The events do not look like the whole truth"
            remedy = (
                "find out why no events are recorded, and correct that; then usagefix apply --trust counters"
                " keeps what the counters show, --trust events lets them fall"
            )
        yield Finding("events_incomplete", ERROR, title, case.counted_column, str(doubt), remedy)


def events_not_recorded(case: Case) -> Iterator[Finding]:
    """Counters that move, and no event."""
    seen = case.picture.recorded
    if seen is None or not seen.counters:
        return
    title, evidence = "", f"{plural(seen.counters, 'counter')} {'is' if seen.counters == 1 else 'are'} above zero"
    if not seen.events:
        title = "No event was ever recorded, but there are counters above zero"
    elif seen.newest and seen.last_use and seen.last_use - seen.newest > _LONG:
        title = "No event was recorded for long, although presets were used"
        if not case.nouns.usual:
            title = f"No event was recorded for long, although {case.nouns.last} changed"
        evidence = f"newest event {seen.newest.astimezone(UTC):%Y-%m-%d}"
    if title:
        used = (
            f", the last {case.nouns.event} of {a(case.nouns.row)} {seen.last_use.astimezone(UTC):%Y-%m-%d}"
            if seen.last_use
            else ""
        )
        yield Finding(
            "events_not_recorded",
            ERROR,
            title,
            case.events,
            evidence + used,
            "usagefix smoke tries the application's function, usagefix probe-api its API, and usagefix doctor"
            " --source DIR reads its code",
        )


def user_key_elsewhere(case: Case) -> Iterator[Finding]:
    """A foreign key that wants a profile, where the session's user is inserted."""
    key = case.picture.code.facts.user_key
    if key is None or not key.profile or case.counter.user is None:
        return
    functions = [function for function in case.recorders if _gives_session(case, function.body, key.table)]
    places = [
        place for place in case.places(Use.INSERTS_EVENT) if _gives_session(case, _statement(case, place), key.table)
    ]
    by = [*(function.signature for function in functions), *map(where, places)]
    doubted = bool(case.picture.drift and case.picture.drift.doubt)
    if by or (doubted and case.source is None):
        column = f"{case.events}.{shown(case.counter.user)}"
        yield Finding(
            "user_key_elsewhere",
            ERROR if by else WARNING,
            f"An event needs a key of {key.table}, not the session's user",
            column,
            (
                f"its foreign key refers to {key.table}({key.key}), which has the session's user in another"
                " column, user_id;"
            )
            + (f" the session's user is inserted by {listed(by)}" if by else " not read: the source (--source DIR)"),
            f"insert {key.table}.{key.key} of the row whose user_id is the session's user; or let the foreign"
            " key refer to auth.users",
            excerpt=first(
                *(of_function(case, function, Use.INSERTS_EVENT) for function in functions),
                *(of_place(case, place) for place in places),
            ),
        )


def _statement(case: Case, place: Place) -> str:
    """The lines from one on that an insert may go on for; empty if the file can no longer be read."""
    if case.folder is None:
        return ""
    try:
        lines = (case.folder / place.path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    first = place.found.line - 1
    return "\n".join(lines[first : first + _STATEMENT])


def _gives_session(case: Case, text: str, profiles: str) -> bool:
    """Whether a statement gives the events' user what code calls the session's user."""
    if re.search(r"profile|" + re.escape(profiles.rpartition(".")[2].strip('"')), text, re.IGNORECASE):
        return False
    user = re.escape(case.counter.user or "")
    given = re.search(rf"\b{user}\b['\"]?\s*(?:=>|:=?|=)\s*(?P<value>[^\n,]*)", text)
    # An INSERT in SQL has its values in another place than their names.
    return bool(_OF_SESSION.search(given["value"] if given else "")) or bool(re.search(r"\bauth\.uid\(\)", text))


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (events_incomplete, events_not_recorded, user_key_elsewhere)}
