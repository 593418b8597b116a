-- The newest events of one preset by id, the newest first; where it can be told, those of a probe only (see probe.sql).
-- Parameters: preset_id, usage_type, told, newest.
SELECT preset_usage.id::text AS id
FROM public.preset_usage
WHERE preset_usage.preset_id = %(preset_id)s
    AND (NOT %(told)s OR preset_usage.usage_data::text ~ '\\*"test\\*"\s*:\s*true')
    AND (NOT %(told)s OR preset_usage.usage_type::text = %(usage_type)s) --? preset_usage.usage_type
ORDER BY preset_usage.created_at DESC NULLS LAST, preset_usage.id DESC
LIMIT %(newest)s
