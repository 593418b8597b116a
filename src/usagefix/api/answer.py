"""What an answer of the API means, what usagefix saw of it, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from usagefix.models.figures import duration
from usagefix.models.probe import Post, PostOutcome

if TYPE_CHECKING:
    from usagefix.api.post import Answer

MOST = 160  # characters of an answer that are shown
READ = 4_000  # of those that usagefix searches for that
PIECE = 8  # a piece of the token with so many characters is a secret
HIDDEN = "***"

_STATUS = {
    400: PostOutcome.INVALID, 401: PostOutcome.UNAUTHORIZED, 403: PostOutcome.FORBIDDEN, 404: PostOutcome.NOT_FOUND,
    422: PostOutcome.INVALID, 429: PostOutcome.TOO_MANY,
}  # fmt: skip
_HINTS = {
    PostOutcome.ACCEPTED: "",
    PostOutcome.UNAUTHORIZED: "the token may be expired, or belong to another project: sign in, and use a new one",
    PostOutcome.FORBIDDEN: "this user may not use this preset: use another user's token, or a public preset",
    PostOutcome.NOT_FOUND: "check --url (/api/presets/ID/usage is added to it), and that the API and the database"
    " belong together",
    PostOutcome.INVALID: "the API does not accept this body: check --usage-type, and what the route expects",
    PostOutcome.TOO_MANY: "a rate limit: wait, or use a smaller --count",
    PostOutcome.SERVER_ERROR: "read the application's log for this moment",
    PostOutcome.REDIRECTED: "usagefix did not send the token there: give the URL without a redirect, or sign in",
    PostOutcome.NOT_JSON: "this is a page, not the API: check --url, and whether a sign-in or a proxy answers first",
    PostOutcome.ERROR_INSIDE: "the API itself says so, in spite of the status: read the application's log",
    PostOutcome.TIMED_OUT: "--timeout SECONDS waits longer; read the application's log for this moment",
    PostOutcome.NO_ANSWER: "read the log of the application, and of a proxy before it",
    PostOutcome.UNEXPECTED: "check --url, and what the route expects",
}


def judged(answer: Answer, url: str, token: str) -> Post:
    """The meaning of an answer to a post to ``url``."""
    outcome = _outcome(answer)
    match outcome:
        case PostOutcome.TIMED_OUT:
            detail = f"no answer in {duration(answer.seconds)}"
        case PostOutcome.NO_ANSWER:
            detail = "the connection was closed, or the answer is not HTTP"
        case PostOutcome.REDIRECTED:
            detail = f"to {_target(url, answer.location, token)}"
        case _:
            detail = excerpt(answer.body, token)
    return Post(outcome, answer.status, round(answer.seconds, 3), detail, _HINTS[outcome])


def _outcome(answer: Answer) -> PostOutcome:
    status = answer.status
    if status is None:
        return PostOutcome.TIMED_OUT if answer.timed_out else PostOutcome.NO_ANSWER
    match status // 100:
        case 2:
            return _of_content(answer.body)
        case 3:
            return PostOutcome.REDIRECTED
        case 5:
            return PostOutcome.SERVER_ERROR
        case _:
            return _STATUS.get(status, PostOutcome.UNEXPECTED)


def _of_content(body: bytes) -> PostOutcome:
    """The meaning of a successful answer: it must be empty, or JSON that reports no error."""
    if not body.strip():
        return PostOutcome.ACCEPTED
    try:
        said = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return PostOutcome.NOT_JSON
    if isinstance(said, dict) and (said.get("success") is False or said.get("ok") is False or said.get("error")):
        return PostOutcome.ERROR_INSIDE
    return PostOutcome.ACCEPTED


def _target(url: str, location: str, token: str) -> str:
    """Where a redirect leads to: without a query, which may hold secrets, and without a user."""
    if not location:
        return "nowhere: it has no location"
    try:
        parts = urlsplit(urljoin(url, location))
        there = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "a location that usagefix cannot read"
    return excerpt(there.encode("utf-8", "replace"), token)


def excerpt(body: bytes, token: str) -> str:
    """The beginning of an answer on one line, without control characters and without any piece of the token."""
    text = without(body.decode("utf-8", "replace")[:READ], token)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MOST else f"{line[: MOST - 2]} …"


def without(text: str, secret: str) -> str:
    """The text without any piece of the secret: a server may cut it, wrap it, or escape parts of it."""
    size = min(PIECE, len(secret))
    pieces = {secret[start : start + size] for start in range(len(secret) - size + 1)}
    hidden = bytearray(len(text))
    for start in range(len(text) - size + 1):
        if text[start : start + size] in pieces:
            hidden[start : start + size] = b"\x01" * size
    shown = [HIDDEN if hides and not before else "" if hides else c
             for c, hides, before in zip(text, hidden, b"\0" + hidden, strict=False)]  # fmt: skip
    return "".join(shown)
