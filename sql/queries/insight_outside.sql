-- Events that are in no window until now: without a time, and of a time that is still to come. Parameter: until.
SELECT count(*) FILTER (WHERE event.created_at IS NULL) AS undated,
    count(*) FILTER (WHERE event.created_at IS NOT NULL) AS ahead
FROM public.preset_usage AS event
WHERE (event.created_at IS NULL OR event.created_at >= %(until)s::timestamptz) AND event.preset_id IS NOT NULL
    AND EXISTS (SELECT FROM public.presets AS preset WHERE preset.id = event.preset_id) --? restricted
