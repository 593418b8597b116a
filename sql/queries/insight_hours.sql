-- Events of a window by hour and kind. OFFSET keeps from the planner that an hour is made of a time, of which there are
-- nearly as many as events: it would sort them all, in one process. (Not 0 without quotes, a number that is still to
-- be cast: then only one process reads.) Parameters: since, until, hours (where each begins).
SELECT event.hour, event.kind, sum(event.uses) AS uses, count(*) AS events
FROM (
    SELECT width_bucket(event.created_at::timestamptz, %(hours)s::timestamptz[]) AS hour,
        event.usage_type::text AS kind, 1 AS uses
    FROM public.preset_usage AS event
    WHERE event.created_at >= %(since)s::timestamptz AND event.created_at < %(until)s::timestamptz
        AND event.preset_id IS NOT NULL
        AND EXISTS (SELECT FROM public.presets AS preset WHERE preset.id = event.preset_id) --? restricted
    OFFSET '0'
) AS event
GROUP BY event.hour, event.kind
