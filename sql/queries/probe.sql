-- One preset's counter, its events, and the events of a probe, by its data and its kind. Parameters: preset_id,
-- usage_type.
SELECT preset.usage_count::bigint AS displayed, count(event.preset_id) AS events,
    count(event.preset_id) FILTER (
        WHERE event.usage_data::text ~ '\\*"test\\*"\s*:\s*true'
            AND event.usage_type::text = %(usage_type)s --? preset_usage.usage_type
    ) AS ours
FROM public.presets AS preset
LEFT JOIN public.preset_usage AS event ON event.preset_id = preset.id
WHERE preset.id = %(preset_id)s
GROUP BY preset.id, preset.usage_count
