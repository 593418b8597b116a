-- Delete baselines: all of them, or those of deleted presets. Parameter: all.
WITH gone AS (
    DELETE FROM usagefix.baselines AS noted
    WHERE noted.counter = 'preset_usage_count'::name AND (%(all)s
        OR NOT EXISTS (SELECT FROM public.presets AS preset WHERE preset.id::text = noted.row_key))
    RETURNING noted.baseline
)
SELECT count(*) AS rows, COALESCE(sum(gone.baseline), 0) AS total FROM gone
