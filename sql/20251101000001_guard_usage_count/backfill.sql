-- Make every counter equal to its number of events: what wrote the counter before apply.sql has left drift.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f backfill.sql
--
-- The same backfill as of version 20250930000001, which gets past the guard; its setting, too:
--   usagefix.fire_triggers = on      let the application's triggers on presets fire
DO $do$
DECLARE
    role_before CONSTANT text := current_setting('session_replication_role');
BEGIN
    PERFORM usagefix.backfill(COALESCE(current_setting('usagefix.fire_triggers', true), '') = 'on');
    IF current_setting('session_replication_role') <> role_before THEN
        PERFORM set_config('session_replication_role', role_before, true);
    END IF;
END
$do$;
