"""The result of probe-api: the answers of the application's API, and what happened to the counter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from usagefix.models.diagnosis import Finding
from usagefix.models.keyed import Keyed
from usagefix.models.verification import RowCount


class Probed(StrEnum):
    """What came of the uses that were posted."""

    COUNTED = "counted"  # each recorded and counted once
    NOT_RECORDED = "not_recorded"  # the API answered well, but an event is missing
    NOT_COUNTED = "not_counted"  # the event is there, and the counter did not follow
    COUNTED_TWICE = "counted_twice"  # the counter moved by more than the events
    RECORDED_TWICE = "recorded_twice"  # more events than posts, each of them counted
    REFUSED = "refused"  # the API did not answer as it should
    UNCLEAR = "unclear"  # others used the preset meanwhile, and whose event is whose cannot be told


class PostOutcome(StrEnum):
    """How the API answered one post."""

    ACCEPTED = "accepted"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    TOO_MANY = "too_many"
    SERVER_ERROR = "server_error"
    REDIRECTED = "redirected"
    NOT_JSON = "not_json"
    ERROR_INSIDE = "error_inside"
    TIMED_OUT = "timed_out"
    NO_ANSWER = "no_answer"
    NOT_CONNECTED = "not_connected"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Post:
    """One post. ``status``: the HTTP status, None if no answer came; ``seconds``: until the whole answer was there.
    ``detail``: what usagefix saw, without the token; ``hint``: what to do, empty if nothing."""

    outcome: PostOutcome
    status: int | None
    seconds: float
    detail: str
    hint: str = ""

    @property
    def accepted(self) -> bool:
        return self.outcome is PostOutcome.ACCEPTED

    @property
    def unanswered(self) -> bool:
        """Whether the use may still be recorded: it was sent, but no answer came."""
        return self.outcome in (PostOutcome.TIMED_OUT, PostOutcome.NO_ANSWER)


@dataclass(frozen=True, slots=True)
class Notified:
    """How many notifications of the preset arose in a table since the first post, anybody's, and for how many people;
    None where the server does not tell."""

    table: str
    rows: int | None
    people: int | None


@dataclass(frozen=True, slots=True)
class ProbeReport(Keyed):
    """What was posted, answered, recorded and counted; ``preset`` is as it was afterwards. ``counted``: the change
    of the counter; ``recorded``: the number of new events, anybody's; ``ours``: how many of these carry the data of
    the probe, None if nobody can tell. ``why``: what in the catalog explains the result, competing writers first.
    ``guard``: its state in words, empty if probe-api did not look. ``events``: the ids of ours, or of all new ones
    if nobody can tell; they stay recorded. ``dated``: whether presets keep their last use.
    ``notified``: the notifications that arose, by the tables that functions of the database write them to."""

    preset: RowCount
    url: str
    usage_type: str
    posts: tuple[Post, ...]
    expected: int
    counted: int
    recorded: int
    ours: int | None
    verdict: Probed
    why: tuple[Finding, ...] = ()
    guard: str = ""
    events: tuple[str, ...] = ()
    dated: bool = True
    notified: tuple[Notified, ...] = ()

    @property
    def ok(self) -> bool:
        return self.verdict is Probed.COUNTED

    @property
    def refused(self) -> int:
        """How many posts the API did not accept."""
        return sum(not post.accepted for post in self.posts)
