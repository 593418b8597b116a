-- What each counter lacks, for those that are wrong. Both sides from one snapshot; an index on preset_id is all it
-- reads of the events.
SELECT
    preset.id AS "preset_id",
    preset.usage_count AS displayed,
    COALESCE(events.actual, 0) AS actual,
    COALESCE(events.actual, 0) - COALESCE(preset.usage_count, 0) AS delta
FROM public.presets AS preset
LEFT JOIN (
    SELECT event.preset_id AS parent, count(*) AS actual
    FROM public.preset_usage AS event
    GROUP BY event.preset_id
) AS events ON events.parent = preset.id
WHERE preset.usage_count IS DISTINCT FROM COALESCE(events.actual, 0)
