-- Add the deltas of the presets that this transaction has locked, and mark each in the same transaction: once,
-- whatever happens. A counter that was set back meanwhile (by TRUNCATE) stops at 0; the next round counts again.
-- Parameters: run, ids, lease (seconds).
WITH changed AS (
    UPDATE public.presets AS preset
    SET usage_count = GREATEST(COALESCE(preset.usage_count, 0) + corrections.delta, 0)
      , last_used_at = GREATEST(preset.last_used_at, corrections.newest) --? presets.last_used_at
    FROM usagefix.corrections
    WHERE corrections.run = %(run)s AND corrections.applied_at IS NULL
        AND corrections."preset_id" = preset.id AND preset.id = ANY (%(ids)s)
        AND corrections."preset_id" = ANY (%(ids)s)
    RETURNING preset.id AS id, preset.usage_count AS became
), marked AS (
    UPDATE usagefix.corrections SET applied_at = clock_timestamp(), became = changed.became
    FROM changed
    WHERE corrections.run = %(run)s AND corrections."preset_id" = ANY (%(ids)s) AND corrections."preset_id" = changed.id
    RETURNING corrections.delta
), leased AS (
    UPDATE usagefix.backfills
    SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s), backend_pid = pg_catalog.pg_backend_pid()
    WHERE backfills.run = %(run)s
)
SELECT (SELECT count(*) FROM marked) AS taken, (SELECT COALESCE(sum(delta), 0)::bigint FROM marked) AS drift
