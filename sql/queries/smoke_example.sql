-- The user who used a preset last, and how; if nobody did, of any preset. No row if there is no event. It sorts only
-- the events of the preset, because the preset is locked meanwhile. Parameter: preset.
SELECT example.who AS user_id, example.kind AS usage_type
FROM (
    (
        SELECT uses.who, uses.kind, 1 AS place
        FROM (
            SELECT event.user_id::text AS who, event.usage_type::text AS kind, event.created_at AS used
            FROM public.preset_usage AS event WHERE event.preset_id = %(preset)s
            OFFSET 0 -- or the planner searches all events, from the last one back
        ) AS uses
        ORDER BY uses.used DESC NULLS LAST LIMIT 1
    )
    UNION ALL
    (SELECT event.user_id::text, event.usage_type::text, 2 FROM public.preset_usage AS event LIMIT 1)
) AS example
ORDER BY example.place LIMIT 1
