-- Who used a preset last, and how; where nobody did, any preset. Null where there is no event. Parameter: preset.
SELECT preset_usage.user_id::text AS user_id, preset_usage.usage_type::text AS usage_type
FROM public.preset_usage
ORDER BY preset_usage.preset_id = %(preset)s DESC, preset_usage.created_at DESC NULLS LAST
LIMIT 1
