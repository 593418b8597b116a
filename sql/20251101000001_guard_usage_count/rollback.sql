-- Restore what was there before apply.sql. The counters keep their values; then anything may write them.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f rollback.sql

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- By hand: stop before any change if this file alone is not enough
DO $do$
DECLARE
    why text;
BEGIN
    SELECT string_agg(reasons.why, '; ') INTO why
    FROM (
        SELECT 'a later version is applied' AS why WHERE EXISTS (
            SELECT FROM usagefix.saved_objects
            WHERE counter = 'preset_usage_count'::name AND version > '20251101000001')
        UNION ALL
        SELECT 'the ledger has no record of this version' WHERE NOT EXISTS (
            SELECT FROM usagefix.saved_objects
            WHERE counter = 'preset_usage_count'::name AND version = '20251101000001')
        UNION ALL
        SELECT format('apply replaced %s', string_agg(identity, ', ')) FROM usagefix.saved_objects
        WHERE counter = 'preset_usage_count'::name AND version = '20251101000001' AND definition IS NOT NULL
        HAVING count(*) > 0
    ) AS reasons;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'nothing was changed, because this file is not enough here: %', why
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'usagefix rollback does it;'
                ' usagefix sql 20251101000001 rollback --adapt prints the script for this database.';
    END IF;
END
$do$;

-- The trigger, then its function. Readers and writers of presets wait from here to the commit
DROP TRIGGER IF EXISTS zz_trigger_guard_preset_usage_count ON public.presets;
DROP FUNCTION IF EXISTS public.guard_preset_usage_count();

-- Record the rollback. The refused writes stay in the ledger as history
DELETE FROM usagefix.saved_objects WHERE counter = 'preset_usage_count'::name AND version = '20251101000001';
INSERT INTO usagefix.history (counter, version, action)
VALUES ('preset_usage_count'::name, '20251101000001', 'rollback');
