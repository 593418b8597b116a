-- One preset by id (written in any way that its type takes), else all of that exact name. Parameter: wanted.
SELECT presets.id::text AS id, COALESCE(presets.name::text, '') AS name, presets.usage_count::bigint AS displayed_count,
    events.actual AS actual_records, events.actual - COALESCE(presets.usage_count, 0) AS drift,
    presets.last_used_at::timestamptz AS last_used_at
FROM public.presets
CROSS JOIN LATERAL (
    SELECT count(*) AS actual FROM public.preset_usage WHERE preset_usage.preset_id = presets.id
) AS events
WHERE presets.id::text = lower(%(wanted)s) OR presets.id::text = %(wanted)s
    OR (presets.name::text = %(wanted)s
        AND NOT EXISTS (SELECT FROM public.presets AS by_id WHERE by_id.id::text IN (%(wanted)s, lower(%(wanted)s))))
ORDER BY presets.id
LIMIT 1000
