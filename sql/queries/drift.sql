-- What each counter lacks, for the presets that a backfill would change. Both sides from one snapshot.
SELECT
    presets.id AS preset_id,
    presets.usage_count AS displayed,
    COALESCE(events.actual, 0) AS actual,
    COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0) AS delta,
    events.newest AS newest
FROM public.presets
LEFT JOIN (
    SELECT preset_usage.preset_id, count(*) AS actual, max(preset_usage.created_at) AS newest
    FROM public.preset_usage
    GROUP BY preset_usage.preset_id
) AS events ON events.preset_id = presets.id
WHERE presets.usage_count IS DISTINCT FROM COALESCE(events.actual, 0)
    OR events.newest > COALESCE(presets.last_used_at, '-infinity')
