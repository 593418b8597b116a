-- The newest events of one preset by id, the newest first; if they can be told, only those of a probe (see probe.sql).
-- Parameters: preset_id, usage_type, told, newest.
SELECT event.id::text AS id
FROM public.preset_usage AS event
WHERE event.preset_id = %(preset_id)s
    AND (NOT %(told)s OR event.usage_data::text ~ '\\*"test\\*"\s*:\s*true')
    AND (NOT %(told)s OR event.usage_type::text = %(usage_type)s) --? preset_usage.usage_type
ORDER BY event.created_at DESC NULLS LAST, event.id DESC
LIMIT %(newest)s
