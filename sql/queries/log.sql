-- What the ledger says was done, the newest first: versions that were applied or rolled back, runs of the backfill.
-- Parameters: counters (their names, null for all), most.
WITH done AS (
    SELECT at, action, counter, version, NULL::bigint AS run, entry AS place, by_role, application, tool,
        NULL::text AS unfinished
    FROM usagefix.history
    UNION ALL
    SELECT started_at, 'backfill', counter, NULL, run, run, by_role, application, tool,
        CASE WHEN finished_at IS NULL AND lease_until > clock_timestamp() THEN 'going'
            WHEN finished_at IS NULL THEN 'interrupted' END
    FROM usagefix.backfills
), wanted AS (
    SELECT done.*, count(*) OVER () AS found FROM done
    WHERE %(counters)s::text[] IS NULL OR counter = ANY (%(counters)s::text[])
    ORDER BY at DESC, (run IS NULL), place DESC
    LIMIT %(most)s
)
SELECT wanted.at, CASE WHEN corrected.given_back THEN 'give_back' ELSE wanted.action END AS action, wanted.counter,
    wanted.version, wanted.run, wanted.unfinished, corrected.rows, corrected.drift, corrected.magnitude,
    corrected.last_events, kept.baselines, kept.baseline_total, wanted.by_role, wanted.application, wanted.tool,
    wanted.found
FROM wanted
LEFT JOIN LATERAL (
    -- A counter that was null lacks nothing and becomes 0; actual is null where nobody counted
    SELECT count(*) FILTER (WHERE delta <> 0 OR displayed IS NULL) AS rows, COALESCE(sum(delta), 0) AS drift,
        COALESCE(sum(abs(delta)), 0) AS magnitude,
        count(*) FILTER (WHERE delta = 0 AND displayed IS NOT NULL AND newest IS NOT NULL) AS last_events,
        COALESCE(bool_or(actual IS NULL AND delta <> 0), false) AS given_back
    FROM usagefix.corrections WHERE corrections.run = wanted.run AND corrections.applied_at IS NOT NULL
) AS corrected ON wanted.run IS NOT NULL
LEFT JOIN LATERAL (
    SELECT count(*) AS baselines, COALESCE(sum(baseline), 0) AS baseline_total
    FROM usagefix.baselines WHERE baselines.run = wanted.run AND baselines.counter = wanted.counter
) AS kept ON wanted.run IS NOT NULL
ORDER BY wanted.at DESC, (wanted.run IS NULL), wanted.place DESC
