"""What is said about what the server answers, by SQLSTATE: which error it is, and what to do. Words only, no server."""

from __future__ import annotations

import psycopg
import pytest

from usagefix.database.failures import translated
from usagefix.errors import (
    Busy,
    CannotConnect,
    ConfigurationError,
    DatabaseRefused,
    NotPermitted,
    ReadOnlyServer,
    UsagefixError,
)

CASES = [
    ("55P03", Busy, "run this again"), ("40P01", Busy, "run this again"), ("40001", Busy, "run this again"),
    ("57P01", CannotConnect, "when it is back"), ("57P02", CannotConnect, "when it is back"),
    ("57P03", CannotConnect, "--wait"), ("57P04", CannotConnect, "dropped"), ("57P05", CannotConnect, "idle_session_timeout"),
    ("25P03", CannotConnect, "idle_in_transaction_session_timeout"), ("25P04", CannotConnect, "transaction_timeout"),
    ("08006", CannotConnect, "rolls an open transaction back"), ("42501", NotPermitted, "grant it"),
    ("25006", ReadOnlyServer, "primary"), ("57014", DatabaseRefused, "statement_timeout"),
    ("53100", DatabaseRefused, "disk is full"), ("53200", DatabaseRefused, "memory"), ("53300", DatabaseRefused, "in use"),
    ("53400", DatabaseRefused, "raise that limit"), ("58030", DatabaseRefused, "log"), ("XX001", DatabaseRefused, "damaged"),
    ("XX002", DatabaseRefused, "REINDEX"), ("22012", DatabaseRefused, "rolled back"),
]  # fmt: skip


@pytest.mark.parametrize(("sqlstate", "kind", "words"), CASES, ids=[case[0] for case in CASES])
def test_what_to_do(sqlstate: str, kind: type[UsagefixError], words: str) -> None:
    class Said(psycopg.OperationalError):
        pass

    Said.sqlstate = sqlstate
    with pytest.raises(kind) as caught, translated():
        raise Said("what the server said, in any language")
    assert type(caught.value) is kind
    assert caught.value.sqlstate == sqlstate
    assert words in caught.value.hint
    assert "in any language" in caught.value.message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("query_wait_timeout", "the pooler has no free connection"),
        ("query timeout", "the pooler's own time limit"),
        ("idle transaction timeout", "the pooler's own time limit"),
        ("client_idle_timeout", "the pooler's own time limit"),
        ("server conn crashed?", "rolls an open transaction back"),
    ],
)
def test_what_a_pooler_says(said: str, words: str) -> None:
    with pytest.raises(CannotConnect) as caught, translated():
        raise psycopg.errors.ProtocolViolation(said)
    assert words in caught.value.hint


def test_statement_pooling() -> None:
    with pytest.raises(ConfigurationError) as caught, translated():
        raise psycopg.errors.ProtocolViolation("transaction blocks not allowed in statement pooling mode")
    assert "pool_mode" in caught.value.hint
    assert "again" not in caught.value.hint
