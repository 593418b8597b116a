-- Count every new use at once, and lift the daily limit.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f ../ledger.sql -f apply.sql -f backfill.sql
--
-- is the whole fix by hand, exact, in one transaction; writers to preset_usage wait until it commits. On a busy
-- database run `usagefix apply`, or the two files in a transaction each, apply.sql first: then nobody waits while
-- rows are counted. Running it again changes nothing. See sql/README.md.
--
-- Settings (custom GUCs, usually absent):
--   usagefix.keep_daily_limit = on   leave the daily index for DROP INDEX CONCURRENTLY, and do not record the version
--   usagefix.tool, usagefix.checksum what to note in the ledger

-- Wait at most a second for a lock, unless the caller has said otherwise.
DO $do$
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '1s', true);
    END IF;
END
$do$;

-- Refuse what this version cannot count exactly. Nothing has been changed yet.
DO $do$
DECLARE
    other text;
    daily regclass;
BEGIN
    IF to_regprocedure('usagefix.daily_limit()') IS NULL THEN
        RAISE EXCEPTION 'the ledger, schema usagefix, is not open'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run ledger.sql first.';
    END IF;
    daily := usagefix.daily_limit();
    SELECT string_agg(limits::text, ', ') INTO other FROM usagefix.daily_limits() AS limits HAVING count(*) > 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'there is more than one daily limit: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop all but one of these indexes, then run this again.';
    END IF;
    SELECT string_agg(quote_ident(made.conname), ', ') INTO other
    FROM usagefix.daily_limits(true) AS limits JOIN pg_catalog.pg_constraint AS made ON made.conindid = limits AND made.contype = 'u';
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'the daily limit is a constraint, which cannot be dropped without stopping readers: %', other
            USING ERRCODE = 'feature_not_supported',
                  HINT = format('ALTER TABLE public.preset_usage DROP CONSTRAINT %s, then run this again.', other);
    END IF;
    other := CASE WHEN daily IS NOT NULL THEN usagefix.needing_limit() END;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'without the daily limit these functions would fail: %', other
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Take the ON CONFLICT clause out of them (the insert is all they need), then run this again.';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refobjid = daily AND classid = 'pg_constraint'::regclass AND deptype = 'n') THEN
        RAISE EXCEPTION 'a foreign key depends on the daily limit, %', daily
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop that foreign key, then run this again.';
    END IF;
    SELECT string_agg(format('%s.%s', attrelid::regclass, attname), ', ') INTO other
    FROM pg_catalog.pg_attribute
    WHERE attrelid = 'public.presets'::regclass AND attname IN ('usage_count', 'last_used_at') AND attgenerated <> '';
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'a generated column cannot be counted in: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Make it an ordinary column.';
    END IF;
    SELECT format_type(keys.atttypid, keys.atttypmod) INTO other
    FROM pg_catalog.pg_attribute AS keys
    JOIN pg_catalog.pg_type AS types ON types.oid = keys.atttypid
    JOIN pg_catalog.pg_type AS base ON base.oid = COALESCE(NULLIF(types.typbasetype, 0), types.oid)
    WHERE keys.attrelid = 'public.presets'::regclass AND keys.attname = 'id'
        AND base.typnamespace <> 'pg_catalog'::regnamespace AND base.typtype <> 'e';
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'presets.id is of type %, which may have an equality of its own', other
            USING ERRCODE = 'feature_not_supported', HINT = 'usagefix counts by the types that come with PostgreSQL.';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS keys
        JOIN pg_catalog.pg_attribute AS id ON id.attrelid = keys.indrelid AND id.attname = 'id'
        WHERE keys.indrelid = 'public.presets'::regclass AND keys.indisunique AND keys.indisvalid AND keys.indpred IS NULL
            AND keys.indnkeyatts = 1 AND keys.indkey[0] = id.attnum
    ) THEN
        RAISE EXCEPTION 'presets.id is not unique by itself: an event would count on each preset of that id'
            USING ERRCODE = 'feature_not_supported', HINT = 'Make it the primary key, or give it a unique index.';
    END IF;
    SELECT format('GRANT SELECT ON %s TO %I', events.relation, pg_get_userbyid(presets.relowner)) INTO other
    FROM usagefix.event_tables() AS events
    JOIN pg_catalog.pg_class AS presets ON presets.oid = 'public.presets'::regclass
    WHERE NOT events.whole AND NOT has_table_privilege(presets.relowner, events.relation, 'SELECT') LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'the owner of presets, who counts what TRUNCATE of a partition takes away, may not read it'
            USING ERRCODE = 'insufficient_privilege', HINT = other;
    END IF;
    SELECT parents.inhparent::regclass INTO other
    FROM pg_catalog.pg_inherits AS parents WHERE parents.inhrelid = to_regclass('public.preset_usage') LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'preset_usage is a partition or child of %: what is written through that would not be counted', other
            USING ERRCODE = 'feature_not_supported', HINT = 'usagefix counts whole tables.';
    END IF;
    SELECT string_agg(children.inhrelid::regclass::text, ', ') INTO other
    FROM pg_catalog.pg_inherits AS children
    JOIN pg_catalog.pg_class AS events ON events.oid = children.inhparent
    WHERE events.oid = to_regclass('public.preset_usage') AND events.relkind = 'r';
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'other tables inherit from preset_usage: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Make them partitions, or ALTER TABLE … NO INHERIT.';
    END IF;
    SELECT string_agg(events.relation::text, ', ') INTO other FROM usagefix.event_tables() AS events WHERE events.kind = 'f';
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'partitions of preset_usage are foreign tables, which no trigger can count: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Detach them first.';
    END IF;
    IF (SELECT relkind FROM pg_catalog.pg_class WHERE oid = daily) = 'I' THEN
        RAISE EXCEPTION 'the daily limit is a partitioned index, which usagefix could not put back'
            USING ERRCODE = 'feature_not_supported', HINT = format('DROP INDEX %s, then run this again.', daily);
    END IF;
    SELECT format('%s on %s', existing.tgname, existing.tgrelid::regclass) INTO other
    FROM pg_catalog.pg_trigger AS existing
    WHERE existing.tgfoid = to_regprocedure('public.auto_increment_preset_usage_count()')
        AND existing.tgrelid NOT IN (SELECT relation FROM usagefix.event_tables())
    LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'a trigger on another table calls auto_increment_preset_usage_count() too: %', other
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop that trigger, then run this again.';
    END IF;
    SELECT substring(identity FROM '^(.+)\.[^.]+$') INTO other
    FROM usagefix.saved_objects WHERE kind = 'function' AND NOT starts_with(identity, 'public.auto_')
        AND identity LIKE '%.auto\_increment\_preset\_usage\_count()' LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'the ledger of this database, schema usagefix, serves schema %', other
            USING ERRCODE = 'feature_not_supported', HINT = format('usagefix --schema %s COMMAND', other);
    END IF;
END
$do$;

-- Note what is there before it is replaced or dropped. Only once: a second run finds our own objects.
DO $do$
DECLARE
    path CONSTANT text := current_setting('search_path');
BEGIN
    -- Definitions and types are written with the schema of every name that this path does not find.
    PERFORM set_config('search_path', 'pg_catalog', true);
    PERFORM usagefix.save_function('20250930000001', format('public.%I(%s)', proname, oidvectortypes(proargtypes)))
    FROM pg_catalog.pg_proc
    WHERE proname = 'track_preset_usage' AND pronamespace = 'public'::regnamespace AND prokind = 'f';
    PERFORM usagefix.save_function('20250930000001', 'public.auto_increment_preset_usage_count()');
    PERFORM usagefix.save_trigger('20250930000001', 'trigger_auto_increment_preset_usage_count');

    -- pg_dump leaves an invalid index out, and so does this: it goes, and stays away. A second run does not find it any more.
    INSERT INTO usagefix.saved_objects (version, kind, identity, definition, comment, key_columns, key_attributes,
                                         predicate, extras)
    SELECT '20250930000001', 'index', COALESCE(daily.indexrelid::regclass::text, 'public.idx_preset_usage_daily_unique'),
           pg_get_indexdef(daily.indexrelid), obj_description(daily.indexrelid, 'pg_class'),
           ARRAY(SELECT pg_get_indexdef(daily.indexrelid, n, true) FROM generate_series(1, daily.indnkeyatts) AS n),
           ARRAY(
               SELECT DISTINCT attributes.attname::text
               FROM pg_catalog.pg_depend AS dependency
               JOIN pg_catalog.pg_attribute AS attributes
                   ON attributes.attrelid = daily.indrelid AND attributes.attnum = dependency.refobjsubid
               WHERE dependency.classid = 'pg_class'::regclass AND dependency.objid = daily.indexrelid
                   AND dependency.refclassid = 'pg_class'::regclass AND dependency.refobjid = daily.indrelid
           ),
           pg_get_expr(daily.indpred, daily.indrelid),
           ARRAY(
               SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', daily.indexrelid::regclass, attnum, attstattarget)
               FROM pg_catalog.pg_attribute
               WHERE attrelid = daily.indexrelid AND attstattarget >= 0
           ) || CASE WHEN daily.indisreplident
               THEN ARRAY[format('ALTER TABLE public.preset_usage REPLICA IDENTITY USING INDEX %I', limits.relname)] ELSE '{}' END
           || CASE WHEN daily.indisclustered
               THEN ARRAY[format('ALTER TABLE public.preset_usage CLUSTER ON %I', limits.relname)] ELSE '{}' END
    FROM (VALUES (1)) AS one
    LEFT JOIN pg_catalog.pg_index AS daily ON daily.indexrelid = usagefix.daily_limit() AND daily.indisvalid
    LEFT JOIN pg_catalog.pg_class AS limits ON limits.oid = daily.indexrelid
    WHERE NOT EXISTS (SELECT FROM usagefix.saved_objects WHERE version = '20250930000001' AND kind = 'index');

    PERFORM set_config('search_path', path, true);
END
$do$;

-- Create the counting function. One UPDATE for each preset that a statement touched, in the order of their ids, so that
-- two statements over the same presets queue up and never deadlock.
CREATE OR REPLACE FUNCTION public.auto_increment_preset_usage_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $function$
DECLARE
    event record;
    events integer := 0;
    used record;
    permit text; -- what the guard of a later version lets through; only for the updates here
BEGIN
    -- On partitioned tables only. Where a statement is counted as a whole it is noted, so that the trigger for rows counts
    -- just what is written straight into a partition that has no trigger of its own.
    IF TG_NARGS OPERATOR(pg_catalog.>) 0 THEN
        IF TG_ARGV[0] OPERATOR(pg_catalog.=) 'enter' THEN
            PERFORM pg_catalog.set_config('usagefix.whole', pg_catalog.concat(
                pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.-) 1, ',', pg_catalog.current_setting('usagefix.whole', true)), true);
            RETURN NULL;
        ELSIF TG_ARGV[0] OPERATOR(pg_catalog.=) 'leave' THEN
            PERFORM pg_catalog.set_config('usagefix.whole', pg_catalog.regexp_replace(
                pg_catalog.current_setting('usagefix.whole', true), '^\d+,', ''), true);
            RETURN NULL;
        ELSIF TG_ARGV[0] OPERATOR(pg_catalog.=) 'row' THEN
            permit := pg_catalog.set_config('usagefix.counting', pg_catalog.pg_trigger_depth()::pg_catalog.text, true);
            UPDATE public.presets AS preset
            SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) 1
              , last_used_at = GREATEST(preset.last_used_at, NEW.created_at) --? presets.last_used_at
            WHERE preset.id OPERATOR(pg_catalog.=) NEW.preset_id;
            permit := pg_catalog.set_config('usagefix.counting', '', true);
            RETURN NULL;
        ELSIF NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS parent WHERE parent.inhrelid OPERATOR(pg_catalog.=) TG_RELID) THEN
            RETURN NULL; -- a partition that was detached since
        END IF;
    END IF;

    -- Most statements write one event: then nothing is grouped or sorted.
    permit := pg_catalog.set_config('usagefix.counting', pg_catalog.pg_trigger_depth()::pg_catalog.text, true);
    FOR event IN SELECT written.preset_id, written.created_at FROM new_events AS written LIMIT 2 LOOP
        events := events OPERATOR(pg_catalog.+) 1;
    END LOOP;
    IF events OPERATOR(pg_catalog.=) 1 THEN
        UPDATE public.presets AS preset
        SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) 1
          , last_used_at = GREATEST(preset.last_used_at, event.created_at) --? presets.last_used_at
        WHERE preset.id OPERATOR(pg_catalog.=) event.preset_id;
        permit := pg_catalog.set_config('usagefix.counting', '', true);
        RETURN NULL;
    END IF;

    FOR used IN
        SELECT written.preset_id, pg_catalog.count(*) AS uses, pg_catalog.max(written.created_at) AS newest
        FROM new_events AS written
        GROUP BY written.preset_id
        ORDER BY written.preset_id
    LOOP
        -- Each time: a trigger of the application may record events meanwhile, which are counted in between.
        permit := pg_catalog.set_config('usagefix.counting', pg_catalog.pg_trigger_depth()::pg_catalog.text, true);
        UPDATE public.presets AS preset
        SET usage_count = COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) used.uses
          , last_used_at = GREATEST(preset.last_used_at, used.newest) --? presets.last_used_at
        WHERE preset.id OPERATOR(pg_catalog.=) used.preset_id;
    END LOOP;
    permit := pg_catalog.set_config('usagefix.counting', '', true);
    RETURN NULL;
END
$function$;

-- Give it its owner, its search path and no callers.
SELECT usagefix.secure_function('public.auto_increment_preset_usage_count()');

-- Create the trigger that counts every new event from this commit on. Writers wait while the trigger is created, readers never.
DO $do$
DECLARE
    partitioned CONSTANT boolean := (SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = 'public.preset_usage'::regclass);
    events record;
BEGIN
    -- For rows written straight into partitions that come later: PostgreSQL gives each of them this trigger.
    IF partitioned AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'public.preset_usage'::regclass AND tgname = 'trigger_auto_increment_preset_usage_count_row' AND tgenabled = 'O'
    ) THEN
        CREATE OR REPLACE TRIGGER trigger_auto_increment_preset_usage_count_row
            AFTER INSERT ON public.preset_usage
            FOR EACH ROW WHEN (split_part(current_setting('usagefix.whole', true), ',', 1) IS DISTINCT FROM pg_trigger_depth()::text)
            EXECUTE FUNCTION public.auto_increment_preset_usage_count('row');
    END IF;
    FOR events IN SELECT * FROM usagefix.event_tables() LOOP
        IF events.kind = 'p' AND (
            SELECT count(*) FROM pg_catalog.pg_trigger
            WHERE tgrelid = events.relation AND tgenabled = 'O' AND tgname IN (
                'trigger_auto_increment_preset_usage_count_enter', 'trigger_auto_increment_preset_usage_count_leave')
        ) < 2 THEN
            EXECUTE format(
                'CREATE OR REPLACE TRIGGER trigger_auto_increment_preset_usage_count_enter BEFORE INSERT ON %s'
                ' FOR EACH STATEMENT EXECUTE FUNCTION public.auto_increment_preset_usage_count(''enter'')', events.relation);
            EXECUTE format(
                'CREATE OR REPLACE TRIGGER trigger_auto_increment_preset_usage_count_leave AFTER INSERT ON %s'
                ' FOR EACH STATEMENT EXECUTE FUNCTION public.auto_increment_preset_usage_count(''leave'')', events.relation);
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = events.relation
                AND tgname = 'trigger_auto_increment_preset_usage_count'
                AND tgfoid = 'public.auto_increment_preset_usage_count()'::regprocedure
                AND tgtype = 4 AND tgnewtable = 'new_events' AND tgenabled = 'O' AND tgqual IS NULL
        ) THEN
            EXECUTE format(
                'CREATE OR REPLACE TRIGGER trigger_auto_increment_preset_usage_count AFTER INSERT ON %s'
                ' REFERENCING NEW TABLE AS new_events'
                ' FOR EACH STATEMENT EXECUTE FUNCTION public.auto_increment_preset_usage_count(%s)',
                events.relation, CASE WHEN events.whole THEN '' ELSE quote_literal('partition') END);
        END IF;
        IF events.kind = 'r' AND NOT events.whole AND EXISTS (
            SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = events.relation AND tgname = 'trigger_auto_increment_preset_usage_count_row' AND tgenabled <> 'D'
        ) THEN
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER trigger_auto_increment_preset_usage_count_row', events.relation);
        END IF;
    END LOOP;
END
$do$;

-- Hold off what else counts new events, from this commit on: each use counts once, before it and after.
SELECT usagefix.hold_off('20250930000001', 4);

-- Let track_preset_usage() only insert the event, and drop the daily limit. The function is tried before and after; if
-- it worked before, it must work afterwards, and count each use once.
DO $do$
DECLARE
    daily CONSTANT regclass := usagefix.daily_limit();
    limit_stays CONSTANT boolean := daily IS NOT NULL
        AND COALESCE(current_setting('usagefix.keep_daily_limit', true), '') = 'on';
    trackers CONSTANT oid[] := ARRAY(
        SELECT oid FROM pg_catalog.pg_proc
        WHERE proname = 'track_preset_usage' AND pronamespace = 'public'::regnamespace AND prokind = 'f' ORDER BY oid
    );
    before text[] := '{}';
    proven boolean := false;
BEGIN
    FOR n IN 1 .. cardinality(trackers) LOOP
        before := before || usagefix.try_tracker(trackers[n], 1);
    END LOOP;
    IF daily IS NOT NULL AND NOT limit_stays THEN
        EXECUTE format('DROP INDEX %s', daily);
    END IF;
    FOR n IN 1 .. cardinality(trackers) LOOP
        proven := COALESCE(usagefix.fit_tracker(trackers[n], before[n], limit_stays) ~ '^[1-9]\d* counted', false) OR proven;
    END LOOP;
    IF NOT proven AND usagefix.try_insert() > 1 THEN
        RAISE EXCEPTION 'tried with the fix, one event counts more than once'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'A trigger of the application changes usage_count as well. The trigger of the fix counts.';
    END IF;
END
$do$;

-- Record the version, once the daily limit is gone.
DO $do$
BEGIN
    IF COALESCE(current_setting('usagefix.keep_daily_limit', true), '') <> 'on' THEN
        INSERT INTO usagefix.history (version, action) VALUES ('20250930000001', 'apply');
    END IF;
END
$do$;
