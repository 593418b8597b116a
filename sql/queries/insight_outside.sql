-- Events that are in no window until now: without a time, or with a time in the future. Parameter: until.
SELECT count(*) FILTER (WHERE event.created_at IS NULL) AS undated,
    count(*) FILTER (WHERE event.created_at IS NOT NULL) AS ahead
FROM public.preset_usage AS event
WHERE (event.created_at IS NULL OR event.created_at >= %(until)s::timestamptz) AND event.preset_id IS NOT NULL
