-- The counters that would fall, as in accuracy.sql, from what drift.sql found. Parameter: falls (how many of the
-- largest).
SELECT
    shown.rows_with_count,
    shown.displayed_total,
    count(*) FILTER (WHERE drift.delta < 0) AS falling,
    COALESCE(sum(drift.displayed) FILTER (WHERE drift.delta < 0), 0) AS falls_from,
    COALESCE(sum(drift.actual) FILTER (WHERE drift.delta < 0), 0) AS falls_to,
    count(*) FILTER (WHERE drift.displayed > 0 AND drift.actual = 0) AS without_event,
    shown.compared,
    shown.compared - count(*) FILTER (WHERE drift.displayed <> 0) AS agreeing,
    shown.displayed_magnitude,
    shown.displayed_total + COALESCE(sum(drift.delta), 0) AS truth_total,
    ARRAY(
        SELECT jsonb_build_object(
            'id', preset.id::text, 'label', COALESCE(preset.name::text, ''), 'displayed_count', fallen.displayed,
            'actual_records', fallen.actual - kept.baseline, 'baseline', kept.baseline, 'drift', fallen.delta,
            'last_event_at', preset.last_used_at::timestamptz)
        FROM pg_temp.usagefix_drift AS fallen
        JOIN public.presets AS preset ON preset.id = fallen."preset_id"
        LEFT JOIN usagefix.baselines AS noted --? baselines
            ON noted.row_key = preset.id::text AND noted.counter = 'preset_usage_count'::name --? baselines
        CROSS JOIN LATERAL (
            SELECT 0
                + COALESCE(noted.baseline, 0) --? baselines
                AS baseline
        ) AS kept
        WHERE fallen.delta < 0
        ORDER BY fallen.delta, preset.id
        LIMIT %(falls)s
    ) AS fallen
FROM (
    SELECT count(*) FILTER (WHERE preset.usage_count > 0) AS rows_with_count,
        count(*) FILTER (WHERE preset.usage_count <> 0) AS compared,
        COALESCE(sum(preset.usage_count), 0) AS displayed_total,
        COALESCE(sum(abs(preset.usage_count)), 0) AS displayed_magnitude
    FROM public.presets AS preset
) AS shown
LEFT JOIN pg_temp.usagefix_drift AS drift ON true
GROUP BY shown.rows_with_count, shown.compared, shown.displayed_total, shown.displayed_magnitude
