-- What each counter lacks, for those that are wrong. Both sides from one snapshot; an index on preset_id is all it reads of
-- the events.
SELECT
    presets.id AS preset_id,
    presets.usage_count AS displayed,
    COALESCE(events.actual, 0) AS actual,
    COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0) AS delta
FROM public.presets
LEFT JOIN (
    SELECT preset_usage.preset_id, count(*) AS actual
    FROM public.preset_usage
    GROUP BY preset_usage.preset_id
) AS events ON events.preset_id = presets.id
WHERE presets.usage_count IS DISTINCT FROM COALESCE(events.actual, 0)
