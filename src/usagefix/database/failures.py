"""Translates psycopg's errors into ours: by SQLSTATE, with what to do, and never with a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from usagefix.database import hints
from usagefix.errors import (
    TO_THE_PRIMARY,
    Busy,
    CannotConnect,
    ConfigurationError,
    DatabaseRefused,
    NotPermitted,
    ReadOnlyServer,
    UsagefixError,
    without_urls,
)

RETRYABLE = frozenset({"55P03", "40P01", "40001"})  # lock not available, deadlock, serialization failure
CONFLICTS = RETRYABLE - {"55P03"}  # on a standby also: with changes from the primary
_ENDED = frozenset(
    {"25P03", "25P04"}
)  # these end the session, as 08 and 57P do: idle in a transaction, too long a transaction
_AGAIN = "the server rolls an open transaction back; run this again"
_BACK = f"{_AGAIN} when it is back (--wait SECONDS waits for it)"
_LOST = {
    "57P01": f"the server was stopped, or somebody ended this session; {_BACK}",
    "57P02": _BACK,
    "57P03": _BACK,
    "57P04": "the database was dropped meanwhile: check its name",
    "57P05": "idle_session_timeout ended the session, because it was idle for too long: run this again",
    "25P03": f"idle_in_transaction_session_timeout ended the session; {_AGAIN}",
    "25P04": f"transaction_timeout ended the session; {_AGAIN}, or SET it higher for the role",
}
# PgBouncer's own words, which it says in no other language, and none with a SQLSTATE of its own.
_POOLER_FULL = re.compile(r"query_wait_timeout|server_login_retry|server login has been failing")
_POOLER_LIMIT = re.compile(r"(?:query|idle transaction|transaction|client_idle)[ _]timeout")
_ROLLED_BACK = "the statement's transaction is rolled back; `usagefix status` shows where things stand"
_WHO = {
    "UF001": "",  # the guard says so itself
    "P0": "a function or trigger in the database refused it: ",  # RAISE and ASSERT, in PL/pgSQL
}
_REFUSED = {
    "22003": "a number is too large for its column: usagefix doctor names a counter near its limit; make it bigint",
    "57014": (
        "a statement_timeout of the role or the server ended the statement, or somebody cancelled it; run this again"
    ),
    "53100": "the server's disk is full: add disk space, then run this again",
    "53200": "the server has no memory left: run this again when it is less busy, or add memory",
    "53300": "all connections of the server are in use: run this again when there are fewer",
    "53400": "raise that limit of the server for this role, then run this again",
    "58030": "the server cannot read or write its files: read its log first",
    "XX001": "the server's files are damaged: read its log first",
    "XX002": "an index is damaged: REINDEX it, and read the server's log",
}


@contextmanager
def translated(script: str = "") -> Iterator[None]:
    """psycopg's errors as ours."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error, script) from error
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"a given value contains {error.object[error.start]!a}, which the connection's encoding lacks",
            hint="check the values on the command line: one has bytes that are no text, or a character that the"
            " database's encoding lacks",
        ) from None


def _translate(error: psycopg.Error, script: str) -> UsagefixError:
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
            f"usagefix cannot read what the server sent: {said}",
            hint="check the values in the two tables",
            sqlstate=None,
        )
    if state is None or state.startswith(("08", "57P")) or state in _ENDED:
        return _lost(state, said)
    if state == "42501":
        if diag.source_function == "check_enable_rls":  # what it says is in the server's language
            said += "; the counts would be wrong"
            hint = "connect as a role with BYPASSRLS, or, unless it is forced on them, as the owner of the tables"
        return NotPermitted(
            f"the role lacks a privilege: {said}",
            hint=hint or "grant it to this role, or connect as a role that has it",
            sqlstate=state,
        )
    if state == "25006":
        return ReadOnlyServer(f"the server takes no writes: {said}", hint=TO_THE_PRIMARY, sqlstate=state)
    return DatabaseRefused(
        _WHO.get(state, _WHO.get(state[:2], "the server refused a statement: ")) + said,
        hint=hint or _REFUSED.get(state, _ROLLED_BACK),
        sqlstate=state,
    )


def _lost(state: str | None, said: str) -> UsagefixError:
    if "statement pooling" in said:
        return ConfigurationError(
            f"the pooler gives a connection for one statement only: {said}",
            hint="usagefix needs transactions: set pool_mode to transaction or session for this database, or name the"
            " server's own address",
            sqlstate=state,
        )
    hint = _LOST.get(state or "", _AGAIN)
    if _POOLER_FULL.search(said):
        hint = hints.hint(said, said, "", "")
    elif _POOLER_LIMIT.fullmatch(said):
        hint = f"the pooler's own time limit ended this: raise it there, or name the server's address; {_AGAIN}"
    return CannotConnect(f"the connection was lost: {said}", hint=hint, sqlstate=state)


def words_of(error: UsagefixError) -> str:
    """What the server itself said, without who refused what; the message of an error that did not come from it."""
    cause = error.__cause__
    said = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return without_urls(said) if said else error.message


def detail_of(error: UsagefixError) -> str:
    """The server's DETAIL of what it refused; it may quote a row. Empty if it gave none."""
    cause = error.__cause__
    return (cause.diag.message_detail or "") if isinstance(cause, psycopg.Error) else ""


def context_of(error: UsagefixError) -> str:
    """The functions in which the server refused something, as it tells them. Empty if it was in none."""
    cause = error.__cause__
    return (cause.diag.context or "") if isinstance(cause, psycopg.Error) else ""
