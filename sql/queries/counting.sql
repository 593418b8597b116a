-- Whether new uses are counted: the trigger is there and enabled.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger
    WHERE tgrelid = to_regclass('public.preset_usage')
        AND tgname = 'trigger_auto_increment_preset_usage_count' AND tgenabled IN ('O', 'A')
        AND tgtype = 4 AND tgfoid = to_regprocedure('public.auto_increment_preset_usage_count()')
) AS counting
