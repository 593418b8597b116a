"""What is said about a connection that failed, by what libpq and the servers say. Words of theirs, no connection."""

from __future__ import annotations

import pytest

from usagefix.database import hints

AT = 'connection to server at "192.0.2.1", port 5432 failed: '
FATAL = f"connection failed: {AT}FATAL:  "
DIRECT = "db.abcdefghijklmnopqrst.supabase.co"
POOLER = "aws-0-eu-central-1.pooler.supabase.com"


def said(text: str, host: str = "db.example", port: str = "5432") -> str:
    return hints.hint(hints.reason(text), text, host, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{FATAL}password authentication failed for user \"u\"", "percent-encoded"),
        (f"{FATAL}Tenant or user not found", "postgres.<project-ref>"),
        (f"{FATAL}no tenant identifier provided (external_id or sni_hostname required)", "postgres.<project-ref>"),
        (f"{FATAL}(ENOTFOUND) tenant/user postgres.abc not found", "postgres.<project-ref>"),
        (f'{FATAL}database "d" does not exist', "database name"),
        (f'{FATAL}no pg_hba.conf entry for host "192.0.2.2", user "u", database "d", no encryption', "sslmode=require"),
        (f'{FATAL}no pg_hba.conf entry for host "192.0.2.2", user "u", database "d", SSL encryption', "does not allow this user"),
        (f"{FATAL}SSL connection is required. Please specify SSL options and retry.", "sslmode=require"),
        (f"{FATAL}SSL required", "sslmode=require"),
        (f"{FATAL}connection is insecure (try using `sslmode=require`)", "sslmode=require"),
        (f"{AT}server does not support SSL, but SSL was required", "has no TLS"),
        (f"{AT}SSL error: certificate verify failed", "sslrootcert=system"),
        (f'{AT}server certificate for "a" does not match host name "b"', "host name that the certificate has"),
        (f'{AT}root certificate file "/x/root.crt" does not exist\nEither provide the file, or', "sslrootcert=FILE"),
        (f'{AT}could not read root certificate file "/x": no such file', "sslrootcert=FILE"),
        (f"{AT}Network is unreachable\n\tIs the server running on that host?", "IPv6 address only"),
        (f"{AT}Connection refused\n\tIs the server running on that host?", "--wait"),
        (f"{FATAL}the database system is starting up", "--wait"),
        (f"{FATAL}sorry, too many clients already", "--wait"),
        ("failed to resolve host 'db.example': [Errno -2] Name or service not known", "check the host name"),
        ("connection timeout expired", "firewall"),
        (f"{AT}received invalid response to SSL negotiation: H", "a program other than PostgreSQL"),
        (f'{FATAL}PAM authentication failed for user "u"', "another authentication than a password"),
        (f"{FATAL}password authentication failed for user \"u\"", "expired"),
        (f"{FATAL}unsupported startup parameter: options", "remove options= and the like"),
        (f"{FATAL}query_wait_timeout", "the size of the pool"),
        (f"{FATAL}pgbouncer cannot connect to server", "check that the server runs"),
        (f"{FATAL}the database system is not accepting connections\nDETAIL:  Hot standby mode is disabled.", "primary"),
        (f"{FATAL}the database system is not yet accepting connections", "primary"),
        (f"{FATAL}remaining connection slots are reserved for roles with the SUPERUSER attribute", "connections are in use"),
        (f"{FATAL}no more connections allowed (max_client_conn)", "connections are in use"),
        (f'{FATAL}too many connections for role "u"', "connections are in use"),
        (f"{FATAL}out of memory", "out of disk or memory"),
        (f"{FATAL}Passwort-Authentifizierung f\xfcr Benutzer \xbbu\xab fehlgeschlagen", "the server itself refuses"),
        ("something never heard of", "check host, port and network"),
    ],
)  # fmt: skip
def test_what_to_do(text: str, words: str) -> None:
    assert words in said(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{AT}Network is unreachable",
        f"{AT}Cannot assign requested address",
        f'could not translate host name "{DIRECT}" to address: No address associated with hostname',
        f"failed to resolve host '{DIRECT}': [Errno -2] Name or service not known",
        "connection timeout expired",
    ],
)
def test_supabases_direct_host(text: str) -> None:
    assert "Session pooler" in said(text, DIRECT)
    assert "IPv4 add-on" in said(text, DIRECT)
    assert DIRECT not in text or "Session pooler" in said(text, ""), "PGHOST"
    for other in (POOLER, "db.example", f"x{DIRECT}"):
        assert "Session pooler" not in said(text, other)


def test_supabases_ports() -> None:
    assert "6543" in said(f"{AT}Connection refused", POOLER, "6432")
    assert "6543" not in said(f"{AT}Connection refused", POOLER, "6543")
    assert "6543" in said(f"{FATAL}MaxClientsInSessionMode: max clients reached", POOLER)
    assert "6543" not in said(f"{AT}Connection refused", "db.example", "6432")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'connection is bad: connection to server on socket "/x/.s.PGSQL.5432" failed: No such file or directory\n'
            "\tIs the server running locally and accepting connections on that socket?",
            'connection to server on socket "/x/.s.PGSQL.5432" failed: No such file or directory',
        ),
        (f"{FATAL}no", f"{AT}FATAL: no"),
        (
            "connection failed: x\nMultiple connection attempts failed. All failures were:\n"
            f"- host: 'a', port: '5', hostaddr: '192.0.2.1': connection failed: {AT}Connection refused\n"
            "\tIs the server running on that host and accepting TCP/IP connections?",
            f"{AT}Connection refused",
        ),
        (
            f"{FATAL}password authentication failed for user \"u\"\n"
            f'{AT}FATAL:  no pg_hba.conf entry for host "a", user "u", database "d", no encryption',
            f'{AT}FATAL: password authentication failed for user "u"',
        ),
        ("", "no reason given"),
    ],
)  # fmt: skip
def test_one_sentence(text: str, sentence: str) -> None:
    assert hints.reason(text) == sentence


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (f"cannot connect: {AT}Connection refused", "connection refused"),
        (f"cannot connect: {AT}FATAL: the database system is starting up", "the database system is starting up"),
        ("cannot connect: failed to resolve host 'db'", "failed to resolve host 'db'"),
        (f"cannot connect: {AT}SSL SYSCALL error: EOF detected", "SSL SYSCALL error: EOF detected"),
    ],
)
def test_the_cause_in_short(message: str, cause: str) -> None:
    assert hints.cause(message) == cause


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        (f"{AT}Connection refused", True),
        (f"{AT}No such file or directory", True),
        (f"{FATAL}the database system is starting up", True),
        (f"{FATAL}sorry, too many clients already", True),
        (f"{AT}SSL SYSCALL error: EOF detected", True),
        (f'{FATAL}database "d" does not exist', False),
        (f"{FATAL}Tenant or user not found", False),
        (f"{AT}SSL error: certificate verify failed", False),
        (f'{FATAL}no pg_hba.conf entry for host "a"', False),
    ],
)
def test_what_waiting_helps_with(text: str, passes: bool) -> None:
    assert hints.may_pass(text) is passes
