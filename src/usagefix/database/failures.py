"""psycopg's errors as ours: by SQLSTATE, with what to do, and never with a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from usagefix.errors import (
    Busy,
    CannotConnect,
    ConfigurationError,
    DatabaseRefused,
    NotPermitted,
    ReadOnlyServer,
    TrialFailed,
    UsagefixError,
)

RETRYABLE = frozenset({"55P03", "40P01", "40001"})  # lock not available, deadlock, serialization failure
_TRIAL_FAILED = "UF005"


@contextmanager
def translated(script: str = "") -> Iterator[None]:
    """psycopg's errors as ours."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error, script) from error
    except UnicodeEncodeError:
        raise ConfigurationError(
            "a value that was given cannot be written in the connection's encoding",
            hint="check the values on the command line: one has bytes that are no text",
        ) from None


def _translate(error: psycopg.Error, script: str) -> UsagefixError:  # noqa: PLR0911 - one for each kind
    state, diag = error.sqlstate, error.diag
    said = diag.message_primary or (str(error).strip().splitlines() or ["no reason given"])[0]
    if script and diag.statement_position and "\n" in script:
        line = script.count("\n", 0, int(diag.statement_position) - 1) + 1
        said += f" (line {line} of the script)"
    hint = diag.message_hint or ""
    if state in RETRYABLE:
        return Busy(f"the server is busy: {said}", hint=hint or "run this again", sqlstate=state)
    if state is None and not isinstance(error, psycopg.OperationalError):
        return DatabaseRefused(
            f"what the server sent cannot be read: {said}", hint="look at the values in the two tables", sqlstate=None
        )
    if state is None or state.startswith(("08", "57P")):
        return CannotConnect(
            f"the connection was lost: {said}",
            hint="the server rolls an open transaction back; run this again",
            sqlstate=state,
        )
    if state == _TRIAL_FAILED:
        return TrialFailed(said, hint=hint or "look at what the function that was tried does", sqlstate=state)
    if state == "42501":
        if "affected by row-level security" in said:
            said += "; the counts would be wrong"
            hint = "connect as the owner of the tables, or as a role with BYPASSRLS"
        return NotPermitted(
            f"the role lacks a right: {said}",
            hint=hint or "grant it, or connect as the owner of the tables",
            sqlstate=state,
        )
    if state == "25006":
        return ReadOnlyServer(
            f"the server accepts no writes: {said}", hint="connect to the primary server", sqlstate=state
        )
    if state == "57014" and not hint:
        hint = "a statement_timeout of the role or the server ended it, or somebody cancelled it; run this again"
    return DatabaseRefused(
        f"the server refused a statement: {said}",
        hint=hint or "the statement's transaction is rolled back; `usagefix status` shows where things stand",
        sqlstate=state,
    )


def detail_of(error: UsagefixError) -> str:
    """The server's DETAIL of what it refused; it may quote a row. Empty where it gave none."""
    cause = error.__cause__
    return (cause.diag.message_detail or "") if isinstance(cause, psycopg.Error) else ""
