-- Whether events are recorded while presets are used: whether there is any event, the time of the newest, when a preset
-- was last used, and how many counters show more than their events and baseline.
SELECT EXISTS (SELECT FROM public.preset_usage AS event) AS events,
    (SELECT max(event.created_at)::timestamptz FROM public.preset_usage AS event) AS newest,
    max(preset.last_used_at)::timestamptz AS last_use,
    count(*) FILTER (
        WHERE preset.usage_count > 0
            + COALESCE(noted.baseline, 0) --? baselines
    ) AS counters
FROM public.presets AS preset
LEFT JOIN usagefix.baselines AS noted --? baselines
    ON noted.row_key = preset.id::text AND noted.counter = 'preset_usage_count'::name --? baselines
