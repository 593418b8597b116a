-- Whether a partition came after apply: it is counted by the trigger for rows, and has none of its own yet.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS cloned
    WHERE cloned.tgparentid <> 0 AND cloned.tgenabled <> 'D'
        AND cloned.tgname IN ('trigger_auto_increment_preset_usage_count_row', 'trigger_auto_adjust_preset_usage_count_row')
        AND cloned.tgfoid IN (to_regprocedure('public.auto_increment_preset_usage_count()'),
                              to_regprocedure('public.auto_adjust_preset_usage_count()'))
) AS later
