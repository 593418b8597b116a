-- What the snapshots of drift.sql and last_use.sql found, now pending: one row for each preset that needs the one, the
-- other, or both. Parameter: run.
WITH stored AS (
    INSERT INTO usagefix.corrections (run, "preset_id", displayed, actual, delta, newest)
    SELECT %(run)s, "preset_id", COALESCE(drift.displayed, last_use.displayed), drift.actual,
        COALESCE(drift.delta, 0), last_use.newest
    FROM pg_temp.usagefix_drift AS drift
    FULL JOIN pg_temp.usagefix_last_use AS last_use USING ("preset_id")
    RETURNING delta
)
SELECT count(*) AS "presets", COALESCE(sum(abs(delta)), 0)::bigint AS magnitude
FROM stored
