-- Events of a window by hour and kind. The OFFSET hides from the planner that an hour is computed from a time, of which
-- there are nearly as many as events: otherwise it sorts them all, in one process. ('0' in quotes, because only one
-- process reads with a number that still needs a cast.) Parameters: since, until, hours (where each begins).
SELECT event.hour, event.kind, sum(event.uses) AS uses, count(*) AS events
FROM (
    SELECT width_bucket(event.created_at::timestamptz, %(hours)s::timestamptz[]) AS hour,
        event.usage_type::text AS kind, 1 AS uses
    FROM public.preset_usage AS event
    WHERE event.created_at >= %(since)s::timestamptz AND event.created_at < %(until)s::timestamptz
        AND event.preset_id IS NOT NULL
    OFFSET '0'
) AS event
GROUP BY event.hour, event.kind
