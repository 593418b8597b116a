-- The users who have events in a window, like insight_rows; and, on request, how many of them had an event before.
-- Parameters: since, until, periods (where each begins), recent, most (how many to list), returning (whether to count
-- those).
WITH seen AS MATERIALIZED (
    SELECT event.who, event.period, sum(event.uses) AS uses, min(event.at) AS first_at, max(event.at) AS last_at
    FROM (
        SELECT event.user_id AS who, event.created_at::timestamptz AS at, 1 AS uses,
            width_bucket(event.created_at::timestamptz, %(periods)s::timestamptz[]) AS period
        FROM public.preset_usage AS event
        WHERE event.created_at >= %(since)s::timestamptz AND event.created_at < %(until)s::timestamptz
            AND event.preset_id IS NOT NULL AND event.user_id IS NOT NULL
        OFFSET '0'
    ) AS event
    GROUP BY event.who, event.period
), totals AS MATERIALIZED (
    SELECT who, sum(uses) AS uses, min(first_at) AS first_at, max(last_at) AS last_at, max(period) AS newest
    FROM seen GROUP BY who
), top AS (
    SELECT * FROM totals ORDER BY uses DESC, who::text LIMIT %(most)s
)
SELECT count(*) AS among, count(*) FILTER (WHERE newest >= %(recent)s) AS lately,
    ARRAY(SELECT jsonb_build_array(period, count(*)) FROM seen GROUP BY period) AS by_period,
    ARRAY(
        SELECT jsonb_build_object('id', top.who::text, 'label', '', 'uses', top.uses, 'first_at', top.first_at,
            'last_at', top.last_at)
        FROM top
        ORDER BY top.uses DESC, top.who::text
    ) AS top,
    (
        SELECT count(*)
        FROM totals
        WHERE %(returning)s AND EXISTS (
            SELECT FROM public.preset_usage AS event
            WHERE event.user_id = totals.who AND event.created_at < %(since)s::timestamptz
                AND event.preset_id IS NOT NULL
        )
    ) AS returning
FROM totals
