-- The newest events of one preset. Parameters: preset_id, recent.
SELECT preset_usage.id::text AS id, preset_usage.created_at::timestamptz AS "created_at",
    COALESCE(preset_usage.usage_type::text, '') AS usage_type, COALESCE(preset_usage.user_id::text, '') AS user_id
FROM public.preset_usage
WHERE preset_usage.preset_id = %(preset_id)s
ORDER BY preset_usage.created_at DESC NULLS LAST, preset_usage.id
LIMIT %(recent)s
