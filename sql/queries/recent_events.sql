-- The newest events of one preset. Parameters: preset_id, recent.
SELECT event.id::text AS id, event.created_at::timestamptz AS "created_at",
    COALESCE(event.usage_type::text, '') AS usage_type, COALESCE(event.user_id::text, '') AS user_id
FROM public.preset_usage AS event
WHERE event.preset_id = %(preset_id)s
ORDER BY event.created_at DESC NULLS LAST, event.id
LIMIT %(recent)s
