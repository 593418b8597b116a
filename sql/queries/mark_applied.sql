-- Mark the added corrections, in the transaction that added them, so that each is added once. Parameters: run, keys,
-- became, first and last (the places of the batch), lease (seconds).
WITH marked AS (
    UPDATE usagefix.corrections SET applied_at = clock_timestamp(), became = done.became
    FROM unnest(%(keys)s::text[], %(became)s::numeric[]) AS done (row_key, became)
    WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL AND corrections.row_key = done.row_key
        AND corrections.place BETWEEN %(first)s AND %(last)s
    RETURNING corrections.delta, corrections.actual
), leased AS (
    UPDATE usagefix.backfills
    SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s), backend_pid = pg_backend_pid()
    WHERE backfills.run = %(run)s
)
SELECT (SELECT count(*) FROM marked) AS taken, (SELECT COALESCE(sum(delta), 0) FROM marked) AS drift,
    (SELECT count(*) FROM marked WHERE actual IS NULL) AS last_only
