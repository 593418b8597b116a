-- Add what the counters show too much to their baselines; then it is no drift. Parameter: run.
WITH surplus AS (
    DELETE FROM pg_temp.usagefix_drift AS drift WHERE drift.delta < 0
    RETURNING drift."preset_id"::text AS row_key, - drift.delta AS uses
), noted AS (
    INSERT INTO usagefix.baselines (counter, row_key, baseline, run)
    SELECT 'preset_usage_count'::name, surplus.row_key, surplus.uses, %(run)s FROM surplus
    ON CONFLICT (counter, row_key) DO UPDATE
    SET baseline = baselines.baseline + excluded.baseline, run = excluded.run
)
SELECT count(*) AS rows, COALESCE(sum(surplus.uses), 0) AS total FROM surplus
