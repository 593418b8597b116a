-- What each wrong counter lacks; actual is what it should show. Both sides come from one snapshot. Of the events it
-- reads only an index on preset_id.
SELECT
    preset.id AS "preset_id",
    preset.usage_count AS displayed,
    truth.actual,
    truth.actual - COALESCE(preset.usage_count, 0) AS delta
FROM public.presets AS preset
LEFT JOIN (
    SELECT event.preset_id AS parent, count(*) AS actual
    FROM public.preset_usage AS event
    GROUP BY event.preset_id
) AS events ON events.parent = preset.id
LEFT JOIN usagefix.baselines AS noted --? baselines
    ON noted.row_key = preset.id::text AND noted.counter = 'preset_usage_count'::name --? baselines
CROSS JOIN LATERAL (
    SELECT COALESCE(events.actual, 0)
        + COALESCE(noted.baseline, 0) --? baselines
        AS actual
) AS truth
WHERE preset.usage_count IS DISTINCT FROM truth.actual
