-- The accuracy summary and the presets to look at, in one snapshot; an index on preset_id is all it reads of the
-- events. Each side stands on its own, so it is answered wherever rows are kept. Parameter: top (how many presets).
WITH shown AS MATERIALIZED (
    SELECT preset.id AS id, preset.name AS name, preset.usage_count AS shown, preset.last_used_at AS last_use
    FROM public.presets AS preset
), events AS MATERIALIZED (
    SELECT event.preset_id AS parent, count(*) AS actual FROM public.preset_usage AS event GROUP BY event.preset_id
), counters AS MATERIALIZED (
    SELECT shown.*, COALESCE(events.actual, 0) AS actual, COALESCE(events.actual, 0) - COALESCE(shown.shown, 0) AS drift
    FROM shown LEFT JOIN events ON events.parent = shown.id
), top AS (
    SELECT id, name, shown, actual, drift, last_use
    FROM counters
    ORDER BY abs(drift) DESC, shown IS NULL DESC, actual DESC, id
    LIMIT %(top)s
)
SELECT
    count(*) AS "presets",
    count(*) FILTER (WHERE shown IS NOT DISTINCT FROM actual) AS accurate,
    count(*) FILTER (WHERE shown IS DISTINCT FROM actual) AS inaccurate,
    COALESCE(sum(shown), 0)::bigint AS displayed_total,
    COALESCE(sum(actual), 0)::bigint AS actual_total,
    COALESCE(sum(drift), 0)::bigint AS drift_total,
    COALESCE(sum(abs(drift)), 0)::bigint AS drift_magnitude,
    count(*) FILTER (WHERE shown > 0) AS presets_with_usage,
    count(*) FILTER (WHERE actual > 0) AS presets_really_used,
    ARRAY(
        SELECT jsonb_build_object(
            'id', id::text, 'name', COALESCE(name::text, ''), 'displayed_count', shown,
            'actual_records', actual, 'drift', drift, 'last_used_at', last_use::timestamptz)
        FROM top
        ORDER BY abs(drift) DESC, shown IS NULL DESC, actual DESC, id
    ) AS top
FROM counters
