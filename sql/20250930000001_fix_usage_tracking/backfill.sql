-- Make every counter equal to its number of events, once, by adding what is missing.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f backfill.sql
--
-- Needs apply.sql first, which creates usagefix.backfill(): from then on each event and its count commit together, so what
-- is missing stays the same however many people use the application meanwhile, and adding it is exact. (An absolute count
-- is not: it would overwrite the uses counted since.) `usagefix backfill` does the same in small transactions; this file
-- holds the rows that it corrects until it commits.
--
-- A repair is not a use: the application's own triggers on presets do not fire. Setting, usually absent:
--   usagefix.fire_triggers = on      let them fire
DO $do$
DECLARE
    role_before CONSTANT text := current_setting('session_replication_role');
BEGIN
    IF to_regprocedure('usagefix.backfill(boolean)') IS NULL THEN
        RAISE EXCEPTION 'new uses are not counted yet, so no backfill can be exact'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run apply.sql first.';
    END IF;
    PERFORM usagefix.backfill(COALESCE(current_setting('usagefix.fire_triggers', true), '') = 'on');
    IF current_setting('session_replication_role') <> role_before THEN
        PERFORM set_config('session_replication_role', role_before, true);
    END IF;
END
$do$;
