"""Connection strings as people have them: URLs of other tools, passwords that nobody encoded. Text only, no connection.

libpq stays the reader of what comes out of here. A string that it reads is left as it is; where it reads none, or one
that nobody means, the string is put right if there is exactly one way to read it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from usagefix.errors import ConfigurationError
from usagefix.target.parameters import Parameters, understood, unknown

FORM = (
    "the form is postgresql://user:password@host:5432/database, with special characters in the password "
    "percent-encoded (@ is %40, / is %2F, ? is %3F, # is %23, % is %25)"
)
_SCHEME = re.compile(r"(?:postgres|postgresql|postgis|pgsql)(?:\+\w+)?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"[\w+.:-]+://")
_PLACEHOLDER = re.compile(
    r"[\[<{](?:your[-_ ][a-z_ -]+|(?:db[-_ ])?password|project[-_ ](?:ref|id))[\]>}]", re.IGNORECASE
)
_HOST = r"(?:\[[^\]\s@?#]*\]|(?!\[)[^\s@/?#:,]*)(?::\d*)?"
_PAIR = r"(?:[\w.%-]+(?:=[^&]*)?)?"
# What may follow user and password. Wide on purpose: all that libpq reads fits, so that one fit means one reading.
_TAIL = re.compile(
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<name>/(?:[^?@]*|[^?/]*))?(?:\?(?P<query>{_PAIR}(?:&{_PAIR})*))?", re.DOTALL
)
_ENCODED = r"%(?!00)[0-9A-Fa-f]{2}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A connection string for libpq, and what there is to know beside it. ``notes`` are free of secrets.

    ``schema``: the one that the URL names; ``pooler``: the URL says that it leads through one.
    """

    conninfo: str = field(repr=False)
    schema: str | None = None
    pooler: bool = False
    notes: tuple[str, ...] = ()


def read(conninfo: str, source: str, known: Collection[str]) -> Reading:
    """The string as libpq is to read it; ``known`` are libpq's own parameters, ``source`` names the string in notes.

    Raises ConfigurationError for a placeholder, a URL of something else and a parameter that nobody knows. Whether
    libpq can read the result remains to be seen.
    """
    text = _unwrapped(conninfo)
    _refuse_what_is_none(text, source)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Reading(text)
    rest = text[scheme.end() :]
    fits = list(_fits(rest))
    if len(fits) != 1:
        return Reading(f"postgresql://{rest}")
    who, tail = fits[0]
    raw = who is not None and _is_raw(who)
    if who is not None and raw:
        if not _is_certain(who, tail):
            return Reading(f"postgresql://{rest}")
        user, colon, password = who.partition(":")
        who = quote(user, safe="") + colon + quote(password, safe="")
    parameters = understood(tail["query"] or "", source, known)
    note = (
        f"{source}: the user or the password has characters that should be percent-encoded; usagefix takes all"
        " before the last @ for them"
    )
    reading = _joined(who, tail, parameters)
    return replace(reading, notes=(note, *reading.notes)) if raw else reading


def _joined(who: str | None, tail: re.Match[str], parameters: Parameters) -> Reading:
    text = "postgresql://" + ("" if who is None else f"{who}@") + tail["hosts"] + (tail["name"] or "")
    if parameters.kept:
        text += f"?{'&'.join(parameters.kept)}"
    return Reading(text, parameters.schema, parameters.pooler, parameters.notes)


def is_misread(parsed: Mapping[str, object]) -> bool:
    """Whether libpq took a part of the password for host, port or database."""
    host, port, name = (str(parsed.get(key) or "") for key in ("host", "port", "dbname"))
    if not host.startswith("/") and re.search(r"[@\s?#]", host):
        return True
    return "@" in name or not re.fullmatch(r"[\d,]*", port)


def misread(source: str) -> ConfigurationError:
    """The error for a string that :func:`is_misread`."""
    return ConfigurationError(
        f"the database URL from {source} is malformed: its host or port cannot be read",
        hint="percent-encode special characters in the password: @ is %40, / is %2F, # is %23, ? is %3F",
    )


def malformed(message: str, conninfo: str, source: str, known: Collection[str]) -> ConfigurationError:
    """The error for a string that libpq refuses with ``message``, which may quote the password and is not passed on."""
    parameter = re.search(r'(?:URI query parameter|connection option)[^"]*"([^"]*)"', message)
    if parameter and "separator" not in message:
        return unknown(parameter[1], source, known)
    if _SCHEME.match(_unwrapped(conninfo)):
        return ConfigurationError(
            f"the database URL from {source} is malformed: {_what_is_wrong_with_url(message, conninfo)}", hint=FORM
        )
    return ConfigurationError(
        f"the connection string from {source} is malformed: {_what_is_wrong_with_string(message, conninfo)}",
        hint="write a URL, postgresql://user:password@host:5432/database, or libpq's host=… port=… dbname=… user=…, "
        "with single quotes around values that hold spaces",
    )


def _unwrapped(conninfo: str) -> str:
    """Without the quotes that docker's --env-file keeps, and what a URL was copied with: ``psql``, a variable."""
    text = re.sub(r"^(?:psql\s+|(?:export\s+)?\w+_URL=)(?=['\"]?postgres)", "", conninfo.strip())
    wrapped = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and "://" in text
    return text[1:-1].strip() if wrapped else text


def _refuse_what_is_none(text: str, source: str) -> None:
    if _PLACEHOLDER.search(unquote(text)):
        raise ConfigurationError(
            f"the database URL from {source} still holds a placeholder, such as the one for the password",
            hint="replace it by the database's password, with special characters percent-encoded (@ is %40)",
        )
    if text.lower().startswith("jdbc:"):
        raise ConfigurationError(
            f"the database URL from {source} is one for JDBC",
            hint="write it without jdbc:, and with user and password in it:"
            " postgresql://user:password@host:5432/database",
        )
    if re.match(r"https?://", text, re.IGNORECASE):
        raise ConfigurationError(
            f"the database URL from {source} is malformed: it is the address of a web service",
            hint="the database has a URL of its own, which begins with postgresql:// (Supabase: Connect)",
        )


def _fits(rest: str) -> Iterator[tuple[str | None, re.Match[str]]]:
    """Each way to read what follows the scheme: user and password (None: there are none), and the rest."""
    if whole := _TAIL.fullmatch(rest):
        yield None, whole
    for at in re.finditer("@", rest):
        if tail := _TAIL.fullmatch(rest, at.end()):
            yield rest[: at.start()], tail


def _is_raw(who: str) -> bool:
    """Whether libpq would read something else than what stands there."""
    return bool(re.search(rf"[@/\s]|%(?!{_ENCODED[1:]})", who))


def _is_certain(who: str, tail: re.Match[str]) -> bool:
    """Whether what is not encoded can only be meant as it stands, and a host is named that it goes to."""
    if re.search(rf"[\x00-\x1f\x7f]|{_ENCODED}", who):
        return False
    named = re.search(r"(?:^|&)host=.", tail["query"] or "")
    if named or not tail["hosts"]:
        return bool(named and re.match("[^@:]+:", who))
    return bool(re.fullmatch(r"[\w.%,:\[\]-]+", tail["hosts"]))


def _what_is_wrong_with_url(message: str, conninfo: str) -> str:
    if "codec" in message:
        return "what it says is not UTF-8, percent-encoded or not"
    if re.search(r"\s", conninfo.strip()):
        return "it holds a space"
    if "percent" in message:
        return "a % is not followed by two hexadecimal digits"
    if "separator" in message:
        return "a parameter after ? has no value, or is a part of the password"
    if "IPv6" in message or "bracket" in message or "]" in message:
        return "an address in [ ] is not closed, or something other than a port follows it"
    return "PostgreSQL's client library cannot read it"


def _what_is_wrong_with_string(message: str, conninfo: str) -> str:
    if "=" not in conninfo or _ANY_SCHEME.match(conninfo):
        return "it does not begin with postgresql://"
    if "unterminated" in message:
        return "a quote in it is not closed"
    if 'missing "="' in message:
        return "a word in it stands without ="
    return "PostgreSQL's client library cannot read it"
