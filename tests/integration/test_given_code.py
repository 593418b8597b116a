"""What PostgreSQL's own functions do with what a constraint gives them: the list of dangerous ones is not short."""

from __future__ import annotations

from support import App

from usagefix import catalog

# Whatever runs what is planted draws a number, which no rollback gives back.
PLANTED = """
CREATE SEQUENCE calls;
CREATE FUNCTION planted() RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN nextval(''public.calls''); END';
CREATE VIEW looked AS SELECT planted() AS n;
CREATE DOMAIN trap AS text CHECK (public.planted() IS NOT NULL);
CREATE TYPE of_trap AS (a trap);
CREATE TYPE from_trap AS RANGE (SUBTYPE = trap);
CREATE TEMPORARY TABLE ran (name text PRIMARY KEY);
"""
# Values for each type of an argument; a call has one of them for all of its arguments of that type.
GIVEN = {
    "text": ["'SELECT planted()'", "'trap'", "'looked'", "'public'", "'x'"],
    "name": ["'public'", "'looked'", "'trap'"],
    "cstring": ["'x'", "'(x)'", "'{x}'", "'[x,y]'", "'{[x,y]}'"],
    "oid": [
        "'looked'::regclass", "'trap'::regtype", "'of_trap'::regtype", "'trap[]'::regtype", "'from_trap'::regtype", "'planted'::regproc",
    ],
    "regclass": ["'looked'"], "regtype": ["'trap'"], "regproc": ["'planted'"], "regprocedure": ["'planted()'"],
    "boolean": ["true"], "integer": ["1", "-1"], "bigint": ["1"], "smallint": ["1"], "tsquery": ["'x'"], "tsvector": ["'x'"],
    "regconfig": ["'simple'"], "json": ["'{}'"], "jsonb": ["'{}'"], "xml": ["'<a/>'"], "jsonpath": ["'$'"], "bytea": ["'x'"],
    "anyelement": ["'x'::text"], '"any"': ["'x'::text"], "text[]": ["'{trap}'"], '"char"': ["'r'"], "numeric": ["1"],
    "double precision": ["1"], "timestamp with time zone": ["'2025-01-01'"], "date": ["'2025-01-01'"], "interval": ["'1 day'"],
}  # fmt: skip
# A constraint calls no aggregate, and nothing that returns a set. What is volatile is on the list anyway.
CALLABLE = """
    SELECT oid::bigint, proname::text, ARRAY(
        SELECT format_type(type, NULL) FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS given (type, place) ORDER BY place)
    FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND provolatile <> 'v'
        AND proargtypes::oid[] && ARRAY['text', 'name', 'cstring', 'oid', 'regclass', 'regtype', 'regproc']::regtype[]::oid[]
        AND NOT proargtypes::oid[] @> ARRAY['internal'::regtype::oid]
"""
# All calls of one function: an error of one is none of the next.
ATTEMPT = """DO $attempt$
DECLARE
    call text;
BEGIN
    FOREACH call IN ARRAY string_to_array($calls${calls}$calls$, E'\\n') LOOP
        BEGIN
            EXECUTE 'SELECT (' || call || ') IS NULL';
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
END $attempt$"""


def calls(name: str, types: list[str]) -> list[str]:
    chosen: list[dict[str, str]] = [{}]
    for kind in sorted({*types}):
        cast = "text" if kind.startswith(("any", '"any')) else kind
        chosen = [{**one, kind: f"{value}::{cast}"} for one in chosen for value in GIVEN[kind]]
    return [f"pg_catalog.{name}({', '.join(one[kind] for kind in types)})" for one in chosen]


def test_every_function_of_the_server_that_runs_what_it_is_given_is_known(empty: App) -> None:
    """Each is called, with what would run code if it ran, read or looked up what it is given."""
    empty.sql(PLANTED)
    ran: dict[int, str] = {}
    tried = 0
    for oid, name, types in empty.sql(CALLABLE):
        if not {*types} <= GIVEN.keys():
            continue
        tried += 1
        before = empty.one("SELECT last_value FROM calls"), empty.one("SELECT is_called FROM calls")
        empty.sql(ATTEMPT.replace("{calls}", "\n".join(calls(name, types))))
        if (empty.one("SELECT last_value FROM calls"), empty.one("SELECT is_called FROM calls")) != before:
            ran[oid] = f"{name}({', '.join(types)})"
    assert tried > 200
    known = {oid for (oid,) in empty.sql(catalog.query("given_code").replace("%(functions)s", "%s"), [*ran])}
    assert {"table_to_xml", "schema_to_xml", "array_in", "record_in"} <= {one.partition("(")[0] for one in ran.values()}
    assert {ran[oid] for oid in ran.keys() - known} == set()
    if empty.db.info.server_version >= 160000:
        assert "pg_input_is_valid(text, text)" in ran.values()


def test_no_harmless_function_is_on_the_list(empty: App) -> None:
    """What the checks of applications call: otherwise usagefix would refuse to read their tables."""
    usual = (
        "lower", "length", "btrim", "now", "date_part", "jsonb_typeof", "regexp_match", "coalesce", "array_length", "num_nonnulls",
        "random", "clock_timestamp", "gen_random_uuid", "to_tsvector", "date_trunc", "abs", "octet_length",
    )  # fmt: skip
    oids = [oid for (oid,) in empty.sql("SELECT oid::bigint FROM pg_proc WHERE proname = ANY (%s)", list(usual))]
    assert len(oids) > len(usual)
    known = empty.sql(
        f"SELECT found.oid::regprocedure::text FROM ({catalog.query('given_code').replace('%(functions)s', '%s')}) AS found",
        oids,
    )
    assert known == []
