-- One preset's counter, its events, and those that are ours: the data of a probe, and its kind. Parameters: preset_id,
-- usage_type.
SELECT presets.usage_count::bigint AS displayed, count(preset_usage.preset_id) AS events,
    count(preset_usage.preset_id) FILTER (
        WHERE preset_usage.usage_data::text ~ '\\*"test\\*"\s*:\s*true'
            AND preset_usage.usage_type::text = %(usage_type)s --? preset_usage.usage_type
    ) AS ours
FROM public.presets
LEFT JOIN public.preset_usage ON preset_usage.preset_id = presets.id
WHERE presets.id = %(preset_id)s
GROUP BY presets.id, presets.usage_count
