-- A preset in the middle of a trial: its counter, its last use, its events and the newest of them. Parameter: preset.
SELECT presets.usage_count::bigint AS counter, presets.last_used_at::timestamptz AS last_used_at,
    (SELECT count(*) FROM public.preset_usage WHERE preset_usage.preset_id = presets.id) AS events,
    (SELECT max(preset_usage.created_at) FROM public.preset_usage WHERE preset_usage.preset_id = presets.id)::timestamptz AS newest,
    now() AS started
FROM public.presets
WHERE presets.id = %(preset)s
