-- The accuracy summary and the presets to look at, in one snapshot; an index on preset_id is all it reads of the events.
-- Parameter: top (how many presets).
WITH counter AS MATERIALIZED (
    SELECT presets.id, presets.name AS name, presets.usage_count, presets.last_used_at AS last_used_at,
        COALESCE(events.actual, 0) AS actual,
        COALESCE(events.actual, 0) - COALESCE(presets.usage_count, 0) AS drift
    FROM public.presets
    LEFT JOIN (
        SELECT preset_usage.preset_id, count(*) AS actual
        FROM public.preset_usage
        GROUP BY preset_usage.preset_id
    ) AS events ON events.preset_id = presets.id
), top AS (
    SELECT id, name, usage_count, actual, drift, last_used_at
    FROM counter
    ORDER BY abs(drift) DESC, usage_count IS NULL DESC, actual DESC, id
    LIMIT %(top)s
)
SELECT
    count(*) AS presets,
    count(*) FILTER (WHERE usage_count IS NOT DISTINCT FROM actual) AS accurate,
    count(*) FILTER (WHERE usage_count IS DISTINCT FROM actual) AS inaccurate,
    COALESCE(sum(usage_count), 0)::bigint AS displayed_total,
    COALESCE(sum(actual), 0)::bigint AS actual_total,
    COALESCE(sum(drift), 0)::bigint AS drift_total,
    COALESCE(sum(abs(drift)), 0)::bigint AS drift_magnitude,
    count(*) FILTER (WHERE usage_count > 0) AS presets_with_usage,
    count(*) FILTER (WHERE actual > 0) AS presets_really_used,
    ARRAY(
        SELECT jsonb_build_object(
            'id', id::text, 'name', COALESCE(name::text, ''), 'displayed_count', usage_count, 'actual_records', actual, 'drift', drift,
            'last_used_at', last_used_at::timestamptz)
        FROM top
        ORDER BY abs(drift) DESC, usage_count IS NULL DESC, actual DESC, id
    ) AS top
FROM counter
