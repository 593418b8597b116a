"""What a connection string is taken for: text only. libpq's own reader is asked, nothing is connected."""

from __future__ import annotations

import re
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import conninfo as libpq

from usagefix.errors import ConfigurationError
from usagefix.models.target import is_here
from usagefix.target import Location, locate, urls
from usagefix.target.parameters import IGNORED

NASTY = "@:/?#%&=+ '\"\\[]é"
KNOWN = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
OURS = {
    "connect_timeout", "fallback_application_name", "client_encoding",
    "keepalives_idle", "keepalives_interval", "keepalives_count",
}  # fmt: skip
RAW = "percent-encoded"


def parameters(location: Location) -> dict[str, str]:
    return {name: str(value) for name, value in location.parameters.items() if name not in OURS}


def read(text: str) -> dict[str, str]:
    return parameters(locate(text, "DATABASE_URL"))


def refused(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        locate(text, "DATABASE_URL")
    return caught.value


@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "POSTGRESQL",
        "postgresql+psycopg",
        "postgres+psycopg2",
        "postgresql+asyncpg",
        "postgis",
    ],
)
def test_schemes_of_other_tools(scheme: str) -> None:
    assert read(f"{scheme}://u:p@h:6543/d") == {
        "user": "u",
        "password": "p",
        "host": "h",
        "port": "6543",
        "dbname": "d",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jdbc:postgresql://h:5432/d?user=u&password=p", "JDBC"),
        ("mysql://u:p@h/d", "does not begin with postgresql://"),
        ("p", "does not begin with postgresql://"),
        ("https://x.supabase.co", "web service"),
        ("host=h nonsense=1", "a parameter that PostgreSQL does not know"),
        ("host=h nonsense", "a word in it stands without ="),
        ("host=h password='p", "a quote in it is not closed"),
        ("postgresql://u:p@h/d?a b=1", "space"),
        ("postgresql://h/d?sslmode", "a parameter after ? has no value"),
        ("postgresql://u@[::1:2/d", "[ ]"),
        ("postgresql://u:p@h/%zz", "hexadecimal"),
        ("postgresql://u:p%db@h/d", "not UTF-8"),
        ("postgresql://u:\udcff@h/d", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    error = refused(text)
    assert (words in error.message, error.exit_code) == (True, 2), error.message


@pytest.mark.parametrize("wrapped", ['"{}"', "'{}'", " {} ", "psql {}", "psql '{}'"])
def test_what_is_copied_along_with_a_url(wrapped: str) -> None:
    assert read(wrapped.format("postgresql://u:p@h/d")) == {"user": "u", "password": "p", "host": "h", "dbname": "d"}


def test_parameters_of_other_tools_are_left_out_by_name() -> None:
    location = locate(
        "postgresql://u:p@h/d?pool_timeout=sec&sslmode=require&connection_limit=ret&supa=x", "DATABASE_URL"
    )
    assert parameters(location) == {"user": "u", "password": "p", "host": "h", "dbname": "d", "sslmode": "require"}
    assert location.notes == ("ignored in DATABASE_URL: connection_limit, pool_timeout, supa (of other tools)",)
    assert not location.pooler


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_each_of_them_is_left_out(name: str) -> None:
    location = locate(f"postgresql://h/d?{name}=1", "DATABASE_URL")
    assert parameters(location) == {"host": "h", "dbname": "d"}
    assert name in location.notes[0]


def test_none_of_them_is_libpqs_or_about_safety() -> None:
    assert not IGNORED & KNOWN
    assert {name for name in IGNORED if "ssl" in name or "tls" in name} == {"sslidentity"}, "a client's certificate"


@pytest.mark.parametrize(
    ("query", "pooler"), [("pgbouncer=true", True), ("pgbouncer", True), ("pgbouncer=false", False), ("pool=1", False)]
)
def test_a_pooler(query: str, pooler: bool) -> None:
    assert locate(f"postgresql://h/d?{query}", "DATABASE_URL").pooler is pooler


@pytest.mark.parametrize(
    ("query", "schema", "ignored"),
    [
        ("schema=shop", "shop", False),
        ("schema=my%20shop", "my shop", False),
        ("schema=", None, False),
        ("search_path=shop", "shop", False),
        ("search_path=shop,public", None, True),
        ("currentSchema=shop", "shop", False),
    ],
)
def test_a_schema(query: str, schema: str | None, ignored: bool) -> None:
    location = locate(f"postgresql://h/d?{query}", "DATABASE_URL")
    assert (location.schema, bool(location.notes), parameters(location)) == (
        schema,
        ignored,
        {"host": "h", "dbname": "d"},
    )


def test_a_schema_that_cannot_be_is_not_quoted() -> None:
    error = refused("postgresql://h/d?schema=it's")
    assert "it's" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("query", "sslmode", "said"),
    [
        ("ssl=true", "require", ""),
        ("ssl", "require", ""),
        ("ssl=require", "require", ""),
        ("ssl=verify-full", "verify-full", ""),
        ("ssl=false", None, "ignored in DATABASE_URL: ssl (of other tools)"),
        ("ssl=false&sslmode=verify-full", "verify-full", "ignored in DATABASE_URL: ssl (of other tools)"),
        ("sslmode=verify-full&ssl=true", "verify-full", ""),
        ("ssl=true&sslmode=prefer", "require", ""),
        ("sslmode=no-verify", "require", "sslmode=no-verify in DATABASE_URL is read as sslmode=require"),
        ("ssl=no-verify", "require", ""),
        ("sslaccept=strict", "verify-full", "sslaccept=strict in DATABASE_URL is read as sslmode=verify-full"),
        (
            "sslaccept=strict&sslmode=require",
            "verify-full",
            "sslaccept=strict in DATABASE_URL is read as sslmode=verify-full",
        ),
        (
            "sslaccept=accept_invalid_certs&sslmode=require",
            "require",
            "ignored in DATABASE_URL: sslaccept (of other tools)",
        ),
        ("sslaccept=accept_invalid_certs&ssl=true", "require", "ignored in DATABASE_URL: sslaccept (of other tools)"),
        ("sslmode=disable", "disable", ""),
        ("sslmode=verify_full&ssl=true", "verify_full", ""),  # libpq refuses it
    ],
)
def test_safety_is_never_less_than_asked(query: str, sslmode: str | None, said: str) -> None:
    location = locate(f"postgresql://h/d?{query}", "DATABASE_URL")
    assert parameters(location).get("sslmode") == sslmode
    assert location.notes == ((said,) if said else ())


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("postgresql://h/d?sslmodee=verify-full", "is sslmode meant?"),
        ("postgresql://h/d?ssl_mode=verify-full", "is sslmode meant?"),
        ("postgresql://h/d?SSLROOTCERT=x", "is sslrootcert meant?"),
        ("host=h sslmod=verify-full", "is sslmode meant?"),
        ("postgresql://h/d?xyzzy=1", "correct it or leave it out"),
        ("postgresql://h/d?ssl=maybe", "sslmode="),
        ("postgresql://h/d?sslaccept=maybe", "sslmode="),
    ],
)
def test_an_unknown_parameter_is_an_error(text: str, hint: str) -> None:
    error = refused(text)
    assert hint in error.hint
    for part in ("sslmodee", "ssl_mode", "SSLROOTCERT", "xyzzy", "maybe"):
        assert part not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("text", "password", "host"),
    [
        ("postgresql://u:p@ss/w#rd?x%@host:5432/db", "p@ss/w#rd?x%", "host"),
        ("postgresql://u:p@ss@host/db", "p@ss", "host"),
        ("postgresql://u:pa/ss@host", "pa/ss", "host"),
        ("postgresql://u:p@/x@host/db", "p@/x", "host"),
        ("postgresql://u:5432/x@host/db", "5432/x", "host"),
        ("postgresql://u:p ss@host/db", "p ss", "host"),
        ("postgresql://u:p%zz@[::1]:5432/db", "p%zz", "::1"),
        ("postgresql://u:p@ss@host/db?pool=1", "p@ss", "host"),
        ("postgresql://u:a@b@h1,h2:6/db", "a@b", "h1,h2"),
        (f"postgresql://u:{NASTY}@host:1/db", NASTY, "host"),
        (f"postgresql://u:{NASTY}@/db?host=%2Ftmp", NASTY, "/tmp"),
        (f"postgresql+asyncpg://u:{NASTY}@host/db?ssl=require", NASTY, "host"),
    ],
)
def test_a_password_that_nobody_encoded(text: str, password: str, host: str) -> None:
    location = locate(text, "DATABASE_URL")
    assert (location.parameters["password"], location.parameters["host"]) == (password, host)
    assert location.parameters["user"] == "u"
    assert RAW in location.notes[0]
    assert password not in " ".join(location.notes) + repr(location)


def test_a_user_with_a_server_in_its_name() -> None:
    location = locate("postgresql://u@server:p@host/db", "DATABASE_URL")
    assert (location.parameters["user"], location.parameters["password"]) == ("u@server", "p")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:secret@x%40@host/db",  # encoded, or not?
        "postgresql://u:5432/secret@host",  # a database, or a password?
        "postgresql://u:x@secret/y@host",
        "postgresql://u:x@secret?a=1@host/db",
        "postgresql://u:p@host/db?application_name=secret@other/db&pool=1",
        "postgresql://u:x/secret@",  # no host: that of this machine is not meant
        "postgresql://u:x@secret@/db",
        "postgresql://u:x@sec\nret@host/db",
        "postgresql://u:x@y@se=cret/db",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text: str) -> None:
    error = refused(text)
    assert "malformed" in error.message
    assert "secret" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p?x#y:z[&=é@host/db",
        f"postgresql://u:{quote(NASTY, safe='')}@host/db",
        "postgresql://u@host/db?application_name=me@home",
        "postgresql://host/db?user=me@server&password=a@b",
        "postgresql:///db?host=/tmp",
        "postgresql://u:p@[fe80::1%25eth0]:1/db",
        "postgresql://u:p@h1:1,[::1]:2,h3/db?target_session_attrs=primary",
        "postgresql://",
        "postgresql://user?x=1@]/db",
        "postgresql://u:p@host/a/b?application_name=x@y",
    ],
)
def test_what_libpq_reads_is_left_as_it_is(text: str) -> None:
    reading = urls.read(text, "DATABASE_URL", KNOWN)
    assert (reading.conninfo, reading.notes) == (text, ())
    assert read(text) == libpq.conninfo_to_dict(text)


pieces = st.lists(
    st.sampled_from(
        ["@", ":", "/", "?", "#", "%", "%40", "&", "=", "[", "]", ",", "u", "h", "5", "host=h", "x=1", "db", "pool="]
    ),
    max_size=14,
).map("".join)


@settings(deadline=None, max_examples=1000)
@given(pieces)
def test_where_libpq_has_a_reading_there_is_no_other(rest: str) -> None:
    """Whatever the string: what libpq reads, and nobody doubts, is what comes out."""
    text = f"postgresql://{rest}"
    try:
        theirs = libpq.conninfo_to_dict(text)
    except (psycopg.Error, UnicodeDecodeError):
        return
    if not urls.is_misread(theirs) and not re.search(r":.*@.*@\?(?:.*&)?host=", rest):
        # With host=, libpq passes over what it took for one behind the first @: that is the password's, and said so.
        assert read(text) == theirs


@settings(deadline=None, max_examples=500)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_an_encoded_password_is_read_as_it_was(password: str) -> None:
    assert read(f"postgresql://u:{quote(password, safe='')}@h:1/d?pool=1")["password"] == password


@settings(deadline=None, max_examples=1000)
@given(pieces)
def test_a_password_never_leads_to_another_host(password: str) -> None:
    """Left as it is, encoded by us, or refused: no piece of it becomes the host of a string that libpq cannot read."""
    text = f"postgresql://user:{password}@right.example:5432/db?pool=1"
    try:
        location = locate(text, "DATABASE_URL")
    except ConfigurationError:
        return
    assert location.parameters["host"] == "right.example"
    assert RAW not in " ".join(location.notes) or location.parameters["password"] == password


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://postgres:[YOUR-PASSWORD]@db.abc.supabase.co:5432/postgres",
        "postgresql://postgres:%5BYOUR-PASSWORD%5D@db.abc.supabase.co:5432/postgres",
        "postgresql://postgres.abc:<password>@h/d",
        "postgresql://postgres:p@db.[PROJECT-REF].supabase.co/postgres",
        "host=h password=[YOUR-PASSWORD]",
    ],
)
def test_a_placeholder_is_seen(text: str) -> None:
    error = refused(text)
    assert "placeholder" in error.message
    assert error.exit_code == 2


def test_brackets_in_a_password_are_no_placeholder() -> None:
    assert read("postgresql://u:[a]<b>{c}@h/d")["password"] == "[a]<b>{c}"


@pytest.mark.parametrize(
    ("host", "address", "named", "here"),
    [
        ("/var/run/postgresql", "", False, True), ("@abstract", "", False, True), ("", "", False, True),
        ("localhost", "127.0.0.1", False, True), ("LocalHost.", "::1", False, True), ("app.localhost", "", False, True),
        ("127.9.9.9", "127.9.9.9", False, True), ("::1", "::1", False, True), ("::ffff:127.0.0.1", "", False, True),
        ("0.0.0.0", "0.0.0.0", False, True), ("db.test", "127.0.0.1", False, True),
        ("host.docker.internal", "192.168.65.254", False, True), ("fe80::1%eth0", "fe80::1%eth0", False, False),
        ("db.test", "192.0.2.7", False, False), ("192.0.2.7", "192.0.2.7", False, False), ("db", "172.18.0.2", False, False),
        ("localhost.example.com", "192.0.2.7", False, False), ("db.example.com", "", False, False),
        ("localhost", "192.0.2.7", True, False), ("db.example.com", "127.0.0.1", True, False),
        ("localhost", "127.0.0.1", True, True),
    ],
)  # fmt: skip
def test_what_is_on_this_machine(host: str, address: str, named: bool, here: bool) -> None:
    assert is_here(host, address, named=named) is here
