-- Close the run. Returns whether a counter was held at zero meanwhile, so that the stored deltas were wrong. Parameter:
-- run.
WITH closed AS (
    UPDATE usagefix.backfills SET finished_at = clock_timestamp(), lease_until = NULL WHERE run = %(run)s
), dropped AS (
    DELETE FROM usagefix.corrections WHERE run = %(run)s AND applied_at IS NULL
)
SELECT EXISTS (SELECT FROM usagefix.held_at_zero WHERE counter = 'preset_usage_count'::name) AS count_again
