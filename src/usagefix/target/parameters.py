"""The parameters after the ``?`` of a URL: libpq's stay; usagefix understands or removes those of other tools."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from usagefix.counter import checked_schema
from usagefix.errors import ConfigurationError

# A parameter that says how safe a connection must be is never in here: it is understood, or refused.
_OF_TOOLS = {
    "Prisma": "connection_limit pool_timeout socket_timeout statement_cache_size single_use_connections sslidentity "
    "max_connection_lifetime max_idle_connection_lifetime",
    "Rails": "pool prepared_statements checkout_timeout reaping_frequency advisory_locks encoding min_messages "
    "variables idle_timeout statement_limit max_threads min_threads max_age keepalive insert_returning database_tasks",
    "Vercel, Supabase": "supa workaround",
    "node-postgres, postgres.js": "uselibpqcompat query_timeout statement_timeout lock_timeout max min max_lifetime "
    "idle_in_transaction_session_timeout connectionTimeoutMillis idleTimeoutMillis prepare fetch_types",
    "asyncpg, SQLAlchemy": "prepared_statement_cache_size prepared_statement_name_func async_fallback command_timeout "
    "max_cached_statement_lifetime max_cacheable_statement_size executemany_mode use_native_hstore pool_size "
    "max_overflow pool_recycle pool_pre_ping",
    "pgx": "pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter "
    "pool_max_conn_idle_time pool_health_check_period default_query_exec_mode statement_cache_capacity "
    "description_cache_capacity statement_cache_mode prefer_simple_protocol timezone TimeZone",
    "lib/pq": "binary_parameters disable_prepared_binary_result",
    "Django": "conn_max_age conn_health_checks disable_server_side_cursors atomic_requests",
    "Doctrine, Ecto, sqlx": "serverVersion charset queue_target queue_interval statement-cache-capacity",
    "JDBC": "ApplicationName prepareThreshold preferQueryMode reWriteBatchedInserts stringtype loginTimeout "
    "socketTimeout tcpKeepAlive preparedStatementCacheQueries preparedStatementCacheSizeMiB",
}
IGNORED = frozenset(name for names in _OF_TOOLS.values() for name in names.split())
_SCHEMA = ("schema", "currentSchema", "search_path", "schema_search_path")
_UNDERSTOOD = frozenset({"pgbouncer", "ssl", "sslaccept", *_SCHEMA})
_STRENGTH = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_YES = ("", "1", "true", "t", "yes", "on", "require", "no-verify")
_NO = ("0", "false", "f", "no", "off", "disable")
# What asks for nothing, and is left out.
_UNSAFE = {"ssl": _NO, "sslaccept": ("accept_invalid_certs",)}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What stays for libpq, still encoded, and what the others mean. ``notes`` hold names only, from our own lists."""

    kept: tuple[str, ...] = field(repr=False)
    schema: str | None
    pooler: bool
    notes: tuple[str, ...]


def understood(query: str, source: str, known: Collection[str]) -> Parameters:
    """The parameters of a URL. Raises ConfigurationError for one that nobody knows, and for a value that is no schema
    or does not tell how safe the connection must be."""
    pairs = [(unquote(pair.partition("=")[0]), pair) for pair in query.split("&") if pair]
    values = {name: unquote(pair.partition("=")[2]) for name, pair in pairs}
    for name in values:
        if name not in known and name not in IGNORED and name not in _UNDERSTOOD:
            raise unknown(name, source, known)
    schema, ignored = _schema(values, source)
    ignored |= IGNORED & values.keys()
    ignored |= {name for name, unsafe in _UNSAFE.items() if values.get(name, "").lower() in unsafe}
    sslmode, notes = _sslmode(values, source)
    kept = [pair for name, pair in pairs if name in known and not (sslmode and name == "sslmode")]
    if sslmode:
        kept.append(f"sslmode={sslmode}")
    if ignored:
        notes = (f"ignored in {source}: {', '.join(sorted(ignored))} (of other tools)", *notes)
    return Parameters(tuple(kept), schema, values.get("pgbouncer", "no").lower() in _YES, notes)


def unknown(name: str, source: str, known: Collection[str]) -> ConfigurationError:
    """The error for a parameter that nobody knows. Its name may be part of a password: only libpq's words are told."""
    near = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.7)
    return ConfigurationError(
        f"the database URL from {source} is malformed: it has a parameter that PostgreSQL does not know",
        hint=(f"is {near[0]} meant? " if near else "")
        + "correct it or leave it out; in the password of a URL, ? is written %3F and & %26",
    )


def _schema(values: Mapping[str, str], source: str) -> tuple[str | None, set[str]]:
    """The schema that the URL names, and the parameters for one that name none or several."""
    ignored = set()
    for name in (name for name in _SCHEMA if values.get(name)):
        if name != "schema" and not re.fullmatch(r"\w+", values[name]):
            ignored.add(name)
            continue
        try:
            return checked_schema(values[name]), ignored
        except ConfigurationError as error:
            raise ConfigurationError(f"the schema that {source} names cannot be used", hint=error.hint) from None
    return None, ignored


def _sslmode(values: Mapping[str, str], source: str) -> tuple[str | None, tuple[str, ...]]:
    """The sslmode to put in the place of the given one, None to leave it: never weaker than any parameter asks."""
    asked = {
        name: _asked_by(name, values[name].lower(), source)
        for name, unsafe in _UNSAFE.items()
        if name in values and values[name].lower() not in unsafe
    }
    explicit = values.get("sslmode")
    if explicit == "no-verify":
        asked["sslmode"] = "require"
    elif explicit in _STRENGTH:
        asked["sslmode"] = explicit
    elif explicit:
        return None, ()  # libpq refuses it
    strongest = max(asked.values(), key=_STRENGTH.index, default=None)
    said = [("no-verify", "sslmode")] if explicit == "no-verify" else []
    said += [("strict", "sslaccept")] if "sslaccept" in asked else []
    notes = tuple(f"{name}={value} in {source} is read as sslmode={asked[name]}" for value, name in said)
    return (None if strongest == explicit else strongest), notes


def _asked_by(name: str, value: str, source: str) -> str:
    if name == "sslaccept" and value == "strict":
        return "verify-full"
    if name == "ssl" and value in _YES:
        return "require"
    if name == "ssl" and value in _STRENGTH:
        return value
    raise ConfigurationError(
        f"the parameter {name} in the database URL from {source} has a value that is not known",
        hint=f"write sslmode= with one of {', '.join(_STRENGTH)}",
    )
