-- The deltas of the snapshot, now pending. Parameter: run.
WITH stored AS (
    INSERT INTO usagefix.corrections (run, preset_id, displayed, actual, delta, newest)
    SELECT %(run)s, preset_id, displayed, actual, delta, newest FROM pg_temp.usagefix_snapshot
    RETURNING delta
)
SELECT count(*) AS presets, COALESCE(sum(abs(delta)), 0)::bigint AS magnitude
FROM stored
