-- What a partitioned preset_usage needs in addition to apply.sql, for rows written directly into a later partition.
-- If the table is partitioned, `usagefix apply` adds this, and the triggers of apply.sql on each partition.

-- Notes in a setting which statements on the whole table are counted as a whole, innermost first, by depth of triggers
-- and time. So a value that is left there, or that somebody sets, does not fit another statement
CREATE OR REPLACE FUNCTION public.auto_note_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    this CONSTANT text := concat(' ', extract(epoch FROM statement_timestamp()));
    whole CONSTANT text := COALESCE(current_setting('usagefix.whole', true), '');
BEGIN
    IF TG_WHEN = 'BEFORE' THEN
        PERFORM set_config('usagefix.whole', concat(pg_trigger_depth() - 1, this, ',', whole), true);
    ELSIF strpos(split_part(whole, ',', 1), this) > 0 THEN -- after a cascade the depth differs
        PERFORM set_config('usagefix.whole', substr(whole, strpos(whole, ',') + 1), true);
    ELSE
        RAISE EXCEPTION 'a statement must not set or reset usagefix.whole';
    END IF;
    RETURN NULL;
END
$function$;

-- Counts row by row what is written directly into a partition that has no triggers of its own yet
CREATE OR REPLACE FUNCTION public.auto_count_row_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp, pg_usagefix_preset_usage_count_1
AS $function$
DECLARE
    change record;
    too_low boolean := false;
    usagefix_shown numeric;
BEGIN
    -- Do not count in a partition with its own triggers, for a table that was replaced, or without rights on presets.
    IF pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.presets'), 'UPDATE') IS NOT TRUE
        OR COALESCE(pg_catalog.pg_partition_root(TG_RELID), TG_RELID) OPERATOR(pg_catalog.<>)
            COALESCE(pg_catalog.to_regclass('public.preset_usage'), pg_catalog.pg_partition_root(TG_RELID), TG_RELID)
        OR EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS own
            WHERE own.tgrelid OPERATOR(pg_catalog.=) TG_RELID
                AND own.tgfoid OPERATOR(pg_catalog.=)
                    'public.auto_increment_preset_usage_count()'::pg_catalog.regprocedure
                AND own.tgenabled OPERATOR(pg_catalog.=) ANY (ARRAY['O', 'A']::pg_catalog."char"[]))
    THEN
        RETURN NULL;
    END IF;
    IF pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1 THEN
        PERFORM pg_catalog.set_config('search_path', pg_catalog.concat(
            pg_catalog.current_setting('search_path'), ', ',
            'pg_usagefix_preset_usage_count_'::pg_catalog.name, pg_catalog.pg_trigger_depth()), true);
    END IF;
    LOCK TABLE ONLY public.presets IN ROW EXCLUSIVE MODE; -- first: who holds a row must not wait for the table
    -- What the row changed, for each preset.
    FOR change IN
        SELECT event.preset_id, pg_catalog.sum(event.uses) AS uses, pg_catalog.max(event.moment) AS newest
        FROM (
            SELECT gone.preset_id, -1 AS uses, NULL::pg_catalog.timestamptz AS moment
            FROM (SELECT OLD.*) AS gone WHERE TG_OP OPERATOR(pg_catalog.<>) 'INSERT'
            UNION ALL
            SELECT come.preset_id, 1 AS uses, come.created_at
            FROM (SELECT NEW.*) AS come WHERE TG_OP OPERATOR(pg_catalog.<>) 'DELETE'
        ) AS event
        GROUP BY event.preset_id HAVING pg_catalog.sum(event.uses) OPERATOR(pg_catalog.<>) 0
        ORDER BY event.preset_id
    LOOP
        usagefix_shown := (SELECT COALESCE(preset.usage_count, 0) FROM public.presets AS preset
            WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id FOR NO KEY UPDATE);
        too_low := too_low OR usagefix_shown OPERATOR(pg_catalog.+) change.uses OPERATOR(pg_catalog.<) 0; --? counted
        UPDATE public.presets AS preset
        SET usage_count = GREATEST(usagefix_shown OPERATOR(pg_catalog.+) change.uses, 0)
          , last_used_at = GREATEST(preset.last_used_at, change.newest) --? presets.last_used_at
        WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id;
    END LOOP;
    -- Pending deltas of a backfill may be wrong now: tell it to count again.
    IF too_low AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS note
        JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid OPERATOR(pg_catalog.=) note.relnamespace
        WHERE ledger.nspname OPERATOR(pg_catalog.=) 'usagefix' AND note.relname OPERATOR(pg_catalog.=) 'held_at_zero'
            AND pg_catalog.pg_has_role(ledger.nspowner, current_user, 'MEMBER')
            AND pg_catalog.pg_has_role(note.relowner, current_user, 'MEMBER')
            AND pg_catalog.has_schema_privilege(ledger.oid, 'USAGE')
            AND pg_catalog.has_table_privilege(note.oid, 'INSERT')
    ) THEN
        INSERT INTO usagefix.held_at_zero (counter) VALUES ('preset_usage_count'::pg_catalog.name);
    END IF;
    RETURN NULL;
END
$function$;

-- Only the triggers call them
REVOKE ALL ON FUNCTION public.auto_note_preset_usage_count() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.auto_count_row_preset_usage_count() FROM PUBLIC;

-- PostgreSQL creates this row-level trigger on each later partition
CREATE OR REPLACE TRIGGER trigger_auto_count_row_preset_usage_count
    AFTER INSERT OR DELETE OR UPDATE ON public.preset_usage
    FOR EACH ROW
    WHEN (split_part(current_setting('usagefix.whole', true), ',', 1) IS DISTINCT FROM
        concat(pg_trigger_depth(), ' ', extract(epoch FROM statement_timestamp())))
    EXECUTE FUNCTION public.auto_count_row_preset_usage_count();

-- Record that they did not exist before, unless a record exists: rollback drops them
INSERT INTO usagefix.saved_objects (counter, version, kind, identity)
SELECT 'preset_usage_count'::name, '20250930000001', 'function', unnest(ARRAY[
    'public.auto_note_preset_usage_count()'::regprocedure, 'public.auto_count_row_preset_usage_count()'::regprocedure
])::text ON CONFLICT DO NOTHING;
