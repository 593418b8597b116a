-- A preset in the middle of a trial: its counter, its last use, its events and the newest of them. Parameter: preset.
SELECT preset.usage_count AS counter, preset.last_used_at::timestamptz AS "last_used_at",
    uses.actual AS events, uses.newest,
    now() AS started
FROM public.presets AS preset
CROSS JOIN LATERAL (
    -- Both at once: for the newest alone, the planner searches all events, from the last one back.
    SELECT count(*) AS actual, max(event.created_at)::timestamptz AS newest
    FROM public.preset_usage AS event WHERE event.preset_id = preset.id
) AS uses
WHERE preset.id = %(preset)s
