-- Make every counter equal to its number of events, once, by adding what it lacks.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f backfill.sql
--
-- Run apply.sql first. From then on each event and its count commit together. So what a counter lacks stays the same,
-- whatever is written meanwhile, and adding it is exact. (An absolute count would overwrite the uses counted since.)
-- `usagefix backfill` does the same in small transactions; this file locks the rows that it corrects until it commits.
-- A repair is not a use: the application's own triggers on presets do not fire.
-- The file stops if the events do not look like the whole truth. Find out why first. Then SET usagefix.trust = 'events'
-- to let the counters fall, or 'counters' to keep what they show too much as a baseline, to which events are added.

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
    PERFORM set_config('TimeZone', 'UTC', true); -- for times without a zone
    IF (SELECT count(*) FROM pg_attribute --? dated
        WHERE attrelid = to_regclass('public.presets') AND attname = 'last_used_at'::name --? dated
            OR attrelid = to_regclass('public.preset_usage') AND attname = 'created_at'::name) < 2 THEN --? dated
        RAISE EXCEPTION 'nothing was changed, because a time that this file reads has another name here' --? dated
            USING HINT = 'usagefix sql 20250930000001 backfill --adapt prints the script for this database.'; --? dated
    END IF; --? dated
END $do$;

-- By hand: keep the application's triggers on presets from firing; if the role may not set that, disable each
DO $do$
DECLARE
    held name[] := '{}';
    held_off name;
BEGIN
    IF current_setting('search_path') <> 'pg_catalog, pg_temp' THEN
        RAISE EXCEPTION 'nothing was changed, because this file was not run as one transaction'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run it with psql -1.';
    END IF;
    BEGIN
        SET LOCAL session_replication_role = replica;
    EXCEPTION WHEN insufficient_privilege THEN
        held := ARRAY(
            SELECT tgname FROM pg_trigger
            WHERE tgrelid = 'public.presets'::regclass AND NOT tgisinternal AND tgenabled = 'O'
                AND tgtype::integer & 16 = 16
                AND tgfoid IS DISTINCT FROM to_regprocedure('public.guard_preset_usage_count()'));
    END;
    FOREACH held_off IN ARRAY held LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', 'public.presets'::regclass, held_off);
    END LOOP;
    PERFORM set_config('usagefix.held_off', held::text, true);
END $do$;

-- Count what counters lack, and add it
DO $do$
DECLARE
    this_counter CONSTANT text := 'preset_usage_count'::name;
    this_run bigint;
    trust text := NULLIF(current_setting('usagefix.trust', true), '');
    why text;
BEGIN
    IF current_setting('search_path') <> 'pg_catalog, pg_temp' OR NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'public.preset_usage'::regclass AND tgenabled IN ('O', 'A')
            AND tgfoid = to_regprocedure('public.auto_increment_preset_usage_count()')
    ) THEN
        RAISE EXCEPTION 'nothing was changed: new uses are not counted yet, or this is not run as one transaction'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run apply.sql first, each file with psql -1.';
    END IF;
    -- An interrupted run: keep what it corrected, and count the rest again.
    DELETE FROM usagefix.corrections WHERE counter = this_counter AND applied_at IS NULL;
    UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE counter = this_counter AND finished_at IS NULL;
    DELETE FROM usagefix.baselines WHERE counter = this_counter AND (
        trust = 'events' OR NOT EXISTS (SELECT FROM public.presets WHERE presets.id::text = baselines.row_key));
    PERFORM set_config('usagefix.bypass_guard', 'on', true);
    LOOP
        DELETE FROM usagefix.held_at_zero WHERE counter = this_counter;
        INSERT INTO usagefix.backfills (counter) VALUES (this_counter) RETURNING run INTO this_run;
        INSERT INTO usagefix.corrections (counter, run, place, row_key, displayed, actual, delta, newest)
        SELECT this_counter, this_run, row_number() OVER (ORDER BY preset.id), preset.id::text, preset.usage_count,
            truth.uses, truth.uses - COALESCE(preset.usage_count, 0), events.newest
        FROM public.presets AS preset
        LEFT JOIN (
            SELECT event.preset_id AS parent, count(*) AS actual, max(event.created_at) AS newest
            FROM public.preset_usage AS event GROUP BY event.preset_id
        ) AS events ON events.parent = preset.id
        LEFT JOIN usagefix.baselines ON baselines.row_key = preset.id::text AND baselines.counter = this_counter
        CROSS JOIN LATERAL (SELECT COALESCE(events.actual, 0) + COALESCE(baselines.baseline, 0) AS uses) AS truth
        WHERE preset.usage_count IS DISTINCT FROM truth.uses
            OR events.newest > COALESCE(preset.last_used_at, '-infinity') --? dated
        ;
        -- Many counters without an event, or a large fall: these counters may be right. Ask once.
        IF trust IS NULL THEN
            SELECT format('%s of %s counters would fall, their sum from %s to %s', falling, used, falls_from, falls_to)
            INTO why
            FROM (
                SELECT count(*) AS falling, COALESCE(sum(displayed), 0) AS falls_from,
                    COALESCE(sum(actual), 0) AS falls_to, count(*) FILTER (WHERE actual = 0) AS without_event
                FROM usagefix.corrections WHERE run = this_run AND delta < 0
            ) AS falls, (
                SELECT count(*) AS used, sum(preset.usage_count) AS shown
                FROM public.presets AS preset WHERE preset.usage_count > 0
            ) AS counters
            WHERE without_event > 0 AND without_event = used OR falls_from - falls_to >= 10 AND (
                without_event >= 3 AND without_event * 10 >= used OR (falls_from - falls_to) * 5 >= shown);
        ELSIF trust = 'counters' THEN
            INSERT INTO usagefix.baselines (counter, row_key, baseline, run)
            SELECT counter, row_key, - delta, this_run FROM usagefix.corrections WHERE run = this_run AND delta < 0
            ON CONFLICT (counter, row_key) DO UPDATE
                SET baseline = baselines.baseline + excluded.baseline, run = excluded.run;
            UPDATE usagefix.corrections SET delta = 0 WHERE run = this_run AND delta < 0;
        END IF;
        IF why IS NOT NULL OR trust NOT IN ('events', 'counters', 'asked') THEN
            RAISE EXCEPTION '%', COALESCE(why, 'usagefix.trust must be events or counters')
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Find out why no events are recorded:'
                    ' usagefix doctor. Or say what is right: SET usagefix.trust = ''events''; or ''counters'';';
        END IF;
        trust := 'asked';
        LOCK TABLE ONLY public.presets IN ROW EXCLUSIVE MODE; -- first, as the triggers do
        PERFORM FROM public.presets AS preset
        WHERE preset.id::text IN (SELECT row_key FROM usagefix.corrections WHERE run = this_run)
        ORDER BY preset.id FOR NO KEY UPDATE; -- in the order of their ids, as the triggers do
        WITH changed AS (
            UPDATE public.presets AS preset
            SET usage_count = GREATEST(COALESCE(preset.usage_count, 0) + corrections.delta, 0)
              , last_used_at = GREATEST(preset.last_used_at, corrections.newest) --? presets.last_used_at
            FROM usagefix.corrections WHERE corrections.run = this_run AND corrections.row_key = preset.id::text
            RETURNING preset.id::text AS row_key, preset.usage_count AS became
        )
        UPDATE usagefix.corrections SET applied_at = clock_timestamp(), became = changed.became
        FROM changed WHERE corrections.run = this_run AND corrections.row_key = changed.row_key;
        DELETE FROM usagefix.corrections WHERE run = this_run AND applied_at IS NULL; -- presets deleted meanwhile
        UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE run = this_run;
        EXIT WHEN NOT EXISTS (SELECT FROM usagefix.held_at_zero WHERE counter = this_counter);
    END LOOP;
    PERFORM set_config('usagefix.bypass_guard', '', true);
END $do$;

-- By hand: enable the triggers again
DO $do$
DECLARE
    held CONSTANT name[] := current_setting('usagefix.held_off');
    held_off name;
BEGIN
    FOREACH held_off IN ARRAY held LOOP
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', 'public.presets'::regclass, held_off);
    END LOOP;
    IF held = '{}' THEN SET LOCAL session_replication_role = DEFAULT; END IF;
END $do$;
