-- The accuracy summary, the presets to look at, and the counters that would fall, in one snapshot. Of the events it
-- reads only an index on preset_id. It reads counters and events separately, so that it also works on distributed
-- tables. orphans: events whose preset is missing. Parameters: top (how many presets), falls (how many of the largest).
WITH shown AS MATERIALIZED (
    SELECT preset.id AS id, preset.name AS name, preset.usage_count AS shown, preset.last_used_at AS last_use
    FROM public.presets AS preset
), events AS MATERIALIZED (
    SELECT event.preset_id AS parent, count(*) AS actual, count(*) AS events
    FROM public.preset_usage AS event GROUP BY event.preset_id
), kept AS (
    SELECT shown.*, events.events, COALESCE(events.actual, 0) AS actual, 0
            + COALESCE(noted.baseline, 0) --? baselines
            AS baseline
    FROM shown LEFT JOIN events ON events.parent = shown.id
    LEFT JOIN usagefix.baselines AS noted --? baselines
        ON noted.row_key = shown.id::text AND noted.counter = 'preset_usage_count'::name --? baselines
), counters AS MATERIALIZED (
    SELECT kept.*, kept.actual + kept.baseline - COALESCE(kept.shown, 0) AS drift FROM kept
), top AS (
    SELECT id, name, shown, actual, baseline, drift, last_use
    FROM counters
    ORDER BY abs(drift) DESC, shown IS NULL DESC, actual DESC, id
    LIMIT %(top)s
)
SELECT
    count(*) AS rows,
    count(*) FILTER (WHERE shown IS NOT DISTINCT FROM baseline + actual) AS accurate,
    count(*) FILTER (WHERE shown IS DISTINCT FROM baseline + actual) AS inaccurate,
    COALESCE(sum(shown), 0) AS displayed_total,
    COALESCE(sum(actual), 0) AS actual_total,
    COALESCE(sum(drift), 0) AS drift_total,
    COALESCE(sum(abs(drift)), 0) AS drift_magnitude,
    count(*) FILTER (WHERE shown > 0) AS rows_with_count,
    count(*) FILTER (WHERE actual <> 0) AS rows_with_events,
    COALESCE(sum(baseline), 0) AS baseline_total,
    count(*) FILTER (WHERE baseline <> 0) AS rows_with_baseline,
    COALESCE(NULL::numeric
        , (SELECT COALESCE(sum(events.events), 0) FROM events WHERE events.parent IS NOT NULL) --? whole
            - COALESCE(sum(counters.events), 0) --? whole
    ) AS orphans,
    count(*) FILTER (WHERE drift < 0) AS falling,
    COALESCE(sum(shown) FILTER (WHERE drift < 0), 0) AS falls_from,
    COALESCE(sum(baseline + actual) FILTER (WHERE drift < 0), 0) AS falls_to,
    count(*) FILTER (WHERE shown > 0 AND baseline + actual = 0) AS without_event,
    count(*) FILTER (WHERE shown <> 0) AS compared,
    count(*) FILTER (WHERE shown <> 0 AND shown = baseline + actual) AS agreeing,
    COALESCE(sum(abs(shown)), 0) AS displayed_magnitude,
    COALESCE(sum(baseline + actual), 0) AS truth_total,
    ARRAY(
        SELECT jsonb_build_object(
            'id', id::text, 'label', COALESCE(name::text, ''), 'displayed_count', shown,
            'actual_records', actual, 'baseline', baseline, 'drift', drift, 'last_event_at', last_use::timestamptz)
        FROM counters WHERE drift < 0
        ORDER BY drift, id
        LIMIT %(falls)s
    ) AS fallen,
    ARRAY(
        SELECT jsonb_build_object(
            'id', id::text, 'label', COALESCE(name::text, ''), 'displayed_count', shown,
            'actual_records', actual, 'baseline', baseline, 'drift', drift, 'last_event_at', last_use::timestamptz)
        FROM top
        ORDER BY abs(drift) DESC, shown IS NULL DESC, actual DESC, id
    ) AS top
FROM counters
