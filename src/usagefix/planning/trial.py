"""The trial of what records events: uses by one person on one day, always undone. Text only.

The application's code runs in it, so it runs as the owner of the tables and cannot become anybody else: the function is
SECURITY DEFINER, which forbids SET ROLE. It stands in ``pg_temp`` for the length of one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from usagefix.catalog import Statement
from usagefix.counter import quoted
from usagefix.models.choices import USAGE_TYPE
from usagefix.picture.code import routine
from usagefix.picture.objects import Function
from usagefix.planning.scene import Scene
from usagefix.reading import arguments_of

FUNCTION = "pg_temp.usagefix_trial()"
SAID, REFUSED = "UF003", "UF005"  # SQLSTATEs: what a trial says, and that this is not acceptable

_FUNCTION = """
CREATE FUNCTION pg_temp.usagefix_trial() RETURNS pg_catalog.text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $trial$
DECLARE
    used record;
    somebody text;
    kind text;
    tables oid[];
    recorded bigint;
    result text;
BEGIN
    IF NOT current_setting('track_counts')::boolean THEN
        RETURN NULL;
    END IF;
    BEGIN
        -- A preset that nobody holds, held while the trial lasts: other people's uses of it wait, and do not count.
        SELECT presets.id AS which, COALESCE(presets.usage_count, 0) AS shown, to_jsonb(preset_usage) AS event,
            preset_usage.tableoid AS place, preset_usage.ctid AS row INTO used
        FROM public.preset_usage JOIN public.presets ON presets.id = preset_usage.preset_id
        LIMIT 1 FOR NO KEY UPDATE OF presets SKIP LOCKED;
        IF NOT FOUND THEN
            SELECT presets.id AS which, COALESCE(presets.usage_count, 0) AS shown, NULL::jsonb AS event INTO used
            FROM public.presets LIMIT 1 FOR NO KEY UPDATE OF presets SKIP LOCKED;
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        BEGIN
            somebody := (@claim@);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL; -- not for the owner of presets to look at
        END;
        somebody := COALESCE(somebody, used.event ->> @user@, gen_random_uuid()::text);
        kind := COALESCE(used.event ->> @kind@, @usual@);
        PERFORM set_config('lock_timeout', '200ms', true), set_config('request.jwt.claim.sub', somebody, true),
            set_config('request.jwt.claims', jsonb_build_object('sub', somebody)::text, true);
        -- The server's own count of rows inserted in this transaction, in all partitions: nothing is scanned.
        WITH RECURSIVE tree AS (
            SELECT 'public.preset_usage'::regclass::oid AS oid
            UNION ALL
            SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
        )
        SELECT array_agg(oid) INTO tables FROM tree;
        recorded := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint FROM unnest(tables) AS oid);
        PERFORM set_config('search_path', @path@, true);
        FOR n IN 1 .. @uses@ LOOP
            @call@;
        END LOOP;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        recorded := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint FROM unnest(tables) AS oid) - recorded;
        SELECT format('%s counted, %s recorded', COALESCE(presets.usage_count, 0) - used.shown, recorded) INTO result
        FROM public.presets WHERE presets.id = used.which;
        RAISE EXCEPTION USING ERRCODE = 'UF000';
    EXCEPTION
        WHEN SQLSTATE 'UF000' THEN
            RETURN result;
        WHEN lock_not_available OR deadlock_detected OR serialization_failure OR query_canceled THEN
            RAISE;
        WHEN OTHERS THEN
            RETURN format('fails: %s: %s', SQLSTATE, SQLERRM);
    END;
END
$trial$;
"""


def of_recorder(scene: Scene, recorder: Function, uses: int) -> str | None:
    """The statements that make the trial of a function that records uses; None where it cannot be called."""
    given = arguments_of(routine(recorder).arguments, scene.code.facts.key_type)
    if given is None:
        return None
    kinds = [argument["type"] for argument in recorder.parameters]
    values = {"preset": "used.which", "kind": "kind", "data": "'{}'"}
    arguments = [f"{values[what]}::{kinds[place - 1]}" for what, place in given.items()]
    called = f"{quoted(recorder.schema)}.{quoted(recorder.name)}({', '.join(arguments)})"
    return _trial(scene, f"PERFORM {called}", uses)


def of_insert(scene: Scene) -> str:
    """The statements that make the trial of a plain INSERT: a copy of an event."""
    counter = scene.counter
    columns = [
        quoted(name)
        for name, facts in scene.code.events.columns.items()
        if not facts["filled"] or name in (counter.foreign_key, counter.user)
    ]
    into, values = ", ".join(columns), ", ".join(f"another.{column}" for column in columns)
    copy = (
        f"INSERT INTO {counter.child_sql} ({into}) SELECT {values} FROM {counter.child_sql} AS another"  # noqa: S608
        " WHERE another.tableoid OPERATOR(pg_catalog.=) used.place AND another.ctid OPERATOR(pg_catalog.=) used.row"
    )
    return _trial(scene, copy, 1)


def checked(title: str, acceptable: Iterable[str]) -> Statement:
    """The statement that holds the trial against patterns (as LIKE has them) of what it may say."""
    patterns = ", ".join(literal(pattern) for pattern in acceptable)
    return Statement(
        title,
        f"""DO $do$
DECLARE
    said CONSTANT text := pg_temp.usagefix_trial();
BEGIN
    RAISE NOTICE USING ERRCODE = '{SAID}', MESSAGE = COALESCE(said, '');
    IF said NOT LIKE ALL (ARRAY[{patterns}]) THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = said;
    END IF;
END
$do$;
DROP FUNCTION {FUNCTION};""",
    )


def literal(text: str) -> str:
    """A text as SQL writes it, whatever standard_conforming_strings says."""
    written = "'" + text.replace("'", "''") + "'"
    return written if "\\" not in text else " E" + written.replace("\\", "\\\\")


def _trial(scene: Scene, call: str, uses: int) -> str:
    path = ", ".join([scene.counter.schema_sql, *scene.around.path, "pg_temp"])
    text = scene.counter.render(_FUNCTION)
    for what, value in {
        "@claim@": _claim(scene),
        "@user@": literal(scene.counter.user or ""),
        "@kind@": literal(scene.counter.kind or ""),
        "@usual@": literal(USAGE_TYPE),
        "@path@": literal(path),
        "@uses@": str(uses),
        "@call@": call,
    }.items():
        text = text.replace(what, value)
    if scene.around.superuser and not scene.owner_runs:
        text += f"ALTER FUNCTION {FUNCTION} OWNER TO {scene.around.owner_sql};\n"
    return text.strip() + "\n"


def _claim(scene: Scene) -> str:
    """A query for the session's user of an event's user; anybody's where there is no event."""
    key = scene.code.facts.user_key
    if key is None:
        return "NULL"
    of_event = f"used.event ->> {literal(scene.counter.user or '')}"
    shown = "user_id" if key.profile else quoted(key.key)
    return (
        f"SELECT users.{shown}::text FROM {key.table} AS users"  # noqa: S608 - names of the catalog's
        f" WHERE {of_event} IS NULL OR users.{quoted(key.key)}::text = {of_event} LIMIT 1"
    )
