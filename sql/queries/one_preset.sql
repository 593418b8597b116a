-- One preset by id (in any form that its type accepts; several columns also as a,b), else all with that exact name.
-- Parameter: wanted.
SELECT preset.id::text AS id, COALESCE(preset.name::text, '') AS label, preset.usage_count AS displayed_count,
    events.actual AS actual_records, kept.baseline,
    events.actual + kept.baseline - COALESCE(preset.usage_count, 0) AS drift,
    preset.last_used_at::timestamptz AS last_event_at
FROM public.presets AS preset
CROSS JOIN LATERAL (
    SELECT count(*) AS actual FROM public.preset_usage AS event WHERE event.preset_id = preset.id
) AS events
LEFT JOIN usagefix.baselines AS noted --? baselines
    ON noted.row_key = preset.id::text AND noted.counter = 'preset_usage_count'::name --? baselines
CROSS JOIN LATERAL (
    SELECT 0
        + COALESCE(noted.baseline, 0) --? baselines
        AS baseline
) AS kept
WHERE preset.id::text = %(wanted)s OR concat_ws(',', preset.id) IN (%(wanted)s, lower(%(wanted)s))
    OR (preset.name::text = %(wanted)s AND NOT EXISTS (
        SELECT FROM public.presets AS preset
        WHERE preset.id::text = %(wanted)s OR concat_ws(',', preset.id) IN (%(wanted)s, lower(%(wanted)s))))
ORDER BY preset.id
LIMIT 1000
