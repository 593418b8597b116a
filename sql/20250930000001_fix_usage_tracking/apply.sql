-- Count every event from now on: inserted, deleted, moved and truncated ones. Drop the daily limit.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ../ledger.sql -f stops.sql -f apply.sql -f backfill.sql
--
-- This is the whole fix by hand, exact, in one transaction. Writers to preset_usage wait until it commits: on a busy
-- database run `usagefix apply`. A second run changes nothing. A line that ends in --? and a word is needed only if
-- a database has that: the column of the last use, events with a time (dated), partitions. usagefix omits others.
--
-- kind: counting
-- effect: every use is counted

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- By hand: stops.sql must have looked in this transaction
DO $do$ BEGIN
    IF current_setting('usagefix.stops', true) IS DISTINCT FROM 'public.presets'::regclass || ' 20250930000001' THEN
        RAISE EXCEPTION 'nothing was changed, because stops.sql did not run before this file in its transaction'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run psql as the first lines of this file say,'
                ' or run usagefix apply, or what usagefix sql 20250930000001 apply --adapt prints.';
    END IF;
END $do$;

-- By hand: record the daily limit, so that rollback can build it again
INSERT INTO usagefix.saved_objects (counter, version, kind, identity, definition, key_columns, predicate, extras)
SELECT 'preset_usage_count'::name, '20250930000001', 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid),
    ARRAY(SELECT pg_get_indexdef(indexrelid, n, true) FROM generate_series(1, indnkeyatts) AS n),
    pg_get_expr(indpred, indrelid), ARRAY(
    SELECT format('COMMENT ON INDEX %s IS %L', indexrelid::regclass, said)
    FROM obj_description(indexrelid, 'pg_class') AS said WHERE said IS NOT NULL)
FROM pg_index WHERE indexrelid = to_regclass('public.idx_preset_usage_daily_unique')
ON CONFLICT DO NOTHING;
-- By hand: drop it
DROP INDEX IF EXISTS public.idx_preset_usage_daily_unique;

-- The counting function adds each new event to the counter of its preset. It updates presets in the order of their
-- ids, so that concurrent statements do not deadlock. The last name of its path is no schema, and nobody can create a
-- schema that begins with pg_. It tells the guard: this is a count, of which counter, at which depth of triggers
CREATE OR REPLACE FUNCTION public.auto_increment_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp, pg_usagefix_preset_usage_count_1
AS $function$
DECLARE
    used record;
BEGIN
    -- Do not count for a table that was replaced, nor without rights on presets: verify reports both.
    IF pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.presets'), 'UPDATE') IS NOT TRUE
        OR TG_RELID OPERATOR(pg_catalog.<>) COALESCE(pg_catalog.to_regclass('public.preset_usage'), TG_RELID)
        AND COALESCE(pg_catalog.pg_partition_root(TG_RELID), TG_RELID) --? partitions
            OPERATOR(pg_catalog.<>) pg_catalog.to_regclass('public.preset_usage') --? partitions
    THEN RETURN NULL; END IF;
    IF pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1 THEN
        PERFORM pg_catalog.set_config('search_path', pg_catalog.concat(
            pg_catalog.current_setting('search_path'), ', ',
            'pg_usagefix_preset_usage_count_'::pg_catalog.name, pg_catalog.pg_trigger_depth()), true);
    END IF;
    -- Most statements insert one event: do not group or sort then.
    UPDATE public.presets AS preset
    SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) one.uses
      , last_used_at = GREATEST(preset.last_used_at, one.newest) --? presets.last_used_at
    FROM (SELECT written.preset_id, 1 AS uses, written.created_at AS newest FROM new_events AS written LIMIT 1) AS one
    WHERE preset.id OPERATOR(pg_catalog.=) one.preset_id AND NOT EXISTS (SELECT FROM new_events AS written OFFSET 1);
    IF FOUND THEN RETURN NULL; END IF;
    -- Otherwise update the presets one by one, in the order of their ids.
    FOR used IN SELECT written.preset_id, pg_catalog.count(*) AS uses, pg_catalog.max(written.created_at) AS newest
        FROM new_events AS written GROUP BY written.preset_id ORDER BY written.preset_id
    LOOP
        UPDATE public.presets AS preset
        SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) used.uses
          , last_used_at = GREATEST(preset.last_used_at, used.newest) --? presets.last_used_at
        WHERE preset.id OPERATOR(pg_catalog.=) used.preset_id;
    END LOOP;
    RETURN NULL;
END
$function$;

-- The adjusting function adds up what a statement changes for each preset, and writes the sum if it is not 0. It keeps
-- the time of the last use when events are deleted
CREATE OR REPLACE FUNCTION public.auto_adjust_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp, pg_usagefix_preset_usage_count_1
AS $function$
DECLARE
    changes refcursor; change record; too_low boolean := false; usagefix_shown numeric; trusted boolean;
    trust CURSOR FOR -- does the ledger exist, and does the owner of presets trust it?
        SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 2 FROM pg_catalog.pg_class AS part
        JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid OPERATOR(pg_catalog.=) part.relnamespace
        WHERE ledger.nspname OPERATOR(pg_catalog.=) 'usagefix' AND part.relkind OPERATOR(pg_catalog.=) 'r'
            AND part.relname OPERATOR(pg_catalog.=) ANY (ARRAY['held_at_zero'::pg_catalog.name, 'baselines'])
            AND pg_catalog.pg_has_role(ledger.nspowner, current_user, 'MEMBER')
            AND pg_catalog.pg_has_role(part.relowner, current_user, 'MEMBER')
            AND pg_catalog.has_schema_privilege(ledger.oid, 'USAGE')
            AND pg_catalog.has_table_privilege(part.oid, 'INSERT, SELECT'); -- INSERT for the one, SELECT for the other
    follows boolean := TG_OP OPERATOR(pg_catalog.=) 'UPDATE' -- ON UPDATE CASCADE is also a trigger
        AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1 AND EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS cascade
        WHERE cascade.confupdtype OPERATOR(pg_catalog.=) 'c'
            AND cascade.confrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('public.presets')
            AND cascade.conrelid OPERATOR(pg_catalog.=) TG_RELID);
BEGIN
    IF pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.presets'), 'UPDATE') IS NOT TRUE
        OR TG_RELID OPERATOR(pg_catalog.<>) COALESCE(pg_catalog.to_regclass('public.preset_usage'), TG_RELID)
        AND COALESCE(pg_catalog.pg_partition_root(TG_RELID), TG_RELID) --? partitions
            OPERATOR(pg_catalog.<>) pg_catalog.to_regclass('public.preset_usage') --? partitions
    THEN RETURN NULL; END IF;
    IF pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1 THEN
        PERFORM pg_catalog.set_config('search_path', pg_catalog.concat(
            pg_catalog.current_setting('search_path'), ', ',
            'pg_usagefix_preset_usage_count_'::pg_catalog.name, pg_catalog.pg_trigger_depth()), true);
    END IF;
    LOCK TABLE ONLY public.presets IN ROW EXCLUSIVE MODE; -- first: who holds a row must not wait for the table
    -- What the statement changed, for each preset.
    IF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' AND TG_WHEN OPERATOR(pg_catalog.=) 'AFTER' THEN
        -- No event is left, and none can come before the commit: set each counter to its baseline, right or wrong.
        PERFORM FROM public.presets AS preset ORDER BY preset.id FOR NO KEY UPDATE;
        OPEN trust; FETCH trust INTO trusted; CLOSE trust;
        IF trusted THEN
            UPDATE public.presets AS preset SET usage_count = COALESCE((SELECT kept.baseline
                FROM usagefix.baselines AS kept WHERE (kept.counter, kept.row_key) OPERATOR(pg_catalog.=)
                ('preset_usage_count'::pg_catalog.name, preset.id::pg_catalog.text)), 0)
            WHERE (preset.usage_count OPERATOR(pg_catalog.<>) 0) IS NOT FALSE;
        ELSE
            UPDATE public.presets AS preset SET usage_count = 0
            WHERE (preset.usage_count OPERATOR(pg_catalog.<>) 0) IS NOT FALSE;
        END IF;
        too_low := true;
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN -- BEFORE, on a partition --? partitions
        IF pg_catalog.strpos(pg_catalog.current_setting('usagefix.whole', true), pg_catalog.concat( --? partitions
            pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.-) 1, ' ', --? partitions
            EXTRACT(epoch FROM pg_catalog.statement_timestamp()), ',')) OPERATOR(pg_catalog.=) 1 THEN --? partitions
            RETURN NULL; -- the whole table is truncated --? partitions
        END IF; --? partitions
        -- Read only this partition: the TRUNCATE of another one may hold a lock on that one. --? partitions
        OPEN changes FOR EXECUTE pg_catalog.format(pg_catalog.concat( --? partitions
            $format$SELECT gone.preset_id, OPERATOR(pg_catalog.-) pg_catalog.count(*) AS uses, $format$, --? partitions
            $format$NULL::pg_catalog.timestamptz AS newest FROM ONLY %s AS gone GROUP BY $format$, --? partitions
            $format$gone.preset_id ORDER BY gone.preset_id$format$), TG_RELID::pg_catalog.regclass); --? partitions
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
        OPEN changes FOR SELECT gone.preset_id, OPERATOR(pg_catalog.-) pg_catalog.count(*) AS uses,
                NULL::pg_catalog.timestamptz AS newest
            FROM old_events AS gone GROUP BY gone.preset_id ORDER BY gone.preset_id;
    ELSE
        follows := follows AND EXISTS ( -- a cascade changes the ids that events name
            SELECT come.preset_id FROM new_events come EXCEPT ALL SELECT gone.preset_id FROM old_events gone);
        OPEN changes FOR
            SELECT event.preset_id, pg_catalog.sum(event.uses) AS uses, pg_catalog.max(event.newer) AS newest
            FROM (
                SELECT gone.preset_id, -1 AS uses, gone.created_at AS older, NULL AS newer FROM old_events AS gone
                UNION ALL SELECT come.preset_id, 1 AS uses, NULL, come.created_at FROM new_events AS come
            ) AS event
            GROUP BY event.preset_id HAVING pg_catalog.sum(event.uses) OPERATOR(pg_catalog.<>) 0
                -- or an event got a later time --? dated
                OR pg_catalog.max(event.newer) OPERATOR(pg_catalog.>) pg_catalog.max(event.older) --? dated
                OR pg_catalog.max(event.older) IS NULL --? dated
            ORDER BY event.preset_id;
    END IF;
    WHILE changes IS NOT NULL LOOP
        FETCH changes INTO change;
        IF NOT FOUND THEN CLOSE changes; EXIT; END IF; -- an open cursor blocks the TRUNCATE
        usagefix_shown := (SELECT COALESCE(preset.usage_count, 0) FROM public.presets AS preset
            WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id FOR NO KEY UPDATE);
        CONTINUE WHEN usagefix_shown IS NULL; -- the preset is gone
        IF follows AND change.uses OPERATOR(pg_catalog.<>) 0 THEN
            -- ON UPDATE CASCADE: the preset kept its counter under the new id. Count its events again.
            too_low := true;
            change.uses := (SELECT pg_catalog.count(*) AS uses FROM public.preset_usage AS event
                WHERE event.preset_id OPERATOR(pg_catalog.=) change.preset_id) OPERATOR(pg_catalog.-) usagefix_shown;
            OPEN trust; FETCH trust INTO trusted; CLOSE trust;
            IF trusted THEN
                change.uses := change.uses OPERATOR(pg_catalog.+) COALESCE((SELECT kept.baseline
                    FROM usagefix.baselines AS kept WHERE (kept.counter, kept.row_key) OPERATOR(pg_catalog.=)
                    ('preset_usage_count'::pg_catalog.name, change.preset_id::pg_catalog.text)), 0);
            END IF;
        END IF;
        too_low := too_low OR usagefix_shown OPERATOR(pg_catalog.+) change.uses OPERATOR(pg_catalog.<) 0; --? counted
        UPDATE public.presets AS preset
        SET usage_count = GREATEST(usagefix_shown OPERATOR(pg_catalog.+) change.uses, 0)
          , last_used_at = GREATEST(preset.last_used_at, change.newest) --? presets.last_used_at
        WHERE preset.id OPERATOR(pg_catalog.=) change.preset_id
            AND (change.uses OPERATOR(pg_catalog.<>) 0 OR preset.last_used_at IS NULL --? dated
                OR change.newest OPERATOR(pg_catalog.>) preset.last_used_at) --? dated
        ;
    END LOOP;
    IF too_low THEN OPEN trust; FETCH trust INTO trusted; CLOSE trust; END IF;
    IF too_low AND trusted THEN -- pending deltas of a backfill may be wrong now: tell it to count again
        INSERT INTO usagefix.held_at_zero (counter) VALUES ('preset_usage_count'::pg_catalog.name);
    END IF;
    RETURN NULL;
END
$function$;

-- Only the triggers call them
REVOKE ALL ON FUNCTION public.auto_increment_preset_usage_count(), public.auto_adjust_preset_usage_count() FROM PUBLIC;

-- The triggers count from this commit on. Writers wait while they are created; readers do not
CREATE OR REPLACE TRIGGER trigger_auto_increment_preset_usage_count AFTER INSERT ON public.preset_usage
    REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION public.auto_increment_preset_usage_count();
CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_delete AFTER DELETE ON public.preset_usage
    REFERENCING OLD TABLE AS old_events FOR EACH STATEMENT EXECUTE FUNCTION public.auto_adjust_preset_usage_count();
CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_update
    AFTER UPDATE ON public.preset_usage REFERENCING OLD TABLE AS old_events NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.auto_adjust_preset_usage_count();
CREATE OR REPLACE TRIGGER trigger_auto_adjust_preset_usage_count_truncate AFTER TRUNCATE ON public.preset_usage
    FOR EACH STATEMENT EXECUTE FUNCTION public.auto_adjust_preset_usage_count();

-- Record that they did not exist before, unless a record exists: rollback drops them
INSERT INTO usagefix.saved_objects (counter, version, kind, identity)
SELECT 'preset_usage_count'::name, '20250930000001', 'function', unnest(ARRAY[
    'public.auto_increment_preset_usage_count()'::regprocedure, 'public.auto_adjust_preset_usage_count()'::regprocedure
])::text ON CONFLICT DO NOTHING;

-- By hand: record what is counted
INSERT INTO usagefix.counters (counter, definition) VALUES ('preset_usage_count'::name, jsonb_build_object(
    'schema', 'public'::name, 'parent', 'presets'::name, 'key', 'id', 'column', 'usage_count'::name,
    'number', 'integer', 'child', 'preset_usage'::name, 'foreign_key', 'preset_id'::name)) ON CONFLICT DO NOTHING;

-- Record the version
INSERT INTO usagefix.history (counter, version, action) VALUES ('preset_usage_count'::name, '20250930000001', 'apply');
