-- Store what the snapshots of drift.sql and last_use.sql found, as pending: one row for each preset that needs either
-- or both, in the order of their ids. Parameter: run.
WITH stored AS (
    INSERT INTO usagefix.corrections (counter, run, place, row_key, displayed, actual, delta, newest)
    SELECT 'preset_usage_count'::name, %(run)s, row_number() OVER (ORDER BY found."preset_id"), found."preset_id"::text,
        COALESCE(drift.displayed, last_use.displayed), drift.actual, COALESCE(drift.delta, 0), last_use.newest
    FROM pg_temp.usagefix_drift AS drift
    FULL JOIN pg_temp.usagefix_last_use AS last_use ON last_use."preset_id" = drift."preset_id"
    CROSS JOIN LATERAL (SELECT COALESCE(drift."preset_id", last_use."preset_id") AS "preset_id") AS found
    RETURNING delta
)
SELECT count(*) AS rows, COALESCE(sum(abs(delta)), 0) AS magnitude
FROM stored
