-- Delete baselines: all of them, or those of deleted presets. A baseline that came to another preset since the count is
-- in its counter, too: then count again. Parameter: all.
WITH gone AS (
    DELETE FROM usagefix.baselines AS noted
    WHERE noted.counter = 'preset_usage_count'::name AND (%(all)s
        OR NOT EXISTS (SELECT FROM public.presets AS preset WHERE preset.id::text = noted.row_key))
    RETURNING noted.row_key, noted.baseline
), moved AS (
    INSERT INTO usagefix.held_at_zero (counter) SELECT 'preset_usage_count'::name
    WHERE EXISTS (SELECT FROM gone WHERE gone.row_key NOT IN (SELECT row_key FROM pg_temp.usagefix_noted))
)
SELECT count(*) AS rows, COALESCE(sum(gone.baseline), 0) AS total FROM gone
