-- A preset in the middle of a trial: its counter, its last use, its events and the newest of them. Parameter: preset.
SELECT presets.usage_count::bigint AS counter, presets.last_used_at::timestamptz AS last_used_at, uses.events, uses.newest, now() AS started
FROM public.presets
CROSS JOIN LATERAL (
    -- Both at once: alone, the newest is looked for among all events, from the last one back.
    SELECT count(*) AS events, max(preset_usage.created_at)::timestamptz AS newest
    FROM public.preset_usage WHERE preset_usage.preset_id = presets.id
) AS uses
WHERE presets.id = %(preset)s
