"""Settings of a role, a database or a server that our statements must not inherit, and what we set instead.

Always for one transaction (``SET LOCAL``): what a plain SET leaves behind, a pooler hands to the next client. What
cannot run in a transaction has a direct connection, see :func:`alone`.
"""

from __future__ import annotations

WITH_TRANSACTION_TIMEOUT = 170000
READ_LOCK_TIMEOUT = 5_000  # milliseconds; only what stops readers makes a reader wait
IDLE_TIMEOUT = "60000"  # of ours, in a transaction
# Where every name of ours is found: nobody else may create there, see :meth:`Database.application_path`.
PATH = {"search_path": "pg_catalog, pg_temp"}
# The meaning of our statements, and the format of their results.
_READABLE = {
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    # JIT compilation of a catalog query takes longer than the query, by seconds if its plan has a high cost.
    "jit": "off",
}
# Create objects as without any settings: functions of the application as they were, tables in the usual place.
_WRITTEN = {
    "plpgsql.extra_errors": "none",
    "plpgsql.extra_warnings": "none",
    "default_tablespace": "",
    "default_table_access_method": "heap",
}


def reading(version: int, encoding: str) -> dict[str, str]:
    """For a snapshot, on a server of this version and a database in this encoding."""
    return {
        "lock_timeout": str(READ_LOCK_TIMEOUT),
        "statement_timeout": "0",
        **_everywhere(version, encoding),
    }


def writing(version: int, encoding: str, *, lock_timeout: int, statement_timeout: int) -> dict[str, str]:
    """For a transaction that writes. The timeouts are milliseconds."""
    return {
        "lock_timeout": str(lock_timeout),
        "statement_timeout": str(statement_timeout),
        "client_min_messages": "notice",  # a trial speaks by them
        **_WRITTEN,
        **_everywhere(version, encoding),
    }


def alone(version: int) -> dict[str, str]:
    """For a session of ours alone, around a statement that cannot run in a transaction."""
    return {
        "default_transaction_read_only": "off",
        "default_tablespace": "",
        "standard_conforming_strings": "on",
        "statement_timeout": "0",
        "lock_timeout": "0",
        **_timeouts(version),
    }


def _everywhere(version: int, encoding: str) -> dict[str, str]:
    return {
        "row_security": "off",
        "client_encoding": encoding,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
        **_timeouts(version),
        **PATH,
        **_READABLE,
    }


def _timeouts(version: int) -> dict[str, str]:
    return {"transaction_timeout": "0"} if version >= WITH_TRANSACTION_TIMEOUT else {}
