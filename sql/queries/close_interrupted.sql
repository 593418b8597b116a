-- Close interrupted backfills: their corrections stay, and the rest is counted again. Counters held at zero until now
-- are counted again, too.
WITH removed AS (
    DELETE FROM usagefix.corrections WHERE counter = 'preset_usage_count'::name AND applied_at IS NULL RETURNING run
), closed AS (
    UPDATE usagefix.backfills SET finished_at = clock_timestamp()
    WHERE counter = 'preset_usage_count'::name AND finished_at IS NULL RETURNING run
), seen AS (
    DELETE FROM usagefix.held_at_zero WHERE counter = 'preset_usage_count'::name
)
SELECT (SELECT count(*) FROM closed) AS runs, (SELECT count(*) FROM removed) AS left_over,
    (SELECT count(*) FROM usagefix.corrections WHERE applied_at IS NOT NULL AND run IN (SELECT run FROM closed)) AS done
