-- Add the deltas of the presets that this transaction has locked, and mark each in the same transaction: once,
-- whatever happens. A counter that was set back meanwhile (by TRUNCATE) stops at 0; the next round counts again. It
-- may fire triggers of the application, under the path that these need, so every name has its schema. Parameters: run,
-- ids (an array as text), keys (the same as texts), lease (seconds).
WITH changed AS (
    UPDATE public.presets AS preset
    SET usage_count = GREATEST(COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) corrections.delta, 0)
      , last_used_at = GREATEST(preset.last_used_at, corrections.newest) --? presets.last_used_at
    FROM usagefix.corrections
    WHERE corrections.run OPERATOR(pg_catalog.=) %(run)s AND corrections.applied_at IS NULL
        AND corrections.row_key OPERATOR(pg_catalog.=) ANY (%(keys)s::pg_catalog.text[])
        AND preset.id OPERATOR(pg_catalog.=) ANY (%(ids)s)
        AND preset.id::pg_catalog.text OPERATOR(pg_catalog.=) corrections.row_key
    RETURNING corrections.place AS place, preset.usage_count AS became
), marked AS (
    UPDATE usagefix.corrections SET applied_at = pg_catalog.clock_timestamp(), became = changed.became
    FROM changed
    WHERE corrections.run OPERATOR(pg_catalog.=) %(run)s AND corrections.place OPERATOR(pg_catalog.=) changed.place
    RETURNING corrections.delta
), leased AS (
    UPDATE usagefix.backfills
    SET lease_until = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(lease)s),
        backend_pid = pg_catalog.pg_backend_pid()
    WHERE backfills.run OPERATOR(pg_catalog.=) %(run)s
)
SELECT (SELECT pg_catalog.count(*) FROM marked) AS taken,
    (SELECT COALESCE(pg_catalog.sum(delta), 0)::pg_catalog.int8 FROM marked) AS drift
