-- The mode of the guard, null where not all of its triggers are there; whether all are enabled; and whether the ledger has
-- what it takes to change the mode and to tell what was refused.
SELECT CASE WHEN count(*) >= CASE WHEN presets.relkind = 'p' THEN 2 ELSE 3 END
        THEN min(split_part(encode(existing.tgargs, 'escape'), '\000', 1)) END AS mode,
    COALESCE(bool_and(existing.tgenabled IN ('O', 'A')), false) AS enabled,
    to_regprocedure('usagefix.set_guard(text)') IS NOT NULL AND to_regclass('usagefix.refused_writes') IS NOT NULL AS ledger
FROM pg_catalog.pg_class AS presets
LEFT JOIN pg_catalog.pg_trigger AS existing
    ON existing.tgrelid = presets.oid AND existing.tgfoid = to_regprocedure('public.guard_preset_usage_count()')
    AND existing.tgname IN ('trigger_guard_preset_usage_count', 'zz_trigger_guard_preset_usage_count', 'trigger_guard_preset_usage_count_insert')
WHERE presets.oid = to_regclass('public.presets')
GROUP BY presets.relkind
