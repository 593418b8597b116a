-- Add the batch's deltas to the counters, and mark each in the same transaction: once, whatever happens.
-- Parameters: run, size, lease (seconds).
WITH batch AS MATERIALIZED (
    SELECT corrections.preset_id, corrections.delta, corrections.newest
    FROM usagefix.corrections
    WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
    ORDER BY corrections.preset_id
    LIMIT %(size)s
), changed AS (
    UPDATE public.presets
    SET usage_count = COALESCE(presets.usage_count, 0) + batch.delta,
        last_used_at = GREATEST(presets.last_used_at, batch.newest)
    FROM batch
    WHERE presets.id = batch.preset_id
    RETURNING presets.id, batch.delta
), marked AS (
    UPDATE usagefix.corrections SET applied_at = clock_timestamp()
    FROM batch
    WHERE corrections.run = %(run)s AND corrections.preset_id = batch.preset_id
    RETURNING corrections.preset_id
), leased AS (
    UPDATE usagefix.backfills
    SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s), backend_pid = pg_catalog.pg_backend_pid()
    WHERE backfills.run = %(run)s
    RETURNING run
)
SELECT (SELECT count(*) FROM marked) AS taken, (SELECT count(*) FROM changed) AS changed,
    (SELECT COALESCE(sum(delta), 0)::bigint FROM changed) AS drift, (SELECT count(*) FROM leased) AS leased
