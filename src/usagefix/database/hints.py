"""What to do about a failed connection, by the message of libpq or the server. Text only."""

from __future__ import annotations

import re

_UNKNOWN_HOST = r"could not translate host name|failed to resolve host|[Nn]ame or service not known|nodename"
_NO_WAY = (
    rf"{_UNKNOWN_HOST}|Network is unreachable|No route to host|Cannot assign requested address"
    r"|Address family not supported|closed the connection unexpectedly|timeout|timed out"
)
_SUPABASE = re.compile(r"supabase\.(?:co|com|in)$")
_SUPABASE_DIRECT = re.compile(r"db\.[a-z0-9]+\.supabase\.(?:co|com|in)")
_POOLER_USER = (
    "through Supabase's pooler the user is postgres.<project-ref>, and the host belongs to the project's own"
    " region: copy the connection string from Connect"
)
_USE_TLS = (
    "the server wants TLS: add sslmode=require to the URL (or set PGSSLMODE); verify-full also checks the server's name"
)
_MORE_CA = "sslrootcert=FILE names the CA's certificate, sslrootcert=system takes the CAs that this machine trusts"
# The first that fits.
_HINTS = (
    (r"Tenant or user not found|tenant/user .* not found|no tenant identifier", _POOLER_USER),
    (
        r"password authentication failed|no password supplied",
        "check the user and the password; in a URL, special characters of the password must be"
        " percent-encoded (@ is %40); it may also come from PGPASSWORD or ~/.pgpass; it may have expired"
        " (VALID UNTIL of the role)",
    ),
    (
        r"authentication failed for user|GSSAPI|certificate authentication|SASL",
        "the server requires another authentication than a password, or did not accept it: ask its"
        " administrator how this user logs in (pg_hba.conf), and check the user's name",
    ),
    (
        r"unsupported startup parameter",
        "a pooler accepts no such parameter: remove options= and the like from the URL (and unset PGOPTIONS),"
        " or name the server's own address",
    ),
    (
        r"query_wait_timeout|pgbouncer cannot connect|server login (?:has been )?fail|server_login_retry",
        "the pooler has no free connection to the server: check that the server runs, and the size of the"
        " pool; try again, or pass --wait SECONDS",
    ),
    (
        r"not (?:yet )?accepting connections|[Hh]ot standby mode is disabled|recovery state has not been",
        (
            "this is a standby that accepts no connections, or not yet: connect to the primary server, or pass"
            " --wait SECONDS"
        ),
    ),
    (r"CONNECT privilege", "GRANT CONNECT ON DATABASE, or connect as another role"),
    (r"not permitted to log in", "connect as a role with LOGIN"),
    (r"database .* does not exist", "check the database name at the end of the URL"),
    (r"role .* does not exist", "check the user name in the URL"),
    (r"no pg_hba\.conf entry .*no encryption", _USE_TLS),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "the server's pg_hba.conf does not allow this user to connect from here to this database: check user"
        " and database, or ask for a line there",
    ),
    (r"does not match host name", "use a host name that the certificate has (hostaddr= may say where it is)"),
    (r"certificate verify failed", f"this machine does not trust the CA of the server's certificate: {_MORE_CA}"),
    (r"root certificate file .* does not exist|could not read root certificate file", _MORE_CA),
    (
        r"server does not support SSL|server does not support TLS",
        "the server has no TLS: turn it on there, or remove sslmode if you trust the network",
    ),
    (r"(?:SSL|TLS)(?: connection)?(?: is)? required|connection is insecure", _USE_TLS),
    (
        r"[Cc]onnection refused|No such file or directory",
        "check that the server runs, and the host and port; --wait SECONDS waits for a server that is starting",
    ),
    (_UNKNOWN_HOST, "check the host name"),
    (
        r"Network is unreachable|Cannot assign requested address",
        "check the network; the host may have an IPv6 address only",
    ),
    (
        r"too many|[Mm]ax.*clients|remaining connection slots|no more connections allowed",
        ("all connections are in use: end some, connect through a pooler, or try again; --wait SECONDS waits for one"),
    ),
    (r"starting up|shutting down|recovery mode", "try again, or pass --wait SECONDS"),
    (r"not enough memory|out of memory|No space left|could not (?:write|fork)", "the server is out of disk or memory"),
    (
        r"FATAL|FEHLER",
        "the server itself refuses: read its message, and ask its administrator",
    ),
    (r"invalid response to SSL|expected authentication request", "a program other than PostgreSQL answers there"),
    (r"timeout|timed out", "check host, port and firewall; --wait SECONDS waits longer"),
    (r"SSL|certificate", "check sslmode in the URL"),
)
_LASTING = (
    r"authentication failed|does not exist|no password supplied|pg_hba|not permitted|privilege|certificate"
    r"|not support (?:SSL|TLS)|(?:SSL|TLS)(?: connection)?(?: is)? required|is insecure|user not found|[Tt]enant"
)
_MISCONFIGURED = (
    r"invalid port|invalid integer|invalid \w+ value|invalid command-line argument|unrecognized configuration"
    r"|weak sslmode"
)


def hint(reason: str, text: str, host: str, port: str) -> str:
    """What to do about ``text``, whose telling line is ``reason``, on the way to this host."""
    named = re.search(r"(?:resolve host|host name) ['\"]([^'\"]+)", text)
    host = host or (named[1] if named else "")  # PGHOST
    if _SUPABASE_DIRECT.fullmatch(host) and re.search(_NO_WAY, text):
        return (
            "Supabase's direct host has an IPv6 address only: use the pooler's connection string (Connect → Session "
            "pooler), or the IPv4 add-on; and check that the project is not paused"
        )
    if _SUPABASE.search(host) and port not in ("", "5432", "6543") and re.search("refused|timeout|timed out", text):
        return "Supabase listens on port 5432, and its transaction pooler on port 6543"
    if "pooler.supabase.com" in host and re.search(r"too many|[Mm]ax.*clients", text):
        return "try again; all sessions of the pooler (port 5432) are in use, its transaction port (6543) allows more"
    for said in (reason, text):
        for pattern, advice in _HINTS:
            if re.search(pattern, said):
                return advice
    return "check host, port and network"


def reason(text: str) -> str:
    """The one sentence of what libpq or the server said that tells the cause."""
    lines = [line.strip(" -\t") for line in text.splitlines() if line.strip()]
    # With several addresses psycopg lists one line each under a heading; the server's own word is the best of them.
    # Where TLS is refused, libpq tries without, and what the server says to that is not the cause.
    spoken = [line for line in lines if "FATAL" in line]
    first = [line for line in spoken if not line.endswith("no encryption")]
    telling = first or spoken or [line for line in lines if "failed:" in line] or lines or ["no reason given"]
    sentence = re.sub(r"^host: .*?: (?=connection |failed )", "", telling[-1])
    return re.sub(r"\s+", " ", re.sub(r"^(?:connection (?:failed|is bad): )+", "", sentence))


def cause(message: str) -> str:
    """The end of such a sentence: what is wrong, without where."""
    short = re.sub(r"^(?:cannot connect: )?(?:FATAL: )?", "", message.rpartition("failed: ")[2])
    return short[:1].lower() + short[1:] if short[1:2].islower() else short


def may_pass(text: str) -> bool:
    """Whether waiting can help: the server is not there yet. It does not help if the server refuses."""
    return "starting up" in text or not re.search(_LASTING, text)


def is_misconfigured(text: str) -> bool:
    """Whether the connection's own parameters are at fault."""
    return bool(re.search(_MISCONFIGURED, text)) or is_about_services(text)


def is_about_services(text: str) -> bool:
    """Whether a service is missing, or its file."""
    return bool(re.search(r"definition of service|service file", text))
