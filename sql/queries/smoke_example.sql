-- Who used a preset last, and how; where nobody did, any preset. No row where there is no event. Only the events of the
-- preset are sorted, for it is held meanwhile. Parameter: preset.
SELECT example.who AS user_id, example.kind AS usage_type
FROM (
    (
        SELECT uses.who, uses.kind, 1 AS place
        FROM (
            SELECT event.user_id::text AS who, event.usage_type::text AS kind, event.created_at AS used
            FROM public.preset_usage AS event WHERE event.preset_id = %(preset)s
            OFFSET 0 -- or the planner looks for them among all events, from the last one back
        ) AS uses
        ORDER BY uses.used DESC NULLS LAST LIMIT 1
    )
    UNION ALL
    (SELECT event.user_id::text, event.usage_type::text, 2 FROM public.preset_usage AS event LIMIT 1)
) AS example
ORDER BY example.place LIMIT 1
