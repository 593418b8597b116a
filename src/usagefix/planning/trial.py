"""The trial of uses: each is made as the application makes it, counted, and undone. Text only.

The application's code runs in it, so it runs as the owner of the tables and cannot become anybody else: the function is
SECURITY DEFINER, which forbids SET ROLE. It stands in ``pg_temp`` for the length of one transaction. Each use is undone
on its own, before the next; what triggers put off to the commit runs before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from usagefix.catalog import Statement
from usagefix.counter import quoted
from usagefix.picture.cases import Case
from usagefix.picture.code import routine
from usagefix.picture.objects import Function
from usagefix.planning.scene import Scene
from usagefix.reading import arguments_of

SAID = "UF003"  # the SQLSTATE of what a trial says

_SIGNATURE = "pg_temp.usagefix_trial(integer, text, text, text, text, integer)"
_FUNCTION = """
CREATE FUNCTION pg_temp.usagefix_trial(
    what integer, wanted text, somebody text, claim text, kind text, uses integer
) RETURNS pg_catalog.jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $trial$
DECLARE
    used record;
    example record;
    made record;
    tables oid[];
    recorded bigint;
    counted bigint;
    said text;
    detail text;
    hint text;
    context text;
    broken text;
    of_table text;
    of_column text;
BEGIN
    BEGIN
        -- Held while the trial lasts: other people's uses of it wait, and do not count. Not where somebody holds it.
        SELECT presets.id AS which, COALESCE(presets.usage_count, 0) AS shown INTO used
        FROM public.presets WHERE presets.id = wanted::@key@ FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN '{}';
        END IF;
        SELECT preset_usage.* INTO example FROM public.preset_usage WHERE preset_usage.preset_id = used.which LIMIT 1;
        IF NOT FOUND THEN
            SELECT preset_usage.* INTO example FROM public.preset_usage LIMIT 1;
        END IF;
        PERFORM set_config('lock_timeout', '200ms', true), set_config('request.jwt.claim.sub', claim, true),
            set_config('request.jwt.claim.role', 'authenticated', true), set_config('request.jwt.claims',
                jsonb_build_object('sub', claim, 'role', 'authenticated', 'aud', 'authenticated')::text, true);
        -- The server's own count of rows inserted in this transaction, in all partitions: nothing is scanned.
        WITH RECURSIVE tree AS (
            SELECT 'public.preset_usage'::regclass::oid AS oid
            UNION ALL
            SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
        )
        SELECT array_agg(oid) INTO tables FROM tree;
        recorded := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint FROM unnest(tables) AS oid);
        PERFORM set_config('search_path', @path@, true);
        FOR n IN 1 .. uses LOOP
            CASE what
@calls@
            END CASE;
        END LOOP;
        SET CONSTRAINTS ALL IMMEDIATE;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        recorded := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint FROM unnest(tables) AS oid) - recorded;
        counted := (
            SELECT COALESCE(presets.usage_count, 0) - used.shown FROM public.presets WHERE presets.id = used.which);
        IF recorded IS DISTINCT FROM counted OR NOT current_setting('track_counts')::boolean THEN
            -- Rows of an undone part of it are among those: then the ones that are there, and of this transaction.
            recorded := (
                SELECT count(*) FROM public.preset_usage
                WHERE preset_usage.preset_id = used.which AND CASE WHEN age(preset_usage.xmin) <= 0 THEN pg_xact_status(
                    (pg_current_xact_id()::text::bigint - age(preset_usage.xmin))::text::xid8) = 'in progress' END);
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'UF000';
    EXCEPTION
        WHEN SQLSTATE 'UF000' THEN
            RETURN jsonb_build_object('counted', counted, 'recorded', recorded);
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


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which events, or what they belong to, are written. ``statements``: in PL/pgSQL; ``records``: it leaves
    an event."""

    name: str
    statements: str
    records: bool = True


@dataclass(frozen=True, slots=True)
class Try:
    """One use to try: a way, a case, how many times."""

    way: Way
    case: Case
    uses: int = 1


def of_recorder(scene: Scene, recorder: Function) -> Way | None:
    """A call of a function that records uses; None where it cannot be called."""
    given = arguments_of(routine(recorder).arguments, scene.code.facts.key_type)
    if given is None:
        return None
    types = [argument["type"] for argument in recorder.parameters]
    values = {"preset": "used.which", "kind": "kind", "data": "'{}'"}
    arguments = [f"{values[what]}::{types[place - 1]}" for what, place in given.items()]
    called = f"{quoted(recorder.schema)}.{quoted(recorder.name)}({', '.join(arguments)})"
    return Way(recorder.signature, f"PERFORM {called};")


def insert(scene: Scene, fillers: dict[str, str]) -> Way:
    """A plain INSERT: a copy of an event, but for whose it is. ``fillers``: expressions for columns that are not merely
    copied; an empty one leaves the column out."""
    return Way("a plain INSERT", f"{_inserted(scene, fillers)};")


def delete(scene: Scene, fillers: dict[str, str]) -> Way:
    """A plain DELETE of an event that was inserted before."""
    counter = scene.counter
    # A trigger may have updated what was inserted, which is then in another place.
    row = quoted(counter.event_id) if counter.event_id is not None else "ctid"
    gone = f"event.tableoid OPERATOR(pg_catalog.=) made.place AND event.{row} OPERATOR(pg_catalog.=) made.row"
    inserted = f"{_inserted(scene, fillers)} RETURNING event.tableoid AS place, event.{row} AS row INTO made;"
    deleted = f"DELETE FROM {counter.child_sql} AS event WHERE {gone};"  # noqa: S608 - names of the catalog's
    return Way("a plain DELETE", f"{inserted} {deleted}", records=False)


def change(scene: Scene, columns: Sequence[str]) -> Way:
    """An UPDATE of a preset that has an event, of these columns, to what they are."""
    kept = ", ".join(f"{quoted(column)} = preset.{quoted(column)}" for column in columns)
    key = scene.counter.sql("key")
    which = f"WHERE preset.{key} OPERATOR(pg_catalog.=) used.which"
    update = f"UPDATE {scene.counter.parent_sql} AS preset SET {kept} {which};"  # noqa: S608 - names of the catalog's
    return Way("an UPDATE of a preset", update, records=False)


def removal(scene: Scene, fillers: dict[str, str]) -> Way:
    """A DELETE of a preset that has an event."""
    key = scene.counter.sql("key")
    which = f"WHERE preset.{key} OPERATOR(pg_catalog.=) used.which"
    deleted = f"DELETE FROM {scene.counter.parent_sql} AS preset {which};"  # noqa: S608 - names of the catalog's
    return Way("a DELETE of a preset", f"{_inserted(scene, fillers)}; {deleted}", records=False)


def _inserted(scene: Scene, fillers: dict[str, str]) -> str:
    counter, columns = scene.counter, scene.code.events.columns
    given = {counter.foreign_key: "used.which"}
    given |= {counter.user: "somebody"} if counter.user else {}
    given |= {counter.kind: "kind"} if counter.kind else {}
    if scene.code.limit is not None and counter.time is not None and not scene.partitioned:
        given[counter.time] = "(pg_catalog.now() - interval '30 years')"  # no use of today's stands in its way
    values: dict[str, str] = {}
    for name, facts in columns.items():
        if name in given:
            values[name] = f"{given[name]}::{facts['type']}"
        elif not facts["filled"] and fillers.get(name, "-") != "":
            values[name] = fillers.get(name, f"example.{quoted(name)}")
    into = f"INSERT INTO {counter.child_sql} AS event ({', '.join(map(quoted, values))})"
    return f"{into} VALUES ({', '.join(values.values())})"


def statements(scene: Scene, tries: Sequence[Try], title: str, token: str) -> tuple[Statement, ...]:
    """The statements that try uses and say what came of each, all undone; with ``token``, so that nothing else can say
    it."""
    ways = list(dict.fromkeys(each.way for each in tries))
    rows = ",\n        ".join(
        f"({n}, {ways.index(each.way)}, {_text(each.case.preset)}, {_text(each.case.user)}, {_text(each.case.claim)},"
        f" {_text(each.case.kind)}, {each.uses})"
        for n, each in enumerate(tries)
    )
    called = (
        _SIGNATURE.partition("(")[0] + "(trial.what, trial.wanted, trial.somebody, trial.claim, trial.kind, trial.uses)"
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
    FOR trial IN SELECT * FROM (VALUES
        {rows}) AS trials (n, what, wanted, somebody, claim, kind, uses) ORDER BY n
    LOOP
        RAISE NOTICE USING ERRCODE = '{SAID}', MESSAGE = {says}::text;
    END LOOP;
END
$do$;
DROP FUNCTION {_SIGNATURE};""",  # noqa: S608 - literals of our own
        ),
    )


def literal(text: str) -> str:
    """A text as SQL writes it, whatever standard_conforming_strings says."""
    written = "'" + text.replace("'", "''") + "'"
    return written if "\\" not in text else " E" + written.replace("\\", "\\\\")


def _text(text: str | None) -> str:
    return "NULL::text" if text is None else f"{literal(text)}::text"


def _function(scene: Scene, ways: list[Way]) -> str:
    calls = "\n".join(f"            WHEN {n} THEN {way.statements}" for n, way in enumerate(ways))
    path = ", ".join([scene.counter.schema_sql, *scene.around.path, "pg_temp"])
    text = scene.counter.render(_FUNCTION)
    for what, value in {
        "@key@": scene.code.facts.key_type,
        "@path@": literal(path),
        "@calls@": calls,
    }.items():
        text = text.replace(what, value)
    if scene.around.superuser and not scene.owner_runs:
        text += f"ALTER FUNCTION {_SIGNATURE} OWNER TO {scene.around.owner_sql};\n"
    return text.strip()
