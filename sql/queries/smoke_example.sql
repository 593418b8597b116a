-- Who used a preset last, and how; where nobody did, any preset. No row where there is no event. Only the events of the preset
-- are sorted, for it is held meanwhile. Parameter: preset.
SELECT example.user_id, example.usage_type
FROM (
    (
        SELECT uses.user_id, uses.usage_type, 1 AS place
        FROM (
            SELECT preset_usage.user_id::text AS user_id, preset_usage.usage_type::text AS usage_type, preset_usage.created_at AS used
            FROM public.preset_usage WHERE preset_usage.preset_id = %(preset)s
            OFFSET 0 -- or the planner looks for them among all events, from the last one back
        ) AS uses
        ORDER BY uses.used DESC NULLS LAST LIMIT 1
    )
    UNION ALL
    (SELECT preset_usage.user_id::text, preset_usage.usage_type::text, 2 FROM public.preset_usage LIMIT 1)
) AS example
ORDER BY example.place LIMIT 1
