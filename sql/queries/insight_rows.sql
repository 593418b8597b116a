-- The presets that have events in a window: how many, how many in each period with events, how many since the period
-- with the number recent, and the most used. OFFSET: see insight_hours. Parameters: since, until, periods (where each
-- begins), recent, most (how many to list).
WITH seen AS MATERIALIZED (
    SELECT event.parent, event.period, sum(event.uses) AS uses, min(event.at) AS first_at, max(event.at) AS last_at
    FROM (
        SELECT event.preset_id AS parent, event.created_at::timestamptz AS at, 1 AS uses,
            width_bucket(event.created_at::timestamptz, %(periods)s::timestamptz[]) AS period
        FROM public.preset_usage AS event
        WHERE event.created_at >= %(since)s::timestamptz AND event.created_at < %(until)s::timestamptz
            AND event.preset_id IS NOT NULL
        OFFSET '0'
    ) AS event
    GROUP BY event.parent, event.period
), totals AS MATERIALIZED (
    SELECT parent, sum(uses) AS uses, min(first_at) AS first_at, max(last_at) AS last_at, max(period) AS newest
    FROM seen GROUP BY parent
), top AS (
    SELECT * FROM totals ORDER BY uses DESC, parent LIMIT %(most)s
)
SELECT count(*) AS among, count(*) FILTER (WHERE newest >= %(recent)s) AS lately,
    ARRAY(SELECT jsonb_build_array(period, count(*)) FROM seen GROUP BY period) AS by_period,
    ARRAY(
        SELECT jsonb_build_object('id', top.parent::text, 'label', COALESCE(preset.name::text, ''), 'uses', top.uses,
            'first_at', top.first_at, 'last_at', top.last_at)
        FROM top LEFT JOIN public.presets AS preset ON preset.id = top.parent
        ORDER BY top.uses DESC, top.parent
    ) AS top
FROM totals
