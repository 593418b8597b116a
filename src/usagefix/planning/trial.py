"""The trial of uses: each is made as the application makes it, counted, and undone. Text only.

The application's code runs in it, so it runs as the owner of the tables (where a superuser owns one of them, as that of
the other) and cannot become anybody else: the function is SECURITY DEFINER, which forbids SET ROLE. It stands in
``pg_temp`` for the length of one transaction. Each use is undone on its own, before the next; what triggers put off to
the commit runs before that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from usagefix.catalog import Statement
from usagefix.counter import Counter
from usagefix.picture.cases import Case
from usagefix.picture.examples import key_texts
from usagefix.planning.scene import Scene
from usagefix.planning.ways import Try, Way, is_used, named_keys
from usagefix.quoting import literal, quoted

_FEW = 2000  # events that are looked through for another example
SAID = "UF003"  # the SQLSTATE of what a trial says

_SIGNATURE = "pg_temp.usagefix_trial(integer, text, text, text, text, integer, text, jsonb)"
_FUNCTION = """
CREATE FUNCTION pg_temp.usagefix_trial(
    what integer, wanted text, somebody text, claim text, kind text, uses integer, sample text, given jsonb
) RETURNS pg_catalog.jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $trial$
DECLARE
    used record;
    example record;
    made record;
    written @events@;
    is_written boolean := false;
    tables oid[];
    inserted bigint;
    recorded numeric;
    counted numeric;
    said text;
    detail text;
    hint text;
    context text;
    broken text;
    of_table text;
    of_column text;
BEGIN
    BEGIN
        -- Lock it during the trial, so that other people's uses of it wait and do not disturb. Skip it if it is locked.
        SELECT @which@, COALESCE(preset.@counter@, 0) AS shown INTO used
        FROM @rows@ AS preset WHERE @wanted@ FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN '{}';
        END IF;
        SELECT event.* INTO example FROM @events@ AS event WHERE @example@ LIMIT 1;
        IF NOT FOUND THEN
@another@
        END IF;
        PERFORM set_config('lock_timeout', '200ms', true), set_config('request.jwt.claim.sub', claim, true),
            set_config('request.jwt.claim.role', 'authenticated', true), set_config('request.jwt.claims',
                jsonb_build_object('sub', claim, 'role', 'authenticated', 'aud', 'authenticated')::text, true);
        -- The server's statistics count inserted rows in this transaction, in all partitions, without a scan.
        WITH RECURSIVE tree AS (
            SELECT '@events@'::regclass::oid AS oid
            UNION ALL
            SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
        )
        SELECT array_agg(oid) INTO tables FROM tree;
        inserted := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint FROM unnest(tables) AS oid);
        PERFORM set_config('search_path', @path@, true);
        FOR n IN 1 .. uses LOOP
            CASE what
@calls@
            END CASE;
        END LOOP;
        SET CONSTRAINTS ALL IMMEDIATE;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        inserted := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint FROM unnest(tables) AS oid) - inserted;
        counted := (SELECT COALESCE(preset.@counter@, 0) - used.shown FROM @rows@ AS preset WHERE @used@);
        recorded := @recorded@;
        IF recorded IS DISTINCT FROM counted OR NOT current_setting('track_counts')::boolean THEN
            -- They include rows of rolled back subtransactions: count the visible rows of this transaction instead.
            SELECT count(*), @sum@ INTO inserted, recorded FROM @events@ AS event
            WHERE @of_used@ AND CASE WHEN age(event.xmin) <= 0 THEN pg_xact_status(
                (pg_current_xact_id()::text::bigint - age(event.xmin))::text::xid8) = 'in progress' END;
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'UF000';
    EXCEPTION
        WHEN SQLSTATE 'UF000' THEN
            RETURN jsonb_build_object('counted', counted, 'recorded', recorded, 'inserted', inserted);
        WHEN lock_not_available OR deadlock_detected OR serialization_failure OR query_canceled THEN
            RAISE;
        WHEN OTHERS OR assert_failure THEN
            GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
                context = PG_EXCEPTION_CONTEXT, broken = CONSTRAINT_NAME, of_table = TABLE_NAME,
                of_column = COLUMN_NAME;
            RETURN jsonb_build_object('state', SQLSTATE, 'message', said, 'detail', detail, 'hint', hint,
                'context', context, 'constraint', broken, 'table', of_table, 'column', of_column);
    END;
END
$trial$;
"""


def statements(scene: Scene, tries: Sequence[Try], title: str, token: str) -> tuple[Statement, ...]:
    """The statements that try uses and say what came of each, all undone; with ``token``, so that nothing else can say
    it."""
    ways = list(dict.fromkeys(each.way for each in tries))
    rows = ",\n        ".join(
        f"({n}, {ways.index(each.way)}, {_text(_row(scene.counter, each.case))}, {_text(each.case.user)},"
        f" {_text(each.case.claim)}, {_text(each.case.kind)}, {each.uses}, {_text(_sample(each.case))},"
        f" {_given(each.case)})"
        for n, each in enumerate(tries)
    )
    called = (
        _SIGNATURE.partition("(")[0]
        + "(trial.what, trial.wanted, trial.somebody, trial.claim, trial.kind, trial.uses, trial.sample, trial.given)"
    )
    says = f"pg_catalog.jsonb_build_object('token', {literal(token)}::text, 'n', trial.n, 'said', {called})"
    return (
        Statement(title, _function(scene, ways)),
        Statement(
            "",
            f"""DO $do$
DECLARE
    trial record;
BEGIN
    LOCK TABLE ONLY {scene.counter.child_sql}, ONLY {scene.counter.parent_sql} IN ROW EXCLUSIVE MODE; -- before a row
    FOR trial IN SELECT * FROM (VALUES
        {rows}) AS trials (n, what, wanted, somebody, claim, kind, uses, sample, given) ORDER BY n
    LOOP
        RAISE NOTICE USING ERRCODE = '{SAID}', MESSAGE = {says}::text;
    END LOOP;
END
$do$;
DROP FUNCTION {_SIGNATURE};""",  # noqa: S608 - literals of our own
        ),
    )


def _row(counter: Counter, case: Case) -> str:
    """The key of the row that is used: that of several columns as an array in JSON."""
    return json.dumps(key_texts(counter, case.preset)) if counter.more_keys else case.preset


def _sample(case: Case) -> str | None:
    return None if case.example is None else f"{case.example} {case.counts}"


def _given(case: Case) -> str:
    return f"{literal(json.dumps(dict(case.given)))}::jsonb"


def _text(text: str | None) -> str:
    return "NULL::text" if text is None else f"{literal(text)}::text"


def _function(scene: Scene, ways: list[Way]) -> str:
    counter, keys = scene.counter, named_keys(scene.counter)
    calls = "\n".join(f"            WHEN {n} THEN {way.statements}" for n, way in enumerate(ways))
    path = ", ".join([counter.schema_sql, *scene.around.path, "pg_temp"])
    of_used = " AND ".join(f"event.{quoted(column)} = used.{which}" for which, _, column in keys)
    types = [scene.code.parent.columns[key]["type"] for _, key, _ in keys]
    parts = ["wanted"] if len(keys) == 1 else [f"(wanted::jsonb ->> {n})" for n in range(len(keys))]
    wanted = " AND ".join(
        f"preset.{quoted(key)} = {part}::{kind}" for (_, key, _), part, kind in zip(keys, parts, types, strict=True)
    )
    text = _FUNCTION
    for what, value in {
        "@which@": ", ".join(f"preset.{quoted(key)} AS {which}" for which, key, _ in keys),
        "@another@": f"            SELECT event.* INTO example FROM {counter.child_sql} AS event LIMIT 1;"  # noqa: S608
        if counter.usual
        else _another(counter, of_used),
        "@example@": of_used
        if counter.usual
        else "event.tableoid = split_part(sample, ' ', 1)::oid AND event.ctid = split_part(sample, ' ', 2)::tid",
        "@wanted@": wanted,
        "@used@": is_used(counter),
        "@of_used@": of_used,
        "@recorded@": _recorded(counter, of_used),
        "@sum@": _sum(counter),
        "'@events@'": literal(counter.child_sql),
        "@events@": counter.child_sql,
        "@rows@": counter.parent_sql,
        "@counter@": quoted(counter.column),
        "@path@": literal(path),
        "@calls@": calls,
    }.items():
        text = text.replace(what, value)
    if scene.around.superuser and scene.around.acting != scene.around.runner:
        text += f"ALTER FUNCTION {_SIGNATURE} OWNER TO {quoted(scene.around.acting)};\n"
    return text.strip()


def _another(counter: Counter, of_used: str) -> str:
    """Another example, where the one that was found is gone by now, as under load: from a few of the same row."""
    some = f"SELECT event.* FROM {counter.child_sql} AS event WHERE {of_used} LIMIT {_FEW}"  # noqa: S608
    counts = f"COALESCE({counter.where}, false)" if counter.where else "true"
    return f"""            SELECT event.* INTO example FROM ({some}) AS event
            WHERE {counts} = split_part(sample, ' ', 3)::boolean LIMIT 1;
            IF NOT FOUND AND sample IS NOT NULL THEN
                RETURN '{{}}';
            END IF;"""  # noqa: S608


def _sum(counter: Counter) -> str:
    """What rows of events, as ``event``, count for in all."""
    counts = f" FILTER (WHERE {counter.where})" if counter.where else ""
    return f"COALESCE(sum({counter.weight}){counts}, 0)" if counter.weight else f"count(*){counts}"


def _recorded(counter: Counter, of_used: str) -> str:
    """What the rows that were inserted count for, without a look for them: the one of a plain INSERT tells by itself;
    null where only a look can."""
    if counter.where is None and counter.weight is None:
        return "inserted"
    one = f"SELECT {_sum(counter)} FROM (SELECT (written).*) AS event WHERE {of_used}"  # noqa: S608
    return f"CASE WHEN is_written THEN ({one}) END"
