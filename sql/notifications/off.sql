-- Insert every notification as a row of its own again. Merged notifications stay merged.
--
--   usagefix notifications off --dry-run    prints this for a table

-- Look up every name in pg_catalog, and wait at most 1.5 seconds for a lock, unless lock_timeout is set already
DO $do$ BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lock_timeout', COALESCE(NULLIF(current_setting('lock_timeout'), '0'), '1500ms'), true);
END $do$;

-- The trigger, then its function. Readers and writers of the table wait from here to the commit
DROP TRIGGER IF EXISTS zz_collapse_preset_notifications ON public.preset_notifications;
DROP FUNCTION IF EXISTS public.collapse_preset_notifications();
