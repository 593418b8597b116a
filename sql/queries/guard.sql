-- The mode of the guard, null if its trigger is missing; whether it is enabled; and whether the ledger can record what
-- was refused.
SELECT split_part(encode(existing.tgargs, 'escape'), '\000', 1) AS mode,
    COALESCE(existing.tgenabled IN ('O', 'A'), false) AS enabled,
    to_regclass('usagefix.refused_writes') IS NOT NULL
        AND to_regclass('usagefix.unnoted_preset_usage_count') IS NOT NULL AS ledger
FROM pg_catalog.pg_class AS presets
LEFT JOIN pg_catalog.pg_trigger AS existing
    ON existing.tgrelid = presets.oid AND existing.tgname = %(zz_trigger_guard)s
    AND existing.tgfoid = to_regprocedure(%(guard)s)
WHERE presets.oid = to_regclass(%(parent)s)
