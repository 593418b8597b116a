-- Make every counter equal to its number of events, once, by adding what is missing.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f backfill.sql
--
-- Needs apply.sql first: from then on each event and its count commit together, so what is missing stays the same
-- however many people use the application meanwhile, and adding it is exact. (An absolute count is not: it would
-- overwrite the uses counted since.) `usagefix backfill` does the same in small transactions; this file holds the rows
-- that it corrects until it commits.
--
-- A repair is not a use: the application's own triggers on presets do not fire. Setting, usually absent:
--   usagefix.fire_triggers = on      let them fire
DO $do$
DECLARE
    fire CONSTANT boolean := COALESCE(current_setting('usagefix.fire_triggers', true), '') = 'on';
    role_before CONSTANT text := current_setting('session_replication_role');
    this_run bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'public.preset_usage'::regclass
            AND tgname = 'trigger_auto_increment_preset_usage_count' AND tgenabled IN ('O', 'A')
    ) THEN
        RAISE EXCEPTION 'new uses are not counted yet, so no backfill can be exact'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run apply.sql first.';
    END IF;

    IF NOT fire THEN
        BEGIN
            PERFORM set_config('session_replication_role', 'replica', true);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'this role may not hold off the triggers on presets'
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Use `usagefix backfill`, which can do without; or run GRANT SET ON PARAMETER'
                          ' session_replication_role TO your role (PostgreSQL 15 on); or let the triggers fire:'
                          ' PGOPTIONS="-c usagefix.fire_triggers=on" psql …';
        END;
    END IF;

    -- An interrupted run: what it did is done, what it left is counted anew.
    DELETE FROM usagefix.corrections WHERE applied_at IS NULL;
    UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE finished_at IS NULL;
    INSERT INTO usagefix.backfills DEFAULT VALUES RETURNING run INTO this_run;

    -- One snapshot for both sides.
    INSERT INTO usagefix.corrections (run, preset_id, displayed, actual, delta, newest)
    SELECT this_run, presets.id, presets.usage_count, COALESCE(events.actual, 0),
           COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0), events.newest
    FROM public.presets
    LEFT JOIN (
        SELECT preset_usage.preset_id, count(*) AS actual, max(preset_usage.created_at) AS newest
        FROM public.preset_usage
        GROUP BY preset_usage.preset_id
    ) AS events ON events.preset_id = presets.id
    WHERE presets.usage_count IS DISTINCT FROM COALESCE(events.actual, 0)
        OR events.newest > COALESCE(presets.last_used_at, '-infinity');

    -- In the order of their ids, as the trigger does.
    PERFORM FROM public.presets
    WHERE presets.id IN (SELECT preset_id FROM usagefix.corrections WHERE run = this_run)
    ORDER BY presets.id
    FOR NO KEY UPDATE;

    UPDATE public.presets
    SET usage_count = COALESCE(presets.usage_count, 0) + corrections.delta,
        last_used_at = GREATEST(presets.last_used_at, corrections.newest)
    FROM usagefix.corrections
    WHERE corrections.run = this_run AND corrections.preset_id = presets.id;

    UPDATE usagefix.corrections SET applied_at = clock_timestamp() WHERE run = this_run;
    UPDATE usagefix.backfills SET finished_at = clock_timestamp() WHERE run = this_run;
    PERFORM set_config('session_replication_role', role_before, true);
END
$do$;
